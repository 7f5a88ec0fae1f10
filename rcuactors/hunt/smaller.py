"""The same problem in a smaller run: fewer CPUs, smaller numbers in the scenario's parameters, such as its rounds.

A change counts where the departures, as far as they still fit, show the same problem at the same place, and where it is
still a matter of schedule: without any departure it is not shown. Each number is brought down by itself, to the least
first, else by halving; the largest first. Whatever the scenario does with fewer is its own business.
"""

from __future__ import annotations

from typing import Final

import attrs

from .attempt import Attempt
from .finding import Signature
from .follow import Departure, Follow, FollowByTime
from .schedule import find_policy
from .shrink import shows

_TRIES: Final = 8
"""Of each number, at most."""


@attrs.define
class Smaller:
    """Brings the numbers of one run down. `changed`: each with what it was and what it is; `most` bounds the runs."""

    attempt: Attempt
    seed: int
    policy: str
    signature: Signature
    best: tuple[Departure, ...]
    most: int
    replays: int = 0
    changed: dict[str, tuple[int, int]] = attrs.field(factory=dict)

    def go(self) -> None:
        """All of them."""
        numbers = self.attempt.numbers()
        for name in sorted(numbers, key=lambda name: -numbers[name].now):
            self._reduce(name, numbers[name].least, numbers[name].now)

    def _reduce(self, name: str, least: int, now: int) -> None:
        low, high, wanted = least - 1, now, least
        for _ in range(_TRIES):
            if not least <= wanted < high or self.replays + 3 > self.most:
                break
            if self._try(name, wanted):
                high = wanted
            else:
                low = wanted
            wanted = (low + high) // 2 if high - low > 1 else high
        if high < now:
            self.changed[name] = (now, high)

    def _try(self, name: str, number: int) -> bool:
        attempt = self.attempt.with_number(name, number)
        policy = find_policy(self.policy)
        try:
            for kind in (Follow, FollowByTime):
                follow = kind(policy, self.best)
                self.replays += 1
                if not shows(attempt, self.seed, follow, self.signature):
                    continue
                self.replays += 1
                if self.best and shows(attempt, self.seed, Follow(policy, ()), self.signature):
                    return False
                self.attempt, self.best = attempt, tuple(follow.departures)
                return True
        except Exception:  # so small it does not even begin
            return False
        return False
