"""What the threads of a drawn program share: locks, works, timers, objects, and where readers find some of them."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any, Final

import attrs

from ..kapi import Kernel
from ..kernel.workqueue import WqFlags
from ..mm.gfp import GFP_KERNEL, GFP_NOWAIT

Operation = Callable[["Shop", random.Random], Awaitable[None]]

TOP: Final = 5
"""No lock is held: whatever there is may be waited for."""
SLEEPS: Final = 4
"""A lock may be held that sleeps."""
SPINS: Final = 3
"""A spinlock_t may be taken."""
RAW: Final = 2
"""A raw spinlock may be taken."""
ATOMIC: Final = 1
"""None of those here; interrupts may be off."""
NMI: Final = 0

_SLOTS: Final = 3
_POOL: Final = 24


@attrs.define(eq=False)
class Shop:
    """All of it. `wrong` percent of the operations are done where they must not be."""

    k: Kernel
    rng: random.Random
    wrong: int
    raw: list[Any] = attrs.field(factory=list)
    raw_irq: Any = None
    spin: list[Any] = attrs.field(factory=list)
    spin_bh: Any = None
    rw: Any = None
    mutexes: list[Any] = attrs.field(factory=list)
    rwsem: Any = None
    rt_mutex: Any = None
    local: Any = None
    wqs: list[Any] = attrs.field(factory=list)
    works: list[Any] = attrs.field(factory=list)
    dworks: list[Any] = attrs.field(factory=list)
    rworks: list[Any] = attrs.field(factory=list)
    timers: list[Any] = attrs.field(factory=list)
    hrtimers: list[Any] = attrs.field(factory=list)
    irq_works: list[Any] = attrs.field(factory=list)
    completion: Any = None
    head: Any = None
    srcu: Any = None
    caches: list[Any] = attrs.field(factory=list)
    counter: Any = None
    entry: Any = None
    slots: Any = None
    pool: list[Any] = attrs.field(factory=list)
    cookies: list[int] = attrs.field(factory=list)
    flag: int = 0
    handlers: list[Callable[[], Awaitable[None]]] = attrs.field(factory=list)

    @property
    def cpus(self) -> int:
        """Of the machine."""
        return len(self.k.machine.system.masks.possible)

    def online(self, rng: random.Random) -> int:
        """One of those that are."""
        return rng.choice(self.k.online_cpus())

    async def fill(self) -> None:
        """Objects for who cannot allocate."""
        while len(self.pool) < _POOL:
            p = await self.k.kmalloc(self.entry, GFP_NOWAIT if self.rng.random() < 0.2 else GFP_KERNEL)
            if p is None:
                return
            self.pool.append(p)

    def take(self) -> Any:
        """An object nobody else has; None if there is none left."""
        return self.pool.pop() if self.pool else None


async def opened(k: Kernel, rng: random.Random, wrong: int, handler: Callable[[Shop, int], Any]) -> Shop:
    """Make all of it. `handler` makes a function of the level at which it will be called."""
    s = Shop(k, rng, wrong)
    _open_locks(s)
    flags = [WqFlags.UNBOUND, WqFlags.MEM_RECLAIM, WqFlags.HIGHPRI, WqFlags(0), WqFlags.UNBOUND | WqFlags.MEM_RECLAIM]
    for number in range(2):
        s.wqs.append(k.alloc_workqueue(f"own{number}", rng.choice(flags), rng.choice([0, 0, 1, 2])))
    s.wqs.append(k.alloc_ordered_workqueue("ordered"))
    s.wqs += [k.system_wq, k.system_unbound_wq, k.system_highpri_wq]
    s.works = [k.work(handler(s, SLEEPS), name=f"work{n}") for n in range(3)]
    s.dworks = [k.delayed_work(handler(s, SLEEPS), name=f"dwork{n}") for n in range(2)]
    s.rworks = [k.rcu_work(handler(s, SLEEPS), name="rwork")]
    s.timers = [k.timer_setup(handler(s, ATOMIC), name=f"timer{n}", irqsafe=n == 1) for n in range(3)]
    s.hrtimers = [k.hrtimer(handler(s, ATOMIC), hard=n == 0, soft=n == 1, name=f"hrtimer{n}") for n in range(3)]
    s.irq_works = [k.irq_work(handler(s, ATOMIC), hard=n == 0, lazy=n == 1, name=f"irq{n}") for n in range(3)]
    s.handlers = [handler(s, ATOMIC) for _ in range(3)]
    s.completion, s.head = k.completion("done"), k.wait_queue_head("head")
    s.srcu = k.srcu_struct("srcu")
    s.caches = [k.kmem_cache_create("own", rng.choice([24, 200, 700])), k.kmem_cache_create("other", 96)]
    s.counter = k.define_per_cpu("counter", 0)
    s.entry = k.struct("entry", next=None, value=0, rcu=k.rcu_head)
    slots: dict[str, Any] = {f"slot{n}": None for n in range(_SLOTS)}
    table = k.struct("table", **slots)
    s.slots = await k.kzalloc(table)
    await s.fill()
    return s


def _open_locks(s: Shop) -> None:
    k = s.k
    s.raw = [k.raw_spinlock(f"raw{n}") for n in range(2)]
    s.raw_irq, s.spin_bh = k.raw_spinlock("raw_irq"), k.spinlock("spin_bh")
    s.spin = [k.spinlock(f"spin{n}") for n in range(2)]
    s.rw, s.rwsem = k.rwlock("rw"), k.rwsem("rwsem")
    s.mutexes = [k.mutex(f"mutex{n}") for n in range(2)]
    s.rt_mutex, s.local = k.rt_mutex("rt"), k.local_lock_t("local")


async def closed(s: Shop) -> None:
    """Wait for what is under way, and give everything back."""
    k = s.k
    ends: list[Any] = [(k.timer_delete_sync, s.timers), (k.hrtimer_cancel, s.hrtimers)]
    ends += [(k.cancel_work_sync, s.works), (k.cancel_delayed_work_sync, s.dworks), (k.flush_rcu_work, s.rworks)]
    ends += [(k.irq_work_sync, s.irq_works), (k.destroy_workqueue, s.wqs[:3])]
    for end, things in ends:
        for thing in things:
            await end(thing)
    slots, s.slots = s.slots, None
    if slots is not None:
        for n in range(_SLOTS):
            await k.kvfree_rcu(k.rcu_replace_pointer(slots, f"slot{n}", None), "rcu")
    await k.rcu_barrier()
    await k.srcu_barrier(s.srcu)
    await k.cleanup_srcu_struct(s.srcu)
    await k.kfree(slots)
    while s.pool:
        await k.kfree(s.pool.pop())
    if k.has("kvfree_rcu_barrier"):
        await k.kvfree_rcu_barrier()
    for cache in s.caches:
        await k.kmem_cache_destroy(cache)
