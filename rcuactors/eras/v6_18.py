"""v6.18: the mainline's 6.18.

Sources: mm/slab_common.c, mm/slub.c, kernel/rcu/tree.c at v6.18.
"""

from __future__ import annotations

from typing import Final

import attrs

from ..context.locks import LockKind
from ..context.splat_rules import TAINTS_V6_18
from ..kernel.workqueue import WqFlags
from ..kvfree.parts.shrinker import slab_kvfree_rcu_shrinker
from ..mm.slab.rules import NolockContexts, SheafRules, SheavesOnRt
from ..mm.slab.slub_sheaves import LocalLockSheafSlub
from .era import Era
from .known import AN_NMI_CALLS_KFREE_RCU, MISSED_BY_THE_BARRIER, MONITOR_TAKEN_BACK, SECTION_LEFT_BEFORE_THE_LOCK
from .v6_12 import V6_12

V6_18: Final = Era(
    name="v6.18",
    release="6.18.0",
    about="the first sheaves; lazy preemption",
    design="hrtimer-work",
    rules=attrs.evolve(
        V6_12.rules,
        kernel=attrs.evolve(
            V6_12.rules.kernel,
            debug_objects=attrs.evolve(V6_12.rules.kernel.debug_objects, whole_batches=True, percpu_size=128),
            schedules_on_percpu_wq=True,
            bh_lock_is_optional=True,
            tasks_tell_flags=True,
            lazy_preemption=True,
            timers_have_own_thread=True,
        ),
        lockdep=attrs.evolve(
            V6_12.rules.lockdep,
        ),
        splat=attrs.evolve(
            V6_12.rules.splat,
            taints=TAINTS_V6_18,
            preemption=True,
        ),
        rcu=attrs.evolve(
            V6_12.rules.rcu,
            done_exact_guard=8,
            start_poll_wants_irqs=False,
            wakes_from_gp_up_to=16,
            full_cookies_prove_synchronize_rcu=True,
            sync_wq=WqFlags.UNBOUND,
            exp_tasks_at_reset=True,
        ),
        mm=attrs.evolve(
            V6_12.rules.mm,
            decays_in_batches=False,
            alloc_pages="__alloc_frozen_pages_noprof",
            nolock=True,
            linear_map_lock=LockKind.RAW_SPINLOCK,
            slab=LocalLockSheafSlub,
            sheaves=SheafRules(
                every_cache=False,
                on_rt=SheavesOnRt.PASSED_BY,
                override_map=False,
                flush_takes_lock=False,
                unused_goes_to_barn=True,
            ),
            kmalloc_nolock=NolockContexts.NOT_IN_IRQ,
        ),
        kvfree=attrs.evolve(
            V6_12.rules.kvfree,
            may_be_unbatched=True,
            flavour="slab",
            shrinker=slab_kvfree_rcu_shrinker,
        ),
    ),
    known_bugs=(
        *AN_NMI_CALLS_KFREE_RCU,
        MISSED_BY_THE_BARRIER,
        MONITOR_TAKEN_BACK,
        SECTION_LEFT_BEFORE_THE_LOCK,
    ),
)
