"""What the slab allocators are made of (mm/slab.h): caches, slabs, and what each CPU has of a cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import attrs

from ...context.locks import Lock
from ...kernel.percpu import PerCpu
from ..objects import PAGE_SIZE, KObject

if TYPE_CHECKING:
    from .sheaf import CacheSheaves, SheafStatistics

SIZES: Final = (8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096)
MIN_PARTIAL: Final = 5


@attrs.define(eq=False)
class Slab:
    """One page of objects.

    `free` are the addresses that are not given out, less those on the list of a CPU whose slab it is. A frozen slab is
    a CPU's: its current one, or one on its list of partial ones. `listed`: on the cache's list of partial ones.
    """

    cache: Cache
    pfn: int
    free: list[int]
    in_use: int = 0
    frozen: bool = False
    listed: bool = False


class Place(NamedTuple):
    """An object that is free, or about to be: where it lies."""

    home: Slab
    address: int


@attrs.define(eq=False)
class CpuSlab:
    """struct kmem_cache_cpu. `lock` and the list of partial slabs, the newest last, are not in every version."""

    slab: Slab | None = None
    free: list[int] = attrs.field(factory=list)
    lock: Lock | None = None
    partial: list[Slab] = attrs.field(factory=list)


@attrs.define(eq=False)
class Cache:
    """struct kmem_cache with its node. `partial` holds slabs with some, or all, of their objects free."""

    name: str
    size: int
    list_lock: Lock
    cpus: PerCpu[CpuSlab]
    partial: dict[int, Slab] = attrs.field(factory=dict)
    slabs: int = 0
    sheaves: CacheSheaves | None = None
    destroyed: bool = False
    unlinked: bool = False
    """kmem_cache_destroy() has been here: it has no name any more."""
    _quarantine: list[KObject] | None = None
    """What was freed since kasan_cache_shutdown(): KASAN keeps it in its quarantine."""

    @property
    def per_slab(self) -> int:
        """Objects in a slab."""
        return PAGE_SIZE // self.size

    def used_by(self, cpu_id: int) -> bool:
        """has_cpu_slab() or has_pcs_used()."""
        mine = self.cpus.get(cpu_id)
        if mine is not None and (mine.slab is not None or mine.partial):
            return True
        sheaves = self.sheaves.cpus.get(cpu_id) if self.sheaves is not None else None
        return sheaves is not None and sheaves.used()

    def kasan_cache_shutdown(self, *, quarantined: bool) -> None:
        """kasan_cache_shutdown(): its objects leave the quarantine, if there is one; later ones stay in it."""
        self._quarantine = [] if quarantined else None

    def sheaf_object_freed(self, p: KObject) -> None:
        """slab_free_hook() of one that waited in a sheaf."""
        if self._quarantine is not None:
            self._quarantine.append(p)

    def quarantined(self) -> list[KObject]:
        """What KASAN has of a cache that goes."""
        return list(self._quarantine or ())


@attrs.frozen(kw_only=True)
class SlabStatistics:
    """The slab caches.

    * `caches` (caches): that were used.
    * `slabs` (pages): that they have, a page each.
    * `partial` (slabs): on the caches' lists of partial ones.
    * `empty` (slabs): of these, with no object in use.
    * `sheaves` (SheafStatistics): of designs that put sheaves before the slabs; else None.
    """

    caches: int
    slabs: int
    partial: int
    empty: int
    sheaves: SheafStatistics | None
