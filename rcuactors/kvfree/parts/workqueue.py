"""The workqueue of the monitor, of the batches, and of a refill that was put off.

A function of the machine's workqueues, so that a version can have one of its own made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...kernel.workqueue import WqFlags

if TYPE_CHECKING:
    from ...kernel.workqueue import Workqueue, Workqueues


def system_wq(workqueues: Workqueues) -> Workqueue:
    """v5.9 to v6.1: system_wq, which schedule_delayed_work() and queue_rcu_work() are told."""
    return workqueues.system_wq


def system_unbound_wq(workqueues: Workqueues) -> Workqueue:
    """v6.12.0: any CPU frees, so that one which is busy does not hold its objects up."""
    return workqueues.system_unbound_wq


def kvfree_rcu_reclaim(workqueues: Workqueues) -> Workqueue:
    """Since dfd3df31c9db (v6.14, and stable 6.12): rcu_reclaim_wq, its own, unbound and with WQ_MEM_RECLAIM.

    kvfree_rcu_barrier() flushes its works, and who calls that may have to work when memory is short.
    """
    return workqueues.alloc_workqueue("kvfree_rcu_reclaim", WqFlags.UNBOUND | WqFlags.MEM_RECLAIM)
