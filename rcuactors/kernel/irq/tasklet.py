"""Tasklets (kernel/softirq.c, include/linux/interrupt.h): a function in softirq context, on one CPU at a time.

One that is scheduled while it runs on another CPU, or is disabled, is put off: it is queued again, and its softirq
raised again, which ends in ksoftirqd. Who kills it sleeps until it is neither scheduled nor running; until v5.12 that
was a loop with yield(), which comes to the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ...context import preempt
from ...context.memory import Memory
from ...engine.probe import Access
from ..messages import Handler
from ..thread import ThreadState

if TYPE_CHECKING:
    from ..cpu import Cpu
    from ..thread import Thread
    from .softirq import Softirqs


@attrs.define(eq=False)
class Tasklet:
    """struct tasklet_struct. `disabled` counts tasklet_disable(); `running` is TASKLET_STATE_RUN."""

    name: str
    function: Handler
    inside: Memory | None = None
    disabled: int = 0
    running: bool = False
    waiters: list[Thread] = attrs.field(factory=list)

    def used(self, cpu: Cpu) -> None:
        """Its memory is used."""
        if self.inside is not None:
            cpu.judge.used(cpu, self.inside, self.name)

    def tell(self, cpu: Cpu, access: Access) -> None:
        """Its state is changed, or found to be, in one step (test_and_set_bit(), smp_load_acquire())."""
        told = cpu.conductor.probes.access
        if told.on:
            told(self, access)


async def tasklet_schedule(softirqs: Softirqs, cpu: Cpu, t: Tasklet) -> None:
    """tasklet_schedule(): to be run on this CPU, unless it waits for that already."""
    t.used(cpu)
    t.tell(cpu, Access.RELEASE)

    async def _tasklet_action(on: Cpu) -> None:
        t.used(on)
        if t.running or t.disabled:
            await tasklet_schedule(softirqs, on, t)
            return
        t.running = True
        t.tell(on, Access.ACQUIRE)
        await t.function(on)
        t.tell(on, Access.RELEASE)
        t.running = False
        while t.waiters:
            await on.wake_up_process(t.waiters.pop(0))

    await softirqs.tasklet_schedule(cpu, _tasklet_action, tasklet=t)


def tasklet_disable_nosync(t: Tasklet) -> None:
    """tasklet_disable_nosync(): it does not begin from now on."""
    t.disabled += 1


def tasklet_enable(t: Tasklet) -> bool:
    """tasklet_enable(). Whether it was disabled, so that there was something to take back."""
    if not t.disabled:
        return False
    t.disabled -= 1
    return True


async def tasklet_disable(thread: Thread, t: Tasklet) -> None:
    """tasklet_disable(): it does not run from now on, nor when this returns."""
    tasklet_disable_nosync(t)
    while t.running:
        await _wait(thread, t)
    t.tell(thread.cpu, Access.ACQUIRE)


async def tasklet_kill(softirqs: Softirqs, thread: Thread, t: Tasklet) -> None:
    """tasklet_kill(): neither scheduled nor running afterwards. Sleeps."""
    t.used(thread.cpu)
    thread.cpu.judge.might_sleep(thread.cpu)
    while t.running or softirqs.is_scheduled(t):
        await _wait(thread, t)
    t.tell(thread.cpu, Access.ACQUIRE)


async def _wait(thread: Thread, t: Tasklet) -> None:
    """wait_var_event(), until it has run once more; spins where one may not sleep (tasklet_unlock_spin_wait())."""
    ctx = thread.ctx
    if ctx.preempt_count & (preempt.PREEMPT_MASK | preempt.INTERRUPT_MASK) or ctx.irqs_disabled:
        await thread.cpu_relax(thread.cpu.system.costs.lock_handover_ns)
        return
    t.waiters.append(thread)
    thread.prepare_to_sleep()
    if thread.state is ThreadState.SLEEPING:
        await thread.sleep(f"tasklet {t.name}")
