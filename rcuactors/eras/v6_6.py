"""v6.6: the mainline's 6.6.

Sources: kernel/rcu/tree.c, kernel/workqueue.c and mm/ at v6.6.
"""

from __future__ import annotations

from typing import Final

import attrs

from ..context.violation import ViolationKind
from ..context.waittype import WaitType
from ..kvfree.parts.counting import exact
from ..kvfree.parts.one_argument import ALLOCATES_FOR_ITS_OWN
from ..kvfree.parts.shrinker import cache_if_any_and_queue_shrinker
from ..kvfree.parts.snapshots import CHECKED, GOES_ON
from ..mm.gfp import GFP_V6_3
from .era import Era
from .known import (
    AN_NMI_CALLS_KFREE_RCU,
    OBJECTS_REMAIN_IN_A_CACHE,
    SECTION_LEFT_BEFORE_THE_LOCK,
    TIMER_OF_A_DEAD_CPU,
    KnownBug,
)
from .v6_1_stable import V6_1_STABLE

COOKIE_OF_THE_ROOT_NODE: Final = KnownBug(
    "85aad7cc4178",
    ViolationKind.USE_AFTER_FREE,
    "kvfree_rcu_drain_ready",
    "a cookie that is taken while a grace period begins is too old for the readers of a CPU that has just come",
)

V6_6: Final = Era(
    name="v6.6",
    release="6.6.0",
    about="a grace-period snapshot for each block and list; nothing asked for when the cache is off",
    design="hrtimer-work",
    rules=attrs.evolve(
        V6_1_STABLE.rules,
        kernel=attrs.evolve(
            V6_1_STABLE.rules.kernel,
            debug_objects=attrs.evolve(V6_1_STABLE.rules.kernel.debug_objects, looks_away=WaitType.SLEEP),
            offline_hrtimers_move=False,
            offline_hrtimers_are_told=False,
            hrtimers_leave_dying_cpus=False,
            syslog_line=2048,
            woken_preempts_spinner=False,
            rescuer_name="kworker/R-{}",
            cpu_intensive_by_itself=True,
            lockup_shows_running=True,
            destroying_is_told=True,
        ),
        lockdep=attrs.evolve(
            V6_1_STABLE.rules.lockdep,
        ),
        splat=attrs.evolve(
            V6_1_STABLE.rules.splat,
            odebug_address=True,
        ),
        rcu=attrs.evolve(
            V6_1_STABLE.rules.rcu,
            srcu_is_in_the_graph=True,
            srcu_usage="ssp->srcu_sup",
            blocking_might_sleep=True,
            lazy_callbacks=True,
        ),
        mm=attrs.evolve(
            V6_1_STABLE.rules.mm,
            gfp=GFP_V6_3,
            vfree_removes_area=True,
        ),
        kvfree=attrs.evolve(
            V6_1_STABLE.rules.kvfree,
            block_capacity=507,
            counting=exact,
            snapshots=CHECKED,
            draining=GOES_ON,
            refill=attrs.evolve(V6_1_STABLE.rules.kvfree.refill, starts_at_cached=True, asks_without_cache=False),
            one_argument=ALLOCATES_FOR_ITS_OWN,
            one_argument_by_macro=False,
            shrinker=cache_if_any_and_queue_shrinker,
        ),
    ),
    known_bugs=(
        *AN_NMI_CALLS_KFREE_RCU,
        OBJECTS_REMAIN_IN_A_CACHE,
        COOKIE_OF_THE_ROOT_NODE,
        TIMER_OF_A_DEAD_CPU,
        SECTION_LEFT_BEFORE_THE_LOCK,
    ),
)
