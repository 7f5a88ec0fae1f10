"""How unfair a schedule may be: a bound in virtual time that no strategy can pass.

A strategy that always starves one CPU would make up a stalled grace period, a hung task, a deadlock: none of them the
kernel's. So the engine keeps an account of virtual time that passes while somebody who could go on is held up. The
time counts once, however many are held up meanwhile, so the bound is one for the machine as a whole, whatever
waits for whom in a row. When the account is empty, whoever waits longest goes first until the period is over.

The bound lies well above the hold-ups that find bugs (2 to 64 ms), and well below the 21 seconds after which RCU
reports a stall: of any 21 seconds less than 6 are made up.
"""

from __future__ import annotations

from typing import Final

HELD_UP_NS: Final = 500_000_000
"""Virtual nanoseconds of each period that may pass while somebody is held up; no hold-up is longer."""

PERIOD_NS: Final = 2_000_000_000
"""Virtual nanoseconds after which the account is full again."""


class Fairness:
    """The account of one run.

    `rest` (ns) is what is left of it until `ends` (virtual ns); `counted` (virtual ns) is when that was counted last.
    """

    __slots__ = ("counted", "ends", "rest")

    def __init__(self) -> None:
        self.rest = HELD_UP_NS
        self.ends = PERIOD_NS
        self.counted = 0

    def left(self, now: int) -> int:
        """How many nanoseconds somebody may be held up from now on; 0 or less: nobody may."""
        if now >= self.ends:
            self.rest, self.ends = HELD_UP_NS, now + PERIOD_NS
        return self.rest

    def spend(self, now: int, duration_ns: int) -> None:
        """Somebody will be held up."""
        self.rest = self.left(now) - duration_ns

    def count(self, now: int, held_since: int) -> int:
        """What is left, now that somebody has been held up since then, or since it was counted last.

        An account that is empty already is not charged: then nobody was held up but by those who waited longer.
        """
        if now >= self.ends:
            self.rest, self.ends = HELD_UP_NS, now + PERIOD_NS
        counted, self.counted = self.counted, now
        if held_since < counted:  # noqa: PLR1730 - faster than max(), at every point
            held_since = counted
        if now > held_since and self.rest > 0:
            self.rest -= now - held_since
        return self.rest
