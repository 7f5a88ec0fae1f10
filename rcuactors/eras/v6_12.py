"""v6.12: v6.12.117, a stable release.

Sources: kernel/rcu/tree.c, kernel/workqueue.c and mm/ at v6.12.117, and what was recorded on it.
"""

from __future__ import annotations

from typing import Final

import attrs

from ..kvfree.parts.snapshots import ONE_BATCH_LOCKED
from ..kvfree.parts.workqueue import kvfree_rcu_reclaim
from .era import Era
from .known import AN_NMI_CALLS_KFREE_RCU, MISSED_BY_THE_BARRIER, MONITOR_TAKEN_BACK, SECTION_LEFT_BEFORE_THE_LOCK
from .v6_12_0 import V6_12_0

V6_12: Final = Era(
    name="v6.12",
    release="6.12.117",
    about="a stable release, the one recorded: kvfree_rcu_reclaim, cookies from rcu_state",
    design="hrtimer-work",
    rules=attrs.evolve(
        V6_12_0.rules,
        kernel=attrs.evolve(
            V6_12_0.rules.kernel,
            offline_hrtimers_move=True,
            has_percpu_wq=True,
            cancel_checks_dependency=False,
        ),
        lockdep=attrs.evolve(
            V6_12_0.rules.lockdep,
        ),
        rcu=attrs.evolve(
            V6_12_0.rules.rcu,
            deferral_ends_with_report=True,
            defer_qs_iw_initialised_anew=False,
            cookies_from_root=False,
            nocb_parks_with_callbacks=False,
            done_exact_guard=10,
        ),
        mm=attrs.evolve(
            V6_12_0.rules.mm,
            decays_in_batches=True,
            objects_remaining="Objects remaining on __kmem_cache_shutdown()",
            object_err_warns=True,
        ),
        kvfree=attrs.evolve(
            V6_12_0.rules.kvfree,
            draining=ONE_BATCH_LOCKED,
            workqueue=kvfree_rcu_reclaim,
        ),
    ),
    known_bugs=(
        *AN_NMI_CALLS_KFREE_RCU,
        MISSED_BY_THE_BARRIER,
        MONITOR_TAKEN_BACK,
        SECTION_LEFT_BEFORE_THE_LOCK,
    ),
)
