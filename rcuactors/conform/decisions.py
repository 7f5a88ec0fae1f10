"""Kinds of decisions: what a line shows that the mechanism has decided."""

from __future__ import annotations

from typing import Final

from .lines import Line

KINDS: Final = {
    "kvfree_call_rcu": "call",
    "hrtimer_start": "refill asked for",
    "timer_start": "timer started",
    "get_free_pages": "page asked for",
    "free_pages": "page given back",
    "fill_page_cache_func_ret": "refill ended",
    "kfree_rcu_monitor": "monitor",
    "kvfree_rcu_queue_batch_ret": "batch queued",
    "kvfree_rcu_bulk": "block freed",
    "rcu_invoke_kfree_bulk_callback": "bulk free",
    "kmem_cache_free_bulk": "bulk free",
    "rcu_invoke_kvfree_callback": "object freed",
    "kvfree": "object freed",
    "vfree": "object freed",
    "kfree_rcu_work": "batch work",
    "kfree_rcu_work_ret": "batch work ended",
    "shrink_scan": "shrinker",
    "shrink_scan_ret": "shrinker",
    "kvfree_rcu_barrier_ret": "barrier",
    "workqueue_queue_work": "work queued",
    "synchronize_rcu": "grace period waited for",
    "state": "state",
}


def decision_of(line: Line) -> str:
    """Which kind of decision the line shows, "" for none."""
    if line.event == "runp":
        return "shrinker" if "freed" in line.told else ""
    return KINDS.get(line.event, "")
