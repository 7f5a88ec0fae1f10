"""RCU: include/linux/rcupdate.h, srcu.h. kvfree_rcu() in its two forms, which are two different calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..things import Things
from .form import Form, Undo, Worst, form

_TWO: Final = "the two-argument form, which must never sleep: p is remembered by its rcu_head if nothing else is left"
_ONE: Final = (
    "the one-argument form, which may wait for a grace period: p needs no rcu_head; from v6.4 on, and in stable 6.1, "
    "it is spelled ..._mightsleep(p)"
)


def _two(name: str, *, areas_too: bool = True) -> Form:
    return form(f"{name}(p, rcu)", "kvfree_rcu", "p rcu", worst=Worst.QUEUES, about=_TWO, areas_too=areas_too)


def _one(name: str) -> Form:
    """By whichever name the version has."""

    async def act(things: Things) -> None:
        k, p = things.k, things["p"]
        await (k.kvfree_rcu_mightsleep(p) if k.has("kvfree_rcu_mightsleep") else k.kvfree_rcu(p))

    return Form(
        name=name,
        words=("p",),
        act=act,
        needs=("p",),
        worst=Worst.QUEUES,
        about=_ONE,
        areas_too=name.startswith("kv"),
    )


_OFFLOADED: Final[Mapping[str, Any]] = {
    "config": {"rcu_nocbs": "y"},
    "about": "of a CPU that is offline, on a kernel that was booted with rcu_nocbs=all",
}
"""A kernel of any build that was, and what an answer says of it."""

FORMS: Final = (
    _two("kfree_rcu", areas_too=False),
    _two("kvfree_rcu"),
    form("kfree_rcu_nolock(p, rcu)", worst=Worst.QUEUES, about="takes no lock that is taken"),
    _one("kfree_rcu"),
    _one("kvfree_rcu"),
    _one("kfree_rcu_mightsleep"),
    _one("kvfree_rcu_mightsleep"),
    form("kvfree_rcu_barrier()"),
    form("kvfree_rcu_barrier_on_cache(cache)"),
    form("call_rcu(head, func)", needs="func"),
    form("call_rcu_hurry(head, func)", needs="func"),
    form("synchronize_rcu()"),
    form("synchronize_rcu_expedited()"),
    form("rcu_barrier()"),
    form("rcu_nocb_cpu_deoffload(cpu)", needs="gone_cpu", undo=Undo("rcu_nocb_cpu_offload"), **_OFFLOADED),
    form("rcu_nocb_cpu_offload(cpu)", needs="own_cpu", undo=Undo("rcu_nocb_cpu_deoffload"), **_OFFLOADED),
    form("get_state_synchronize_rcu()"),
    form("start_poll_synchronize_rcu()"),
    form("poll_state_synchronize_rcu(cookie)"),
    form("cond_synchronize_rcu(cookie)"),
    form("get_state_synchronize_rcu_full(rgosp)", needs=""),
    form("start_poll_synchronize_rcu_full(rgosp)", needs=""),
    form("start_poll_synchronize_rcu_expedited()"),
    form("start_poll_synchronize_rcu_expedited_full(rgosp)", needs=""),
    form("get_completed_synchronize_rcu()"),
    form("get_completed_synchronize_rcu_full(rgosp)", needs=""),
    form("poll_state_synchronize_rcu_full(rgosp)", needs="full_cookie"),
    form("cond_synchronize_rcu_full(rgosp)", needs="full_cookie"),
    form("cond_synchronize_rcu_expedited(cookie)"),
    form("cond_synchronize_rcu_expedited_full(rgosp)", needs="full_cookie"),
    form("same_state_synchronize_rcu(oldstate1, oldstate2)", needs="cookie cookie"),
    form("same_state_synchronize_rcu_full(rgosp1, rgosp2)", needs="full_cookie full_cookie"),
    form("rcu_expedite_gp()", undo=Undo("rcu_unexpedite_gp")),
    form("rcu_read_lock_held()"),
    form("rcu_read_lock_bh_held()"),
    form("rcu_read_lock_sched_held()"),
    form("rcu_read_lock_any_held()"),
    form("rcu_read_lock_trace_held()"),
    form("srcu_read_lock_held(srcu)"),
    form("init_srcu_struct(ssp)", needs="name"),
    form("cleanup_srcu_struct(ssp)", needs="own_srcu"),
    form("call_srcu(srcu, head, func)", needs="srcu func"),
    form("synchronize_srcu(srcu)"),
    form("synchronize_srcu_expedited(srcu)"),
    form("srcu_barrier(srcu)"),
    form("call_rcu_tasks_trace(head, func)", needs="func"),
    form("synchronize_rcu_tasks_trace()"),
    form("rcu_barrier_tasks_trace()"),
)
