"""The modelled kernel versions, as values: which rules each has and which design it ships.

Sources: kernel/rcu/tree.c and mm/ at v5.9, at commit 56292e8609e3 (v5.11; in stable 5.10 as 9b81af9c8455), and at
v6.1.192, a stable release that carries the backport of commit 5da7cb193db3.
"""

from __future__ import annotations

from typing import Final

import attrs

from .kvfree.monitor import PendingMonitor, TodoMonitor
from .kvfree.rules import KvfreeRules, RecycleTo, RefillRules
from .kvfree.shrinker import cache_and_queue_shrinker, queue_shrinker
from .mm.gfp import GFP_KERNEL, GFP_NOWARN, Gfp
from .mm.page_lists import InterruptsOff, TriedLock
from .mm.rules import AllocatorRules
from .mm.slub_irqoff import IrqOffSlub
from .mm.slub_locallock import LocalLockSlub
from .spelling import no_such


@attrs.frozen(kw_only=True)
class Era:
    """One version.

    `release` is what `uname -r` and splats say; `design` is how it gets pages unless the user chooses otherwise.
    `irq_work_in_reader`: on PREEMPT_RT the thread irq_work/N runs its work inside a read-side section
    (kernel/irq_work.c, run_irq_workd()).
    """

    name: str
    release: str
    about: str
    design: str
    kvfree: KvfreeRules
    allocators: AllocatorRules
    irq_work_in_reader: bool = False


_UNLOCKED_LISTS: Final = AllocatorRules(page_lists=InterruptsOff, slab=IrqOffSlub)
_LOCKED_LISTS: Final = AllocatorRules(page_lists=TriedLock, slab=LocalLockSlub)

_REFILL_5_11: Final = RefillRules(gfp=GFP_KERNEL | GFP_NOWARN, ends_at_failure=False)
_REFILL_6_1: Final = RefillRules(gfp=GFP_KERNEL | Gfp.NORETRY | Gfp.NOMEMALLOC | GFP_NOWARN, ends_at_failure=True)

V5_9: Final = Era(
    name="v5.9",
    release="5.9.0",
    about="a page is asked for in the caller's context, under krcp->lock; skipped on PREEMPT_RT",
    design="skip-on-rt",
    kvfree=KvfreeRules(
        block_capacity=510,
        drain_ms=20,
        min_cached_objs=2,
        boot_prefill=True,
        recycle_to=RecycleTo.CURRENT_CPU,
        monitor=TodoMonitor,
        shrinker=queue_shrinker,
        refill=_REFILL_5_11,
        one_argument_allocates=False,
    ),
    allocators=_UNLOCKED_LISTS,
)

V5_11: Final = Era(
    name="v5.11",
    release="5.11.0",
    about="page cache refilled by an hrtimer and a workqueue (commit 56292e8609e3)",
    design="hrtimer-work",
    kvfree=attrs.evolve(
        V5_9.kvfree,
        min_cached_objs=5,
        boot_prefill=False,
        recycle_to=RecycleTo.OWN_CPU,
    ),
    allocators=_UNLOCKED_LISTS,
)

V6_1_STABLE: Final = Era(
    name="v6.1-stable",
    release="6.1.192",
    about="drains after 5 s, or at once when a block's worth waits; locked page lists; 5da7cb193db3 is in it",
    design="hrtimer-work",
    kvfree=attrs.evolve(
        V5_11.kvfree,
        drain_ms=5000,
        monitor=PendingMonitor,
        shrinker=cache_and_queue_shrinker,
        refill=_REFILL_6_1,
        one_argument_allocates=True,
    ),
    allocators=_LOCKED_LISTS,
    irq_work_in_reader=True,
)

ERAS: Final = {era.name: era for era in (V5_9, V5_11, V6_1_STABLE)}
DEFAULT_ERA: Final = V5_11.name


def find_era(name: str) -> Era:
    """The version of that name. Raises BadInput."""
    if name not in ERAS:
        raise no_such("kernel", name, ERAS)
    return ERAS[name]
