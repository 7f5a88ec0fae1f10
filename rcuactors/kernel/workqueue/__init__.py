"""Workqueues (kernel/workqueue.c).

| file | what |
|---|---|
| work.py | struct work_struct, struct delayed_work |
| workqueue.py | struct workqueue_struct: flags, max_active, flush colours |
| pool.py | struct worker_pool, struct worker |
| core.py | queue_work() and its kin |
| worker.py | worker_thread(), process_one_work() |
| manager.py | create_worker(), maybe_create_worker(), mayday |
| rescuer.py | rescuer_thread() |
| flush.py | flush_work(), flush_workqueue() and their kin |
| cancel.py | try_to_grab_pending(), mod_delayed_work(), cancel_work_sync() and its kin |
| destroy.py | drain_workqueue(), destroy_workqueue() |
| hotplug.py | unbind_workers(), rebind_workers() |
| show.py, watchdog.py | show_all_workqueues(), "BUG: workqueue lockup" |
"""

from __future__ import annotations

from .core import Workqueues, WorkqueueStatistics
from .work import DelayedWork, Work
from .workqueue import Workqueue, WqFlags

__all__ = ["DelayedWork", "Work", "Workqueue", "WorkqueueStatistics", "Workqueues", "WqFlags"]
