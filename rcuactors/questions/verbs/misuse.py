"""m: misuse of many kinds, each a few lines."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from ..module import Module
from .misuse_frees import FREES
from .misuse_later import LATER

Act = Callable[[Module], Awaitable[None]]


# -- threads -----------------------------------------------------------------------------------------------------------


async def _exit(q: Module) -> None:
    k = q.k

    async def t_exit() -> None:
        match q.question.word("l"):
            case "mutex":
                await k.mutex_lock(q.mutex)
            case "rcu":
                k.rcu_read_lock()
            case "spin":
                await k.spin_lock(q.spin)
            case "pre":
                k.preempt_disable()
            case "irq":
                k.local_irq_disable()
        q.say("kthread returns")

    await q.join(await q.start(t_exit, 1, "q_exit"))
    await k.msleep(100)


# -- pointers ----------------------------------------------------------------------------------------------------------


async def _pointed(q: Module) -> Any:
    """rcu_assign_pointer(rp, &dmy)."""
    return await q.k.kmalloc(64)


async def _deref(q: Module) -> None:
    p = await _pointed(q)
    q.k.rcu_dereference(p)
    q.say("0")


async def _derefchk(q: Module) -> None:
    """The pointer is what it was when the machine started: NULL."""
    k = q.k
    await k.mutex_lock(q.mutex)
    k.deref(k.rcu_dereference_protected(None, k.lockdep_is_held(q.mutex2)))
    q.say("1")
    await k.mutex_unlock(q.mutex)


async def _derefpre(q: Module) -> None:
    p = await _pointed(q)
    q.k.preempt_disable()
    q.k.rcu_dereference(p)
    q.say("under preempt_disable only: 0")
    await q.k.preempt_enable()


async def _derefbh(q: Module) -> None:
    p = await _pointed(q)
    await q.k.rcu_read_lock_bh()
    q.k.rcu_dereference(p)
    q.say("rcu_dereference under rcu_read_lock_bh: 0")
    await q.k.rcu_read_unlock_bh()


# -- readers -----------------------------------------------------------------------------------------------------------


async def _syncreader(q: Module) -> None:
    q.k.rcu_read_lock()
    await q.k.synchronize_rcu()
    q.k.rcu_read_unlock()


async def _syncsched(q: Module) -> None:
    q.k.rcu_read_lock_sched()
    await q.k.synchronize_rcu()
    await q.k.rcu_read_unlock_sched()


async def _sleepreader(q: Module) -> None:
    q.k.rcu_read_lock()
    q.k.might_sleep()
    q.say("now msleep(2)")
    await q.k.msleep(2)
    q.k.rcu_read_unlock()


async def _msleepreader(q: Module) -> None:
    q.k.rcu_read_lock()
    await q.k.msleep(2)
    q.k.rcu_read_unlock()


async def _irqreader(q: Module) -> None:
    k = q.k

    async def irq_rcu() -> None:
        k.rcu_read_lock()
        q.say("reader in irq")
        k.rcu_read_unlock()

    await k.irq_work_queue(k.irq_work(irq_rcu))
    await k.msleep(5)


async def _syncwork(q: Module) -> None:
    k = q.k

    async def m_syncw() -> None:
        began = q.us()
        await k.synchronize_rcu()
        q.say(f"synchronize_rcu in a work: {q.us() - began} us")

    work = k.work(m_syncw, name="m_w")
    await k.queue_work(q.wq, work)
    await k.flush_work(work)


async def _syncsrcu(q: Module) -> None:
    idx = q.k.srcu_read_lock(q.srcu)
    await q.k.synchronize_srcu(q.srcu)
    q.k.srcu_read_unlock(q.srcu, idx)


# -- locks -------------------------------------------------------------------------------------------------------------


async def _rcuunbal(q: Module) -> None:
    q.k.rcu_read_unlock()


async def _spinunbal(q: Module) -> None:
    await q.k.spin_unlock(q.spin)


async def _mutexunbal(q: Module) -> None:
    await q.k.mutex_unlock(q.mutex)


async def _mutexother(q: Module) -> None:
    async def mu_hold() -> None:
        await q.k.mutex_lock(q.mutex)
        await q.k.msleep(100_000)

    await q.start(mu_hold, 1, "q_holder")
    await q.k.msleep(20)
    await q.k.mutex_unlock(q.mutex)


async def _recspin(q: Module) -> None:
    await q.k.spin_lock(q.spin)
    await q.k.spin_lock(q.spin)


async def _recmutex(q: Module) -> None:
    await q.k.mutex_lock(q.mutex)
    await q.k.mutex_lock(q.mutex)


async def _recraw(q: Module) -> None:
    await q.k.raw_spin_lock(q.raw)
    await q.k.raw_spin_lock(q.raw)


async def _abba(q: Module) -> None:
    def taking(outer: Any, inner: Any) -> Any:
        async def ab() -> None:
            await q.k.mutex_lock(outer)
            await q.busy(1000)
            await q.k.mutex_lock(inner)
            await q.k.mutex_unlock(inner)
            await q.k.mutex_unlock(outer)

        return ab

    await q.join(await q.start(taking(q.mutex, q.mutex2), 1, "q_ab"))
    await q.join(await q.start(taking(q.mutex2, q.mutex), 1, "q_ba"))


# -- waiting and waking ------------------------------------------------------------------------------------------------


async def _waitirq(q: Module) -> None:
    q.k.local_irq_disable()
    await q.k.wait_for_completion_timeout(q.never, 2)
    q.say(f"irqs_disabled {int(q.k.irqs_disabled())}")
    await q.k.local_irq_enable()


async def _complirq(q: Module) -> None:
    done = q.k.completion("c")
    flags = await q.k.raw_spin_lock_irqsave(q.raw)
    await q.k.complete(done)
    await q.k.raw_spin_unlock_irqrestore(q.raw, flags)


async def _wakeraw(q: Module) -> None:
    waiting = q.k.wait_queue_head("&w")
    flags = await q.k.raw_spin_lock_irqsave(q.raw)
    await q.k.wake_up(waiting)
    await q.k.raw_spin_unlock_irqrestore(q.raw, flags)


_ACTS: Final[Mapping[str, Act]] = MappingProxyType(
    {
        **LATER,
        **FREES,
        "exit": _exit,
        "deref": _deref,
        "derefchk": _derefchk,
        "derefpre": _derefpre,
        "derefbh": _derefbh,
        "syncreader": _syncreader,
        "syncsched": _syncsched,
        "syncsrcu": _syncsrcu,
        "sleepreader": _sleepreader,
        "msleepreader": _msleepreader,
        "rcuunbal": _rcuunbal,
        "spinunbal": _spinunbal,
        "mutexunbal": _mutexunbal,
        "mutexother": _mutexother,
        "recspin": _recspin,
        "recmutex": _recmutex,
        "recraw": _recraw,
        "abba": _abba,
        "syncwork": _syncwork,
        "irqreader": _irqreader,
        "waitirq": _waitirq,
        "complirq": _complirq,
        "wakeraw": _wakeraw,
    }
)


async def do_m(q: Module) -> None:
    """One of them."""
    await _ACTS[q.v](q)
    q.say(
        f"M done preempt_count {q.k.preempt_count():x} irqs_disabled {int(q.k.irqs_disabled())} "
        f"debug_locks {q.debug_locks}"
    )
