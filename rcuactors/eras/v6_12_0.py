"""v6.12.0: the mainline's 6.12.

Sources: kernel/rcu/tree.c, kernel/workqueue.c and mm/ at v6.12.
"""

from __future__ import annotations

from typing import Final

import attrs

from ..rcu.exp_drivers import OnKthreadWorker
from .era import Era
from .v6_6 import V6_6

V6_12_0: Final = Era(
    name="v6.12.0",
    release="6.12.0",
    about="the barrier; monitor and batches on system_unbound_wq; cookies from the root node",
    design="hrtimer-work",
    rules=attrs.evolve(
        V6_6.rules,
        rcu=attrs.evolve(V6_6.rules.rcu, cpu_starting="rcutree_report_cpu_starting", expedited_driver=OnKthreadWorker),
        kernel=attrs.evolve(
            V6_6.rules.kernel,
            hrtimers_leave_dying_cpus=True,
            offline_hrtimers_are_told=True,
        ),
    ),
)
