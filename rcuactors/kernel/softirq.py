"""Softirqs (kernel/softirq.c): bits that are raised, and when they are served.

On the way out of an interrupt, in ksoftirqd when they keep coming, on PREEMPT_RT always in a thread.

On PREEMPT_RT (CONFIG_PREEMPT_RT's part of kernel/softirq.c) the serving thread is preemptible and its preempt_count
does not show the softirq; lockdep still knows, which is `Context.softirq_thread` here.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

from ..context import preempt
from .thread import ThreadState, Urgency

if TYPE_CHECKING:
    from .cpu import Cpu
    from .messages import Handler
    from .system import System

_MAX_RESTARTS: Final = 10
"""MAX_SOFTIRQ_RESTART."""


class Softirq(enum.IntEnum):
    """The vectors that the model has, in the kernel's order of service."""

    TIMER = 1
    TASKLET = 6
    HRTIMER = 8
    RCU = 9


class Softirqs:
    """The softirq machinery of all CPUs."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._threaded = system.config.PREEMPT_RT
        self._tasklets: dict[int, list[Handler]] = {}

    def raise_irqoff(self, cpu: Cpu, vector: Softirq) -> None:
        """Set the bit, from a context on whose way out it is looked at (a hardirq handler)."""
        cpu.softirq_pending |= 1 << vector

    async def raise_softirq(self, cpu: Cpu, vector: Softirq) -> None:
        """raise_softirq(): set the bit; outside of interrupts ksoftirqd has to see to it."""
        cpu.softirq_pending |= 1 << vector
        if self._threaded or not preempt.in_interrupt(cpu.ctx.preempt_count):
            await self._wake(cpu)

    async def tasklet_schedule(self, cpu: Cpu, function: Handler) -> None:
        """tasklet_schedule(): run a function once, on this CPU, in TASKLET_SOFTIRQ."""
        self._tasklets.setdefault(cpu.cpu_id, []).append(function)
        await self.raise_softirq(cpu, Softirq.TASKLET)

    async def tasklet_action(self, cpu: Cpu) -> None:
        """tasklet_action(): what was scheduled until now; what a tasklet schedules itself comes next time."""
        for function in self._tasklets.pop(cpu.cpu_id, []):
            await function(cpu)

    async def irq_exit(self, cpu: Cpu) -> None:
        """On the way out of a hardirq, with interrupts still off: serve, or on PREEMPT_RT wake the thread that does."""
        if self._threaded:
            await self._wake(cpu)
        else:
            await self._serve(cpu)

    def local_bh_disable(self, cpu: Cpu) -> None:
        """Bottom halves off; nests. On PREEMPT_RT preempt_count does not show it (docs, assumptions)."""
        if not self._threaded:
            cpu.ctx.preempt_count += preempt.SOFTIRQ_DISABLE_OFFSET

    async def local_bh_enable(self, cpu: Cpu) -> None:
        """Bottom halves on again; what was raised meanwhile is served now."""
        if self._threaded:
            return
        ctx = cpu.ctx
        ctx.preempt_count -= preempt.SOFTIRQ_DISABLE_OFFSET
        if cpu.softirq_pending and not preempt.in_interrupt(ctx.preempt_count):
            flags = cpu.local_irq_save()
            await self._serve(cpu)
            await cpu.local_irq_restore(flags)
        if cpu.attention or cpu.clock >= cpu.conductor.horizon:
            await cpu.point()

    async def _serve(self, cpu: Cpu) -> None:
        """__do_softirq(): called and left with interrupts off, serves with interrupts on."""
        ctx = cpu.ctx
        ctx.preempt_count += preempt.SOFTIRQ_OFFSET
        await self._serve_pending(cpu)
        ctx.preempt_count -= preempt.SOFTIRQ_OFFSET
        if cpu.softirq_pending:
            await self._wake(cpu)

    async def _serve_pending(self, cpu: Cpu) -> None:
        ctx = cpu.ctx
        for _ in range(_MAX_RESTARTS):
            pending, cpu.softirq_pending = cpu.softirq_pending, 0
            if not pending:
                break
            cpu.clock += self._system.costs.softirq_ns
            ctx.irqs_disabled = False
            for vector, handler in sorted(cpu.hooks.softirqs.items()):
                if pending & (1 << vector):
                    await handler(cpu)
            ctx.irqs_disabled = True

    async def _wake(self, cpu: Cpu) -> None:
        if cpu.ksoftirqd is None:
            urgency = Urgency.REALTIME if self._threaded else Urgency.NORMAL
            name = f"ksoftirqd/{cpu.cpu_id}"
            cpu.ksoftirqd = self._system.create_thread(
                cpu, name, lambda: self._run_ksoftirqd(cpu), urgency=urgency, service=True
            )
        await cpu.wake_up_process(cpu.ksoftirqd)

    async def _run_ksoftirqd(self, cpu: Cpu) -> None:
        """run_ksoftirqd()."""
        ctx = cpu.ctx
        thread = cpu.current
        while True:
            if not cpu.softirq_pending:
                await cpu.sleep("softirqs")
                continue
            flags = cpu.local_irq_save()
            if self._threaded:
                ctx.softirq_thread = True
                await self._serve_pending(cpu)
                ctx.softirq_thread = False
            else:
                await self._serve(cpu)
            await cpu.local_irq_restore(flags)
            assert thread.state is ThreadState.RUNNABLE
