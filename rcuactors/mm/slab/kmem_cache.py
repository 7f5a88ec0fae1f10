"""Caches of one's own (mm/slab_common.c, mm/slub.c): kmem_cache_create(), kmem_cache_free(), kmem_cache_destroy().

A cache that goes while objects of it are not freed stays where it is, and the kernel says so (shutdown_cache(),
list_slab_objects()): whoever frees by RCU has to wait for the callbacks first. Caches are not merged with others.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ...context import splat
from ...context.trace import call_trace
from ...context.violation import KERNEL, ORACLE, ViolationKind
from ...marks import machinery
from ..objects import KObject
from .slab import Cache, Slab

if TYPE_CHECKING:
    from ...kernel.cpu import Cpu
    from ...kernel.thread import Thread
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
    slab: SlabAllocator, thread: Thread, cache: Cache, live: Iterable[object], said: str
) -> None:
    """kmem_cache_destroy(): give the slabs back, if no object of the cache is among those that are `live`.

    `said` is what the version says if one is.
    """
    cpu = thread.cpu
    cpu.judge.might_sleep(cpu)
    remaining = [p for p in live if isinstance(p, KObject) and cache_of(p) is cache]
    if not remaining:
        await slab.shutdown_cache(thread, cache)
        return
    title = f"BUG {cache.name} (Not tainted): Objects remaining in {cache.name} on __kmem_cache_shutdown()"
    trace = call_trace()
    lines = [title, *(f"Object 0x{p.address:016x}, {p.history()[0]}" for p in remaining)]
    second = f"kmem_cache_destroy {cache.name}: Slab cache still has objects{said}"
    text = "\n".join([*lines, second, *cpu.judge.stack(cpu, trace)])
    cpu.judge.report(cpu, ViolationKind.LEAK, title, text)
