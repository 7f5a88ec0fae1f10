"""Which events somebody wants to see: by name, by CPU, or around one report. What the page allocator does is asked for.

The page allocator tells of each page, several times: a run of some calls begins with a screen of it. So its events are
left out unless their name is among those that were asked for. Files of events (`--events`) have all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

import attrs

from ..context.violation import Violation, ViolationKind
from ..engine.events import Event, Sink
from ..errors import BadInput, bad_value
from ..spelling import no_such

NOISE: Final = "mm_page"
"""What names of the page allocator's events begin with."""

BEFORE: Final = 15
AFTER: Final = 5
_MOST_DIGITS: Final = 4


@attrs.frozen(kw_only=True)
class Wanted:
    """What is asked for. `names` are parts of events' names; `around` is the number of a report, or its kind."""

    names: tuple[str, ...] = ()
    cpu: int | None = None
    around: str = ""

    def __attrs_post_init__(self) -> None:
        """Raises BadInput for a report that there cannot be."""
        kinds = [kind.value for kind in ViolationKind]
        number = self.around.isascii() and self.around.isdigit() and len(self.around) <= _MOST_DIGITS
        if self.around and self.around not in kinds and not number:
            raise no_such("--around", self.around, kinds, wrong="neither a report's number nor a kind of report")
        if number and not int(self.around):
            raise bad_value("--around 0", "a report's number, from 1 on")

    def __bool__(self) -> bool:
        return self != Wanted()

    def passes(self, event: Event) -> bool:
        """Whether it is one of those, wherever it stands."""
        if self.cpu is not None and event.cpu != self.cpu:
            return False
        return any(name in event.name for name in self.names) if self.names else not event.name.startswith(NOISE)

    def is_around(self, violation: Violation, number: int) -> bool:
        """Whether that report, the how manieth of the run, is the one."""
        return self.around in (violation.kind.value, str(number))


class ChosenEvents:
    """A sink that passes on those that are wanted; of those around a report some before it, and a few after it.

    `reported` is to be told of each report, after its own event.
    """

    def __init__(self, wanted: Wanted, sink: Sink) -> None:
        self._wanted, self._sink = wanted, sink
        self._before: deque[Event] = deque(maxlen=BEFORE)
        self._left = 0
        self._names: dict[str, None] = {}
        self._reported: list[Violation] = []
        self._found = False

    def take(self, event: Event) -> None:
        """One event."""
        self._names.setdefault(event.name)
        if not self._wanted.passes(event):
            return
        if not self._wanted.around:
            self._sink.take(event)
        elif self._left:
            self._left -= 1
            self._sink.take(event)
        elif not self._found:
            self._before.append(event)

    def reported(self, violation: Violation) -> None:
        """A report was made."""
        self._reported.append(violation)
        if self._wanted.around and not self._found and self._wanted.is_around(violation, len(self._reported)):
            self._found, self._left = True, AFTER
            for event in self._before:
                self._sink.take(event)
            self._before.clear()

    def missed(self) -> BadInput | None:
        """What was asked for and did not come, when the run is over."""
        return missed(self._wanted, self._names, self._reported)


def missed(wanted: Wanted, names: Iterable[str], reports: Sequence[Violation]) -> BadInput | None:
    """What was asked for, and is not among what came: events of these names, and these reports."""
    if wanted.around and not any(wanted.is_around(one, number) for number, one in enumerate(reports, 1)):
        kinds = ", ".join(dict.fromkeys(one.kind.value for one in reports))
        there = f"there were {len(reports)}: {kinds}" if kinds else "there was none"
        return BadInput(f"--around {wanted.around}: no such report; {there}")
    known = sorted(set(names))
    for word in wanted.names:
        if not any(word in name for name in known):
            return no_such("--event", word, known, wrong="no event of this run has that in its name")
    return None


class BeforeReports:
    """A sink that keeps the last events before each of the first reports, without the page allocator's."""

    def __init__(self, keep: int, most: int) -> None:
        self.events: list[tuple[Event, ...]] = []
        self._most = most
        self._last: deque[Event] = deque(maxlen=keep)

    def take(self, event: Event) -> None:
        """One event."""
        if not event.name.startswith(NOISE):
            self._last.append(event)

    def reported(self, _violation: Violation) -> None:
        """A report was made: what came since the one before."""
        if len(self.events) < self._most:
            self.events.append(tuple(self._last))
        self._last.clear()
