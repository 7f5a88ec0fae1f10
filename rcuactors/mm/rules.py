"""What differs between kernel versions in the allocators: values and named parts, of which an era picks.

What no released version has, but a design may bring, is a rule with a default here too: the lock's type, what forbids
locks, sheaves. A design says so before the machine is built (`rules()` of `kvfree.rules.DesignExtras`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from ..context.locks import LockKind
from ..errors import bad_value
from .gfp import GFP_ATOMIC, GFP_NOWARN, GFP_V5_9, Gfp, GfpWords
from .kvmalloc import KvmallocFallback
from .page.list_sizes import ListSizes, ZoneFlags, ZoneSizes
from .page.no_locks import NoLocks
from .page.page_lists import PageLists
from .slab.rules import DestroyWaits, NolockContexts, SheafRules

if TYPE_CHECKING:
    from ..kernel.system import System
    from ..kernel.thread import Thread
    from .objects import LifetimeObserver
    from .page.page_alloc import PageAllocator
    from .slab.slab import SlabAllocator


@attrs.frozen(kw_only=True)
class MmRules:
    """One version's parts."""

    page_lists: Callable[[System], PageLists]
    """What guards the CPUs' page lists."""
    list_sizes: Callable[[ZoneSizes, ZoneFlags], ListSizes]
    """How long they get, and how many pages are moved at a time."""
    freed_type_first: bool = False
    """A list that is too long loses first the pages of the migrate type that was freed, and then the others', instead
    of some of each in turn (mm/page_alloc.c, free_pcppages_bulk(): 6.1.0 has it, 5.11 has not)."""
    drains_in_parts: bool = False
    """A list is drained in parts of 2^CONFIG_PCP_BATCH_SCALE_MAX batches, the lock let go of in between (v6.11)."""
    frees_in_batches: bool = False
    """A list that is too long is shortened batch by batch, the lock let go of in between (v6.19)."""
    decays_in_batches: bool = False
    """What vmstat's work takes off a list goes to the zone batch by batch, too (decay_pcp_high(): 6.12.94 and 6.18.44
    have it, 6.12.0 and 6.18.2 have not)."""
    gfp: GfpWords = GFP_V5_9
    """What GFP_ATOMIC and GFP_NOWAIT are."""
    debug_objects_gfp: Gfp = GFP_ATOMIC | Gfp.NORETRY | GFP_NOWARN
    """With what debug objects ask for memory (lib/debugobjects.c, fill_pool()): GFP_ATOMIC|__GFP_NORETRY|__GFP_NOWARN,
    later __GFP_HIGH|__GFP_NOWARN, which does not wake kswapd (6.1.166 has it, 6.1.0 has not)."""
    debug_objects_wake_kswapd: bool = False
    """Preemptible callers wake it all the same (lib/debugobjects.c: 6.18.44 has it, 6.18.2 has not)."""
    nolock: bool = False
    """alloc_pages_nolock() and free_pages_nolock() are there; who asks without a reclaim bit must not spin (v6.15)."""
    linear_map_lock: LockKind = LockKind.SPINLOCK
    """The type of linear_map_hash_lock, which debug_pagealloc takes: powerpc's (hash_utils.c), later a raw one."""
    depot_lock: LockKind = LockKind.SPINLOCK
    """The type of the stack depot's lock, as KASAN meets it (lib/stackdepot.c; raw since 78564b943487, v5.14)."""
    shrinkers_by_reference: bool = False
    """Of a shrinker that goes only those are waited for who are at it, and not all of shrink_slab() (v6.7)."""
    reserves: Callable[[Thread, Gfp, int], int]
    """What of the min watermark a request must leave."""
    vmalloc_failure: Callable[[int, int], str]
    """How vmalloc() words its failure: of so many bytes had and wanted."""
    kvmalloc_fallback: KvmallocFallback = KvmallocFallback.GFP_KERNEL
    """With which flags kvmalloc() of more than a page goes to vmalloc() (mm/util.c, mm/slub.c)."""
    vmalloc_too_large: str = "vmalloc: allocation failure: {} bytes"
    """What vmalloc() says of more bytes than there is memory (mm/vmalloc.c, __vmalloc_node_range())."""
    vmalloc_warns_of_nothing: bool = False
    """Of no bytes, too, it says that; or it warns (WARN_ON_ONCE(!size), 6.1.0 has it and 5.11 has not)."""
    alloc_pages: str = "__alloc_pages_nodemask"
    """What warns of an order that does not exist (mm/page_alloc.c)."""
    vmalloc_range: str = "__vmalloc_node_range"
    """What vmalloc() is called in it (mm/vmalloc.c)."""
    slab: Callable[[System, PageAllocator, LifetimeObserver, MmRules], SlabAllocator]
    """How a CPU's slab is guarded (mm/slub.c)."""
    kasan_double_free: str = "double-free or invalid-free"
    """What KASAN calls a second free (mm/kasan/report.c); one of the two words since v5.19."""
    vfree_removes_area: bool = False
    """vfree() asks remove_vm_area() for the area, which warns of an address that cannot be one, and then warns itself
    that there is none (commit 79311c1fe017 of v6.3). Before, __vunmap() said the one or the other."""
    object_err_warns: bool = False
    """What the slab allocator finds wrong with an object is followed by a WARN() (object_err() in mm/slub.c: v6.15, and
    stable kernels: 6.12.94 and 6.18.2 have it, 6.12.0 has not), and poison that was written to is "Object corrupt"."""
    cache_has_objects: str = ""
    """How kmem_cache_destroy() goes on after "Slab cache still has objects"; a WARN() with the caller since v5.16."""
    objects_remaining: str = "Objects remaining in {} on __kmem_cache_shutdown()"
    """What is said first, with the cache's name, of a cache that is to go with objects in it (mm/slub.c)."""
    destroy_waits: DestroyWaits = DestroyWaits.NOTHING
    """What kmem_cache_destroy() waits for (mm/slab_common.c)."""
    zone_lock: LockKind = attrs.field(default=LockKind.SPINLOCK)
    """The type of zone->lock: SPINLOCK or RAW_SPINLOCK."""
    no_locks: Callable[[], NoLocks] | None = None
    """What forbids the allocator's locks, in a kernel that has such a thing."""
    sheaves: SheafRules | None = None
    """Arrays of objects before the slabs (mm/slub.c, v6.18)."""
    kmalloc_nolock: NolockContexts | None = None
    """Where kmalloc_nolock() may be called, in a version that has it (commit af92793e52c3, v6.18)."""
    kmalloc_nolock_retries: bool = False
    """It goes on for ever in a cache that slub_debug looks after, while n->list_lock is taken (mended before v6.18 by
    commit c379b745e12a)."""
    kfree_rcu_nolock: bool = False
    """kfree_rcu_nolock() is there (commit 3bc999d944b3, 7.3)."""

    @zone_lock.validator
    def _check_zone_lock(self, _attribute: object, kind: LockKind) -> None:
        if kind not in (LockKind.SPINLOCK, LockKind.RAW_SPINLOCK):
            raise bad_value(f"zone_lock={kind}", "LockKind.SPINLOCK or LockKind.RAW_SPINLOCK")
