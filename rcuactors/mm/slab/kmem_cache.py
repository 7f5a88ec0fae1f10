"""Caches of one's own (mm/slab_common.c, mm/slub.c): kmem_cache_create(), kmem_cache_free(), kmem_cache_destroy().

A cache that goes while objects of it are not freed stays where it is, and the kernel says so (shutdown_cache(),
list_slab_objects()): whoever frees by call_rcu() has to wait for the callbacks first (rcu_barrier()). rcu_barrier()
does not wait for kvfree_rcu(), and before v6.12 nothing else does (commit 6c6c47b063b5). Caches are not merged with
others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ...context import splat
from ...context.trace import call_trace
from ...context.violation import KERNEL, ORACLE, ViolationKind
from ...marks import machinery
from ..objects import KObject
from .cache import Cache, Slab
from .rules import DestroyWaits

if TYPE_CHECKING:
    from ...kernel.cpu import Cpu
    from ...kernel.thread import Thread
    from ..rules import MmRules
    from .slab import SlabAllocator


def cache_of(p: KObject) -> Cache | None:
    """virt_to_cache()."""
    return p.home.cache if isinstance(p.home, Slab) else None


@machinery
def report_wrong_cache(cpu: Cpu, cache: Cache, p: KObject) -> None:
    """What cache_from_obj() says of an object of another cache, which it looks at with slub_debug only."""
    found = cache_of(p)
    name = found.name if found is not None else "no cache"
    message = f"cache_from_obj: Wrong slab cache. {cache.name} but object is from {name}"
    text = splat.warning(cpu.judge.scene(cpu), message, "cache_from_obj", call_trace())
    history = "\n".join(p.history())
    by = KERNEL if cpu.system.config.slub_debug else ORACLE
    cpu.judge.report(cpu, ViolationKind.WRONG_FREE, f"WARNING: {message}", f"{text}\n{history}", by)


@machinery
def report_use_after_destroy(cpu: Cpu, cache: Cache) -> None:
    """The cache itself is freed memory."""
    title = f"BUG: use-after-free: use of the cache {cache.name} after kmem_cache_destroy()"
    text = "\n".join([title, *cpu.judge.stack(cpu, call_trace())])
    cpu.judge.report(cpu, ViolationKind.USE_AFTER_FREE, title, text, ORACLE)


async def kmem_cache_destroy(
    slab: SlabAllocator, thread: Thread, cache: Cache, live: Callable[[], Iterable[object]], said: str
) -> None:
    """kmem_cache_destroy(): give the slabs back, if no object of the cache is among those that are `live` then.

    `said` is what the version says if one is. In v6.12 and later those are waited for first that kvfree_rcu() was
    given, on any CPU and for whatever cache. Once it was told of objects the cache has no name any more, but it stays:
    to destroy it again does nothing.
    """
    cpu, rules, hotplug = thread.cpu, slab.rules, slab.system.hotplug
    cpu.judge.might_sleep(cpu)
    await _wait_for_kvfree_rcu(slab, thread, cache)
    await slab.deferred_work_barrier(thread)
    await hotplug.cpus.cpus_read_lock(thread)
    await slab.system.locks.mutex_lock(thread, slab.slab_mutex)
    remaining: list[KObject] = []
    if not cache.unlinked:
        cache.kasan_cache_shutdown(quarantined=slab.system.config.KASAN)
        remaining = await slab.kmem_cache_shutdown(thread, cache, live)
        if remaining:
            _report_remaining(thread.cpu, cache, remaining, rules, said)
        cache.unlinked = True
    await slab.system.locks.mutex_unlock(thread, slab.slab_mutex)
    await hotplug.cpus.cpus_read_unlock(thread)


async def _wait_for_kvfree_rcu(slab: SlabAllocator, thread: Thread, cache: Cache) -> None:
    """What the version has in the place of "in-flight kfree_rcu()'s may include objects from our cache"."""
    waits = slab.rules.destroy_waits
    if waits is DestroyWaits.NOTHING:
        return
    assert slab.barriers is not None, "this version's kmem_cache_destroy() calls a barrier of kvfree_rcu()"
    if waits is DestroyWaits.ON_CACHE:
        await slab.barriers.kvfree_rcu_barrier_on_cache(thread, cache)
    else:
        await slab.barriers.kvfree_rcu_barrier(thread)


async def kmem_cache_shrink(slab: SlabAllocator, thread: Thread, cache: Cache) -> bool:
    """kmem_cache_shrink(): give back what slabs are empty. Whether no slab is left."""
    thread.cpu.judge.might_sleep(thread.cpu)
    await slab.system.hotplug.cpus.cpus_read_lock(thread)
    await slab.flush_works.flush_all_cpus_locked(thread, cache)
    await slab.free_empty_slabs(thread, cache)
    await slab.system.hotplug.cpus.cpus_read_unlock(thread)
    return not cache.slabs


def _taken(remaining: list[KObject]) -> list[str]:
    """Who is about to free them, where all have been taken out of kvfree_rcu()'s queue."""
    if not all(hasattr(p, "taken_by") for p in remaining):
        return []
    return ["", *remaining[0].taken_by.lines("Taken")[:-1]] if remaining else []


@machinery
def _report_remaining(cpu: Cpu, cache: Cache, remaining: list[KObject], rules: MmRules, said: str) -> None:
    """list_slab_objects() of each slab that is not full, and what kmem_cache_destroy() says itself.

    Slabs whose objects are all given out are on no list, and nothing is said of them.
    """
    second = f"kmem_cache_destroy {cache.name}: Slab cache still has objects{said}"
    listed = [p for p in remaining if not isinstance(p.home, Slab) or p.home.in_use < cache.per_slab]
    lines = [f"Object 0x{p.address:016x}, object allocated at {p.allocated_at}" for p in listed]
    first = f"BUG {cache.name} (Not tainted): {rules.objects_remaining.format(cache.name)}"
    title = first if listed else f"WARNING: {second}" if said else second
    trace = call_trace()
    text = "\n".join([title, *lines, *([second] if listed else []), *cpu.judge.stack(cpu, trace), *_taken(remaining)])
    cpu.judge.report(cpu, ViolationKind.LEAK, title, text)
