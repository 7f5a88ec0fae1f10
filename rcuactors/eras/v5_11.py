"""v5.11: the page cache is refilled by an hrtimer and a workqueue.

Sources: kernel/rcu/tree.c at commit 56292e8609e3 (in stable 5.10 as 9b81af9c8455); kernel/locking/lockdep.c at v5.11.
"""

from __future__ import annotations

from typing import Final

import attrs

from ..context.violation import ViolationKind
from ..kvfree.parts.recycling import to_own_cpu
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
from .v5_9 import NEW_MEMORY_AFTER_AN_OLD_GRACE_PERIOD, V5_9

V5_11: Final = Era(
    name="v5.11",
    release="5.11.0",
    about="page cache refilled by an hrtimer and a workqueue (commit 56292e8609e3)",
    design="hrtimer-work",
    rules=attrs.evolve(
        V5_9.rules,
        kernel=attrs.evolve(V5_9.rules.kernel, pushes_tasks_off_dying_cpus=True),
        lockdep=attrs.evolve(
            V5_9.rules.lockdep, read_lock_may_queue=True, readers_are_dependencies=True, chains_tell_readers=True
        ),
        rcu=attrs.evolve(V5_9.rules.rcu, incoming_cpu_warns=True),
        kvfree=attrs.evolve(
            V5_9.rules.kvfree,
            min_cached_objs=5,
            boot_prefill=False,
            recycling=to_own_cpu,
        ),
    ),
    known_bugs=(
        *AN_NMI_CALLS_KFREE_RCU,
        OBJECTS_REMAIN_IN_A_CACHE,
        POOL_FILLED_UNDER_RAW_LOCKS,
        *POOL_FILLED_IN_ATOMIC_CONTEXT,
        *AUX_STACK_TAKES_SPINLOCK_T,
        KnownBug(
            "ee6ddf58475c",
            ViolationKind.OUT_OF_MEMORY,
            "fill_page_cache_func",
            "the refill's worker invokes the OOM killer: GFP_KERNEL without __GFP_NORETRY",
        ),
        NEW_MEMORY_AFTER_AN_OLD_GRACE_PERIOD,
        TIMER_OF_A_DEAD_CPU,
        SECTION_LEFT_BEFORE_THE_LOCK,
    ),
)
