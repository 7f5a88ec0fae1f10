"""m: misuse of many kinds, each a few lines."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from ..module import Module, NotExpressible, returned

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
    k = q.k
    await k.mutex_lock(q.mutex)
    p = k.rcu_dereference_protected(None, k.lockdep_is_held(q.mutex2))
    k.deref(p)
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


async def _syncsrcu(_q: Module) -> None:
    raise NotExpressible("SRCU is not modelled")


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

    w_2 = k.work(w_count, name="w_2")

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
    await k.destroy_workqueue(wq)
    q.say("destroyed")
    await k.msleep(300)


# -- memory ------------------------------------------------------------------------------------------------------------


async def _dblfree(q: Module) -> None:
    p = await q.k.kmalloc(1024)
    await q.k.kfree(p)
    q.touched()
    await q.k.kfree(p)


async def _dblpage(q: Module) -> None:
    page = await q.k.get_free_page()
    await q.k.free_page(page)
    await q.k.free_page(page)


async def _kfreevm(q: Module) -> None:
    await q.k.kfree(await q.k.vmalloc(8192))


async def _vfreeslab(q: Module) -> None:
    await q.k.vfree(await q.k.kmalloc(64))


async def _vfreetwice(q: Module) -> None:
    p = await q.k.vmalloc(8192)
    await q.k.vfree(p)
    await q.k.vfree(p)


async def _kfreestr(q: Module) -> None:
    await q.k.kfree("hello")


async def _kfreebad(q: Module) -> None:
    await q.k.kfree(0x1234)


async def _no_arithmetic(_q: Module) -> None:
    raise NotExpressible("pointers into the middle of an object, and to the stack, are not modelled")


async def _vfreeirq(q: Module) -> None:
    p = await q.k.vmalloc(8192)
    q.k.local_irq_disable()
    await q.k.vfree(p)
    await q.k.local_irq_enable()
    await q.k.msleep(50)
    q.say("vfree with irqs off done")


async def _vfreespin(q: Module) -> None:
    p = await q.k.vmalloc(8192)
    await q.k.spin_lock(q.spin)
    await q.k.vfree(p)
    await q.k.spin_unlock(q.spin)


async def _kvfreespin(q: Module) -> None:
    p = await q.k.vmalloc(8192)
    await q.k.spin_lock(q.spin)
    await q.k.kvfree(p)
    await q.k.spin_unlock(q.spin)


async def _kmspin(q: Module) -> None:
    await q.k.spin_lock(q.spin)
    await q.k.kfree(await q.k.kmalloc(64))
    await q.k.spin_unlock(q.spin)


async def _kvrcu1spin(q: Module) -> None:
    p = await q.k.kmalloc(1024)
    await q.k.spin_lock(q.spin)
    await q.k.kvfree_rcu(p)
    await q.k.spin_unlock(q.spin)


async def _kvrcu1reader(q: Module) -> None:
    p = await q.k.kmalloc(1024)
    q.k.rcu_read_lock()
    await q.k.kvfree_rcu(p)
    q.k.rcu_read_unlock()


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
        "dblfree": _dblfree,
        "dblpage": _dblpage,
        "kfreevm": _kfreevm,
        "vfreeslab": _vfreeslab,
        "vfreemid": _no_arithmetic,
        "vfreetwice": _vfreetwice,
        "kfreestr": _kfreestr,
        "kfreemid": _no_arithmetic,
        "kfreestack": _no_arithmetic,
        "kfreebad": _kfreebad,
        "vfreeirq": _vfreeirq,
        "vfreespin": _vfreespin,
        "kvfreespin": _kvfreespin,
        "syncwork": _syncwork,
        "kmspin": _kmspin,
        "kvrcu1spin": _kvrcu1spin,
        "kvrcu1reader": _kvrcu1reader,
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
