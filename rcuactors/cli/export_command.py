"""`rcuactors export THING -o FILE`: a run, or events in a file, as a trace for the viewers that kernel people use."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import click
from click.core import ParameterSource

from ..context.violation import Violation
from ..engine.events import DigestSink, Sink
from ..errors import BadInput, ReplayDiverged, bad_value
from ..exports import FORMATS, EventsIn, NoRoom, format_of
from ..hunt.keep import prepared, replay
from ..machine import Machine
from ..report.text import head_line
from ..report.units import duration
from ..runs import Result, Run
from ..spelling import one_of, plural
from ..things import Kind, kind_of
from ..userfiles import load_scenario
from ..userfiles.blame import blame_scenario
from .common import RunArguments, what_is_run_options, with_sinks
from .output import print_lines
from .program import Interrupted, ProgramCommand, complain
from .replay_schedule_command import schedule_given
from .session import Session
from .trace_file import TraceFile
from .watching import HowFar, Stopper, progress_bar


@click.command(
    "export",
    cls=ProgramCommand,
    epilog="Examples: rcuactors export churn -o churn.dat; rcuactors export my_driver.py --kernel v6.6 -o trace.txt; "
    "rcuactors export finding.json my_driver.py -o finding.dat; rcuactors export recording.txt.gz -o recording.dat",
)
@click.argument("thing")
@click.argument("scenario", required=False)
@click.option("-o", "--output", required=True, metavar="FILE", help="Where to write it; its suffix names the format.")
@click.option("--format", "wanted", default="", metavar="NAME", help=f"{one_of(each.name for each in FORMATS)}.")
@what_is_run_options
@click.pass_context
def export_command(
    ctx: click.Context, /, thing: str, scenario: str | None, output: str, wanted: str, **options: Any
) -> int:
    """Write THING, a run or events in a file, as a trace that KernelShark, trace-cmd or Perfetto opens.

    THING is a scenario, which is run; a schedule file of explore or check, with SCENARIO if that is in a file of yours;
    events that a run has left (--events); or a recording of a real kernel.
    """
    kind = kind_of(thing)
    if kind is Kind.COMPARISON:
        raise bad_value(f"{thing}, which is {kind.value}", "what is one run: a scenario, a schedule or a trace")
    if scenario is not None and kind is not Kind.SCHEDULE:
        raise bad_value(f"{scenario} beside {thing}, which is {kind.value}", "one thing to export")
    allowed = options if kind is Kind.SCENARIO else ("design",) if kind is Kind.SCHEDULE else ()
    for name in options:
        if name not in allowed and ctx.get_parameter_source(name) is not ParameterSource.DEFAULT:
            option = "--set" if name == "settings" else f"--{name.replace('_', '-')}"
            raise BadInput(f"{option}: {thing} is {kind.value}, which says itself what it is of")
    with TraceFile(output, format_of(wanted, output)) as file:
        if kind is Kind.TRACE:
            return _export_events(thing, file)
        if kind is Kind.SCHEDULE:
            return _export_schedule(thing, scenario, options["design"], file)
        return _export_run(thing, RunArguments(**options), file)


def _export_run(named: str, arguments: RunArguments, file: TraceFile) -> int:
    """A scenario, run with these options."""
    chosen = load_scenario(named)
    options = arguments.options(parameters=chosen.parameters, of=chosen.name)
    session = Session(screen=_Silent(), stopper=Stopper(), file=file, as_json=True)
    with session.stopper.listening():
        one = Run(chosen, with_sinks(options, session.sinks))
        _listen(one.machine, file)
        error = session.attempt(one.run, one.machine, blame=lambda error: blame_scenario(chosen, error))
    return _told(file, one, error)


def _export_schedule(named: str, scenario: str | None, design: str | None, file: TraceFile) -> int:
    """A schedule that was kept, run again strictly."""
    schedule, digest = schedule_given(named, scenario, design), DigestSink()
    session = Session(screen=_Silent(), stopper=Stopper(), file=file, as_json=True)
    with session.stopper.listening():
        one = prepared(schedule, digest, *session.sinks)
        _listen(one.machine, file)
        error = session.attempt(
            lambda: replay(schedule, one, digest), one.machine, blame=lambda error: _came_apart(named, error)
        )
    return _told(file, one, error, "" if error is not None else f"shows {schedule.shown.signature}")


def _came_apart(named: str, error: BaseException) -> BaseException:
    return BadInput(f"{named}: {error}") if isinstance(error, ReplayDiverged) else error


def _listen(machine: Machine, file: TraceFile) -> None:
    file.nr_cpus = machine.system.config.nr_cpus
    file.listen(machine)


def _told(file: TraceFile, one: Run, error: BaseException | None, shows: str = "") -> int:
    """Say what was written, and of what; the run's own outcome is `run`'s to judge, but is not left out here."""
    result = one.result()
    if file.written and file.told:
        reports = f"{plural(len(result.violations), 'report')}: {_kinds(result)}" if result.violations else "no report"
        found = ", ".join(said for said in (reports, shows, "ended early" if error is not None else "") if said)
        print_lines([head_line(result), f"{file.summary()}, {duration(result.end_ns)}; {found}"])
        for note in file.notes():
            complain(f"rcuactors: {note}")
    if error is not None:
        raise file.failed or error
    return 0


def _kinds(result: Result) -> str:
    return ", ".join(dict.fromkeys(violation.kind.value for violation in result.violations))


def _export_events(named: str, file: TraceFile) -> int:
    """The events of a file, as they are there."""
    stopper = Stopper(patience_s=5.0)
    how_far = HowFar(lambda: not stopper.requested)
    how_far.begins(named)
    live = sys.stderr is not None and sys.stderr.isatty()
    events = EventsIn(named, how_far.read)
    with stopper.listening(), progress_bar(how_far.say) if live else contextlib.nullcontext():
        for event in events:
            if stopper.requested:
                raise Interrupted("interrupted")
            file.take(event)
    file.nr_cpus, file.begun = events.nr_cpus, True
    try:
        cannot_tell = file.draw(named)
    except NoRoom as error:
        raise file.failed or error from None
    file.finish()
    if file.told:
        print_lines([file.summary()])
    notes = [*file.notes(), *(f"cannot tell {note}" for note in cannot_tell)]
    if events.gaps:
        notes.append(f"{named}: {plural(len(events.gaps), 'gap')} in it, of which the trace says nothing")
    if events.others:
        notes.append(f"{named}: {plural(events.others, 'line')} of it are no events, and not in the trace")
    for note in notes:
        complain(f"rcuactors: {note}")
    return 0


class _Silent:
    """A screen that shows nothing: what is to be said of the run is said afterwards."""

    def __init__(self) -> None:
        self.sinks: tuple[Sink, ...] = ()
        self.live = sys.stderr is not None and sys.stderr.isatty()

    def begin(self, so_far: Result) -> None:
        """Nothing."""

    def reported(self, violation: Violation) -> None:
        """Nothing."""

    def end(self, result: Result, *, error: str | None) -> None:
        """Nothing."""

    def end_with(self, document: dict[str, object], lines: list[str]) -> None:
        """Nothing."""

    def missed(self) -> BadInput | None:
        """Nothing was asked for."""
        return None
