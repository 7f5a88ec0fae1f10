"""m: timers and works that wait for themselves, or for whom they keep waiting."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from ..module import Module, returned

Act = Callable[[Module], Awaitable[None]]


# -- timers ------------------------------------------------------------------------------------------------------------


async def _dtsself(q: Module) -> None:
    k, timers = q.k, list[Any]()

    async def m_dts() -> None:
        await k.timer_delete_sync(timers[0])
        q.say("del_timer_sync from its own function returned")

    timers.append(k.timer_setup(m_dts, name="m_t"))
    await k.mod_timer(timers[0], 1)
    await k.msleep(50)


async def _locking_timer(q: Module) -> Any:
    """m_t, whose function takes q_spin; it has run once."""
    k = q.k

    async def m_lock_t() -> None:
        await k.spin_lock(q.spin)
        q.say("timer has the lock")
        await k.spin_unlock(q.spin)

    timer = k.timer_setup(m_lock_t, name="m_t")
    await k.mod_timer(timer, 1)
    await k.msleep(50)
    return timer


async def _dtslock(q: Module) -> None:
    timer = await _locking_timer(q)
    q.say("timer idle now")
    await q.k.spin_lock_bh(q.spin)
    await q.k.timer_delete_sync(timer)
    await q.k.spin_unlock_bh(q.spin)


async def _dtslockirq(q: Module) -> None:
    timer = await _locking_timer(q)
    flags = await q.k.spin_lock_irqsave(q.spin)
    await q.k.timer_delete_sync(timer)
    await q.k.spin_unlock_irqrestore(q.spin, flags)


async def _dtsirq(q: Module) -> None:
    async def o_t() -> None:
        q.say("timer function runs")

    timer = q.k.timer_setup(o_t, name="m_t")
    q.k.local_irq_disable()
    await q.k.timer_delete_sync(timer)
    await q.k.local_irq_enable()


async def _hcself(q: Module) -> None:
    k, timers = q.k, list[Any]()

    async def m_hc() -> None:
        said = returned(await k.hrtimer_try_to_cancel(timers[0]), "hrtimer_try_to_cancel")
        q.say(f"hrtimer_try_to_cancel in its own handler = {said}")

    timers.append(k.hrtimer(m_hc, hard=True))
    await k.hrtimer_start(timers[0], 1000)
    await k.msleep(20)


# -- works -------------------------------------------------------------------------------------------------------------


async def _own_work(q: Module, name: str) -> None:
    """A work that flushes or cancels itself, or flushes its own queue."""
    k, works = q.k, list[Any]()

    async def m_flush_self() -> None:
        q.say(f"flush self = {returned(await k.flush_work(works[0]), 'flush_work')}")

    async def m_cancel_self() -> None:
        q.say(f"cancel self = {returned(await k.cancel_work_sync(works[0]), 'cancel_work_sync')}")

    async def m_flushwq_self() -> None:
        await k.flush_workqueue(q.wq)
        q.say("flush_workqueue from its own work returned")

    functions = {"flush": m_flush_self, "cancel": m_cancel_self, "flushwq": m_flushwq_self}
    works.append(k.work(functions[name], name="m_w"))
    await k.queue_work(q.wq, works[0])
    await k.msleep(200)


async def _flushself(q: Module) -> None:
    await _own_work(q, "flush")


async def _cancelself(q: Module) -> None:
    await _own_work(q, "cancel")


async def _flushwqself(q: Module) -> None:
    await _own_work(q, "flushwq")


async def _badflush(q: Module) -> None:
    k = q.k

    async def w_count() -> None:
        q.runs += 1

    w_2 = k.declare_work(w_count, name="w_2")

    async def m_badflush() -> None:
        q.say("a WQ_MEM_RECLAIM work flushes a work of a plain queue")
        await k.queue_work(k.system_wq, w_2)
        await k.flush_work(w_2)

    await k.queue_work(q.wqr, k.work(m_badflush, name="m_w"))
    await k.msleep(200)


async def _destroy(q: Module) -> None:
    k = q.k

    async def w_count() -> None:
        q.runs += 1

    wq = k.alloc_workqueue("q_tmp")
    await k.queue_delayed_work(wq, k.delayed_work(w_count, name="c_dw"), 20)
    await q.api("destroy_workqueue")(wq)
    q.say("destroyed")
    await k.msleep(300)


LATER: Final[Mapping[str, Act]] = MappingProxyType(
    {
        "dtsself": _dtsself,
        "dtslock": _dtslock,
        "dtslockirq": _dtslockirq,
        "dtsirq": _dtsirq,
        "flushself": _flushself,
        "cancelself": _cancelself,
        "flushwqself": _flushwqself,
        "badflush": _badflush,
        "destroy": _destroy,
        "hcself": _hcself,
    }
)
