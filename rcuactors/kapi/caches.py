"""Caches of one's own, and slab objects for any context (include/linux/slab.h)."""

from __future__ import annotations

from collections.abc import Coroutine
from sys import _getframe
from typing import Any

import attrs

from ..context.memory import LIVE
from ..context.trace import Origin, caller_site, origin_of
from ..errors import bad_value
from ..mm.gfp import GFP_KERNEL, Gfp
from ..mm.objects import KObject
from ..mm.slab import kmem_cache
from ..mm.slab.cache import SIZES, Cache
from ..mm.slab.rules import DestroyWaits
from ..mm.slab.slab_nolock import kmalloc_nolock
from .arguments import WORDS, checks_itself, wrong_argument
from .base import not_negative
from .fields import StructObject, StructType
from .memory import check_gfp, checked
from .rcu import expect_room_for_head
from .sizes import Sizes


@attrs.frozen(eq=False)
class KmemCache:
    """struct kmem_cache as a scenario has it: from kmem_cache_create()."""

    cache: Cache
    size: int
    struct: StructType | None


class Caches(Sizes):
    """kmem_cache_create() and its kin, kmalloc_nolock() and its kin."""

    def kmem_cache_create(self, name: str, what: int | StructType, *, sheaf_capacity: int = 0) -> KmemCache:
        """kmem_cache_create(): a cache of objects of so many bytes, or of a struct type; at most one page each.

        May sleep. `sheaf_capacity` is that of struct kmem_cache_args, in versions that have it: objects in a sheaf; on
        v6.18 a cache has sheaves only if that is given. Raises BadInput for a size out of range, and where there is no
        such thing.
        """
        rules = self._machine.slab.rules
        if sheaf_capacity:
            self._expect_version("kmem_cache_create(sheaf_capacity=)", has=rules.sheaves is not None, since="v6.18")
            not_negative("kmem_cache_create(sheaf_capacity=)", sheaf_capacity)
        self._cpu.judge.might_sleep(self._cpu)
        struct = what if isinstance(what, StructType) else None
        size = what.size if isinstance(what, StructType) else what
        if not 1 <= size <= SIZES[-1]:
            raise bad_value(f"kmem_cache_create({name!r}, {size})", f"1 to {SIZES[-1]} bytes")
        return KmemCache(self._machine.slab.kmem_cache_create(name, size, sheaf_capacity), size, struct)

    @checks_itself
    def kmem_cache_alloc(self, cache: KmemCache, gfp: Gfp = GFP_KERNEL) -> Coroutine[Any, Any, Any]:
        """kmem_cache_alloc(): an object of the cache. One that fails is None, as NULL is returned there."""
        _expect_cache("kmem_cache_alloc", cache)
        check_gfp("kmem_cache_alloc", gfp)
        origin = origin_of(_getframe(1))
        return self._cache_alloc(cache, gfp, origin)

    async def _cache_alloc(self, cache: KmemCache, gfp: Gfp, origin: Origin) -> Any:
        self._use_cache(cache)
        struct = cache.struct
        make: Any = KObject if struct is None else struct.layout
        p = await self._machine.slab.kmalloc(self._thread, cache.size, gfp, make=make, cache=cache.cache)
        if p is not None:
            p.origin = origin
            if struct is not None:
                assert isinstance(p, StructObject)
                struct.init(p)
        return p

    @checks_itself
    async def kmem_cache_free(self, cache: KmemCache, p: KObject | None) -> None:
        """kmem_cache_free(): an object of another cache is told, and goes back to where it came from."""
        _expect_cache("kmem_cache_free", cache)
        if p is None:
            return
        self._use_cache(cache)
        if not self._freeable(p, "kmem_cache_free", _getframe(1), vmalloc=False):
            return
        await self._queued(p)
        if kmem_cache.cache_of(p) is not cache.cache:
            kmem_cache.report_wrong_cache(self._cpu, cache.cache, p)
        await self._machine.slab.kfree(self._thread, p, "kmem_cache_free")

    async def kmem_cache_destroy(self, cache: KmemCache) -> None:
        """kmem_cache_destroy(): objects of it that are not freed are told, and then it stays. May sleep."""
        self._use_cache(cache)
        if cache.cache.destroyed:
            return
        machine = self._machine
        said = machine.setup.era.rules.mm.cache_has_objects
        said = f"{said} {caller_site()}" if said else ""
        live = machine.oracle.live.values
        await kmem_cache.kmem_cache_destroy(machine.slab, self._thread, cache.cache, live, said)

    async def kmem_cache_shrink(self, cache: KmemCache) -> bool:
        """kmem_cache_shrink(): give back the cache's slabs without objects. Whether none is left. May sleep."""
        self._use_cache(cache)
        return await kmem_cache.kmem_cache_shrink(self._machine.slab, self._thread, cache.cache)

    def _use_cache(self, cache: KmemCache) -> None:
        if cache.cache.destroyed:
            kmem_cache.report_use_after_destroy(self._cpu, cache.cache)

    async def kvfree_rcu_barrier_on_cache(self, cache: KmemCache) -> None:
        """kvfree_rcu_barrier_on_cache(): sleep until what kvfree_rcu() has of this cache by now is freed.

        Modules cannot call it (commit 648294a02bfc), kmem_cache_destroy() does. Raises BadInput on a version that has
        no such function.
        """
        has = self._machine.slab.rules.destroy_waits is DestroyWaits.ON_CACHE
        self._expect_version("kvfree_rcu_barrier_on_cache()", has=has, since="v7.0")
        self._use_cache(cache)
        await self._machine.kvfree.barriers.kvfree_rcu_barrier_on_cache(self._thread, cache.cache)

    # -- for any context ---------------------------------------------------------------------------------------------

    async def kmalloc_nolock(self, size: int) -> KObject | None:
        """kmalloc_nolock(): an object of `size` bytes or a little more by trylocks only, NULL where that fails.

        May be called in any context, NMI included. Raises BadInput on a version that has no such function.
        """
        self._expect_version("kmalloc_nolock()", has=self._machine.slab.rules.kmalloc_nolock is not None, since="v6.18")
        checked("kmalloc_nolock", size, GFP_KERNEL)
        p = await kmalloc_nolock(self._machine.slab, self._cpu, size)
        if p is not None:
            p.origin = origin_of(_getframe(1))
            self._machine.oracle.allocated(p)
        return p

    @checks_itself
    async def kfree_nolock(self, p: KObject | None) -> None:
        """kfree_nolock(): what kmalloc_nolock() gave, at once or by an irq_work; in any context. BadInput as there."""
        self._expect_version("kfree_nolock()", has=self._machine.slab.rules.kmalloc_nolock is not None, since="v6.18")
        if p is not None and self._freeable(p, "kfree_nolock", _getframe(1), vmalloc=False):
            await self._machine.slab.kfree_nolock(self._cpu, p)

    @checks_itself
    def kfree_rcu_nolock(self, p: KObject | None, rhf: str) -> Coroutine[Any, Any, None]:
        """kfree_rcu_nolock(): kfree_rcu() with the name of the object's kvfree_rcu_head field, in any context.

        NULL is ignored. Raises BadInput on a version that has no such function, for anything that is no object, and
        for one that has no room for a head.
        """
        self._expect_version("kfree_rcu_nolock()", has=self._machine.slab.rules.kfree_rcu_nolock, since="v7.3")
        if rhf.__class__ is not str:
            raise wrong_argument("kfree_rcu_nolock", "rhf", rhf, "the name of the object's kvfree_rcu_head")
        if p is None:
            return _nothing()
        if not isinstance(p, KObject):
            raise wrong_argument("kfree_rcu_nolock", "p", p, WORDS[KObject.__name__])
        expect_room_for_head("kfree_rcu_nolock", p)
        if p.state == LIVE:
            p.retired_from = origin_of(_getframe(1))
        return self._machine.kvfree.nolock.kfree_call_rcu_nolock(self._thread, p)


def _expect_cache(what: str, cache: object) -> None:
    if not isinstance(cache, KmemCache):
        raise wrong_argument(what, "cache", cache, WORDS[KmemCache.__name__])


async def _nothing() -> None:
    """NULL."""
