"""What a drawn program does: small pieces of kernel code, each with the least level (shop.py) at which it is right."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

from ..kapi import Kernel
from ..mm.gfp import GFP_ATOMIC, GFP_KERNEL, GFP_NOFS, GFP_NOIO, GFP_NOWAIT, GFP_NOWARN
from .shop import ATOMIC, NMI, SLEEPS, SPINS, TOP, Operation, Shop

OPERATIONS: Final[list[tuple[int, Operation]]] = []
_GFP: Final = (GFP_KERNEL, GFP_ATOMIC, GFP_NOFS, GFP_NOIO, GFP_NOWAIT, GFP_NOWARN)
_SIZES: Final = (16, 64, 192, 1024, 4096, 9000)


def at(level: int, times: int = 1) -> Callable[[Operation], Operation]:
    """An operation of that level; drawn that many times as often as others."""

    def register(operation: Operation) -> Operation:
        OPERATIONS.extend([(level, operation)] * times)
        return operation

    return register


def allowed(level: int) -> list[Operation]:
    """What is right at a level."""
    return [operation for least, operation in OPERATIONS if least <= level]


# -- memory ------------------------------------------------------------------------------------------------------------


@at(ATOMIC, 6)
async def kfree_rcu(s: Shop, _rng: random.Random) -> None:
    await s.k.kvfree_rcu(s.take(), "rcu")


@at(SPINS, 2)
async def kmalloc(s: Shop, rng: random.Random) -> None:
    p = await s.k.kmalloc(rng.choice(_SIZES[:4]), rng.choice([GFP_ATOMIC, GFP_NOWAIT]))
    await s.k.udelay(rng.randrange(3))
    await (s.k.kfree(p) if rng.random() < 0.6 or p is None else s.k.kvfree_rcu(p, "rcu"))


@at(SLEEPS, 3)
async def kmalloc_sleeping(s: Shop, rng: random.Random) -> None:
    p = await s.k.kmalloc(rng.choice(_SIZES[:-1]), rng.choice(_GFP))
    await s.k.kvfree(p)


@at(SLEEPS, 3)
async def fill(s: Shop, _rng: random.Random) -> None:
    await s.fill()


@at(TOP, 2)
async def one_argument(s: Shop, rng: random.Random) -> None:
    p = await s.k.kvmalloc(rng.choice(_SIZES))
    await (s.k.kvfree_rcu_mightsleep(p) if s.k.has("kvfree_rcu_mightsleep") else s.k.kvfree_rcu(p))


@at(SLEEPS, 2)
async def vmalloc(s: Shop, rng: random.Random) -> None:
    p = await s.k.vmalloc(rng.choice(_SIZES))
    await (s.k.vfree(p) if rng.random() < 0.4 else s.k.kvfree_rcu(p, "rcu"))


@at(SPINS)
async def pages(s: Shop, rng: random.Random) -> None:
    pfn = await s.k.alloc_pages(rng.choice([GFP_NOWAIT, GFP_ATOMIC]), 0)
    await s.k.free_pages(pfn, 0)


@at(SLEEPS)
async def page_burst(s: Shop, rng: random.Random) -> None:
    taken = [await s.k.get_free_page(rng.choice(_GFP)) for _ in range(rng.randrange(1, 40))]
    for pfn in taken:
        await s.k.free_page(pfn)


@at(SPINS)
async def cached(s: Shop, rng: random.Random) -> None:
    cache = rng.choice(s.caches)
    taken = [await s.k.kmem_cache_alloc(cache, GFP_NOWAIT) for _ in range(rng.randrange(1, 12))]
    for p in taken:
        await s.k.kmem_cache_free(cache, p)


@at(TOP)
async def cached_retired(s: Shop, rng: random.Random) -> None:
    for _ in range(rng.randrange(1, 8)):
        await s.k.kvfree_rcu(await s.k.kmem_cache_alloc(s.caches[0], rng.choice(_GFP)), "rcu")
    await s.k.kmem_cache_shrink(s.caches[0])


@at(TOP)
async def reclaimed(s: Shop, rng: random.Random) -> None:
    match rng.randrange(5):
        case 0:
            await s.k.read_file(rng.randrange(1, 200))
        case 1:
            await s.k.user_process("user", rng.randrange(1, 100))
            await s.k.user_exit("user")
        case 2:
            await s.k.drop_slab()
        case 3:
            await s.k.drain_local_pages()
        case _:
            await s.k.cold_caches()


@at(SPINS)
async def bulk(s: Shop, rng: random.Random) -> None:
    taken = [p for p in (s.take() for _ in range(rng.randrange(1, 5))) if p is not None]
    await s.k.kfree_bulk(taken)


@at(NMI, 2)
async def nolock(s: Shop, rng: random.Random) -> None:
    if s.k.has("kmalloc_nolock"):
        p = await s.k.kmalloc_nolock(rng.choice([16, 200]))
        if p is None or not s.k.has("kfree_rcu_nolock"):
            await s.k.kfree_nolock(p)
        else:
            await s.k.kfree_rcu_nolock(p, "rcu")
    else:
        await s.k.ndelay(rng.randrange(500))


# -- RCU ---------------------------------------------------------------------------------------------------------------


@at(ATOMIC, 3)
async def replaced(s: Shop, rng: random.Random) -> None:
    new = s.take()
    if s.slots is not None and new is not None:
        old = s.k.rcu_replace_pointer(s.slots, f"slot{rng.randrange(3)}", new)
        await s.k.kvfree_rcu(old, "rcu")


@at(ATOMIC, 2)
async def looked_up(s: Shop, rng: random.Random) -> None:
    if s.slots is None:
        return
    s.k.rcu_read_lock()
    p = s.k.rcu_dereference(s.k.READ_ONCE(s.slots, f"slot{rng.randrange(3)}"))
    await s.k.udelay(rng.choice([0, 1, 20]))
    if p is not None:
        s.k.deref(p)
        s.flag += s.k.READ_ONCE(p, "value")
    s.k.rcu_read_unlock()


@at(ATOMIC, 2)
async def call_rcu(s: Shop, rng: random.Random) -> None:
    p = s.take()
    if p is not None:

        async def freed(p: Any) -> None:
            await s.k.kfree(p)

        await s.k.call_rcu(p.rcu, freed)
    elif rng.random() < 0.3:
        await s.k.call_rcu(rng.choice(s.handlers))


@at(TOP, 2)
async def waited_for_readers(s: Shop, rng: random.Random) -> None:
    k = s.k
    waits: list[Callable[[], Any]] = [
        k.synchronize_rcu,
        k.synchronize_rcu_expedited,
        k.rcu_barrier,
        lambda: k.synchronize_srcu(s.srcu),
    ]
    waits += [lambda: k.synchronize_srcu_expedited(s.srcu), lambda: k.srcu_barrier(s.srcu)]
    waits += [k.synchronize_rcu_tasks_trace, k.rcu_barrier_tasks_trace]
    waits += [k.kvfree_rcu_barrier] if k.has("kvfree_rcu_barrier") else []
    await rng.choice(waits)()


@at(SPINS, 2)
async def polled(s: Shop, rng: random.Random) -> None:
    k = s.k
    if not s.cookies or rng.random() < 0.4:
        starts = rng.random() < 0.5 and _has_polling(k)
        s.cookies.append(k.start_poll_synchronize_rcu() if starts else k.get_state_synchronize_rcu())
    elif _has_polling(k) and k.poll_state_synchronize_rcu(s.cookies[0]):
        s.cookies.pop(0)


@at(TOP)
async def polled_at_last(s: Shop, rng: random.Random) -> None:
    k, full = s.k, _has_polling(s.k)
    if not s.cookies:
        s.cookies.append(k.get_completed_synchronize_rcu() if full else k.get_state_synchronize_rcu())
    wait = k.cond_synchronize_rcu_expedited if full and rng.random() < 0.5 else k.cond_synchronize_rcu
    await wait(s.cookies.pop(0))


@at(TOP)
async def polled_in_full(s: Shop, rng: random.Random) -> None:
    k = s.k
    if not _has_polling(k):
        return
    full = k.get_state_synchronize_rcu_full() if rng.random() < 0.5 else k.start_poll_synchronize_rcu_full()
    await k.usleep_range(10, 4000)
    if not k.poll_state_synchronize_rcu_full(full) and rng.random() < 0.5:
        await k.cond_synchronize_rcu_full(full)
    else:
        await k.cond_synchronize_rcu_expedited_full(await k.start_poll_synchronize_rcu_expedited_full())


def _has_polling(k: Kernel) -> bool:
    return k.machine.callbacks.rules.polled_functions


@at(SPINS)
async def srcu_callback(s: Shop, rng: random.Random) -> None:
    await s.k.call_srcu(s.srcu, rng.choice(s.handlers))


@at(SPINS)
async def trace_callback(s: Shop, rng: random.Random) -> None:
    await s.k.call_rcu_tasks_trace(rng.choice(s.handlers))


@at(TOP)
async def hurried(s: Shop, rng: random.Random) -> None:
    k = s.k
    if rng.random() < 0.3:
        k.rcu_expedite_gp()
        await k.synchronize_rcu()
        k.rcu_unexpedite_gp()
    elif k.machine.callbacks.rules.lazy_callbacks:
        await k.call_rcu_hurry(rng.choice(s.handlers))


@at(TOP)
async def offloaded(s: Shop, rng: random.Random) -> None:
    cpu = rng.randrange(s.cpus)
    if s.k.machine.setup.config.rcu_nocbs and s.k.machine.callbacks.rules.nocb_toggles_offline:
        await (s.k.rcu_nocb_cpu_offload(cpu) if rng.random() < 0.5 else s.k.rcu_nocb_cpu_deoffload(cpu))
