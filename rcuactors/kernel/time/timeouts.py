"""Passing time, asleep or awake.

Asleep: schedule_timeout() (kernel/time/timer.c) and schedule_hrtimeout() (kernel/time/hrtimer.c). Awake: udelay().
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...marks import stands_for
from ..thread import ThreadState
from .hrtimer import Hrtimer
from .timer import Timer

if TYPE_CHECKING:
    from ..cpu import Cpu
    from ..system import System
    from ..thread import Thread


async def msleep(system: System, thread: Thread, jiffies: int) -> None:
    """msleep(): for at least that many jiffies, as the version has it one more, whoever wakes it meanwhile."""
    left = jiffies + system.rules.msleep_adds_jiffy
    while left > 0:
        left = await schedule_timeout_uninterruptible(system, thread, left)


async def schedule_timeout_uninterruptible(system: System, thread: Thread, jiffies: int) -> int:
    """schedule_timeout_uninterruptible(): the same for who has not said yet that a wake-up counts."""
    thread.prepare_to_sleep()
    return await schedule_timeout(system, thread, jiffies)


async def schedule_timeout(system: System, thread: Thread, jiffies: int) -> int:
    """schedule_timeout(): off the CPU for at least that many jiffies, unless it is woken, or was since it prepared.

    Returns how many are left then.
    """

    async def process_timeout(on: Cpu) -> None:
        await on.wake_up_process(thread)

    system.debug_objects.init_on_stack(thread.cpu, Timer)
    if thread is thread.cpu.idle_thread:
        thread.set_running()
        await _spin_in_idle(thread, jiffies * system.config.jiffy_ns)
        return 0
    timer = Timer("process_timeout", process_timeout, key="(&timer.timer)")
    expires = thread.cpu.clock // system.config.jiffy_ns + jiffies
    await system.timers.mod_timer(thread.cpu, timer, jiffies)
    if thread.state is ThreadState.SLEEPING:
        await thread.sleep(f"a timeout of {jiffies} jiffies")
    if timer.pending:
        await system.timers.timer_delete(thread.cpu, timer)
    return max(expires - thread.cpu.clock // system.config.jiffy_ns, 0)


async def sleep_ns(system: System, thread: Thread, delay_ns: int) -> None:
    """schedule_hrtimeout(): off the CPU for at least that many nanoseconds.

    The sleeper's timer expires in hardirq even on PREEMPT_RT.
    """

    async def hrtimer_wakeup(on: Cpu) -> None:
        await on.wake_up_process(thread)

    system.debug_objects.init_on_stack(thread.cpu, Hrtimer)
    if thread is thread.cpu.idle_thread:
        await _spin_in_idle(thread, delay_ns)
        return
    thread.prepare_to_sleep()
    await system.hrtimers.hrtimer_start(thread.cpu, Hrtimer("hrtimer_wakeup", hrtimer_wakeup, hard=True), delay_ns)
    if thread.state is ThreadState.SLEEPING:
        await thread.sleep(f"a timer of {delay_ns} ns")


async def _spin_in_idle(thread: Thread, duration_ns: int) -> None:
    """A handler on the idle thread's stack sleeps: schedule() says what it has to say, and has nobody else to run.

    It comes back at once, again and again, until the time is over (dequeue_task_idle(), "bad: scheduling from the idle
    thread!"). Of the timer that should wake it nothing comes as long as its own interrupt has not ended.
    """
    cpu, ctx = thread.cpu, thread.ctx
    cpu.note_switch(thread, preempted=False)
    flags, ctx.irqs_disabled = ctx.irqs_disabled, False
    await burn(thread, duration_ns)
    ctx.irqs_disabled = flags
    cpu.slept_in_idle |= cpu.system.rules.idle_state_is_told


@stands_for("delay_tsc")
async def burn(thread: Thread, duration_ns: int) -> None:
    """udelay() (arch/x86/lib/delay.c): until the clock has moved on by so much, on whichever CPU.

    What interrupts it meanwhile counts, as with a TSC. Busy microseconds are steps, everywhere; but this is one
    hand-over however long it lasts, and kernels speak of lockups and stalls after half a minute of it: a step is ten.
    """
    cpu = thread.cpu
    end = cpu.clock + duration_ns
    cpu.conductor.steps += duration_ns // 10_000
    began, lockups = cpu.clock, cpu.system.lockups
    while cpu.clock < end:
        if cpu.ctx.irqs_disabled:
            until = min(end, lockups.next_nmi(cpu) or end)
            await cpu.conductor.block(cpu, "time to pass", listening=False, until=until)
            lockups.nmi(cpu, began)
        else:
            await cpu.conductor.block(cpu, "time to pass", listening=True, until=end)
        if cpu.attention:
            await cpu.attend()
        cpu = thread.cpu
    if cpu.conductor.holds_up or cpu.spurious is not None:
        # Whoever is held up, or interrupted, is so within its delay, too; else an election more would be another
        # schedule.
        await cpu.point()
