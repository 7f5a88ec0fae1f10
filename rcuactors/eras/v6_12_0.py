"""v6.12.0: the mainline's 6.12.

Sources: kernel/rcu/tree.c, kernel/workqueue.c and mm/ at v6.12.
"""

from __future__ import annotations

from typing import Final

import attrs

from ..context.splat_rules import TAINTS_V6_12
from ..context.violation import ViolationKind
from ..kvfree.parts.barrier import kvfree_rcu_barrier
from ..kvfree.parts.snapshots import ONE_BATCH
from ..kvfree.parts.workqueue import system_unbound_wq
from ..mm.gfp import GFP_V6_12
from ..mm.page.list_sizes import TunedHigh
from ..mm.slab.rules import DestroyWaits
from ..rcu.exp_drivers import OnKthreadWorker
from .era import Era
from .known import (
    AN_NMI_CALLS_KFREE_RCU,
    BARRIER_LOST_BY_DEOFFLOADING,
    FLUSHED_WITHOUT_RESCUER,
    MISSED_BY_THE_BARRIER,
    MONITOR_TAKEN_BACK,
    SECTION_LEFT_BEFORE_THE_LOCK,
    KnownBug,
)
from .v6_6 import COOKIE_OF_THE_ROOT_NODE, V6_6

V6_12_0: Final = Era(
    name="v6.12.0",
    release="6.12.0",
    about="the barrier; monitor and batches on system_unbound_wq; cookies from the root node",
    design="hrtimer-work",
    rules=attrs.evolve(
        V6_6.rules,
        kernel=attrs.evolve(
            V6_6.rules.kernel,
            timer_migration=True,
            offline_hrtimers_are_told=True,
            hrtimers_leave_dying_cpus=True,
            timers_have_own_thread=False,
            msleep_adds_jiffy=False,
            consoles_tell_lockdep=False,
            printk_has_thread=True,
            fair_server=True,
            pwq_shows_limit=False,
            tasks_tell_tgid=True,
            idle_state_is_told=True,
            bh_pools=True,
            workers_at_boot=3,
            cancel_disables_work=True,
            leaks_are_compared=True,
            idle_work_tells_lockdep=False,
        ),
        lockdep=attrs.evolve(
            V6_6.rules.lockdep,
        ),
        splat=attrs.evolve(
            V6_6.rules.splat,
            uid=True,
            taints=TAINTS_V6_12,
            oops_prefix=True,
        ),
        rcu=attrs.evolve(
            V6_6.rules.rcu,
            wakes_from_gp_up_to=0,
            expedited_driver=OnKthreadWorker,
            unlock_tells_lockdep_first=True,
            nocb_toggles_offline=True,
            nocb_parks_with_callbacks=True,
            cpu_starting="rcutree_report_cpu_starting",
        ),
        mm=attrs.evolve(
            V6_6.rules.mm,
            gfp=GFP_V6_12,
            alloc_pages="__alloc_pages_noprof",
            vmalloc_range="__vmalloc_node_range_noprof",
            drains_in_parts=True,
            shrinkers_by_reference=True,
            list_sizes=TunedHigh,
            destroy_waits=DestroyWaits.KVFREE_RCU_BARRIER,
        ),
        kvfree=attrs.evolve(
            V6_6.rules.kvfree,
            draining=ONE_BATCH,
            workqueue=system_unbound_wq,
            barrier=kvfree_rcu_barrier,
        ),
    ),
    known_bugs=(
        *AN_NMI_CALLS_KFREE_RCU,
        FLUSHED_WITHOUT_RESCUER,
        KnownBug(
            "53dac345395c",
            ViolationKind.BAD_CONTEXT,
            "enqueue_hrtimer",
            "an hrtimer is started on a CPU whose hrtimers have left, and is lost",
        ),
        COOKIE_OF_THE_ROOT_NODE,
        MONITOR_TAKEN_BACK,
        MISSED_BY_THE_BARRIER,
        BARRIER_LOST_BY_DEOFFLOADING,
        SECTION_LEFT_BEFORE_THE_LOCK,
    ),
)
