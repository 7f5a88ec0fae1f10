"""What a THING is that somebody wants to see: a scenario, a trace, a schedule that was kept, a comparison's JSON.

A name is a bundled scenario's, or a file's; what a file is, its content says. Nothing of a file but a scenario's, or a
design's, is ever executed.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final

import attrs

from ..compare.html import page_of
from ..compare.reread import board_of
from ..errors import BadInput, ReplayDiverged
from ..hunt.keep import keyed, replay_of
from ..hunt.schedule import Schedule, read_schedule, with_users_files
from ..page import Report
from ..runs import RunOptions
from ..userfiles import find_scenarios, load_scenario
from .compared import KEYS, comparison_report
from .finding import finding_report
from .recorded import Reading, era_of, is_of_a_kernel, recording_report, traced_panel
from .runs import Drawn, watched_attempt, watched_run

_LARGEST_JSON: Final = 64 << 20


class Kind(enum.Enum):
    """What there is to see."""

    SCENARIO = "a scenario"
    TRACE = "a trace"
    SCHEDULE = "a schedule"
    COMPARISON = "a comparison"


OptionsFor = Callable[[int, Collection[str], str], RunOptions]
"""The options of the THING of that number, with the names of its parameters, and its own. Raises BadInput."""


@attrs.frozen(kw_only=True)
class Asked:
    """What somebody wants to see, one THING or two.

    `command_of` says which command makes a run of that name, with these options, again. `beside` is the file of a
    user's scenario that a schedule is of. `version` is that on which a recording is run, "" for the recorded one.
    `designs`: of a comparison two of its own; else one in a file, that a schedule is of.
    """

    names: tuple[str, ...]
    options_for: OptionsFor
    command_of: Callable[[str, RunOptions], str]
    version: str = ""
    beside: str | None = None
    designs: tuple[str, ...] = ()
    reading: Reading = attrs.field(factory=Reading)


@attrs.frozen(kw_only=True)
class Made:
    """The page, whether something was reported in what it shows, and the error that a run of it ended with.

    A comparison's own page is of another kind, `compared`, and runs nothing.
    """

    title: str
    report: Report | None = None
    compared: str = ""
    reported: bool
    raised: BaseException | None = None


def kind_of(name: str) -> Kind:
    """What that is. Raises BadInput for a document that is none of these; a scenario need not be there."""
    text, _, _ = name.partition("::")
    path = Path(text)
    if text in find_scenarios() or text != name or path.suffix == ".py":
        return Kind.SCENARIO
    try:
        if not path.is_file():
            return Kind.SCENARIO
        with path.open("rb") as file:
            head = file.read(64).lstrip()
    except (OSError, ValueError):
        return Kind.SCENARIO
    return _kind_of_document(name) if head.startswith(b"{") else Kind.TRACE


def _kind_of_document(name: str) -> Kind:
    try:
        document = document_in(name)
    except BadInput:
        # Several documents, a line each: events.
        return Kind.TRACE
    if str(document.get("format", "")).startswith("rcuactors schedule"):
        return Kind.SCHEDULE
    if document.keys() >= KEYS:
        return Kind.COMPARISON
    if "time_ns" in document:
        return Kind.TRACE
    raise BadInput(f"{name}: is no schedule and no comparison, of all JSON documents; needs one of `compare --json`")


def document_in(name: str) -> dict[str, Any]:
    """The one JSON document that a file is. Raises BadInput."""
    path = Path(name)
    try:
        if path.stat().st_size > _LARGEST_JSON:
            raise BadInput(f"{name}: is larger than {_LARGEST_JSON >> 20} MiB")
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"{name}: is no whole JSON document: {error}") from None
    if not isinstance(document, dict):
        raise BadInput(f"{name}: is no JSON object")
    return document


def made(asked: Asked) -> Made:
    """The page of what was asked for. Raises BadInput."""
    if len(asked.names) == 1:
        return _one(asked)
    drawn = [_drawn(asked, number) for number in range(len(asked.names))]
    titles = [one.panel.title.partition(", ")[0] for one in drawn]
    facts = [
        (f"{where}: {name}", value)
        for where, one in zip(("above", "below"), drawn, strict=True)
        for name, value in one.facts
    ]
    title = " | ".join(titles)
    return Made(
        title=title,
        report=Report(title=title, panels=tuple(one.panel for one in drawn), facts=tuple(facts)),
        reported=any(one.reported for one in drawn),
        raised=next((one.raised for one in drawn if one.raised is not None), None),
    )


def _one(asked: Asked) -> Made:
    (name,) = asked.names
    kind = kind_of(name)
    if kind is Kind.SCHEDULE:
        schedule = schedule_with(name, asked.beside, asked.designs)
        try:
            return _made(finding_report(keyed(schedule)), reported=True)
        except ReplayDiverged as error:
            raise BadInput(f"{name}: {error}") from None
    if kind is Kind.COMPARISON:
        if not asked.designs:
            compared = page_of(board_of(document_in(name), name))
            return Made(title=f"{name}: the designs side by side", compared=compared, reported=False)
        report, reported = comparison_report(name, document_in(name), asked.designs)
        return _made(report, reported=reported)
    if kind is Kind.TRACE and is_of_a_kernel(name):
        era = era_of(name, asked.version)
        options = attrs.evolve(asked.options_for(0, (), "a replay"), kernel=era.name)
        report, reported = recording_report(name, options, asked.reading)
        return _made(report, reported=reported)
    drawn = _drawn(asked, 0)
    return _made(drawn.report(), reported=drawn.reported, raised=drawn.raised)


def _made(report: Report, *, reported: bool, raised: BaseException | None = None) -> Made:
    return Made(title=report.title, report=report, reported=reported, raised=raised)


def _drawn(asked: Asked, number: int) -> Drawn:
    """One THING as one panel."""
    name = asked.names[number]
    kind = kind_of(name)
    if kind is Kind.SCENARIO:
        chosen = load_scenario(name)
        options = asked.options_for(number, chosen.parameters, chosen.name)
        drawn = watched_run(chosen, options)
        return attrs.evolve(drawn, facts=(*drawn.facts, ("again", asked.command_of(name, options))))
    if kind is Kind.TRACE:
        return traced_panel(name, asked.reading)
    if kind is Kind.SCHEDULE:
        schedule = schedule_with(name, asked.beside, asked.designs)
        kept = keyed(schedule)
        title = f"{name}: {schedule.shown.signature}"
        return watched_attempt(kept.attempt, replay_of(schedule), title)
    raise BadInput(f"{name}: a comparison is two runs already; needs to be alone")


def schedule_with(name: str, beside: str | None, designs: tuple[str, ...]) -> Schedule:
    """The schedule in a file, with the user's own files that were given beside it. Raises BadInput."""
    given = load_scenario(beside) if beside is not None else None
    return with_users_files(read_schedule(name), name, given, designs[0] if designs else None)
