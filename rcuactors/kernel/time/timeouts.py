"""Passing time, asleep or awake.

Asleep: schedule_timeout() (kernel/time/timer.c) and schedule_hrtimeout() (kernel/time/hrtimer.c). Awake: udelay().
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..thread import ThreadState
from .hrtimer import Hrtimer
from .timer import Timer

if TYPE_CHECKING:
    from ..cpu import Cpu
    from ..system import System
    from ..thread import Thread


async def msleep(system: System, thread: Thread, jiffies: int) -> None:
    """msleep(): for at least that many jiffies, whoever wakes it meanwhile."""
    left = jiffies
    while left > 0:
        left = await schedule_timeout(system, thread, left)


async def schedule_timeout(system: System, thread: Thread, jiffies: int) -> int:
    """schedule_timeout_uninterruptible(): off the CPU for at least that many jiffies, unless it is woken.

    Returns how many are left then.
    """

    async def process_timeout(on: Cpu) -> None:
        await on.wake_up_process(thread)

    timer = Timer("process_timeout", process_timeout, key="(&timer.timer)")
    expires = thread.cpu.clock // system.config.jiffy_ns + jiffies
    thread.prepare_to_sleep()
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

    thread.prepare_to_sleep()
    await system.hrtimers.hrtimer_start(thread.cpu, Hrtimer("hrtimer_wakeup", hrtimer_wakeup, hard=True), delay_ns)
    if thread.state is ThreadState.SLEEPING:
        await thread.sleep(f"a timer of {delay_ns} ns")


async def burn(thread: Thread, duration_ns: int) -> None:
    """udelay(): until the clock has moved on by so much, on whichever CPU.

    What interrupts it meanwhile counts, as with a TSC.
    """
    cpu = thread.cpu
    end = cpu.clock + duration_ns
    cpu.conductor.steps += duration_ns // 1000  # busy microseconds, as everywhere
    while cpu.clock < end:
        await cpu.conductor.block(cpu, "time to pass", listening=not cpu.ctx.irqs_disabled, until=end)
        if cpu.attention:
            await cpu.attend()
        cpu = thread.cpu
