"""What later lines say of a batch: how many objects its work frees.

Nothing is decided by it. Of states that differ in what a batch has taken, those that the lines of its work are going to
contradict are not carried on until then, as long as there are others.
"""

from __future__ import annotations

from .lines import Line, Told


def foresee(told: Told) -> None:
    """Count what each run of a batch's work frees, where RCU's tracepoints tell."""
    told.runs.clear()
    if "rcu_invoke_kvfree_callback" not in told.events and "rcu_invoke_kfree_bulk_callback" not in told.events:
        return
    for line in told.lines:
        whose = line.told.get("whose")
        if line.event == "workqueue_execute_start" and line.told["role"] == "krw" and isinstance(whose, tuple):
            told.runs.setdefault(whose, []).append((line.at, _freed(told, line)))


def _freed(told: Told, start: Line) -> int:
    freed, at = 0, start.after
    while at >= 0:
        line = told.lines[at]
        if line.event == "kfree_rcu_work_ret":
            return freed
        if line.event == "rcu_invoke_kfree_bulk_callback":
            freed += int(str(line.told["size"]))
        freed += line.event == "rcu_invoke_kvfree_callback"
        at = line.after
    return -1
