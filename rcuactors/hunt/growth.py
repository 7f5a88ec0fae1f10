"""How what was seen of one sort grew with the schedules: whether more schedules would still show something new."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Final

import attrs

from ..spelling import plural

_LAST: Final = 10
"""The last tenth of the schedules says whether new ones still come, but no fewer than _FEWEST of four times as many."""

_FEWEST: Final = 5

_SATURATED: Final = 0.05


@attrs.define
class Growth:
    """What was seen in so many schedules, and in which of them first."""

    schedules: int = 0
    _firsts: dict[Hashable, int] = attrs.field(factory=dict)

    def take(self, seen: Iterable[Hashable]) -> None:
        """One more schedule, in which these were seen."""
        for what in seen:
            self._firsts.setdefault(what, self.schedules)
        self.schedules += 1

    @property
    def distinct(self) -> int:
        """How many there were."""
        return len(self._firsts)

    @property
    def new_of_late(self) -> tuple[int, int]:
        """(how many of the last schedules had one that no earlier one had, of how many)."""
        last = max(self.schedules // _LAST, _FEWEST) if self.schedules >= 4 * _FEWEST else 0
        return len({first for first in self._firsts.values() if first >= self.schedules - last}), last

    def said(self) -> str:
        """Whether more schedules of this sort would still show new ones."""
        new, last = self.new_of_late
        if not last:
            return "too few to say whether more would come"
        word = "saturated" if new <= last * _SATURATED else "not saturated"
        return f"{new} of the last {plural(last, 'schedule')} had a new one: {word}"

    def as_json(self) -> dict[str, int]:
        """`new_of_late` as plain data."""
        new, last = self.new_of_late
        return {"new": new, "of": last}
