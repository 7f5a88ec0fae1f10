"""The workqueue of the monitor, of the batches, and of a refill that was put off.

A function of the machine's workqueues, so that a version can have one of its own made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...kernel.workqueue import Workqueue, Workqueues


def system_wq(workqueues: Workqueues) -> Workqueue:
    """v5.9 to v6.1: system_wq, which schedule_delayed_work() and queue_rcu_work() are told."""
    return workqueues.system_wq
