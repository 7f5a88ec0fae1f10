"""What surrounds a run that somebody asked for: screen, event file, progress bar, Ctrl-C, and its end."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

import attrs

from ..context.violation import KernelBug
from ..engine.events import Sink
from ..machine import Machine
from ..report.live_machine import machine_frame
from ..report.styled import Line
from ..report.units import duration
from ..spelling import plural
from ..userfiles.blame import first_cause, is_ctrl_c
from .common import RunArguments
from .live import is_live
from .output import EventFile, ReaderGone
from .program import Interrupted
from .screen import Screen, open_screen
from .trace_file import TraceFile
from .watching import Frame, Stopper, live_view, progress_bar
from .whole_file import OutputError

Result = TypeVar("Result")

Blame = Callable[[BaseException], BaseException]


@attrs.frozen(kw_only=True)
class Session:
    """One run's surroundings. `sinks` want its events."""

    screen: Screen
    stopper: Stopper
    file: EventFile | TraceFile | None
    as_json: bool
    live: bool = False

    @property
    def sinks(self) -> tuple[Sink, ...]:
        """Everybody who takes the events."""
        return (*self.screen.sinks, *((self.file,) if self.file is not None else ()), self.stopper)

    @contextlib.contextmanager
    def _under_way(self, how_far: Callable[[], str], frame: Frame) -> Iterator[None]:
        if self.file is not None:
            self.file.begun = True
        with contextlib.ExitStack() as stack:
            if self.live:
                stack.enter_context(live_view(frame, stays=True))
            elif self.screen.live:
                stack.enter_context(progress_bar(how_far))
            stack.enter_context(quiet_stdout(self.as_json))
            yield

    def attempt(
        self,
        run: Callable[[], object],
        machine: Machine,
        *,
        title: str = "",
        blame: Callable[[BaseException], BaseException],
    ) -> BaseException | None:
        """Run it. Return what the program shall end with, when it has shown what was found until then.

        That is None also when a KernelBug ended the run, which is among what was found; `blame` turns what was raised
        within into something that can be shown. Raises ReaderGone, since then nothing can be.
        """
        ended: BaseException | None = None
        conductor = machine.conductor

        def how_far() -> str:
            return f"{plural(conductor.steps, 'step')}, virtual time {duration(conductor.now)}"

        def frame(width: int, height: int) -> list[Line]:
            return machine_frame(machine, title, width, height)

        try:
            with self._under_way(how_far, frame):
                run()
        except BaseException as error:
            cause = first_cause(error)
            if isinstance(cause, ReaderGone):
                raise cause from None
            if self.stopper.requested or is_ctrl_c(error):
                ended = Interrupted(self.stopper.said)
            elif isinstance(cause, OutputError):
                ended = cause
            elif not isinstance(cause, KernelBug):
                ended = blame(cause)
        try:
            if self.file is not None:
                self.file.finish()
        except OutputError as error:
            ended = ended or error
        return ended


@contextlib.contextmanager
def open_session(arguments: RunArguments) -> Iterator[Session]:
    """Open the surroundings; the event file is among them, since it must be writable before the run."""
    screen, stopper = (
        open_screen(
            as_json=arguments.as_json, verbose=arguments.verbose, wanted=arguments.wanted, story=arguments.story
        ),
        Stopper(),
    )
    with contextlib.ExitStack() as stack:
        stack.enter_context(stopper.listening())
        file = stack.enter_context(EventFile(arguments.events)) if arguments.events is not None else None
        live = is_live(arguments.live)
        yield Session(screen=screen, stopper=stopper, file=file, as_json=arguments.as_json, live=live)


def collect(
    results: Generator[Result],
    take: Callable[[Result], None],
    *,
    patience_s: float,
    how_far: Callable[[], str],
    stopper: Stopper | None = None,
    frame: Frame | None = None,
) -> BaseException | None:
    """Take each of many results. Return what the program shall end with, when it has shown what came until then.

    After Ctrl-C, the one under way has `patience_s` to come, sooner if it looks at `stopper`. On a terminal a progress
    bar says `how_far` it is, or a live view shows `frame`.
    """
    bar: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
    if frame is not None:
        bar = live_view(frame, stays=False)
    elif sys.stderr is not None and sys.stderr.isatty():
        bar = progress_bar(how_far)
    stopper = stopper or Stopper(patience_s)
    try:
        with stopper.listening(), bar, contextlib.closing(results):
            for result in results:
                take(result)
                if stopper.requested:
                    return Interrupted("interrupted")
    except BaseException as error:
        cause = first_cause(error)
        interrupted = stopper.requested or is_ctrl_c(error)
        return Interrupted("interrupted") if interrupted else cause
    return None


def quiet_stdout(wanted: bool) -> contextlib.AbstractContextManager[object]:
    """Send what a scenario prints to stderr meanwhile, if wanted: standard output is for one document."""
    return contextlib.redirect_stdout(sys.stderr) if wanted and sys.stderr is not None else contextlib.nullcontext()
