"""od, fl: objects that are freed while something of them is armed or held, or used after that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

from ..module import Module, NotExpressible
from .works import w_where

Act = Callable[[Module, "Obj"], Awaitable[None]]

_SIZE: Final = 1024
_BEHIND_MS: Final = 7000
_MANY: Final = 600


class Obj:
    """struct obj: an object from kzalloc() and what lies in it. `mk()` initialises what the question uses."""

    def __init__(self, q: Module, p: Any) -> None:
        self.q, self.k, self.p = q, q.k, p

    async def _o_t(self) -> None:
        self.q.say("timer function runs")

    async def _o_w(self) -> None:
        self.q.say("work function runs")

    async def _o_h(self) -> None:
        self.q.say("hrtimer runs")

    async def o_cb(self) -> None:
        """The callback of its rcu_head."""
        self.q.say("rcu callback runs")

    @cached_property
    def t(self) -> Any:
        """Its timer_list."""
        return self.k.timer_setup(self._o_t, name="o->t", inside=self.p)

    @cached_property
    def w(self) -> Any:
        """Its work_struct."""
        return self.k.work(self._o_w, name="o->w", inside=self.p)

    @cached_property
    def dw(self) -> Any:
        """Its delayed_work."""
        return self.k.delayed_work(self._o_w, name="o->dw", inside=self.p)

    @cached_property
    def rwk(self) -> Any:
        """Its rcu_work."""
        return self.k.rcu_work(self._o_w, name="o->rwk", inside=self.p)

    @cached_property
    def h(self) -> Any:
        """Its hrtimer."""
        return self.k.hrtimer(self._o_h, name="o->h", inside=self.p)

    @cached_property
    def c(self) -> Any:
        """Its completion."""
        return self.k.completion("&o->c", inside=self.p)

    @cached_property
    def wq(self) -> Any:
        """Its wait_queue_head."""
        return self.k.wait_queue_head("&o->wq", inside=self.p)

    @cached_property
    def s(self) -> Any:
        """Its spinlock_t."""
        return self.k.spinlock("&o->s", inside=self.p)

    @cached_property
    def rs(self) -> Any:
        """Its raw_spinlock_t."""
        return self.k.raw_spinlock("&o->rs", inside=self.p)

    @cached_property
    def m(self) -> Any:
        """Its mutex."""
        return self.k.mutex("&o->m", inside=self.p)

    @cached_property
    def rw(self) -> Any:
        """Its rw_semaphore."""
        return self.k.rwsem("&o->rw", inside=self.p)

    @cached_property
    def rl(self) -> Any:
        """Its rwlock_t."""
        return self.k.rwlock("&o->rl", inside=self.p)

    async def call_rcu(self) -> None:
        """call_rcu(&o->rh, o_cb)."""
        await self.k.call_rcu(self.o_cb, name="o_cb", head=self.p)

    async def kfree_rcu(self) -> None:
        """kfree_rcu(o, rh)."""
        await self.k.kfree_rcu(self.p, "rh")

    async def kfree(self) -> None:
        """kfree(o)."""
        await self.k.kfree(self.p)


async def mk(q: Module, *members: str) -> Obj:
    """mk()."""
    o = Obj(q, await q.k.kmalloc(_SIZE))
    for member in members:
        getattr(o, member)
    return o


def _fifth(q: Module) -> int:
    """HZ / 5."""
    return q.kernel.machine.setup.config.HZ // 5


def _ten_seconds(q: Module) -> int:
    return q.kernel.machine.setup.config.HZ * 10


# -- od: freed while armed ---------------------------------------------------------------------------------------------


async def _timer(q: Module, o: Obj) -> None:
    await q.k.mod_timer(o.t, _fifth(q))
    await o.kfree()


async def _work(q: Module, o: Obj) -> None:
    k = q.k

    async def w_count() -> None:
        q.runs += 1

    await k.queue_work_on(0, q.wq, k.work(w_count, name="w_2"))
    k.preempt_disable()
    await k.queue_work(q.wq, o.w)
    await o.kfree()
    await k.preempt_enable()


async def _dwork(q: Module, o: Obj) -> None:
    await q.k.queue_delayed_work(q.wq, o.dw, _fifth(q))
    await o.kfree()


async def _hrtimer(q: Module, o: Obj) -> None:
    await q.k.hrtimer_start(o.h, 200_000_000)
    await o.kfree()


async def _rwork(q: Module, o: Obj) -> None:
    await q.k.queue_rcu_work(q.wq, o.rwk)
    await o.kfree()


async def _workrun(q: Module, o: Obj) -> None:
    k = q.k
    work = k.work(w_where(q), name="o->w", inside=o.p)
    await k.queue_work_on(0, q.wq, work)
    await k.msleep(10)
    await o.kfree()


# -- od: rcu_heads -----------------------------------------------------------------------------------------------------


async def _rcu(_q: Module, o: Obj) -> None:
    await o.call_rcu()
    await o.kfree()


async def _rcu2(q: Module, o: Obj) -> None:
    await o.call_rcu()
    await o.call_rcu()
    await q.k.msleep(200)
    q.say("again, with another function, after the callback ran")
    await o.call_rcu()
    await q.k.msleep(200)


async def _rcukrcu(_q: Module, o: Obj) -> None:
    await o.call_rcu()
    await o.kfree_rcu()


async def _krcu2(_q: Module, o: Obj) -> None:
    await o.kfree_rcu()
    await o.kfree_rcu()


async def _krcu2x(q: Module, o: Obj) -> None:
    b = await mk(q)
    await o.kfree_rcu()
    await b.kfree_rcu()
    await o.kfree_rcu()


async def _krcukfree(_q: Module, o: Obj) -> None:
    await o.kfree_rcu()
    await o.kfree()


async def _krcutimer(q: Module, o: Obj) -> None:
    await q.k.mod_timer(o.t, _ten_seconds(q))
    await o.kfree_rcu()
    await q.k.msleep(_BEHIND_MS)


async def _krcuwork(q: Module, o: Obj) -> None:
    await q.k.queue_delayed_work(q.wq, o.dw, _ten_seconds(q))
    await o.kfree_rcu()
    await q.k.msleep(_BEHIND_MS)


# -- od: initialised twice, or never -----------------------------------------------------------------------------------


async def _reinit(q: Module, o: Obj) -> None:
    await q.k.mod_timer(o.t, _fifth(q))
    del o.t
    assert o.t


async def _reinitw(q: Module, o: Obj) -> None:
    await q.k.queue_delayed_work(q.wq, o.dw, _fifth(q))
    del o.dw
    assert o.dw


async def _reinitwork(q: Module, o: Obj) -> None:
    q.k.preempt_disable()
    await q.k.queue_work(q.wq, o.w)
    del o.w
    assert o.w
    await q.k.preempt_enable()


async def _addtwice(q: Module, o: Obj) -> None:
    await q.k.add_timer(o.t, _fifth(q))
    await q.k.add_timer(o.t, _fifth(q))


async def _uninit(_q: Module, _o: Obj) -> None:
    raise NotExpressible("a timer or a work that nobody initialised is not modelled")


async def _stack(_q: Module, _o: Obj) -> None:
    raise NotExpressible("the stack as a place for timers, works and rcu_heads is not modelled")


# -- od: used after the free -------------------------------------------------------------------------------------------


async def _afterfree(q: Module, o: Obj) -> None:
    await o.kfree()
    q.touched()
    await q.k.mod_timer(o.t, _fifth(q))


async def _queuefree(q: Module, o: Obj) -> None:
    await o.kfree()
    q.touched()
    await q.k.queue_work(q.wq, o.w)


async def _rcufree(q: Module, o: Obj) -> None:
    await o.kfree()
    q.touched()
    await o.call_rcu()


async def _delfree(q: Module, o: Obj) -> None:
    await o.kfree()
    q.touched()
    await q.k.timer_delete_sync(o.t)


async def _cancelfree(q: Module, o: Obj) -> None:
    await o.kfree()
    q.touched()
    await q.k.cancel_work_sync(o.w)


_OD: Final[Mapping[str, tuple[Act, tuple[str, ...]]]] = MappingProxyType(
    {
        "timer": (_timer, ("t",)),
        "work": (_work, ("w",)),
        "dwork": (_dwork, ("dw",)),
        "hrtimer": (_hrtimer, ("h",)),
        "rcu": (_rcu, ()),
        "rcu2": (_rcu2, ()),
        "rcukrcu": (_rcukrcu, ()),
        "krcu2": (_krcu2, ()),
        "krcu2x": (_krcu2x, ()),
        "krcukfree": (_krcukfree, ()),
        "krcutimer": (_krcutimer, ("t",)),
        "krcuwork": (_krcuwork, ("dw",)),
        "reinit": (_reinit, ("t",)),
        "reinitw": (_reinitw, ("dw",)),
        "reinitwork": (_reinitwork, ("w",)),
        "addtwice": (_addtwice, ("t",)),
        "uninit": (_uninit, ()),
        "uninitw": (_uninit, ()),
        "stack": (_stack, ()),
        "stackrh": (_stack, ()),
        "stackw": (_stack, ()),
        "afterfree": (_afterfree, ("t",)),
        "queuefree": (_queuefree, ("w",)),
        "rcufree": (_rcufree, ()),
        "delfree": (_delfree, ("t",)),
        "cancelfree": (_cancelfree, ("w",)),
        "rwork": (_rwork, ("rwk",)),
        "workrun": (_workrun, ()),
    }
)


async def do_od(q: Module) -> None:
    """What debug objects see."""
    act, members = _OD[q.v]
    await act(q, await mk(q, *members))
    await q.k.msleep(q.arg("wait"))
    q.say(f"OD done debug_locks {q.debug_locks}")


# -- fl ----------------------------------------------------------------------------------------------------------------


async def _free(q: Module, o: Obj) -> None:
    """FREE."""
    if q.has("by", "krcu"):
        await o.kfree_rcu()
        q.say("kfree_rcu() done, waiting")
        await q.k.msleep(_BEHIND_MS)
    else:
        await o.kfree()
    q.say("object is freed")


async def _fl_spin(q: Module, o: Obj) -> None:
    k = q.k
    if q.has("held"):
        await k.spin_lock(o.s)
        await o.kfree()
        q.say("freed while held")
    elif q.has("unl"):
        await k.spin_lock(o.s)
        await _free(q, o)
    else:
        await _free(q, o)
        q.touched()
        await k.spin_lock(o.s)
    await k.spin_unlock(o.s)


async def _fl_mutex(q: Module, o: Obj) -> None:
    k = q.k
    if q.has("held"):
        await k.mutex_lock(o.m)
        await o.kfree()
        q.say("freed while held")
    else:
        await _free(q, o)
        q.touched()
        await k.mutex_lock(o.m)
    await k.mutex_unlock(o.m)


async def _fl_raw(q: Module, o: Obj) -> None:
    await _free(q, o)
    q.touched()
    flags = await q.k.raw_spin_lock_irqsave(o.rs)
    await q.k.raw_spin_unlock_irqrestore(o.rs, flags)


async def _fl_try(q: Module, o: Obj) -> None:
    await _free(q, o)
    q.touched()
    got = q.k.spin_trylock(o.s)
    q.say(f"trylock {int(got)}")
    if got:
        await q.k.spin_unlock(o.s)


async def _fl_rwsem(q: Module, o: Obj) -> None:
    await _free(q, o)
    q.touched()
    await q.k.down_read(o.rw)
    await q.k.up_read(o.rw)


async def _fl_rwlock(q: Module, o: Obj) -> None:
    await _free(q, o)
    q.touched()
    await q.k.read_lock(o.rl)
    await q.k.read_unlock(o.rl)


async def _fl_compl(q: Module, o: Obj) -> None:
    await _free(q, o)
    q.touched()
    await q.k.complete(o.c)


async def _fl_wait(q: Module, o: Obj) -> None:
    await _free(q, o)
    q.touched()
    await q.k.wait_for_completion(o.c)


async def _fl_wq(q: Module, o: Obj) -> None:
    await _free(q, o)
    q.touched()
    await q.k.wake_up(o.wq)


async def _krcuheld(q: Module, o: Obj) -> None:
    await q.k.spin_lock(o.s)
    await o.kfree_rcu()
    q.say("kfree_rcu while held")
    await q.k.spin_unlock(o.s)
    await q.k.msleep(_BEHIND_MS)


async def _krcuheldm(q: Module, o: Obj) -> None:
    await q.k.mutex_lock(o.m)
    await o.kfree_rcu()
    q.say("kfree_rcu while the mutex is held, held on for 7 s")
    await q.k.msleep(_BEHIND_MS)
    await q.k.mutex_unlock(o.m)


async def _rd(q: Module, o: Obj) -> None:
    await _free(q, o)
    q.touched()
    q.k.deref(o.p)
    q.say("read 0")


async def _wr(q: Module, o: Obj) -> None:
    await _free(q, o)
    q.touched()
    q.k.deref(o.p)
    q.say("written")
    await q.k.msleep(100)
    for _ in range(_MANY):
        await q.k.kfree(await q.k.kmalloc(_SIZE))


_FL: Final[Mapping[str, tuple[Act, tuple[str, ...]]]] = MappingProxyType(
    {
        "spin": (_fl_spin, ("s",)),
        "raw": (_fl_raw, ("rs",)),
        "try": (_fl_try, ("s",)),
        "mutex": (_fl_mutex, ("m",)),
        "rwsem": (_fl_rwsem, ("rw",)),
        "rwlock": (_fl_rwlock, ("rl",)),
        "compl": (_fl_compl, ("c",)),
        "wait": (_fl_wait, ("c",)),
        "wq": (_fl_wq, ("wq",)),
        "krcuheld": (_krcuheld, ("s",)),
        "krcuheldm": (_krcuheldm, ("m",)),
        "rd": (_rd, ()),
        "wr": (_wr, ()),
    }
)


async def do_fl(q: Module) -> None:
    """What happens to a lock in freed memory."""
    act, members = _FL[q.v]
    await act(q, await mk(q, *members))
    q.say(f"FL done debug_locks {q.debug_locks}")
