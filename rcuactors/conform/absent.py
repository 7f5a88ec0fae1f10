"""Events that a recording ought to have and has not one of: a probe was not set, or a tracepoint not switched on.

Asked only where something disagrees: then the recording itself has to show that there must have been such an event, by
one that cannot be without it, or by what objects and pages come to at the end. A kind of which one line is there is
never taken for absent.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, cast

from ..traces import Call, KrcState
from .lines import Line, Told, state_of

_SHOWN_BY: Final = {
    "hrtimer_start": ("hrtimer_expire_entry",),
    "hrtimer_expire_entry": ("hrtimer_start", "workqueue_queue_work page"),
    "timer_start": ("timers are missing",),
    "timer_expire_entry": ("timer_start", "workqueue_queue_work monitor"),
    "workqueue_queue_work": ("workqueue_execute_start",),
    "workqueue_execute_start": ("workqueue_execute_end",),
    "workqueue_execute_end": ("workqueue_execute_start", "script"),
    "fill_page_cache_func": ("workqueue_execute_end page",),
    "fill_page_cache_func_ret": ("workqueue_execute_end page",),
    "kfree_rcu_monitor": ("monitors are missing",),
    "kfree_rcu_monitor_ret": ("monitors are missing", "addresses"),
    "kfree_rcu_work": ("workqueue_execute_end krw",),
    "kfree_rcu_work_ret": ("workqueue_execute_end krw",),
    "get_free_pages": ("get_free_pages_ret",),
    "get_free_pages_ret": ("get_free_pages", "script"),
    "kmem_cache_free_bulk": ("bulk frees are missing", "script"),
    "rcu_invoke_kfree_bulk_callback": ("kmem_cache_free_bulk", "rcu_invoke_kvfree_callback"),
    "kvfree_rcu_bulk": ("kvfree_rcu_queue_batch", "kmem_cache_free_bulk"),
    "kvfree_rcu_list": ("kvfree_rcu_queue_batch", "rcu_invoke_kvfree_callback list"),
    "kvfree_rcu_queue_batch": ("kvfree_rcu_queue_batch_ret",),
    "kvfree_rcu_queue_batch_ret": ("kvfree_rcu_queue_batch",),
    "kvfree_rcu_barrier": ("kvfree_rcu_barrier_ret",),
    "kvfree_rcu_barrier_ret": ("kvfree_rcu_barrier", "script"),
    "shrink_count": ("shrink_scan",),
    "shrink_scan": ("shrink_scan_ret",),
    "shrink_scan_ret": ("shrink_scan", "addresses"),
    "vfree": ("areas are missing",),
    "rcu_grace_period start": ("rcu_grace_period end",),
    "rcu_grace_period end": ("rcu_grace_period start", "kfree_rcu_work"),
    "rcu_grace_period": ("grace periods are missing",),
    "free_pages": ("pages are missing",),
    "rcu_invoke_kvfree_callback": ("frees are missing", "tracepoints"),
    "kvfree": ("objects are missing", "probes on grace periods"),
}
"""Of each event that may be missing, what must be there to say that it is: all of these."""

_ON_RT: Final = {"rcu_grace_period start": "rcu_gp_init", "rcu_grace_period end": "rcu_gp_cleanup"}


def absent(told: Told) -> str:
    """The events that are missing as a whole, in words; "" if none is known to be."""
    seen = _seen(told)
    named = [
        _ON_RT.get(event, event) if seen["probes on grace periods"] else event
        for event, signs in _SHOWN_BY.items()
        if not seen[event] and all(seen[sign] for sign in signs)
    ]
    if not named:
        return ""
    return f"there are no {', '.join(named)} lines, and there must have been such events: what they show is not known"


def _seen(told: Told) -> Counter[str]:
    """How many lines there are of each event, of each kind of it, and of what tells of what is missing."""
    seen: Counter[str] = Counter({"script": told.by_rig, "addresses": bool(told.addresses)})
    for line in told.lines:
        if line.event:
            seen[line.event] += 1
            seen[f"{line.event} {_kind(line)}"] += 1
    seen["probes on grace periods"] = any(
        line.event == "rcu_grace_period" and line.told["seq"] is None for line in told.lines
    )
    calls = [cast("Call", line.told["call"]) for line in told.lines if line.event == "kvfree_call_rcu"]
    first, last = _states(told)
    seen["monitors are missing"] = seen["workqueue_execute_end monitor"] + seen["shrink_scan"]
    seen["grace periods are missing"] = seen["kfree_rcu_work"] or any(call.one_argument for call in calls)
    # The first call on a CPU that has nothing to free starts the monitor's timer.
    seen["timers are missing"] = seen["timer_expire_entry"] or any(
        not call.one_argument and call.cpu in first and not first[call.cpu].monitor_pending for call in calls
    )
    seen["tracepoints"] = seen["rcu_invoke_kfree_bulk_callback"] or (
        seen["rcu_grace_period"] and not seen["probes on grace periods"]
    )
    if last and not any(one.count or _waiting(one) for one in (*first.values(), *last.values())):
        areas = sum(not call.one_argument and call.kind == "vmalloc" for call in calls)
        seen["objects are missing"] = _objects(told.lines, calls) > 0
        seen["areas are missing"] = areas > seen["vfree"]
        seen["frees are missing"] = seen["objects are missing"] or areas > seen["rcu_invoke_kvfree_callback vmalloc"]
        seen["pages are missing"] = _pages(told.lines) > _cached(last) - _cached(first)
    seen["bulk frees are missing"] = seen["rcu_invoke_kfree_bulk_callback"] or (
        seen["objects are missing"] and seen["kvfree"] and seen["probes on grace periods"]
    )
    return seen


def _kind(line: Line) -> object:
    if line.event == "rcu_invoke_kvfree_callback":
        return "list" if line.told["offset"] else "vmalloc"
    return line.told.get("role", line.told.get("edge"))


def _states(told: Told) -> tuple[dict[int, KrcState], dict[int, KrcState]]:
    """The first and the last snapshot of each CPU."""
    first: dict[int, KrcState] = {}
    last: dict[int, KrcState] = {}
    for line in told.lines:
        if (state := state_of(line)) is not None:
            first.setdefault(state.cpu, state)
            last[state.cpu] = state
    return first, last


def _waiting(state: KrcState) -> int:
    return sum(batch.slab + batch.vmalloc + batch.head for batch in state.batches)


def _cached(states: dict[int, KrcState]) -> int:
    return sum(state.cached for state in states.values())


def _objects(lines: list[Line], calls: list[Call]) -> int:
    """Two-argument calls, less the objects that are shown to be freed, but for what comes from vmalloc()."""
    queued = [call.address for call in calls if not call.one_argument and call.kind != "vmalloc"]
    known, bulks, freed = set(queued), Counter[str](), 0
    for line in lines:
        if line.event in ("kmem_cache_free_bulk", "rcu_invoke_kfree_bulk_callback"):
            bulks[line.event] += int(str(line.told["size"]))
        elif line.event == "kvfree":
            freed += line.told["address"] in known
        elif line.event == "rcu_invoke_kvfree_callback":
            freed += bool(line.told["offset"])
    return len(queued) - freed - max(bulks.values(), default=0)


def _pages(lines: list[Line]) -> int:
    """Pages that the allocator gave."""
    return sum(line.event == "get_free_pages_ret" and bool(line.told["page"]) for line in lines)
