"""What surrounds a run that somebody asked for: the screen, the event file, the progress bar, Ctrl-C, and what its end means."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

import attrs

from rcuactors.cli.common import RunArguments
from rcuactors.cli.output import EventFile, ReaderGone
from rcuactors.cli.screen import Screen, open_screen
from rcuactors.cli.watching import Stopper, progress_bar
from rcuactors.engine.events import Sink
from rcuactors.errors import BadInput


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
            stack.enter_context(self.stopper.listening())
            stack.enter_context(quiet_stdout(self.as_json))
            yield

    def attempt(self, body: Callable[[], object], *, how_far: Callable[[], str]) -> BaseException | None:
        """Run the body. None, or how it ended instead: by a KernelBug, a KeyboardInterrupt, or what the scenario raised.

        Raises what concerns the user's input or our output.
        """
        try:
            with self._under_way(how_far):
                body()
        except BaseException as error:
            cause = first_cause(error)
            if self.stopper.requested:
                return KeyboardInterrupt()
            if isinstance(cause, BadInput | ReaderGone):
                raise cause from None
            return cause
        return None


@contextlib.contextmanager
def open_session(arguments: RunArguments) -> Iterator[Session]:
    """The surroundings for these options; the event file is opened now, so that it is known to be writable before the run."""
    screen = open_screen(as_json=arguments.as_json, verbose=arguments.verbose)
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(EventFile(arguments.events)) if arguments.events is not None else None
        yield Session(screen=screen, stopper=Stopper(), file=file, as_json=arguments.as_json)


def quiet_stdout(wanted: bool) -> contextlib.AbstractContextManager[object]:
    """What a scenario prints goes to stderr meanwhile, if wanted: standard output is for one document."""
    return (
        contextlib.redirect_stdout(sys.stderr)
        if wanted and sys.stderr is not None
        else contextlib.nullcontext()
    )


def first_cause(error: BaseException) -> BaseException:
    """The first plain exception in a nest of groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
