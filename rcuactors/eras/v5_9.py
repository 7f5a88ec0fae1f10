"""v5.9: the allocation in the caller's context, of which commit 56292e8609e3 complains.

Sources: kernel/rcu/tree.c, kernel/locking/lockdep.c and mm/ at v5.9.
"""

from __future__ import annotations

from typing import Final

from ..context.lockdep.rules import LockdepRules
from ..context.violation import ViolationKind
from ..kernel.rules import KernelRules
from ..kvfree.parts.arming import TodoFlag
from ..kvfree.parts.batching import by_channel
from ..kvfree.parts.counting import loose
from ..kvfree.parts.one_argument import WAITS
from ..kvfree.parts.recycling import to_current_cpu
from ..kvfree.parts.refill import RefillRules
from ..kvfree.parts.shrinker import queue_shrinker
from ..kvfree.parts.workqueue import system_wq
from ..kvfree.rules import EraRules, KvfreeRules
from ..mm.gfp import GFP_KERNEL, GFP_NOWARN
from ..mm.page.list_sizes import SixBatches
from ..mm.page.page_lists import InterruptsOff
from ..mm.page.watermarks import alloc_harder
from ..mm.rules import MmRules
from ..mm.slab.slub_irqoff import IrqOffSlub
from ..mm.vmalloc import allocated_of
from ..rcu.rules import RcuRules
from .era import Era
from .known import (
    AN_NMI_CALLS_KFREE_RCU,
    AUX_STACK_TAKES_SPINLOCK_T,
    OBJECTS_REMAIN_IN_A_CACHE,
    POOL_FILLED_IN_ATOMIC_CONTEXT,
    POOL_FILLED_UNDER_RAW_LOCKS,
    SECTION_LEFT_BEFORE_THE_LOCK,
    TIMER_OF_A_DEAD_CPU,
    KnownBug,
)

NEW_MEMORY_AFTER_AN_OLD_GRACE_PERIOD: Final = KnownBug(
    "5da7cb193db3",
    ViolationKind.USE_AFTER_FREE,
    "kfree_rcu_work",
    "objects join a batch whose grace period has begun before they were retired (v6.3 mends it, and stable 6.1)",
)

_SLEEPING_UNDER_KRC_LOCK: Final = (
    (ViolationKind.SLEEPING_FUNCTION, "kvfree_call_rcu_add_ptr_to_bulk"),
    (ViolationKind.SCHEDULING_WHILE_ATOMIC, "kvfree_call_rcu_add_ptr_to_bulk"),
    # In an interrupt; and what lockdep goes on to say of a handler that has slept, in a kernel that lets it go on.
    (ViolationKind.INCONSISTENT_LOCK_STATE, "kvfree_call_rcu_add_ptr_to_bulk"),
    (ViolationKind.UNSAFE_LOCK_ORDER, "kvfree_call_rcu_add_ptr_to_bulk"),
    (ViolationKind.BAD_CONTEXT, "kvfree_call_rcu"),
)

V5_9: Final = Era(
    name="v5.9",
    release="5.9.0",
    about="a page is asked for in the caller's context, under krcp->lock; skipped on PREEMPT_RT",
    design="skip-on-rt",
    rules=EraRules(
        kernel=KernelRules(),
        lockdep=LockdepRules(),
        rcu=RcuRules(),
        mm=MmRules(
            page_lists=InterruptsOff,
            list_sizes=SixBatches,
            reserves=alloc_harder,
            vmalloc_failure=allocated_of,
            slab=IrqOffSlub,
        ),
        kvfree=KvfreeRules(
            block_capacity=510,
            drain_ms=20,
            min_cached_objs=2,
            boot_prefill=True,
            debug_under_lock=True,
            arming=TodoFlag,
            batching=by_channel,
            counting=loose,
            recycling=to_current_cpu,
            refill=RefillRules(gfp=GFP_KERNEL | GFP_NOWARN, ends_at_failure=False, starts_at_cached=False),
            one_argument=WAITS,
            workqueue=system_wq,
            shrinker=queue_shrinker,
        ),
    ),
    known_bugs=(
        *AN_NMI_CALLS_KFREE_RCU,
        OBJECTS_REMAIN_IN_A_CACHE,
        POOL_FILLED_UNDER_RAW_LOCKS,
        *POOL_FILLED_IN_ATOMIC_CONTEXT,
        *AUX_STACK_TAKES_SPINLOCK_T,
        KnownBug(
            "56292e8609e3",
            ViolationKind.INVALID_WAIT_CONTEXT,
            "kvfree_call_rcu_add_ptr_to_bulk",
            "a page is asked for under krcp->lock, a raw_spinlock_t: the allocator's locks are none",
        ),
        *(
            KnownBug(
                "4d2919411867",
                kind,
                function,
                "the same on PREEMPT_RT, where the allocator's locks sleep; before this commit of v5.9",
                designs=("direct",),
                spoils=kind is ViolationKind.SCHEDULING_WHILE_ATOMIC,
            )
            for kind, function in _SLEEPING_UNDER_KRC_LOCK
        ),
        NEW_MEMORY_AFTER_AN_OLD_GRACE_PERIOD,
        TIMER_OF_A_DEAD_CPU,
        SECTION_LEFT_BEFORE_THE_LOCK,
    ),
)
