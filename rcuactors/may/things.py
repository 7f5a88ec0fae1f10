"""What the arguments of a call stand for on one machine: locks, works, timers, objects to free.

All is made before the context is entered, by a thread that may sleep. Most are one thing for all turns; what a turn
uses up (an object to free, a page to give back) is made as often as the call is made.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from ..context.locks import Lock
from ..kapi import Kernel
from ..mm.gfp import GFP_KERNEL
from ..mm.objects import PAGE_SIZE

SLAB_OBJECT: Final = 1024
"""Bytes of an object that is freed at once: of a cache that nothing else here uses."""
_RCU_OBJECT: Final = 64
_SMALL: Final = 8
_MANY: Final = 1_000
_SHORT_US: Final = 100

_OF_EITHER: Final = ("p", "slab_p")
"""What may be of kmalloc(), or of vmalloc()."""

SYSTEM_WQ: Final = "system workqueue"
"""Under which the call's own words say which of the system's workqueues it is."""

Value = Any
Make = Callable[["Things"], Awaitable[Value]]


class Things:
    """The arguments by their words. `given` are those whose value the call itself says: numbers, flags, names."""

    def __init__(self, k: Kernel, given: Mapping[str, Value]) -> None:
        self.k = k
        self.given = given
        self.kept: list[Value] = []
        """What the call returned: nobody frees it before the run is over."""
        self._things: dict[str, Value] = {}
        self._supplies: dict[str, list[Value]] = {}

    async def prepare(self, words: Sequence[str], turns: int, *, areas: bool = False) -> None:
        """Make what these words stand for, for so many turns. May sleep. `areas`: what is freed is of vmalloc()."""
        for word in words:
            if word in self.given or word in self._things:
                continue
            if word in EACH_TURN:
                make = EACH_TURN["area" if areas and word in _OF_EITHER else word]
                self._supplies[word] = [await make(self) for _ in range(turns)]
            else:
                self._things[word] = await ONCE[word](self)

    def __getitem__(self, word: str) -> Value:
        """What the word stands for in this turn."""
        if word in self.given:
            return self.given[word]
        if word in self._supplies:
            return self._supplies[word].pop()
        return self._things[word]

    async def nothing(self) -> None:
        """What a work, a timer or a callback does."""

    def truth(self) -> bool:
        """What wait_event() waits for."""
        return bool(self._things["came"])

    async def comes(self) -> None:
        """A thread's: sleep for a moment, then let go who waits for the completion or the event."""
        await self.k.usleep_range(_SHORT_US, _SHORT_US)
        self._things["came"] = True
        if "completion" in self._things:
            await self.k.complete_all(self._things["completion"])
        if "waitqueue" in self._things:
            await self.k.wake_up(self._things["waitqueue"])


def _lock(kind: str) -> Make:
    async def make(things: Things) -> Lock:
        lock: Lock = getattr(things.k, kind)("lock")
        return lock

    return make


def _plain(make: Callable[[Things], Value]) -> Make:
    async def made(things: Things) -> Value:
        return make(things)

    return made


async def _sleeper(things: Things) -> Value:
    """A thread that sleeps until somebody wakes it up."""
    k = things.k

    async def sleeps() -> None:
        await k.wait_for_completion(k.completion("being woken up"))

    return await k.kthread_run(sleeps, cpu=k.raw_smp_processor_id(), name="sleeper")


async def _objects(things: Things) -> Value:
    return [await things.k.kmalloc(SLAB_OBJECT, GFP_KERNEL) for _ in range(3)]


def _workqueue(things: Things) -> Value:
    named = things.given.get(SYSTEM_WQ)
    return things.k.alloc_workqueue("wq") if named is None else getattr(things.k, named)


def _hrtimer(things: Things) -> Value:
    mode = things.given.get("mode", "")
    return things.k.hrtimer(things.nothing, hard="HARD" in mode, soft="SOFT" in mode)


async def _who_comes(things: Things) -> Value:
    return await things.k.kthread_run(things.comes, cpu=0, name="comes")


async def _release(_object: object) -> None:
    """What kref_put() calls for the last reference."""


def _kref(things: Things) -> Value:
    kref = things.k.kref("kref")
    things.k.kref_init(kref)
    return kref


async def _notified(_block: object, _action: int, _data: object) -> int:
    """What a notifier chain calls."""
    return 0


async def _atomic_chain(things: Things) -> Value:
    chain = things.k.atomic_notifier_head("chain")
    await things.k.atomic_notifier_chain_register(chain, things.k.notifier_block(_notified))
    return chain


async def _blocking_chain(things: Things) -> Value:
    chain = things.k.blocking_notifier_head("chain")
    await things.k.blocking_notifier_chain_register(chain, things.k.notifier_block(_notified))
    return chain


def _refcount(things: Things) -> Value:
    refcount = things.k.refcount_t("refcount")
    things.k.refcount_set(refcount, _MANY)
    return refcount


ONCE: Final[Mapping[str, Make]] = {
    "raw_lock": _lock("raw_spinlock"),
    "spin_lock": _lock("spinlock"),
    "mutex": _lock("mutex"),
    "rt_mutex": _lock("rt_mutex"),
    "rwlock": _lock("rwlock"),
    "rwsem": _lock("rwsem"),
    "local_lock": _lock("local_lock_t"),
    "work": _plain(lambda things: things.k.work(things.nothing)),
    "dwork": _plain(lambda things: things.k.delayed_work(things.nothing)),
    "rwork": _plain(lambda things: things.k.rcu_work(things.nothing)),
    "wq": _plain(_workqueue),
    "timer": _plain(lambda things: things.k.timer_setup(things.nothing)),
    "hrtimer": _plain(_hrtimer),
    "irq_work": _plain(lambda things: things.k.irq_work(things.nothing)),
    "tasklet": _plain(lambda things: things.k.tasklet_setup(things.nothing)),
    "seqlock": _plain(lambda things: things.k.seqlock_t("seqlock")),
    "atomic": _plain(lambda things: things.k.atomic_t("atomic")),
    "refcount": _plain(_refcount),
    "kref": _plain(_kref),
    "release": _plain(lambda _things: _release),
    "atomic_chain": _atomic_chain,
    "blocking_chain": _blocking_chain,
    "action": _plain(lambda _things: 0),
    "completion": _plain(lambda things: things.k.completion("completion")),
    "waitqueue": _plain(lambda things: things.k.wait_queue_head("waitqueue")),
    "came": _plain(lambda _things: False),
    "condition": _plain(lambda things: things.truth),
    "srcu": _plain(lambda things: things.k.srcu_struct("srcu")),
    "cache": _plain(lambda things: things.k.kmem_cache_create("cache", SLAB_OBJECT)),
    "func": _plain(lambda things: things.nothing),
    "task": _sleeper,
    "cookie": _plain(lambda things: things.k.get_state_synchronize_rcu()),
    "other_cpu": _plain(lambda things: (things.k.raw_smp_processor_id() + 1) % things.k.num_online_cpus()),
    "comes": _who_comes,
    "rcu": _plain(lambda _things: "rcu"),
    "name": _plain(lambda _things: "name"),
}
"""By word: what is made once, for all turns."""

EACH_TURN: Final[Mapping[str, Make]] = {
    "p": lambda things: things.k.kmalloc(_RCU_OBJECT, GFP_KERNEL),
    "slab_p": lambda things: things.k.kmalloc(SLAB_OBJECT, GFP_KERNEL),
    "small_p": lambda things: things.k.kmalloc(_SMALL, GFP_KERNEL),
    "area": lambda things: things.k.vmalloc(PAGE_SIZE),
    "page": lambda things: things.k.get_free_page(GFP_KERNEL),
    "cached_p": lambda things: things.k.kmem_cache_alloc(things["cache"], GFP_KERNEL),
    "objects": _objects,
    "own_wq": _plain(lambda things: things.k.alloc_workqueue("own_wq")),
    "own_cache": _plain(lambda things: things.k.kmem_cache_create("own_cache", SLAB_OBJECT)),
}
"""By word: what each turn uses up."""
