"""A person who watches a run: Ctrl-C, and a progress bar once it takes longer than a second, or a live view.

Neither changes what the run does. SIGTERM (`kill`, `timeout`) and SIGHUP (the terminal is gone) end a command as Ctrl-C
does; they differ in its exit code.
"""

from __future__ import annotations

import _thread
import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import Final

from ..engine.events import Event
from ..report.styled import Line
from ..report.units import size
from ..runs.watchdog import standing_at
from .signals import ENDING, HEARD

PATIENCE_S: Final = 0.5
_BAR_AFTER_S: Final = 1.0
_BAR_EVERY_S: Final = 0.2
_FRAME_EVERY_S: Final = 0.1

Frame = Callable[[int, int], Iterable[Line]]
"""Makes what is shown at this moment, for so many characters and lines."""


def _signal_main(number: int) -> None:
    """Once more, to the main thread itself: what only sets a flag does not wake one that waits for other processes."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:
        _thread.interrupt_main(signal.Signals(number))


class Stopper:
    """Ctrl-C, and what ends a command as that does.

    A sink, since a run can be ended in good order at an event; without any, it is ended anywhere.

    A second Ctrl-C, or so many seconds, make the difference. An exception that ends it anywhere can be lost, in
    somebody's `__del__` for instance: who does many things asks for `requested` after each.
    """

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self.requested = False
        self.place = ""
        self._patience_s = patience_s
        self._timer: threading.Timer | None = None

    def take(self, _event: Event) -> None:
        """End the run here if that was asked for."""
        if self.requested:
            raise KeyboardInterrupt

    @property
    def said(self) -> str:
        """What the program ends with."""
        return f"interrupted at {self.place}, which gives way to nobody" if self.place else "interrupted"

    def _handle(self, number: int, frame: FrameType | None) -> None:
        HEARD.number = number if number != signal.SIGINT else HEARD.number
        if self.requested or not self._patience_s:
            self.place = standing_at(frame)
            self.requested = True
            raise KeyboardInterrupt
        self.requested = True
        self._timer = threading.Timer(self._patience_s, _signal_main, (number,))
        self._timer.daemon = True
        self._timer.start()

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Hear it meanwhile, unless somebody else does, or it is ignored, or this is no main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        nobodys = (signal.default_int_handler, signal.SIG_DFL, HEARD.handler)
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, *ENDING)}
        ours = {number: handler for number, handler in before.items() if handler in nobodys}
        for number in ours:
            signal.signal(number, self._handle)
        try:
            yield
        finally:
            if self._timer is not None:
                self._timer.cancel()
            for number, handler in ours.items():
                signal.signal(number, handler)


class HowFar:
    """How far the reading of a file has come, and whether somebody wants the rest."""

    def __init__(self, wanted: Callable[[], bool]) -> None:
        self._wanted = wanted
        self._total = self._line = self._done = 0

    def begins(self, path: str) -> None:
        """With the next file."""
        self._total = self._line = self._done = 0
        with contextlib.suppress(OSError, ValueError):
            self._total = Path(path).stat().st_size

    def read(self, lines: int, done: int) -> None:
        """So many lines, and bytes of the file, were read."""
        self._line, self._done = max(lines, self._line), done

    def at(self, line: int) -> bool:
        """It is at this line; whether it shall go on."""
        self._line = line
        return self._wanted()

    @property
    def total(self) -> int:
        """How many bytes the file has; 0 where that is not known."""
        return self._total

    @property
    def part(self) -> float:
        """Which part of them was read."""
        return self._done / self._total if self._total else 0.0

    @property
    def lines(self) -> int:
        """How many lines that are."""
        return self._line

    def say(self) -> str:
        """What stands beside the bar."""
        share = f", {self._done / self._total:.0%} of {size(self._total)}" if self._total else ""
        return f"{self._line:,} lines{share}" if self._line else ""


@contextlib.contextmanager
def _meanwhile(draw: Callable[[threading.Event], None]) -> Iterator[None]:
    """A thread of its own draws, and only reads."""
    done = threading.Event()
    thread = threading.Thread(target=draw, args=(done,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def progress_bar(how_far: Callable[[], str]) -> contextlib.AbstractContextManager[None]:
    """Draw a bar on stderr beside what `how_far` says, once it takes long."""
    return _meanwhile(lambda done: _draw_bar(done, how_far))


def _draw_bar(done: threading.Event, how_far: Callable[[], str]) -> None:
    if done.wait(_BAR_AFTER_S):
        return
    from ..report.terminal import Bar  # noqa: PLC0415 - Rich is for those who have a terminal

    with Bar(sys.stderr) as bar:
        while not done.wait(_BAR_EVERY_S):
            bar.show(how_far())


def live_view(frame: Frame, *, stays: bool) -> contextlib.AbstractContextManager[None]:
    """Draw frames on stderr, from the beginning, and the last one when all is over: that one `stays`, or is gone."""
    return _meanwhile(lambda done: _draw_frames(done, frame, stays))


def _draw_frames(done: threading.Event, frame: Frame, stays: bool) -> None:
    from ..report.live import View  # noqa: PLC0415 - Rich is for those who have a terminal

    with View(sys.stderr, stays=stays) as view:
        over = False
        while not over:
            over = done.wait(_FRAME_EVERY_S)
            # What is looked at may change under the eyes that look: then the frame before stands for a while longer.
            with contextlib.suppress(RuntimeError, LookupError, AttributeError):
                view.show(frame(*view.size))
