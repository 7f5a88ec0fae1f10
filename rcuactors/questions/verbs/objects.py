"""od: objects that are freed while something in them is armed, or used after that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from ..module import Module
from .works import w_where

Act = Callable[[Module, Any], Awaitable[None]]
OnObject = Callable[[Any], Awaitable[None]]

_SIZE: Final = 1184
"""sizeof(struct obj) with lockdep."""
_BEHIND_MS: Final = 7000


async def mk(q: Module, work: OnObject | None = None, *, init: bool = True) -> Any:
    """mk(): a struct obj with everything in it initialised; `work` is its work's function, if it has another.

    Without `init` it is as kzalloc() leaves it.
    """
    k = q.k

    async def o_t(_o: Any) -> None:
        q.say("timer function runs")

    async def o_w(_o: Any) -> None:
        q.say("work function runs")

    async def o_h(_o: Any) -> None:
        q.say("hrtimer runs")

    members = {
        "t": k.timer_list(o_t),
        "w": k.work_struct(work or o_w),
        "dw": k.delayed_work_struct(o_w),
        "h": k.hrtimer_list(o_h),
        "rwk": k.rcu_work_struct(o_w),
    }
    return await k.kzalloc(k.struct("o", _SIZE, rh=k.rcu_head, **members), init=init)


async def _call_rcu(q: Module, o: Any) -> None:
    """call_rcu(&o->rh, o_cb)."""

    async def o_cb(_o: Any) -> None:
        q.say("rcu callback runs")

    await q.k.call_rcu(o.rh, o_cb)


async def _kfree_rcu(q: Module, o: Any) -> None:
    """kfree_rcu(o, rh)."""
    await q.k.kfree_rcu(o, "rh")


def _fifth(q: Module) -> int:
    """HZ / 5."""
    return q.kernel.machine.setup.config.HZ // 5


def _ten_seconds(q: Module) -> int:
    return q.kernel.machine.setup.config.HZ * 10


# -- od: freed while armed ---------------------------------------------------------------------------------------------


async def _timer(q: Module, o: Any) -> None:
    await q.k.mod_timer(o.t, _fifth(q))
    await q.k.kfree(o)


async def _work(q: Module, o: Any) -> None:
    k = q.k

    async def w_count() -> None:
        q.runs += 1

    await k.queue_work_on(0, q.wq, k.declare_work(w_count, name="w_2"))
    k.preempt_disable()
    await k.queue_work(q.wq, o.w)
    await q.k.kfree(o)
    await k.preempt_enable()


async def _dwork(q: Module, o: Any) -> None:
    await q.k.queue_delayed_work(q.wq, o.dw, _fifth(q))
    await q.k.kfree(o)


async def _hrtimer(q: Module, o: Any) -> None:
    await q.k.hrtimer_start(o.h, 200_000_000)
    await q.k.kfree(o)


async def _rwork(q: Module, o: Any) -> None:
    await q.k.queue_rcu_work(q.wq, o.rwk)
    await q.k.kfree(o)


async def _workrun(q: Module, o: Any) -> None:
    await q.k.queue_work_on(0, q.wq, o.w)
    await q.k.msleep(10)
    await q.k.kfree(o)


# -- od: rcu_heads -----------------------------------------------------------------------------------------------------


async def _rcu(q: Module, o: Any) -> None:
    await _call_rcu(q, o)
    await q.k.kfree(o)


async def _rcu2(q: Module, o: Any) -> None:
    await _call_rcu(q, o)
    await _call_rcu(q, o)
    await q.k.msleep(200)
    q.say("again, with another function, after the callback ran")
    await _call_rcu(q, o)
    await q.k.msleep(200)


async def _rcukrcu(q: Module, o: Any) -> None:
    await _call_rcu(q, o)
    await _kfree_rcu(q, o)


async def _krcu2(q: Module, o: Any) -> None:
    await _kfree_rcu(q, o)
    await _kfree_rcu(q, o)


async def _krcu2x(q: Module, o: Any) -> None:
    b = await mk(q)
    await _kfree_rcu(q, o)
    await _kfree_rcu(q, b)
    await _kfree_rcu(q, o)


async def _krcukfree(q: Module, o: Any) -> None:
    await _kfree_rcu(q, o)
    await q.k.kfree(o)


async def _krcutimer(q: Module, o: Any) -> None:
    await q.k.mod_timer(o.t, _ten_seconds(q))
    await _kfree_rcu(q, o)
    await q.k.msleep(_BEHIND_MS)


async def _krcuwork(q: Module, o: Any) -> None:
    await q.k.queue_delayed_work(q.wq, o.dw, _ten_seconds(q))
    await _kfree_rcu(q, o)
    await q.k.msleep(_BEHIND_MS)


# -- od: initialised twice, or never -----------------------------------------------------------------------------------


async def _reinit(q: Module, o: Any) -> None:
    await q.k.mod_timer(o.t, _fifth(q))
    await q.k.reinit(o.t)


async def _reinitw(q: Module, o: Any) -> None:
    await q.k.queue_delayed_work(q.wq, o.dw, _fifth(q))
    await q.k.reinit(o.dw)


async def _reinitwork(q: Module, o: Any) -> None:
    q.k.preempt_disable()
    await q.k.queue_work(q.wq, o.w)
    await q.k.reinit(o.w)
    await q.k.preempt_enable()


async def _addtwice(q: Module, o: Any) -> None:
    await q.api("add_timer")(o.t, _fifth(q))
    await q.api("add_timer")(o.t, _fifth(q))


async def _uninit(q: Module, _o: Any) -> None:
    b = await mk(q, init=False)
    await q.k.mod_timer(b.t, 2)


async def _uninitw(q: Module, _o: Any) -> None:
    b = await mk(q, init=False)
    await q.k.queue_work(q.wq, b.w)


async def _stack(q: Module, _o: Any) -> None:
    k = q.k

    async def o_t() -> None:
        q.say("timer function runs")

    async with k.stack_frame("on_stack") as frame:
        timer = k.timer_setup(o_t, inside=frame)
        await k.mod_timer(timer, 1)
        await k.msleep(1)
        await k.timer_delete_sync(timer)


async def _stackrh(q: Module, _o: Any) -> None:
    k = q.k

    async def o_cb(_o: Any) -> None:
        q.say("rcu callback runs")

    async with k.stack_frame("on_stack_rh") as frame:
        await k.call_rcu(k.rcu_head("rh", inside=frame), o_cb)
        await k.rcu_barrier()


async def _stackw(q: Module, _o: Any) -> None:
    k = q.k

    async def o_w() -> None:
        q.say("work function runs")

    async with k.stack_frame("on_stack_w") as frame:
        work = k.work(o_w, inside=frame)
        await k.queue_work(q.wq, work)
        await k.flush_work(work)


# -- od: used after the free -------------------------------------------------------------------------------------------


async def _afterfree(q: Module, o: Any) -> None:
    await q.k.kfree(o)
    await q.k.mod_timer(o.t, _fifth(q))


async def _queuefree(q: Module, o: Any) -> None:
    await q.k.kfree(o)
    await q.k.queue_work(q.wq, o.w)


async def _rcufree(q: Module, o: Any) -> None:
    await q.k.kfree(o)
    await _call_rcu(q, o)


async def _delfree(q: Module, o: Any) -> None:
    await q.k.kfree(o)
    await q.k.timer_delete_sync(o.t)


async def _cancelfree(q: Module, o: Any) -> None:
    await q.k.kfree(o)
    await q.k.cancel_work_sync(o.w)


_OD: Final[Mapping[str, Act]] = MappingProxyType(
    {
        "timer": _timer,
        "work": _work,
        "dwork": _dwork,
        "hrtimer": _hrtimer,
        "rcu": _rcu,
        "rcu2": _rcu2,
        "rcukrcu": _rcukrcu,
        "krcu2": _krcu2,
        "krcu2x": _krcu2x,
        "krcukfree": _krcukfree,
        "krcutimer": _krcutimer,
        "krcuwork": _krcuwork,
        "reinit": _reinit,
        "reinitw": _reinitw,
        "reinitwork": _reinitwork,
        "addtwice": _addtwice,
        "uninit": _uninit,
        "uninitw": _uninitw,
        "stack": _stack,
        "stackrh": _stackrh,
        "stackw": _stackw,
        "afterfree": _afterfree,
        "queuefree": _queuefree,
        "rcufree": _rcufree,
        "delfree": _delfree,
        "cancelfree": _cancelfree,
        "rwork": _rwork,
        "workrun": _workrun,
    }
)


async def do_od(q: Module) -> None:
    """What debug objects see."""
    work = w_where(q) if q.v == "workrun" else None

    async def w_where_(_o: Any) -> None:
        assert work is not None
        await work()

    await _OD[q.v](q, await mk(q, w_where_ if work is not None else None))
    await q.k.msleep(q.arg("wait"))
    q.say(f"OD done debug_locks {q.debug_locks}")
