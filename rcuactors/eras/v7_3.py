"""v7.3: the mainline at commit 3bc999d944b3, merged for 7.3.

Sources: mm/slab_common.c and mm/slub.c there, or at e1d84f501551, shortly after; kernel/rcu/tree.c just before 7.3.
"""

from __future__ import annotations

from typing import Final

import attrs

from ..context.locks import LockKind
from ..context.waittype import WaitType
from ..mm.kvmalloc import KvmallocFallback
from ..mm.slab.rules import DestroyWaits, NolockContexts, SheafRules
from ..mm.slab.slub_sheaves import SheafSlub
from ..rcu.sr_normal import EVERY_MACHINE
from .era import Era
from .known import MISSED_BY_THE_BARRIER, MONITOR_TAKEN_BACK, SECTION_LEFT_BEFORE_THE_LOCK
from .v6_18 import V6_18

V7_3: Final = Era(
    name="v7.3",
    release="7.3.0-rc0",
    about="a slab of sheaves; kfree_rcu_nolock()",
    design="hrtimer-work",
    rules=attrs.evolve(
        V6_18.rules,
        kernel=attrs.evolve(
            V6_18.rules.kernel,
            debug_objects=attrs.evolve(V6_18.rules.kernel.debug_objects, looks_away=WaitType.CONFIG),
        ),
        lockdep=attrs.evolve(
            V6_18.rules.lockdep,
        ),
        splat=attrs.evolve(
            V6_18.rules.splat,
            warning_place_first=True,
        ),
        rcu=attrs.evolve(
            V6_18.rules.rcu,
            wakes_from_gp_up_to=EVERY_MACHINE,
            synchronize_rcu_flood=64,
            srcu_queues_by_irq_work=True,
            tasks_trace_is_srcu=True,
            srcu_lock_kind=LockKind.RAW_SPINLOCK,
        ),
        mm=attrs.evolve(
            V6_18.rules.mm,
            debug_objects_wake_kswapd=True,
            frees_in_batches=True,
            decays_in_batches=True,
            kvmalloc_fallback=KvmallocFallback.ALL,
            slab=SheafSlub,
            destroy_waits=DestroyWaits.ON_CACHE,
            sheaves=SheafRules(),
            kmalloc_nolock=NolockContexts.TRYLOCKS,
            kfree_rcu_nolock=True,
        ),
        kvfree=attrs.evolve(
            V6_18.rules.kvfree,
        ),
    ),
    known_bugs=(
        MISSED_BY_THE_BARRIER,
        MONITOR_TAKEN_BACK,
        SECTION_LEFT_BEFORE_THE_LOCK,
    ),
)
