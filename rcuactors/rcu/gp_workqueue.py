"""rcu_gp_wq (kernel/rcu/tree.c, rcu_init()): the workqueue of expedited grace periods and of SRCU's; rcu_par_gp_wq."""

from __future__ import annotations

from functools import cached_property

from ..kernel.workqueue import Workqueue, Workqueues, WqFlags


class GpWorkqueue:
    """Made when it is first wanted: until then it has been idle since boot."""

    def __init__(self, workqueues: Workqueues) -> None:
        self.workqueues = workqueues

    @cached_property
    def rcu_gp_wq(self) -> Workqueue:
        """alloc_workqueue("rcu_gp", WQ_MEM_RECLAIM, 0)."""
        return self.workqueues.alloc_workqueue("rcu_gp", WqFlags.MEM_RECLAIM)

    @cached_property
    def rcu_par_gp_wq(self) -> Workqueue:
        """alloc_workqueue("rcu_par_gp", WQ_MEM_RECLAIM, 0): what leaves of the rcu_node tree are looked through on."""
        return self.workqueues.alloc_workqueue("rcu_par_gp", WqFlags.MEM_RECLAIM)
