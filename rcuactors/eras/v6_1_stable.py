"""v6.1-stable: v6.1.192, a stable release that carries the backport of commit 5da7cb193db3.

Sources: kernel/rcu/tree.c, kernel/locking/lockdep.c, kernel/irq_work.c and mm/ at v6.1.192; what was recorded on it.
"""

from __future__ import annotations

from typing import Final

import attrs

from ..kvfree.parts.batching import whole_batch
from ..mm.gfp import GFP_NOWARN, Gfp
from ..mm.page.page_lists import TriedLock
from ..mm.page.watermarks import alloc_reserves
from .era import Era
from .known import (
    AN_NMI_CALLS_KFREE_RCU,
    OBJECTS_REMAIN_IN_A_CACHE,
    POOL_FILLED_UNDER_RAW_LOCKS,
    SECTION_LEFT_BEFORE_THE_LOCK,
)
from .v6_1_0 import V6_1_0

V6_1_STABLE: Final = Era(
    name="v6.1-stable",
    release="6.1.192",
    about="drains after 5 s, or at once when a block's worth waits; locked page lists; 5da7cb193db3 is in it",
    design="hrtimer-work",
    rules=attrs.evolve(
        V6_1_0.rules,
        kernel=attrs.evolve(
            V6_1_0.rules.kernel,
            offline_hrtimers_move=True,
            offline_hrtimers_are_told=True,
            hrtimers_leave_dying_cpus=True,
            cpu_down_runs_elsewhere=True,
            timers_shut_down=True,
            debug_objects=attrs.evolve(V6_1_0.rules.kernel.debug_objects, activation_fills=True),
        ),
        mm=attrs.evolve(
            V6_1_0.rules.mm,
            debug_objects_gfp=Gfp.HIGH | GFP_NOWARN,
            page_lists=TriedLock,
            reserves=alloc_reserves,
        ),
        kvfree=attrs.evolve(
            V6_1_0.rules.kvfree,
            batching=whole_batch,
            says_mightsleep=True,
        ),
    ),
    known_bugs=(
        *AN_NMI_CALLS_KFREE_RCU,
        OBJECTS_REMAIN_IN_A_CACHE,
        POOL_FILLED_UNDER_RAW_LOCKS,
        SECTION_LEFT_BEFORE_THE_LOCK,
    ),
)
