"""What surrounds a run that somebody asked for: screen, event file, progress bar, Ctrl-C, and its end."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

import attrs

from ..engine.events import Sink
from ..errors import BadInput, DesignError, StepBoundExceeded
from .common import RunArguments
from .output import EventFile, ReaderGone
from .screen import Screen, open_screen
from .watching import Stopper, progress_bar


@attrs.frozen(kw_only=True)
class Session:
    """One run's surroundings. `sinks` want its events."""

    screen: Screen
    stopper: Stopper
    file: EventFile | None
    as_json: bool

    @property
    def sinks(self) -> tuple[Sink, ...]:
        """Everybody who takes the events."""
        return (*self.screen.sinks, *((self.file,) if self.file is not None else ()), self.stopper)

    @contextlib.contextmanager
    def _under_way(self, how_far: Callable[[], str]) -> Iterator[None]:
        if self.file is not None:
            self.file.begun = True
        with contextlib.ExitStack() as stack:
            if self.screen.live:
                stack.enter_context(progress_bar(how_far))
            stack.enter_context(quiet_stdout(self.as_json))
            yield

    def attempt(self, body: Callable[[], object], *, how_far: Callable[[], str]) -> BaseException | None:
        """Run the body. Return None, or what ended it: a KernelBug, Ctrl-C, the step bound, what was raised within.

        What concerns the user's input or our output is raised.
        """
        try:
            with self._under_way(how_far):
                body()
        except BaseException as error:
            cause = first_cause(error)
            if self.stopper.requested:
                return KeyboardInterrupt()
            concerns_input = isinstance(cause, BadInput) and not isinstance(cause, StepBoundExceeded | DesignError)
            if concerns_input or isinstance(cause, ReaderGone):
                raise cause from None
            return cause
        return None


@contextlib.contextmanager
def open_session(arguments: RunArguments) -> Iterator[Session]:
    """Open the surroundings; the event file is among them, since it must be writable before the run."""
    screen, stopper = open_screen(as_json=arguments.as_json, verbose=arguments.verbose), Stopper()
    with contextlib.ExitStack() as stack:
        stack.enter_context(stopper.listening())
        file = stack.enter_context(EventFile(arguments.events)) if arguments.events is not None else None
        yield Session(screen=screen, stopper=stopper, file=file, as_json=arguments.as_json)


def quiet_stdout(wanted: bool) -> contextlib.AbstractContextManager[object]:
    """Send what a scenario prints to stderr meanwhile, if wanted: standard output is for one document."""
    return contextlib.redirect_stdout(sys.stderr) if wanted and sys.stderr is not None else contextlib.nullcontext()


def first_cause(error: BaseException) -> BaseException:
    """Return the first plain exception in a nest of groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
