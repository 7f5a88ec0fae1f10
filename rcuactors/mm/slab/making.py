"""The slab allocator of a version, put together: slabs, sheaves if it has them, and the works that flush."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from .pcs import alloc_from_pcs
from .rcu_sheaf import RcuSheaves
from .sheaf import RcuForSheaves, SheafLayer
from .sheaf_flush import FlushWorks, SheafFlush

if TYPE_CHECKING:
    from ...kernel.system import System
    from ...kernel.workqueue import Workqueues
    from ..objects import LifetimeObserver
    from ..page.page_alloc import PageAllocator
    from ..rules import MmRules
    from .slab import SlabAllocator


def make_slab(
    system: System,
    pages: PageAllocator,
    observer: LifetimeObserver,
    rules: MmRules,
    *,
    rcu: RcuForSheaves,
    workqueues: Workqueues,
) -> SlabAllocator:
    """Of one machine. `observer` hears of objects' lives, `rcu` is what sheaves ask."""
    slab = rules.slab(system, pages, observer, rules)
    works = FlushWorks(slab, workqueues)
    slab.flushes_by(works)
    if rules.sheaves is not None:
        layer = SheafLayer(system, slab, rules.sheaves)
        collecting = RcuSheaves(layer, rcu, observer, slab.deferred.new_list)
        slab.sheaves_are(layer, collecting, SheafFlush(layer, rcu, collecting, works), partial(alloc_from_pcs, layer))
    return slab
