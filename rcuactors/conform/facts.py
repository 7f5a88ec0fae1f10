"""What a line says of kvfree_rcu(): the event by its name, and those of its words that are compared.

What is somebody else's says nothing here.
"""

from __future__ import annotations

import re
from typing import Final

from ..traces import events

Facts = dict[str, object]

_WORKS: Final = {
    "kfree_rcu_monitor": "monitor",
    "fill_page_cache_func": "page",
    "kfree_rcu_work": "krw",
}
_SHRINK: Final = re.compile(r"SHRINK nr_to_scan=(\d{1,18}) count=(\d{1,18}) freed=(-?\d{1,18})", re.ASCII)
_NAMES: Final = {
    "kfree_rcu_shrink_count": "shrink_count",
    "kfree_rcu_shrink_scan": "shrink_scan",
}


def facts_of(event: events.Event) -> tuple[str, Facts] | None:
    """What kvfree_rcu()'s own lines say: the event, and what of it is compared; None for what is somebody else's."""
    match event:
        case events.Call():
            return "kvfree_call_rcu", {"call": event}
        case events.StateTold(state=state):
            return "state", {"state": state}
        case events.GracePeriod():
            return _period(event)
        case events.ExpeditedPeriod(step="start" | "end" as edge, seq=seq):
            return "rcu_exp_grace_period", {"seq": seq, "edge": edge}
        case events.Entered(function="schedule_page_work_fn") | events.Returned(function="synchronize_rcu"):
            return None
        case events.Entered():
            return _NAMES.get(event.function, event.function), {"krcp": event.argument}
        case events.Returned():
            return f"{_NAMES.get(event.function, event.function)}_ret", {"returned": event.value}
        case events.Statement():
            return "runp", {"statement": event.words}
        case events.Mark():
            return _mark(event)
    return _facts_of_timer(event) or _facts_of_page(event) or _facts_of_object(event)


def _facts_of_timer(event: events.Event) -> tuple[str, Facts] | None:
    """Timers and works."""
    match event:
        case events.TimerStarted(function="delayed_work_timer_fn"):
            told: Facts = {"timer": event.timer, "expires": event.expires, "delay": event.timeout}
            return "timer_start", {**told, "base": event.on_cpu}
        case events.TimerExpired():
            return "timer_expire_entry", {"timer": event.timer, "function": event.function, "now": event.now}
        case events.HrtimerStarted(function="schedule_page_work_fn"):
            return "hrtimer_start", {"timer": event.timer}
        case events.HrtimerExpired(function="schedule_page_work_fn"):
            return "hrtimer_expire_entry", {"timer": event.timer}
        case events.WorkQueued(function=function) if function in _WORKS:
            told = {"work": event.work, "role": _WORKS[function]}
            return "workqueue_queue_work", {**told, "workqueue": event.workqueue, "on": event.on_cpu}
        case events.WorkStarted(function=function) | events.WorkEnded(function=function) if function in _WORKS:
            name = "workqueue_execute_start" if isinstance(event, events.WorkStarted) else "workqueue_execute_end"
            return name, {"work": event.work, "role": _WORKS[function]}
    return None


def _facts_of_page(event: events.Event) -> tuple[str, Facts] | None:
    """Pages, got and given back."""
    match event:
        case events.PageAsked():
            return "get_free_pages", {"gfp": event.gfp}
        case events.PageGot():
            return "get_free_pages_ret", {"by": event.to, "page": event.page}
        case events.PageFreed():
            return "free_pages", {"address": event.page}
    return None


def _facts_of_object(event: events.Event) -> tuple[str, Facts] | None:
    """Objects freed, one by one and by the block."""
    match event:
        case events.ObjectFreed():
            return event.function, {"address": event.address}
        case events.BulkCallback():
            return "rcu_invoke_kfree_bulk_callback", {"bulk": event.records, "size": event.nr_records}
        case events.BulkFreed(cache=0):
            return "kmem_cache_free_bulk", {"size": event.size}
        case events.ObjectCallback():
            return "rcu_invoke_kvfree_callback", {"rhp": event.head, "offset": event.offset}
        case events.BlockFreed():
            told: Facts = {"page": event.block, "channel": event.channel, "size": event.nr_records}
            return "kvfree_rcu_bulk", {**told, "krcp": event.krcp}
        case events.ListFreed():
            return "kvfree_rcu_list", {"head": event.head}
    return None


def _period(event: events.GracePeriod) -> tuple[str, Facts] | None:
    if event.step not in ("start", "end", "cpustart", "cpuend", "newreq"):
        return None
    if event.step != "newreq" and not event.comm.startswith("rcu_"):
        return None
    return "rcu_grace_period", {"seq": event.gp_seq, "edge": event.step}


def _mark(event: events.Mark) -> tuple[str, Facts]:
    match = _SHRINK.search(event.text)
    if match is None:
        return "mark", {}
    return "runp", {"nr_to_scan": int(match[1]), "count": int(match[2]), "freed": int(match[3])}
