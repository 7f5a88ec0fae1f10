"""The contexts in which the operations are tried, each entered as a kernel module enters it.

A context is an async function that is given the rig and the body, and runs the body once in that context. It is called
by the runner, a thread on CPU 1. Those that run elsewhere (an interrupt, a softirq) come back when the body is done.
The hrtimers, timers and smp calls hit a CPU that idles, so that the body runs on the idle thread's stack there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from ..marks import machinery

if TYPE_CHECKING:
    from .rig import Rig

Body = Callable[[], Awaitable[None]]
Enter = Callable[["Rig", Body], Awaitable[None]]

_SOON_NS: Final = 50_000
_SOON_JIFFIES: Final = 1


async def process(_rig: Rig, body: Body) -> None:
    """A thread that holds nothing back."""
    await body()


async def preempt_disable(rig: Rig, body: Body) -> None:
    """preempt_disable()."""
    rig.k.preempt_disable()
    await body()
    await rig.k.preempt_enable()


async def irq_disable(rig: Rig, body: Body) -> None:
    """local_irq_save()."""
    flags = rig.k.local_irq_save()
    await body()
    await rig.k.local_irq_restore(flags)


async def raw_spin(rig: Rig, body: Body) -> None:
    """raw_spin_lock()."""
    await rig.k.raw_spin_lock(rig.ctx_raw)
    await body()
    await rig.k.raw_spin_unlock(rig.ctx_raw)


async def raw_spin_irqsave(rig: Rig, body: Body) -> None:
    """raw_spin_lock_irqsave()."""
    flags = await rig.k.raw_spin_lock_irqsave(rig.ctx_raw)
    await body()
    await rig.k.raw_spin_unlock_irqrestore(rig.ctx_raw, flags)


@machinery
async def spin(rig: Rig, body: Body) -> None:
    """spin_lock()."""
    await rig.k.spin_lock(rig.ctx_spin)
    await body()
    await rig.k.spin_unlock(rig.ctx_spin)


async def spin_irqsave(rig: Rig, body: Body) -> None:
    """spin_lock_irqsave()."""
    flags = await rig.k.spin_lock_irqsave(rig.ctx_spin)
    await body()
    await rig.k.spin_unlock_irqrestore(rig.ctx_spin, flags)


async def mutex(rig: Rig, body: Body) -> None:
    """mutex_lock()."""
    await rig.k.mutex_lock(rig.ctx_mutex)
    await body()
    await rig.k.mutex_unlock(rig.ctx_mutex)


async def bh_disable(rig: Rig, body: Body) -> None:
    """local_bh_disable()."""
    await rig.k.local_bh_disable()
    await body()
    await rig.k.local_bh_enable()


async def rcu_read(rig: Rig, body: Body) -> None:
    """rcu_read_lock()."""
    rig.k.rcu_read_lock()
    await body()
    rig.k.rcu_read_unlock()


async def hardirq_irqwork(rig: Rig, body: Body) -> None:
    """A hard interrupt that irq_work_queue() raises on this CPU: IRQ_WORK_HARD_IRQ."""
    await _irq_work(rig, body, hard=True)


async def irqwork_nonhard(rig: Rig, body: Body) -> None:
    """The same without IRQ_WORK_HARD_IRQ: on PREEMPT_RT a thread runs it."""
    await _irq_work(rig, body, hard=False)


async def _irq_work(rig: Rig, body: Body, *, hard: bool) -> None:
    done = rig.k.completion("the irq_work")

    async def iw_fn() -> None:
        await body()
        await rig.k.complete(done)

    await rig.k.irq_work_queue(rig.k.irq_work(iw_fn, hard=hard))
    await rig.k.wait_for_completion(done)


async def hardirq_hrtimer(rig: Rig, body: Body) -> None:
    """An hrtimer of mode HARD, in the timer interrupt of the idle CPU."""
    await _hrtimer(rig, body, hard=True)


async def hrtimer_soft(rig: Rig, body: Body) -> None:
    """An hrtimer of mode SOFT, in HRTIMER_SOFTIRQ."""
    await _hrtimer(rig, body, soft=True)


async def _hrtimer(rig: Rig, body: Body, *, hard: bool = False, soft: bool = False) -> None:
    done = rig.k.completion("the hrtimer")

    async def hr_fn() -> None:
        await body()
        await rig.k.complete(done)

    await rig.k.hrtimer_start(rig.k.hrtimer(hr_fn, hard=hard, soft=soft), _SOON_NS)
    await rig.k.wait_for_completion(done)


async def hardirq_smpcall(rig: Rig, body: Body) -> None:
    """smp_call_function_single() to CPU 0, waiting for it."""
    await rig.k.smp_call_function_single(0, body)


async def softirq_tasklet(rig: Rig, body: Body) -> None:
    """A tasklet, scheduled by the runner: ksoftirqd runs it."""
    done = rig.k.completion("the tasklet")

    async def task_fn() -> None:
        await body()
        await rig.k.complete(done)

    await rig.k.tasklet_schedule(task_fn)
    await rig.k.wait_for_completion(done)


async def softirq_timer(rig: Rig, body: Body) -> None:
    """A timer of the wheel, in TIMER_SOFTIRQ on the way out of the idle CPU's tick."""
    done = rig.k.completion("the timer")

    async def timer_fn() -> None:
        await body()
        await rig.k.complete(done)

    timer = rig.k.timer_setup(timer_fn)
    await rig.k.mod_timer(timer, _SOON_JIFFIES)
    left_us = (timer.expires * rig.jiffy_ns - rig.k.now - _SOON_NS) // 1000
    await rig.k.usleep_range(left_us, left_us)
    await rig.contend()
    await rig.k.wait_for_completion(done)


CONTEXTS: Final[dict[str, Enter]] = {
    enter.__name__: enter
    for enter in (
        process,
        preempt_disable,
        irq_disable,
        bh_disable,
        rcu_read,
        mutex,
        spin,
        spin_irqsave,
        raw_spin,
        raw_spin_irqsave,
        softirq_tasklet,
        softirq_timer,
        hrtimer_soft,
        irqwork_nonhard,
        hardirq_irqwork,
        hardirq_hrtimer,
        hardirq_smpcall,
    )
}

LATE: Final = frozenset({"softirq_timer"})
"""Those that call in the contender by themselves, since their body comes much later than they are entered."""
