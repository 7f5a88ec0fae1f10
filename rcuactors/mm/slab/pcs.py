"""kmalloc() and kfree() by a CPU's sheaves (mm/slub.c: alloc_from_pcs(), free_to_pcs() and what these fall back on).

The CPU's lock is only tried, and dropped while a sheaf is made, filled or emptied: then it is tried again, perhaps that
of another CPU, which may have got a sheaf meanwhile. Sources: mm/slub.c at v6.18; what a caller that must not spin may
do is of 3bc999d944b3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..gfp import GFP_NOWAIT, Gfp
from .sheaf import MAX_FULL_SHEAVES, CacheSheaves, CpuSheaves, Sheaf, SheafLayer

if TYPE_CHECKING:
    from ...kernel.thread import Thread
    from .cache import Cache, Place

PCS_BATCH_MAX: Final = 32
"""Objects of a main sheaf that are flushed at a time."""


async def alloc_from_pcs(
    layer: SheafLayer, thread: Thread, cache: Cache, gfp: Gfp, *, spin: bool = True
) -> Place | None:
    """alloc_from_pcs(): out of the CPU's main sheaf, which is replaced if it is empty."""
    sheaves = cache.sheaves
    assert sheaves is not None
    cpu = thread.cpu
    mine = sheaves.cpus[cpu.cpu_id]
    if layer.one_step and mine.main.free and mine.lock.owner is None:
        # Nobody could see the lock held.
        return mine.main.free.pop()
    if not (layer.rules.come_first or mine.main.free or mine.spare is not None or sheaves.barn.full):
        # Nothing has come out of kfree_rcu() yet.
        return None
    if not layer.trylock(cpu, mine):
        return None
    if not mine.main.free:
        replaced = await _replace_empty_main(layer, thread, cache, mine, gfp, spin=spin)
        if replaced is None:
            return None
        mine = replaced
    taken = mine.main.free.pop()
    await layer.unlock(thread.cpu, mine)
    return taken


async def _replace_empty_main(
    layer: SheafLayer, thread: Thread, cache: Cache, mine: CpuSheaves, gfp: Gfp, *, spin: bool
) -> CpuSheaves | None:
    """__pcs_replace_empty_main(): called with the lock, which is held if it returns a CPU's, and else not."""
    sheaves, cpu = cache.sheaves, thread.cpu
    assert sheaves is not None
    if mine.spare is not None and mine.spare.free:
        mine.main, mine.spare = mine.spare, mine.main
        return mine
    full = await layer.replace_empty(cpu, sheaves.barn, mine.main, spin=spin)
    if full is not None:
        mine.main = full
        return mine
    empty: Sheaf | None = None
    fills = layer.rules.come_first and spin and bool(gfp & Gfp.DIRECT_RECLAIM)
    if fills:
        empty, mine.spare = mine.spare, None
        empty = empty or await layer.get_empty(cpu, sheaves.barn, spin=True)
    await layer.unlock(cpu, mine)
    if not fills:
        return None
    empty = empty or await layer.alloc_empty(thread, cache, spin=True, gfp=gfp)
    if empty is None:
        return None
    empty.free += await layer.slabs.refill_objects(thread, cache, gfp, sheaves.capacity)
    if not empty.free:
        await layer.free_empty(thread, empty)
        return None
    return await _install_full(layer, thread, sheaves, empty)


async def _install_full(layer: SheafLayer, thread: Thread, sheaves: CacheSheaves, full: Sheaf) -> CpuSheaves:
    """The end of __pcs_replace_empty_main(): where there is a place for it, perhaps on another CPU."""
    _, mine = await layer.lock(thread, sheaves)
    if not mine.main.free:
        left, mine.main = mine.main, full
        await layer.put_empty(thread, left)
    elif mine.spare is None:
        mine.spare = full
    elif not mine.spare.free:
        left, mine.spare = mine.spare, full
        await layer.put_empty(thread, left)
    else:
        await layer.put_full(thread, full)
    return mine


async def free_to_pcs(layer: SheafLayer, thread: Thread, cache: Cache, place: Place, *, spin: bool) -> bool:
    """free_to_pcs(): into the CPU's main sheaf, which is replaced if it is full. False: free it to its slab."""
    sheaves = cache.sheaves
    assert sheaves is not None
    cpu = thread.cpu
    mine = sheaves.cpus[cpu.cpu_id]
    if layer.one_step and len(mine.main.free) < sheaves.capacity and mine.lock.owner is None:
        mine.main.free.append(place)
        return True
    if not layer.trylock(cpu, mine):
        return False
    if len(mine.main.free) >= sheaves.capacity:
        replaced = await _replace_full_main(layer, thread, cache, mine, spin=spin)
        if replaced is None:
            return False
        mine = replaced
    mine.main.free.append(place)
    await layer.unlock(thread.cpu, mine)
    return True


async def _replace_full_main(
    layer: SheafLayer, thread: Thread, cache: Cache, mine: CpuSheaves, *, spin: bool
) -> CpuSheaves | None:
    """__pcs_replace_full_main(): called with the lock, which is held if it returns a CPU's, and else not."""
    sheaves, cpu = cache.sheaves, thread.cpu
    assert sheaves is not None
    empty: Sheaf | None
    if mine.spare is None:
        empty = await layer.get_empty(cpu, sheaves.barn, spin=spin)
        if empty is not None:
            mine.spare, mine.main = mine.main, empty
            return mine
    elif len(mine.spare.free) < sheaves.capacity:
        mine.main, mine.spare = mine.spare, mine.main
        return mine
    else:
        empty = await layer.replace_full(cpu, sheaves.barn, mine.main, spin=spin)
        if empty is not None:
            mine.main = empty
            return mine
        if spin and len(sheaves.barn.full) >= MAX_FULL_SHEAVES:
            empty, mine.spare = mine.spare, None
            await layer.unlock(cpu, mine)
            await flush_unused(layer, thread, empty)
            return await _got_empty(layer, thread, cache, empty)
    await layer.unlock(cpu, mine)
    if not spin:
        return None
    empty = await layer.alloc_empty(thread, cache, spin=True, gfp=GFP_NOWAIT)
    if empty is not None:
        return await _got_empty(layer, thread, cache, empty)
    return await _flushed_instead(layer, thread, cache)


async def _flushed_instead(layer: SheafLayer, thread: Thread, cache: Cache) -> CpuSheaves | None:
    """No memory for a sheaf: the main one is emptied, sheaf_try_flush_main()."""
    assert cache.sheaves is not None
    if not await try_flush_main(layer, thread, cache):
        return None
    mine = cache.sheaves.cpus[thread.cpu.cpu_id]
    if not layer.trylock(thread.cpu, mine):
        return None
    if len(mine.main.free) >= cache.sheaves.capacity:
        return await _replace_full_main(layer, thread, cache, mine, spin=True)
    return mine


async def _got_empty(layer: SheafLayer, thread: Thread, cache: Cache, empty: Sheaf) -> CpuSheaves | None:
    """__pcs_install_empty_sheaf(), if the lock of the CPU that this is on now can be had."""
    assert cache.sheaves is not None
    capacity = cache.sheaves.capacity
    mine = cache.sheaves.cpus[thread.cpu.cpu_id]
    if not layer.trylock(thread.cpu, mine):
        await layer.put_empty(thread, empty)
        return None
    if mine.spare is None:
        mine.spare, mine.main = mine.main, empty
    elif len(mine.main.free) < capacity:
        await layer.put_empty(thread, empty)
    elif len(mine.spare.free) < capacity:
        mine.main, mine.spare = mine.spare, mine.main
        await layer.put_empty(thread, empty)
    else:
        full, mine.main = mine.main, empty
        await layer.put_full(thread, full)
    return mine


# -- what is in them goes back to the slabs ---------------------------------------------------------------------------


async def flush_unused(layer: SheafLayer, thread: Thread, sheaf: Sheaf) -> None:
    """sheaf_flush_unused(): of a sheaf that no CPU has."""
    if sheaf.free:
        free, sheaf.free = sheaf.free, []
        await layer.slabs.free_to_slabs(thread, free)


def _some(mine: CpuSheaves) -> list[Place]:
    """__sheaf_flush_main_batch(): what is flushed next, taken out under the lock."""
    batch, mine.main.free = mine.main.free[-PCS_BATCH_MAX:], mine.main.free[:-PCS_BATCH_MAX]
    return batch


async def try_flush_main(layer: SheafLayer, thread: Thread, cache: Cache) -> bool:
    """sheaf_try_flush_main(): by a lock that is tried. Whether anything was done."""
    assert cache.sheaves is not None
    done = False
    while True:
        cpu = thread.cpu
        mine = cache.sheaves.cpus[cpu.cpu_id]
        if not layer.trylock(cpu, mine):
            return done
        batch = _some(mine)
        more = bool(mine.main.free)
        await layer.unlock(cpu, mine)
        await layer.slabs.free_to_slabs(thread, batch)
        done = True
        if not more:
            return True


async def flush_main(layer: SheafLayer, thread: Thread, cache: Cache) -> None:
    """sheaf_flush_main(): all of it, since commit 48647d3f9a64; before that what a trylock allows."""
    assert cache.sheaves is not None
    if not layer.rules.flush_takes_lock:
        await try_flush_main(layer, thread, cache)
        return
    more = True
    while more:
        cpu, mine = await layer.lock(thread, cache.sheaves)
        batch = _some(mine)
        more = bool(mine.main.free)
        await layer.unlock(cpu, mine)
        await layer.slabs.free_to_slabs(thread, batch)
