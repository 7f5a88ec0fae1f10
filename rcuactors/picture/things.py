"""The page of what somebody wants to see, a THING or two of any kind (things.py).

Nothing of a file but a scenario's, or a design's, is ever executed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import attrs

from ..compare.html import page_of
from ..compare.reread import board_of
from ..context.violation import KernelBug
from ..errors import BadInput, ReplayDiverged
from ..hunt.keep import keyed, replay_of
from ..hunt.schedule import Schedule, read_schedule, with_users_files
from ..page import Report
from ..runs import RunOptions
from ..scenario import Scenario
from ..things import Kind, document_in, kind_of
from ..userfiles import load_scenario
from ..userfiles.blame import blame_scenario, first_cause
from .compared import comparison_report
from .finding import finding_report
from .recorded import Reading, era_of, is_of_a_kernel, recording_report, traced_panel
from .runs import Drawn, watched_attempt, watched_run

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


def made(asked: Asked) -> Made:
    """The page of what was asked for. Raises BadInput."""
    if len(asked.names) == 1:
        return _one(asked)
    drawn = [_drawn(asked, number) for number in range(len(asked.names))]
    titles = _apart([one.panel.title for one in drawn])
    facts = [(f"{where}: {name}", value) for where, one in zip("AB", drawn, strict=True) for name, value in one.facts]
    title = " | ".join(titles)
    return Made(
        title=title,
        report=Report(title=title, panels=tuple(one.panel for one in drawn), facts=tuple(facts)),
        reported=any(one.reported for one in drawn),
        raised=next((one.raised for one in drawn if one.raised is not None), None),
    )


def _apart(titles: list[str]) -> list[str]:
    """As much of each as tells it from the other, in whole words between commas."""
    words = [title.split(", ") for title in titles]
    most = max(map(len, words))
    apart = (number for number in range(1, most) if words[0][:number] != words[1][:number])
    needed = next(apart, 1)
    return [", ".join(each[:needed]) for each in words]


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
        facts = (*drawn.facts, ("again", asked.command_of(name, options)))
        return attrs.evolve(drawn, facts=facts, raised=_blamed(chosen, drawn.raised))
    if kind is Kind.TRACE:
        return traced_panel(name, asked.reading)
    if kind is Kind.SCHEDULE:
        schedule = schedule_with(name, asked.beside, asked.designs)
        kept = keyed(schedule)
        title = f"{name}: {schedule.shown.signature}"
        return watched_attempt(kept.attempt, replay_of(schedule), title)
    raise BadInput(f"{name}: a comparison is two runs already; needs to be alone")


def _blamed(chosen: Scenario, raised: BaseException | None) -> BaseException | None:
    """What a scenario raised, as it can be said in a line; a report that ended the run is among what was found."""
    cause = first_cause(raised) if raised is not None else None
    return None if cause is None or isinstance(cause, KernelBug) else blame_scenario(chosen, cause)


def schedule_with(name: str, beside: str | None, designs: tuple[str, ...]) -> Schedule:
    """The schedule in a file, with the user's own files that were given beside it. Raises BadInput."""
    given = load_scenario(beside) if beside is not None else None
    return with_users_files(read_schedule(name), name, given, designs[0] if designs else None)
