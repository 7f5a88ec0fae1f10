"""Workqueues (kernel/workqueue.c).

| file | what |
|---|---|
| work.py | struct work_struct, struct delayed_work |
| workqueue.py | struct workqueue_struct: flags, max_active, flush colours |
| pool.py | struct worker_pool, struct worker, and the manager |
| core.py | queue_work(), worker_thread(), process_one_work() |
| flush.py | flush_work(), flush_workqueue() and their kin |
| cancel.py | try_to_grab_pending(), mod_delayed_work(), cancel_work_sync() and its kin |
| watchdog.py | "BUG: workqueue lockup" |
"""

from __future__ import annotations

from .core import Workqueues, WorkqueueStatistics
from .work import DelayedWork, Work
from .workqueue import Workqueue, WqFlags

__all__ = ["DelayedWork", "Work", "Workqueue", "WorkqueueStatistics", "Workqueues", "WqFlags"]
