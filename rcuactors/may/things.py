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


def _kref(things: Things) -> Value:
    kref = things.k.kref("kref")
    things.k.kref_init(kref)
    return kref


async def _notified(_block: object, _action: int, _data: object) -> int:
    """What a notifier chain calls."""
    return 0


def _block(things: Things) -> Value:
    return things.k.notifier_block(_notified)


async def _atomic_block(things: Things) -> Value:
    """One that is registered already."""
    block = _block(things)
    await things.k.atomic_notifier_chain_register(things["atomic_chain"], block)
    return block


async def _blocking_block(things: Things) -> Value:
    """One that is registered already."""
    block = _block(things)
    await things.k.blocking_notifier_chain_register(things["blocking_chain"], block)
    return block


async def _atomic_chain(things: Things) -> Value:
    chain = things.k.atomic_notifier_head("chain")
    await things.k.atomic_notifier_chain_register(chain, things.k.notifier_block(_notified))
    return chain


async def _blocking_chain(things: Things) -> Value:
    chain = things.k.blocking_notifier_head("chain")
    await things.k.blocking_notifier_chain_register(chain, things.k.notifier_block(_notified))
    return chain


async def _object(things: Things) -> Value:
    """Of a struct type: what has a word, a pointer, and a member that can be in a list."""
    k = things.k
    return await k.kmalloc(k.struct("thing", word=0, pointer=None, node=k.list_head), GFP_KERNEL)


async def _full_list(things: Things) -> Value:
    """A list of one object."""
    k = things.k
    head = k.list_head("list")
    k.list_add((await _object(things)).node, head)
    return head


async def _full_hlist(things: Things) -> Value:
    """A hash list of one object."""
    k = things.k
    head, thing = k.hlist_head("hlist"), k.struct("thing", node=k.hlist_node)
    k.hlist_add_head((await k.kmalloc(thing, GFP_KERNEL)).node, head)
    return head


def _entry(things: Things) -> Value:
    """An entry of a list of its own."""
    entry = things.k.list_head("entry")
    things.k.list_add(entry, things.k.list_head("list"))
    return entry


def _hnode(things: Things) -> Value:
    """An entry of a hash list of its own."""
    node = things.k.hlist_node("node")
    things.k.hlist_add_head(node, things.k.hlist_head("hlist"))
    return node


async def _disabled_work(things: Things) -> Value:
    work = things.k.work(things.nothing)
    await things.k.disable_work(work)
    return work


async def _disabled_dwork(things: Things) -> Value:
    dwork = things.k.delayed_work(things.nothing)
    await things.k.disable_delayed_work(dwork)
    return dwork


async def _none_to_free() -> int:
    """A shrinker's count_objects()."""
    return 0


async def _frees_none(_nr_to_scan: int) -> int | None:
    """A shrinker's scan_objects()."""
    return None


async def _on_cpu(_cpu: int) -> int:
    """What is called for a CPU that comes or goes."""
    return 0


async def _gone_cpu(things: Things) -> Value:
    """A CPU that is offline: the last one, which nothing here runs on."""
    cpu = things.k.num_online_cpus() - 1
    await things.k.remove_cpu(cpu)
    return cpu


async def _own_cpu(things: Things) -> Value:
    """One that is offline, and whose callbacks nobody else invokes."""
    cpu = await _gone_cpu(things)
    await things.k.rcu_nocb_cpu_deoffload(cpu)
    return cpu


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
    "atomic64": _plain(lambda things: things.k.atomic64_t("atomic64")),
    "atomic_long": _plain(lambda things: things.k.atomic_long_t("atomic_long")),
    "refcount": _plain(_refcount),
    "kref": _plain(_kref),
    "atomic_chain": _atomic_chain,
    "blocking_chain": _blocking_chain,
    "action": _plain(lambda _things: 0),
    "object": _object,
    "word": _plain(lambda _things: "word"),
    "pointer": _plain(lambda _things: "pointer"),
    "member": _plain(lambda _things: "node"),
    "none": _plain(lambda _things: None),
    "true": _plain(lambda _things: True),
    "c": _plain(lambda _things: False),
    "list": _plain(lambda things: things.k.list_head("list")),
    "other_list": _plain(lambda things: things.k.list_head("other_list")),
    "full_list": _full_list,
    "hlist": _plain(lambda things: things.k.hlist_head("hlist")),
    "full_hlist": _full_hlist,
    "seqcount": _plain(lambda things: things.k.seqcount_t("seqcount")),
    "percpu": _plain(lambda things: things.k.define_per_cpu("percpu", 0)),
    "on_cpu": _plain(lambda _things: _on_cpu),
    "count": _plain(lambda _things: _none_to_free),
    "scan": _plain(lambda _things: _frees_none),
    "last_cpu": _plain(lambda things: things.k.num_online_cpus() - 1),
    "gone_cpu": _gone_cpu,
    "own_cpu": _own_cpu,
    "full_cookie": _plain(lambda things: things.k.get_state_synchronize_rcu_full()),
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
    "new_entry": _plain(lambda things: things.k.list_head("entry")),
    "entry": _plain(_entry),
    "new_node": _plain(lambda things: things.k.hlist_node("node")),
    "hnode": _plain(_hnode),
    "new_block": _plain(_block),
    "atomic_block": _atomic_block,
    "blocking_block": _blocking_block,
    "disabled_work": _disabled_work,
    "disabled_dwork": _disabled_dwork,
    "hp_setup": lambda things: things.k.cpuhp_setup_state("CPUHP_AP_ONLINE_DYN", "state", startup=_on_cpu),
    "own_srcu": _plain(lambda things: things.k.init_srcu_struct("own_srcu")),
    "own_shrinker": lambda things: things.k.register_shrinker("own_shrinker", _none_to_free, _frees_none),
    "own_wq": _plain(lambda things: things.k.alloc_workqueue("own_wq")),
    "own_cache": _plain(lambda things: things.k.kmem_cache_create("own_cache", SLAB_OBJECT)),
}
"""By word: what each turn uses up."""
