"""Caches that slub_debug=FZPU looks after (mm/slub.c): no CPU has a slab of theirs, and each object is looked at.

alloc_single_from_partial(), alloc_single_from_new_slab(), free_to_partial_list(): one object at a time, under
n->list_lock, out of the first partial slab and back into its own; what was freed last comes first. So freed memory is
seen by the next caller, whoever that is and on whatever CPU. alloc_debug_processing() then looks whether it is still
full of 0x6b. If somebody has written there, that is reported, the slab is given up with all that is free in it
("Marking all objects used"), and the next one is tried. How v5.9 and v5.11 have it (the CPU's slab is put back after
each object) comes to the same, and is not told apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...context import splat
from ...context.trace import call_trace
from ...context.violation import ViolationKind
from ...kernel.locking.irqsave import spin_lock_irqsave, spin_unlock_irqrestore
from ...marks import machinery
from .cache import MIN_PARTIAL, Cache, Slab

if TYPE_CHECKING:
    from ...context.memory import Memory
    from ...kernel.cpu import Cpu
    from ...kernel.thread import Thread
    from ..gfp import Gfp
    from .slab import SlabAllocator

_POISON: Final = 0x6B
_WORD: Final = 8
_RULER: Final = "=" * 77
_LINE: Final = "-" * 77


async def slab_alloc(slabs: SlabAllocator, thread: Thread, cache: Cache, gfp: Gfp) -> tuple[Slab, int] | None:
    """___slab_alloc() of a cache with SLAB_DEBUG_FLAGS: one object's slab and address, or None."""
    locks = slabs.system.locks
    thread.cpu.clock += slabs.system.costs.kmalloc_slow_ns
    if cache.partial:
        cpu, flags = await spin_lock_irqsave(locks, thread, cache.list_lock, "get_partial_node")
        taken = None
        while taken is None and cache.partial:
            taken = _single_from_partial(slabs, cpu, cache, cache.partial[next(iter(cache.partial))])
        await spin_unlock_irqrestore(locks, cpu, cache.list_lock, flags)
        if taken is not None:
            return taken
    slab = await slabs.new_slab(thread, cache, gfp)
    if slab is None:
        return None
    cpu, flags = await spin_lock_irqsave(locks, thread, cache.list_lock, "alloc_single_from_new_slab")
    slab.frozen, slab.in_use = False, 1
    address = slab.free.pop()
    if slab.free:
        slab.listed = True
        cache.partial[slab.pfn] = slab
    await spin_unlock_irqrestore(locks, cpu, cache.list_lock, flags)
    return slab, address


def _single_from_partial(slabs: SlabAllocator, cpu: Cpu, cache: Cache, slab: Slab) -> tuple[Slab, int] | None:
    """alloc_single_from_partial(); None if the object is not what it was, and then the slab is on no list any more."""
    address = slab.free.pop()
    slab.in_use += 1
    overwritten = slabs.system.overwritten.pop(address, None)
    if overwritten is not None:
        _check_bytes_and_report(slabs, cpu, cache, overwritten)
        slab.free = []
    if not slab.free:
        slab.listed = False
        del cache.partial[slab.pfn]
    return None if overwritten is not None else (slab, address)


@machinery
def _check_bytes_and_report(slabs: SlabAllocator, cpu: Cpu, cache: Cache, memory: Memory) -> None:
    """check_bytes_and_report(): the text as object_err() has it since it warns, before that its own."""
    judge, warns = cpu.judge, slabs.rules.object_err_warns
    where = f"0x{memory.address:016x}-0x{memory.address + _WORD - 1:016x}"
    what = f"{where} First byte 0x0 instead of 0x{_POISON:x}"
    kind = ViolationKind.USE_AFTER_FREE
    title = f"BUG {cache.name} ({judge.ident.tainted}): {'Object corrupt' if warns else 'Poison overwritten'}"
    head = [f"[Poison overwritten] {what}"] if warns else []
    text = [*head, _RULER, title, _LINE, "", *([] if warns else [what]), *memory.history(), f"Object {memory}"]
    if not warns:
        text += splat.stack(judge.scene(cpu), call_trace())
    judge.report(cpu, kind, title, "\n".join(text))
    judge.lockdep_unreliable()
    if warns:
        judge.warn_on(cpu, kind, "1", "object_err")


async def free_to_partial_list(slabs: SlabAllocator, thread: Thread, slab: Slab, addresses: list[int]) -> bool:
    """free_to_partial_list(): back into the slab, and that onto the node's list.

    Returns whether it is empty, and on no list since there are enough: then its page is to go.
    """
    locks, cache = slabs.system.locks, slab.cache
    cpu, flags = await spin_lock_irqsave(locks, thread, cache.list_lock, "free_to_partial_list")
    slab.free += addresses
    slab.in_use -= len(addresses)
    gone = not slab.in_use and len(cache.partial) >= MIN_PARTIAL
    if gone:
        cache.slabs -= 1
    if gone and slab.listed:
        slab.listed = False
        del cache.partial[slab.pfn]
    elif not gone and not slab.listed:
        slab.listed = True
        cache.partial[slab.pfn] = slab
    await spin_unlock_irqrestore(locks, cpu, cache.list_lock, flags)
    return gone
