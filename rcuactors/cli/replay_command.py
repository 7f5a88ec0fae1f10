"""`rcuactors replay FILE`: the calls of a recording, made again on a machine."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import click

from ..eras import find_era
from ..errors import BadInput
from ..recordings import Recording, read_recording
from ..recordings.replay import Replay
from ..runs import RunOptions
from .common import RunArguments, run_options, with_sinks
from .program import EXIT_VIOLATIONS, Interrupted, ProgramCommand
from .reporting import PageFile, page_file
from .screen import with_error
from .session import open_session
from .told import Told
from .watching import HowFar, Stopper, progress_bar


@click.command("replay", cls=ProgramCommand, epilog="Example: rcuactors replay trace.txt.gz --kernel v6.1-stable")
@click.argument("file")
@click.option("--probe", default="", metavar="NAME", help="The name of the probe on kvfree_call_rcu().")
@run_options
def replay_command(file: str, probe: str, **options: Any) -> int:
    """Replay FILE, an ftrace recording (plain or gzipped), and compare the machine with the real kernel."""
    arguments = RunArguments(**options)
    run_options_ = arguments.options(parameters=(), of="a replay")
    recording = _read(file, find_era(run_options_.kernel).release, probe)
    with page_file(arguments.report) as page:
        return _replay(recording, arguments, run_options_, page)


def _replay(recording: Recording, arguments: RunArguments, options: RunOptions, page: PageFile | None) -> int:
    with open_session(arguments) as session:
        replay = Replay(recording, with_sinks(options, session.sinks))
        if page is not None:
            page.watch(replay.machine)
        replay.machine.probes.violation.listen(session.screen.reported)
        told = Told(replay.machine, arguments)
        error = session.attempt(
            replay.run, replay.machine, title=f"replay of {recording.path}", blame=lambda error: error
        )
    outcome = replay.result()
    told.print()
    session.screen.end_with(
        with_error(outcome.as_json(), str(error) if error is not None else None),
        outcome.lines(so_far=error is not None, every_splat=arguments.verbose),
    )
    if page is not None:
        page.write_replay(recording.path, recording.probe, outcome.result, replay.shift_ns, outcome.version_note)
    error = error or told.missed or session.screen.missed()
    if error is not None:
        raise error
    return 0 if outcome.result.clean else EXIT_VIOLATIONS


def _read(file: str, release: str, probe: str) -> Recording:
    """Read it, with a bar on a terminal. Raises BadInput also for what can be read and cannot be trusted."""
    stopper = Stopper(patience_s=3.0)
    how_far = HowFar(lambda: not stopper.requested)
    how_far.begins(file)
    live = sys.stderr is not None and sys.stderr.isatty()
    with stopper.listening(), progress_bar(how_far.say) if live else contextlib.nullcontext():
        recording = read_recording(file, release, probe, progress=how_far.read, watch=how_far.at)
    if stopper.requested:
        calls, lines = len(recording.calls), how_far.lines
        raise Interrupted(f"interrupted after {lines:,} lines of the recording with {calls:,} calls; none was replayed")
    if recording.problems:
        raise BadInput(f"recording {file!r}: {recording.problems[0]}")
    return recording
