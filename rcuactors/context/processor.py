"""What locks and checks need to know of a CPU; the CPU itself is built one floor up.

A processor is an actor whose clock is charged for what runs on it. Its hot-path contract: charge, then `if cpu.clock
>= conductor.horizon: await cpu.point()`; that comparison is where other CPUs get to act and interrupts arrive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ..engine.actor import Actor
from .context import Context

if TYPE_CHECKING:
    from ..engine.conductor import Conductor
    from .judge import Judge
    from .locks import Lock


@attrs.define(eq=False, kw_only=True)
class Sleeper:
    """A thread as locks see it: who holds, who waits."""

    comm: str
    pid: int
    ctx: Context
    blocked_on: Lock | None = None
    waiting_for: str = ""

    def __str__(self) -> str:
        return f"{self.comm}/{self.pid}"


@attrs.define(eq=False, kw_only=True)
class Processor(Actor):
    """A CPU: who runs on it, in which context."""

    cpu_id: int
    conductor: Conductor
    judge: Judge
    ctx: Context
    current: Sleeper

    async def point(self) -> None:
        """Others may act, interrupts may arrive, a more urgent thread may take over."""
        raise NotImplementedError
