"""What is on a report: one run or two on one axis of time, what was found, and why it had to come so."""

from __future__ import annotations

import attrs

from ..timeline import Sketch
from ..timeline.elements import Detail
from .difference import Difference


@attrs.frozen
class Panel:
    """One run, or one recording. `notes` say what its source does not tell."""

    title: str
    sketch: Sketch
    notes: tuple[str, ...] = ()


@attrs.frozen
class Step:
    """One step of a story that was cut down. `why` says why it had to come where it came; `panel` is where it is."""

    text: str
    why: str = ""
    time_ns: int | None = None
    panel: int = 0


@attrs.frozen
class Story:
    """The shortest way to what was found. `text` is the story as the terminal prints it, if it is told so as well."""

    title: str
    steps: tuple[Step, ...] = ()
    text: str = ""


def _one_or_two(_report: Report, _field: object, panels: tuple[Panel, ...]) -> None:
    assert 1 <= len(panels) <= 2, f"a report has one panel or two, not {len(panels)}"


@attrs.frozen
class Report:
    """All of a page. `facts` are names and values for its head: the kernel, the seed, the command that repeats it.

    `difference` is looked for (`first_difference()`) where there are two panels and it is not given, unless the two
    are of different kinds, as a recording and a run of it are: then nothing is said by that.
    """

    title: str
    panels: tuple[Panel, ...] = attrs.field(validator=_one_or_two)
    facts: Detail = ()
    story: Story | None = None
    difference: Difference | None = None
    looks_for_difference: bool = True
