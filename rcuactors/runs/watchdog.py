"""A run that makes no step any more: where it stands is said aloud, and Ctrl-C ends it there.

Code that never comes to a point, `while not done: pass`, keeps everybody else from running, Trio and its Ctrl-C among
them. A thread of its own looks on: it takes no part in the run, and costs it nothing.
"""

from __future__ import annotations

import _thread
import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Final

import attrs
import trio

from ..context.trace import is_scenarios
from ..engine.conductor import Conductor
from ..engine.errors import NeedsTrio
from ..engine.strand import is_strands
from ..spelling import plural

SILENCE_S: Final = 10.0
_PATIENCE_S: Final = 0.5
_LOOKS: Final = 4
"""How often the thread looks in that time."""


def standing_at(frame: FrameType | None) -> str:
    """`file.py:7`, the scenario's line in which code of a run stands that this frame is in; empty if it is in none."""
    place = ""
    while frame is not None:
        if not place and is_scenarios(frame):
            place = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
        if is_strands(frame):
            return place
        frame = frame.f_back
    return ""


@attrs.define(eq=False)
class _Watched:
    """A run under way: in which thread, and how far it was when it was last seen to make a step."""

    conductor: Conductor
    thread: int = attrs.field(factory=threading.get_ident)
    seen: tuple[int, int] = (-1, -1)
    since: float = 0.0
    told: float = 0.0

    def look(self, now: float, silence_s: float) -> str:
        """What is to be said of it: empty while it makes steps, and after that again when it took twice as long."""
        so_far = self.conductor.steps, self.conductor.hand_overs
        if so_far != self.seen:
            self.seen, self.since, self.told = so_far, now, silence_s
            return ""
        if now - self.since < self.told:
            return ""
        place = standing_at(sys._current_frames().get(self.thread))  # noqa: SLF001 - there is no other way
        if not place:
            # Who waits outside, on a clock that is not ours, may wait for long.
            return ""
        self.told *= 2
        return (
            f"rcuactors: no step for {now - self.since:.0f} s: the run stands at {place}, after "
            f"{plural(self.conductor.steps, 'step')}, at {self.conductor.now:,} virtual ns; Ctrl-C ends it"
        )


class Watchdog:
    """The thread that looks on. There is one in a process, while there are runs."""

    def __init__(self, silence_s: float = SILENCE_S) -> None:
        self._silence_s = silence_s
        self._runs: list[_Watched] = []
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def watching(self, conductor: Conductor) -> Iterator[None]:
        """Look at that run meanwhile."""
        watched = _Watched(conductor)
        with self._lock:
            self._runs.append(watched)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._look_on, name="rcuactors watchdog", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._runs.remove(watched)

    def _look_on(self) -> None:
        while True:
            time.sleep(self._silence_s / _LOOKS)
            with self._lock:
                if not self._runs:
                    self._thread = None
                    return
                runs = list(self._runs)
            for watched in runs:
                said = watched.look(time.monotonic(), self._silence_s)
                if said and sys.stderr is not None:
                    with contextlib.suppress(OSError, ValueError):  # ValueError: it is closed
                        sys.stderr.write(f"{said}\n")
                        sys.stderr.flush()


WATCHDOG: Final = Watchdog()


class _CtrlC:
    """Ctrl-C in a run: it is asked to end at its next point, and after half a second ended wherever it stands."""

    def __init__(self, ask: Callable[[], object]) -> None:
        self.asked = self.ended = False
        self._ask = ask
        self._timers: list[threading.Timer] = []

    def _handle(self, _number: int, frame: FrameType | None) -> None:
        place = standing_at(frame)
        if self.asked and place and not self.ended:
            self.ended = True
            raise KeyboardInterrupt(f"at {place}, which gives way to nobody")
        if not self.asked:
            self.asked = True
            self._ask()
        self._timers.append(threading.Timer(_PATIENCE_S, _thread.interrupt_main))
        self._timers[-1].daemon = True
        self._timers[-1].start()

    @contextlib.contextmanager
    def heard_by_run(self) -> Iterator[None]:
        """Meanwhile; afterwards whoever heard it before does."""
        before = signal.signal(signal.SIGINT, self._handle)
        try:
            yield
        finally:
            for timer in self._timers:
                timer.cancel()
            signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def ctrl_c_anywhere() -> Iterator[None]:
    """Have a Ctrl-C that Trio cannot pass on, since nobody gives way, end the run where it stands.

    For use within a `trio.run` of ours, whose handler waits for the next point of the run; after half a second nobody
    has come to one.
    """
    theirs = signal.getsignal(signal.SIGINT)
    trios = getattr(theirs, "__module__", "").startswith("trio.")
    if threading.current_thread() is not threading.main_thread() or not callable(theirs) or not trios:
        yield
        return
    token = trio.lowlevel.current_trio_token()

    def pass_on() -> None:
        if not ctrl_c.ended:
            ctrl_c.ended = True
            theirs(signal.SIGINT, None)

    ctrl_c = _CtrlC(lambda: token.run_sync_soon(pass_on))
    with ctrl_c.heard_by_run():
        yield


@contextlib.contextmanager
def ctrl_c_without_trio(conductor: Conductor) -> Iterator[None]:
    """The same for a run without Trio: Python would raise it anywhere, and a `__del__` may lose what it raises.

    Where somebody else hears it, he goes on hearing it. Raises KeyboardInterrupt at the end, if there was one.
    """
    is_pythons = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if threading.current_thread() is not threading.main_thread() or not is_pythons:
        yield
        return
    ctrl_c = _CtrlC(lambda: conductor.finish(KeyboardInterrupt()))
    try:
        with ctrl_c.heard_by_run():
            yield
    except NeedsTrio:
        if not ctrl_c.asked:
            raise
    if ctrl_c.asked:
        raise KeyboardInterrupt
