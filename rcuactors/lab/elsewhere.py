"""Ways into a context in which somebody else runs the body: an interrupt, a softirq, a worker.

Each is an async function of the kernel's API and a body, called by a thread that may sleep, and comes back when the
body has run once. hrtimers and timers expire while this CPU idles, so that the body runs on the idle thread's stack.
The functions that call the body are named as the recording module's were: they stand in call traces.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from ..context.locks import Lock
from ..kapi import Kernel
from ..kernel.cpu import Cpu
from ..marks import machinery
from .sections import Body, bh_disable

_SOON_NS: Final = 50_000
_SOON_JIFFIES: Final = 1
_POLL_NS: Final = 5
_HEAD_START_US: Final = 5


def another_cpu(k: Kernel) -> int:
    """The number of the next CPU, this one's own if there is no other."""
    return (k.raw_smp_processor_id() + 1) % k.machine.setup.config.nr_cpus


async def nothing() -> None:
    """What is done beforehand, unless somebody has something to do."""


# -- hardirq -----------------------------------------------------------------------------------------------------------


async def _irq(k: Kernel, body: Body, *, cpu: int | None = None, threadable: bool = False) -> None:
    done = k.completion("the interrupt")

    async def handler() -> None:
        await body()
        await k.complete(done)

    await k.raise_irq(handler, cpu=cpu, threadable=threadable)
    await k.wait_for_completion(done)


@machinery
async def hardirq(k: Kernel, body: Body) -> None:
    """A device's interrupt, whose handler PREEMPT_RT would not thread."""
    await _irq(k, body)


async def hardirq_threadable(k: Kernel, body: Body) -> None:
    """A device's interrupt, whose handler PREEMPT_RT runs in a thread: lockdep allows it a spinlock_t everywhere."""
    await _irq(k, body, threadable=True)


async def hardirq_remote(k: Kernel, body: Body) -> None:
    """A device's interrupt on another CPU, whatever that is doing."""
    await _irq(k, body, cpu=another_cpu(k))


async def hardirq_smpcall(k: Kernel, body: Body) -> None:
    """smp_call_function_single() to another CPU, spinning until that has run it."""
    await k.smp_call_function_single(another_cpu(k), body)


async def _irq_work(k: Kernel, body: Body, *, hard: bool) -> None:
    done = k.completion("the irq_work")

    async def iw_fn() -> None:
        await body()
        await k.complete(done)

    await k.irq_work_queue(k.irq_work(iw_fn, hard=hard))
    await k.wait_for_completion(done)


async def hardirq_irqwork(k: Kernel, body: Body) -> None:
    """A hard interrupt that irq_work_queue() raises on this CPU: IRQ_WORK_HARD_IRQ."""
    await _irq_work(k, body, hard=True)


async def irqwork_nonhard(k: Kernel, body: Body) -> None:
    """The same without IRQ_WORK_HARD_IRQ: on PREEMPT_RT a thread runs it."""
    await _irq_work(k, body, hard=False)


# -- timers ------------------------------------------------------------------------------------------------------------


async def _hrtimer(k: Kernel, body: Body, *, hard: bool = False, soft: bool = False) -> None:
    done = k.completion("the hrtimer")

    async def hr_fn() -> None:
        await body()
        await k.complete(done)

    await k.hrtimer_start(k.hrtimer(hr_fn, hard=hard, soft=soft), _SOON_NS)
    await k.wait_for_completion(done)


async def hrtimer(k: Kernel, body: Body) -> None:
    """An hrtimer of no mode: in hardirq, on PREEMPT_RT in softirq."""
    await _hrtimer(k, body)


async def hardirq_hrtimer(k: Kernel, body: Body) -> None:
    """An hrtimer of mode HARD, in the timer interrupt of the idle CPU."""
    await _hrtimer(k, body, hard=True)


async def hrtimer_soft(k: Kernel, body: Body) -> None:
    """An hrtimer of mode SOFT, in HRTIMER_SOFTIRQ."""
    await _hrtimer(k, body, soft=True)


async def softirq_timer(k: Kernel, body: Body, beforehand: Body = nothing) -> None:
    """A timer of the wheel, in TIMER_SOFTIRQ on the way out of the idle CPU's tick.

    It is some milliseconds until then: `beforehand` is done shortly before.
    """
    done = k.completion("the timer")

    async def timer_fn() -> None:
        await body()
        await k.complete(done)

    timer = k.timer_setup(timer_fn)
    await k.mod_timer(timer, _SOON_JIFFIES)
    left_us = (timer.expires * k.machine.setup.config.jiffy_ns - k.now - _SOON_NS) // 1000
    await k.usleep_range(left_us, left_us)
    await beforehand()
    await k.wait_for_completion(done)


# -- softirq -----------------------------------------------------------------------------------------------------------


async def _tasklet(k: Kernel, body: Body, schedule: Callable[[Body], Awaitable[None]]) -> None:
    done = k.completion("the tasklet")

    async def task_fn() -> None:
        await body()
        await k.complete(done)

    await schedule(task_fn)
    await k.wait_for_completion(done)


async def softirq_tasklet(k: Kernel, body: Body) -> None:
    """A tasklet, scheduled by a thread: ksoftirqd runs it."""
    await _tasklet(k, body, k.tasklet_schedule)


async def softirq_irq_exit(k: Kernel, body: Body) -> None:
    """A tasklet that an interrupt schedules: it runs on the way out, on the interrupted stack."""

    async def from_interrupt(task_fn: Body) -> None:
        async def handler() -> None:
            await k.tasklet_schedule(task_fn)

        await k.raise_irq(handler)

    await _tasklet(k, body, from_interrupt)


async def softirq_bh_enable(k: Kernel, body: Body) -> None:
    """A tasklet, scheduled with bottom halves off: local_bh_enable() serves it, on this stack."""

    async def with_bh_off(task_fn: Body) -> None:
        await bh_disable(k, lambda: k.tasklet_schedule(task_fn))

    await _tasklet(k, body, with_bh_off)


async def rcu_callback(k: Kernel, body: Body) -> None:
    """A callback of call_rcu(), after a grace period."""
    done = k.completion("the callback")

    async def rcu_cb() -> None:
        await body()
        await k.complete(done)

    await k.call_rcu(rcu_cb)
    await k.wait_for_completion(done)


# -- threads -----------------------------------------------------------------------------------------------------------


async def workqueue(k: Kernel, body: Body) -> None:
    """A work on system_wq: a worker of this CPU runs it."""
    done = k.completion("the work")

    async def work_fn() -> None:
        await body()
        await k.complete(done)

    await k.schedule_work(k.work(work_fn))
    await k.wait_for_completion(done)


# -- NMI ---------------------------------------------------------------------------------------------------------------


async def nmi(k: Kernel, body: Body) -> None:
    """An NMI that finds a thread which holds nothing."""
    await k.raise_nmi(body)
    await k.ndelay(1)


async def nmi_raw_spin(k: Kernel, body: Body, lock: Lock | None = None) -> None:
    """An NMI that finds its CPU with a raw lock held and interrupts off."""
    held = lock or k.raw_spinlock("ctx_raw")
    flags = await k.raw_spin_lock_irqsave(held)
    await nmi(k, body)
    await k.raw_spin_unlock_irqrestore(held, flags)


async def nmi_when_held(k: Kernel, body: Body, lock: Lock, doing: Body) -> None:
    """An NMI that finds its CPU in the midst of `doing`, as soon as this thread holds the lock.

    Another CPU watches and sends it. Where the lock is never taken, or not for long enough, it does not come.
    """
    me = k.machine.conductor.running
    assert isinstance(me, Cpu)
    thread, over = me.current, False

    async def watch() -> None:
        while not over:
            if lock.owner is thread:
                await k.raise_nmi(body, cpu=me.cpu_id)
                return
            await k.ndelay(_POLL_NS)

    watcher = await k.kthread_run(watch, cpu=another_cpu(k), name="nmi_source")
    await k.udelay(_HEAD_START_US)
    await doing()
    over = True
    await k.kthread_join(watcher)
