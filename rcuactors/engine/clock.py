"""Virtual time for Trio's own waits: `trio.sleep(1)` in a scenario sleeps one virtual second.

Installed as the clock of our runner and by our pytest fixture. Trio asks `deadline_to_sleep_time` only when no task
is runnable; a conductor that is attached moves time itself (through `advance`), so the jump there serves only code
that runs beside a machine. A conductor also tells each task how far the machine has come (`attach()`), so that a wait
begins when it is called.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import trio

NSEC_PER_SEC = 1_000_000_000


class VirtualClock(trio.abc.Clock):
    """A clock that stands still until somebody moves it."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._turn = trio.StrictFIFOLock()
        self._on_stall: Callable[[], None] | None = None
        self._reader: Callable[[], float] | None = None
        self._is_inside: Callable[[], bool] | None = None

    async def attach(
        self, on_stall: Callable[[], None], reader: Callable[[], float], is_inside: Callable[[], bool]
    ) -> None:
        """A run takes hold of the clock: what to do when nothing can go on, and how far the machine has come.

        Where another run has it, this one begins when that is over: machines have one virtual time each. `is_inside`
        tells whether whoever asks is a part of the run. Raises RuntimeError when a part of a run begins another one,
        which would wait for itself.
        """
        if self._is_inside is not None and self._is_inside():
            raise RuntimeError("a machine is running on this VirtualClock already, and this would run inside of it")
        await self._turn.acquire()
        self._on_stall, self._reader, self._is_inside = on_stall, reader, is_inside

    def detach(self) -> None:
        """That run is over."""
        self._on_stall = self._reader = self._is_inside = None
        self._turn.release()

    def start_clock(self) -> None:
        """Trio's hook at the start of a run; nothing to prepare."""

    def current_time(self) -> float:
        """Virtual seconds since the clock was made; for code on a machine's CPU, as far as that CPU has come."""
        return self.seconds if self._reader is None else max(self.seconds, self._reader())

    def advance(self, seconds: float) -> None:
        """Move to a point of time; never backwards."""
        self.seconds = max(self.seconds, seconds)

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Nothing is runnable: jump to the deadline."""
        if math.isinf(deadline):
            if self._on_stall is not None:
                self._on_stall()
                return 0.0
            return math.inf
        self.advance(deadline)
        return 0.0
