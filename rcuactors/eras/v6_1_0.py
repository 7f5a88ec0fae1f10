"""v6.1.0: the mainline's release, whose batches still go by channel.

Sources: kernel/rcu/tree.c, kernel/locking/lockdep.c, kernel/irq_work.c and mm/ at v6.1. What its own file does not say
was read, or recorded, at v6.1.192 (v6_1_stable.py).
"""

from __future__ import annotations

from typing import Final

import attrs

from ..context.locks import LockKind
from ..kernel.debugobjects_pool import PoolRules
from ..kernel.rules import KernelRules
from ..kvfree.parts.arming import PendingTimer
from ..kvfree.parts.one_argument import ALLOCATES
from ..kvfree.parts.refill import RefillRules
from ..kvfree.parts.shrinker import cache_and_queue_shrinker
from ..mm.gfp import GFP_KERNEL, GFP_NOWARN, Gfp
from ..mm.kvmalloc import KvmallocFallback
from ..mm.page.list_sizes import DoublingFrees
from ..mm.page.page_lists import TriedLockIrqsave
from ..mm.page.watermarks import alloc_harder_in_task
from ..mm.rules import MmRules
from ..mm.slab.slub_locallock import LocalLockSlub
from ..mm.vmalloc import failed_to_allocate
from ..rcu.rules import RcuRules
from .era import Era
from .known import (
    AN_NMI_CALLS_KFREE_RCU,
    OBJECTS_REMAIN_IN_A_CACHE,
    POOL_FILLED_UNDER_RAW_LOCKS,
    SECTION_LEFT_BEFORE_THE_LOCK,
    TIMER_OF_A_DEAD_CPU,
)
from .v5_9 import NEW_MEMORY_AFTER_AN_OLD_GRACE_PERIOD
from .v5_11 import V5_11

V6_1_0: Final = Era(
    name="v6.1.0",
    release="6.1.0",
    about="drains after 5 s, or at once when a block's worth waits; locked page lists",
    design="hrtimer-work",
    rules=attrs.evolve(
        V5_11.rules,
        kernel=KernelRules(
            debug_objects=PoolRules(rt_fills_preemptible_only=True),
            irq_work_in_reader=True,
            one_cpu_allowed_is_bound=False,
            debug_irqflags=True,
            exit_notes_preempt_count=False,
            exit_warns_of_irqs=True,
            exit_takes_locks=True,
            on_stack_warns_in="lookup_object_or_alloc",
            add_timer_bugs=False,
            activates_work_first=False,
            cancel_tells_lockdep=True,
            soft_lockup_is_told_once=False,
            inactive_works="inactive",
            pushes_tasks_off_dying_cpus=True,
        ),
        lockdep=attrs.evolve(V5_11.rules.lockdep, first_lock_is_checked=True, local_locks_are_per_cpu=True),
        rcu=RcuRules(
            double_freed_cb="rcu: call_rcu()",
            double_freed_cb_warns=False,
            segments_are_counted=True,
            one_cpu_needs_no_grace_period=False,
            deboosting_needs_irq_work=True,
            stall_names_online_cpus=True,
            bh_between_callbacks=True,
            polled_functions=True,
            early_boot_counts=True,
            incoming_cpu_warns=True,
            dying_says_it_wrong=False,
            exp_forgets_own_cpu=False,
            exp_handler_sees_preempt_count=True,
            exp_stall_timeout=True,
            srcu_callbacks_on_boot_cpu=True,
            srcu_looks_less_often=True,
            aux_stacks_allocate=False,
            tasks_trace_wakes_by_irq_work=True,
        ),
        mm=MmRules(
            page_lists=TriedLockIrqsave,
            list_sizes=DoublingFrees,
            freed_type_first=True,
            reserves=alloc_harder_in_task,
            vmalloc_failure=failed_to_allocate,
            kvmalloc_fallback=KvmallocFallback.MAY_BLOCK,
            vmalloc_too_large="vmalloc error: size {}, exceeds total pages",
            vmalloc_warns_of_nothing=True,
            alloc_pages="__alloc_pages",
            slab=LocalLockSlub,
            kasan_double_free="double-free",
            depot_lock=LockKind.RAW_SPINLOCK,
            cache_has_objects=" when called from",
        ),
        kvfree=attrs.evolve(
            V5_11.rules.kvfree,
            drain_ms=5000,
            debug_under_lock=False,
            arming=PendingTimer,
            refill=RefillRules(
                gfp=GFP_KERNEL | Gfp.NORETRY | Gfp.NOMEMALLOC | GFP_NOWARN,
                ends_at_failure=True,
                starts_at_cached=False,
            ),
            one_argument=ALLOCATES,
            shrinker=cache_and_queue_shrinker,
            records_aux_stack=True,
        ),
    ),
    known_bugs=(
        NEW_MEMORY_AFTER_AN_OLD_GRACE_PERIOD,
        *AN_NMI_CALLS_KFREE_RCU,
        OBJECTS_REMAIN_IN_A_CACHE,
        POOL_FILLED_UNDER_RAW_LOCKS,
        TIMER_OF_A_DEAD_CPU,
        SECTION_LEFT_BEFORE_THE_LOCK,
    ),
)
