"""The operations that are tried in each context: one kernel call each, or one in a loop.

What an operation uses up (an object to free, a page to give back) is prepared before the context is entered, by a
thread that may sleep. What it gets is kept until the run is over.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import attrs

from ..mm.gfp import GFP_ATOMIC, GFP_KERNEL, GFP_NOWAIT, Gfp
from ..mm.objects import PAGE_SIZE

if TYPE_CHECKING:
    from .rig import Rig

Act = Callable[["Rig"], Awaitable[object]]

OBJECT_SIZE: Final = 1024
"""Of what kmalloc() and kfree() are tried with: a cache that nothing else here uses."""
_IN_A_PAGE: Final = PAGE_SIZE // OBJECT_SIZE
_RCU_OBJECT_SIZE: Final = 64
_LATER_NS: Final = 10_000_000_000
_LATER_JIFFIES: Final = 2_500
_MSLEEP_MS: Final = 20


@attrs.frozen(kw_only=True)
class Operation:
    """One operation.

    `act` does it once; `supply` makes what one turn uses up; `holds` is the lock that `contend` takes on the other
    CPU, an attribute of the rig. `from_a_page` is how many of what it gets come from one page.
    """

    act: Act
    variants: tuple[str, ...] = ("first",)
    supply: Act | None = None
    holds: str = ""
    from_a_page: int = 1


async def _nothing(_rig: Rig) -> None:
    """The context alone."""


# -- locks -------------------------------------------------------------------------------------------------------------


async def _raw_spin_lock(rig: Rig) -> None:
    await rig.k.raw_spin_lock(rig.op_raw)
    await rig.k.raw_spin_unlock(rig.op_raw)


async def _spin_lock(rig: Rig) -> None:
    await rig.k.spin_lock(rig.op_spin)
    await rig.k.spin_unlock(rig.op_spin)


async def _spin_trylock(rig: Rig) -> None:
    if rig.k.spin_trylock(rig.op_spin):
        await rig.k.spin_unlock(rig.op_spin)


async def _mutex_lock(rig: Rig) -> None:
    await rig.k.mutex_lock(rig.op_mutex)
    await rig.k.mutex_unlock(rig.op_mutex)


async def _mutex_trylock(rig: Rig) -> None:
    if rig.k.mutex_trylock(rig.op_mutex):
        await rig.k.mutex_unlock(rig.op_mutex)


# -- memory ------------------------------------------------------------------------------------------------------------


def _get_page(gfp: Gfp) -> Act:
    async def get_page(rig: Rig) -> None:
        rig.pages.append(await rig.k.get_free_page(gfp))

    return get_page


def _kmalloc(gfp: Gfp) -> Act:
    async def kmalloc(rig: Rig) -> None:
        rig.objects.append(await rig.k.kmalloc(OBJECT_SIZE, gfp))

    return kmalloc


async def _free_page(rig: Rig) -> None:
    await rig.k.free_page(rig.supplies.pop())


async def _kfree(rig: Rig) -> None:
    await rig.k.kfree(rig.supplies.pop())


async def _vfree(rig: Rig) -> None:
    await rig.k.vfree(rig.supplies.pop())


def _page_to_free(rig: Rig) -> Awaitable[Any]:
    return rig.k.get_free_page(GFP_KERNEL)


def _object_to_free(rig: Rig) -> Awaitable[Any]:
    return rig.k.kmalloc(OBJECT_SIZE, GFP_KERNEL)


def _object_for_rcu(rig: Rig) -> Awaitable[Any]:
    return rig.k.kmalloc(_RCU_OBJECT_SIZE, GFP_KERNEL)


def _area_to_free(rig: Rig) -> Awaitable[Any]:
    return rig.k.vmalloc(OBJECT_SIZE)


# -- RCU ---------------------------------------------------------------------------------------------------------------


async def _kvfree_rcu2(rig: Rig) -> None:
    await rig.k.kvfree_rcu(rig.supplies.pop(), "rcu")


async def _kvfree_rcu1(rig: Rig) -> None:
    await rig.k.kvfree_rcu(rig.supplies.pop())


async def _call_rcu(rig: Rig) -> None:
    await rig.k.call_rcu(rig.nothing, name="rcu_cb")


async def _synchronize_rcu(rig: Rig) -> None:
    await rig.k.synchronize_rcu()


# -- work, timers, threads ---------------------------------------------------------------------------------------------


async def _queue_work(rig: Rig) -> None:
    await rig.k.queue_work(rig.k.system_wq, rig.work)


async def _queue_delayed_work(rig: Rig) -> None:
    await rig.k.queue_delayed_work(rig.k.system_wq, rig.delayed_work, _LATER_JIFFIES)


async def _mod_timer(rig: Rig) -> None:
    await rig.k.mod_timer(rig.timer, _LATER_JIFFIES)


async def _hrtimer_start(rig: Rig) -> None:
    await rig.k.hrtimer_start(rig.hrtimer, _LATER_NS)


async def _hrtimer_start_hard(rig: Rig) -> None:
    await rig.k.hrtimer_start(rig.hrtimer_hard, _LATER_NS)


async def _irq_work_queue(rig: Rig) -> None:
    await rig.k.irq_work_queue(rig.irq_work)


async def _wake_up_process(rig: Rig) -> None:
    await rig.k.wake_up_process(rig.sleeper)


async def _cond_resched(rig: Rig) -> None:
    await rig.k.cond_resched()


async def _msleep(rig: Rig) -> None:
    await rig.k.msleep(_MSLEEP_MS)


_ONCE_OR_CONTENDED: Final = ("first", "contend")
_ALLOCATION: Final = ("first", "refill", "first_contend", "refill_contend")
_FREEING: Final = ("first", "refill", "refill_contend")


OPERATIONS: Final[dict[str, Operation]] = {
    "none": Operation(act=_nothing),
    "raw_spin_lock": Operation(act=_raw_spin_lock, variants=_ONCE_OR_CONTENDED, holds="op_raw"),
    "spin_lock": Operation(act=_spin_lock, variants=_ONCE_OR_CONTENDED, holds="op_spin"),
    "spin_trylock": Operation(act=_spin_trylock, variants=_ONCE_OR_CONTENDED, holds="op_spin"),
    "mutex_lock": Operation(act=_mutex_lock, variants=_ONCE_OR_CONTENDED, holds="op_mutex"),
    "mutex_trylock": Operation(act=_mutex_trylock, variants=_ONCE_OR_CONTENDED, holds="op_mutex"),
    "get_page_nowait": Operation(act=_get_page(GFP_NOWAIT), variants=_ALLOCATION),
    "get_page_atomic": Operation(act=_get_page(GFP_ATOMIC), variants=_ALLOCATION),
    "get_page_kernel": Operation(act=_get_page(GFP_KERNEL), variants=_ALLOCATION),
    "get_page_gfp0": Operation(act=_get_page(Gfp(0)), variants=_ALLOCATION),
    "free_page": Operation(act=_free_page, variants=_FREEING, supply=_page_to_free),
    "kmalloc_nowait": Operation(act=_kmalloc(GFP_NOWAIT), variants=_ALLOCATION, from_a_page=_IN_A_PAGE),
    "kmalloc_atomic": Operation(act=_kmalloc(GFP_ATOMIC), variants=_ALLOCATION, from_a_page=_IN_A_PAGE),
    "kmalloc_kernel": Operation(act=_kmalloc(GFP_KERNEL), variants=_ALLOCATION, from_a_page=_IN_A_PAGE),
    "kfree": Operation(act=_kfree, variants=_FREEING, supply=_object_to_free),
    "vfree": Operation(act=_vfree, variants=_ONCE_OR_CONTENDED, supply=_area_to_free),
    "kfree_rcu2": Operation(
        act=_kvfree_rcu2,
        variants=("first", "warm", "many", "warm_many", "many_contend", "warm_many_contend"),
        supply=_object_for_rcu,
    ),
    "kvfree_rcu1": Operation(act=_kvfree_rcu1, variants=("first", "warm"), supply=_object_for_rcu),
    "kvfree_rcu2_vmalloc": Operation(act=_kvfree_rcu2, supply=_area_to_free),
    "call_rcu": Operation(act=_call_rcu, variants=("first", "many", "many_contend")),
    "synchronize_rcu": Operation(act=_synchronize_rcu),
    "queue_work": Operation(act=_queue_work, variants=("first", "first_contend")),
    "queue_delayed_work": Operation(act=_queue_delayed_work),
    "mod_timer": Operation(act=_mod_timer),
    "hrtimer_start": Operation(act=_hrtimer_start, variants=("first", "first_contend")),
    "hrtimer_start_hard": Operation(act=_hrtimer_start_hard),
    "irq_work_queue": Operation(act=_irq_work_queue),
    "wake_up_process": Operation(act=_wake_up_process),
    "cond_resched": Operation(act=_cond_resched),
    "msleep": Operation(act=_msleep),
}
