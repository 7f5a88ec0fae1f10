"""What a search by partial orders saves: small scenarios that `dfs` and `dpor` both go through to their end."""

from __future__ import annotations

from typing import Final

import attrs

from rcuactors import Scenario
from rcuactors.explore.dfs import Dfs
from rcuactors.explore.dpor import Dpor
from tests.searches import Reached, all_of, attempt_of
from tests.small import barrier_beside, frees_early, one_reader, replaced, two_owners, waits_itself


@attrs.frozen
class Reduced:
    """A scenario, within windows of so many nanoseconds, and the preemptions that `dfs` tries.

    `graced`: it has kvfree_rcu(), a reader and a grace period. `states`: so many ends it has, times left out.
    `takes_long`: `dfs` needs thousands of schedules.
    """

    chosen: Scenario
    window: int
    preemptions: int
    graced: bool = False
    states: int = 1
    takes_long: bool = False

    @property
    def name(self) -> str:
        """For a table, and for a test."""
        return f"{self.chosen.name}, {self.window} ns"

    def reduced(self) -> tuple[Dpor, Reached]:
        """All that `dpor` reaches."""
        search = Dpor(window=self.window)
        return search, all_of(attempt_of(self.chosen), search)

    def whole(self) -> Reached:
        """All that `dfs` reaches."""
        search = Dfs(window=self.window, preemptions=self.preemptions)
        return all_of(attempt_of(self.chosen), search, 20_000)


REDUCED: Final = (
    Reduced(two_owners, 300, 0),
    Reduced(frees_early, 100, 1),
    Reduced(replaced, 1, 0),
    Reduced(one_reader, 30, 0, graced=True),
    Reduced(waits_itself, 30, 0, graced=True),
    Reduced(barrier_beside, 40, 1, graced=True, states=3, takes_long=True),
)
"""`frees_early` has a second end within wider windows, which take longer."""
