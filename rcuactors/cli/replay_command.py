"""`rcuactors replay FILE`: the calls of a recording, made again on a machine."""

from __future__ import annotations

from typing import Any

import click

from ..context.violation import KernelBug
from ..recordings import read_recording
from ..recordings.comparison import ReplayResult
from ..recordings.replay import replay
from ..report.eventlog import Meter
from ..report.units import duration, plural
from .common import RunArguments, run_options, with_sinks
from .program import EXIT_VIOLATIONS, Interrupted, ProgramCommand
from .session import open_session


@click.command("replay", cls=ProgramCommand)
@click.argument("file")
@run_options
def replay_command(file: str, **options: Any) -> int:
    """Replay FILE, an ftrace recording (plain or gzipped), and compare the machine with the real kernel."""
    arguments = RunArguments(**options)
    run_options_ = arguments.options(parameters=(), of="a replay")
    recording = read_recording(file)
    meter = Meter()
    results: list[ReplayResult] = []
    with open_session(arguments) as session:
        ended = session.attempt(
            lambda: results.append(replay(recording, with_sinks(run_options_, (*session.sinks, meter)))),
            how_far=lambda: f"{plural(meter.count, 'event')}, virtual time {duration(meter.time_ns)}",
        )
    if isinstance(ended, KernelBug):
        session.screen.panic(ended.violation)
        return EXIT_VIOLATIONS
    if isinstance(ended, KeyboardInterrupt):
        raise Interrupted
    if ended is not None:
        raise ended
    outcome = results[0]
    session.screen.end_with(outcome.as_json(), outcome.lines())
    return 0 if outcome.result.clean else EXIT_VIOLATIONS
