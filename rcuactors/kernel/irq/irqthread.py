"""Interrupt threads (kernel/irq/manage.c): on PREEMPT_RT a threadable interrupt's handler runs in the line's thread.

In hardirq context only the thread is woken (irq_default_primary_handler()). One thread serves a line on a CPU, one
interrupt after the other.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import attrs

from ..messages import Handler, HardIrq
from ..percpu import PerCpu
from ..thread import Urgency

if TYPE_CHECKING:
    from ..cpu import Cpu
    from ..system import System
    from ..thread import Thread


@attrs.define(eq=False)
class _Line:
    """One interrupt line on one CPU: its thread, and the handlers that wait for it."""

    thread: Thread
    waiting: deque[Handler]


class IrqThreads:
    """The interrupt threads of all CPUs."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._lines: PerCpu[dict[str, _Line]] = PerCpu(lambda _: {}, system.masks)

    async def wake(self, cpu: Cpu, irq: HardIrq) -> None:
        """Leave the handler to the line's thread; called in hardirq context."""
        lines = self._lines[cpu.cpu_id]
        line = lines.get(irq.line)
        if line is None:
            line = lines[irq.line] = self._new_line(cpu, irq.line)
        line.waiting.append(irq.handler)
        await cpu.wake_up_process(line.thread)

    async def irq_forced_thread_fn(self, cpu: Cpu, handler: Handler) -> None:
        """irq_forced_thread_fn(): with bottom halves off, as where it would have been on another kernel."""
        softirqs = self._system.softirqs
        await softirqs.local_bh_disable(cpu.current)
        await handler(cpu)
        await softirqs.local_bh_enable(cpu)

    def _new_line(self, cpu: Cpu, name: str) -> _Line:
        waiting: deque[Handler] = deque()

        async def irq_thread() -> None:
            while True:
                if waiting:
                    await self.irq_forced_thread_fn(cpu, waiting.popleft())
                else:
                    await thread.sleep("an interrupt")

        comm = f"irq/{name}"[:15]
        thread = self._system.create_thread(cpu, comm, irq_thread, urgency=Urgency.REALTIME, service=True, per_cpu=True)
        return _Line(thread, waiting)
