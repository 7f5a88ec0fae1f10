"""What is on a report: one run or two on one axis of time, what was found, and why it had to come so."""

from __future__ import annotations

from itertools import zip_longest

import attrs

from ..timeline import Sketch
from ..timeline.elements import Detail


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


@attrs.frozen
class Difference:
    """Where two panels first differ: the moment in each, and what is different."""

    times_ns: tuple[int, int]
    text: str


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


_Happening = tuple[int, str, str]
"""When, where, and what."""


def _happenings(sketch: Sketch) -> list[_Happening]:
    """All that has a place and a beginning, in order."""
    where = {lane.number: f"{lane.group}, {lane.name}" for lane in sketch.lanes}
    spans = [(span.begin_ns, where.get(span.lane, "?"), f"{span.kind.value}: {span.label}") for span in sketch.spans]
    marks = [(mark.time_ns, where.get(mark.lane, "?"), f"{mark.kind.value}: {mark.label}") for mark in sketch.marks]
    lives = [(life.time_ns, where.get(life.lane, "?"), f"object {life.stage.value}") for life in sketch.lives]
    return sorted(spans + marks + lives)


def first_difference(one: Sketch, other: Sketch) -> Difference | None:
    """Where the two first differ in what lies on their lanes; None where they do not.

    An element of one that the other does not have at that moment and place. Elements of one moment are compared
    whatever their order, and only what begins is, so that what merely lasts longer differs by what follows it.
    """
    for a, b in zip_longest(_happenings(one), _happenings(other)):
        if a == b:
            continue
        times = (a[0] if a else one.end_ns, b[0] if b else other.end_ns)
        first, second = (f"{each[1]}: {each[2]}" if each else "nothing more" for each in (a, b))
        return Difference(times, f"{first} | {second}")
    return None
