"""What a tracepoint of the model says, in a story's words: one function for each event that a story has.

Names of tracepoints are the kernel's, and so is what stands in their text (docs/looking-on.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import attrs

from ..engine.decision import HOLD_UP, NEXT_ACTOR, Decision, Duration
from ..engine.events import Event
from ..report.units import duration
from ..spelling import plural
from .rows import Level

_FIELD: Final = re.compile(r"(\w+)=(\S+)")
SLEEPS: Final = ("hrtimer_wakeup", "process_timeout")
"""What a thread that sleeps for a time waits for."""


@attrs.frozen(kw_only=True)
class Said:
    """What a row says; see there."""

    text: str
    same: str = ""
    level: Level = Level.STEP
    amount: int = 0
    unit: str = ""


def _fields(event: Event) -> dict[str, str]:
    return dict(_FIELD.findall(event.text))


def _timer(what: str, event: Event) -> Said:
    name = _fields(event)["function"]
    return Said(text=f"{what} {name}", level=Level.DETAIL if name in SLEEPS else Level.STEP)


def _hrtimer_start(event: Event) -> Said:
    return _timer("hrtimer armed:", event)


def _hrtimer_expire(event: Event) -> Said:
    return _timer("hrtimer fires:", event)


def _timer_expire(event: Event) -> Said:
    return _timer("timer fires:", event)


def _work_queued(event: Event) -> Said:
    fields = _fields(event)
    return Said(text=f"queues {fields['function']} on {fields['workqueue']}")


def _work_begins(event: Event) -> Said:
    return Said(text=f"{event.text.rsplit(' ', 1)[-1]}() begins")


def _work_ends(event: Event) -> Said:
    return Said(text=f"{event.text.rsplit(' ', 1)[-1]}() ends")


def _callback(event: Event) -> Said:
    return Said(text=f"call_rcu(): {_fields(event)['func']}")


def _callbacks_ran(event: Event) -> Said:
    count = int(_fields(event)["invoked"])
    return Said(text=f"{plural(count, 'callback')} ran", same="callbacks ran", amount=count, unit="callback")


def _block_freed(event: Event) -> Said:
    count = int(_fields(event)["nr_records"])
    return Said(text=f"frees a block of {plural(count, 'object')}", same="frees a block", amount=count, unit="object")


def _one_freed(event: Event) -> Said:
    area = _fields(event)["func"] == "0"
    return Said(text="frees an area of vmalloc()" if area else "frees one by its rcu_head")


def _filled(event: Event) -> Said:
    return Said(text=f"page cache: {plural(int(_fields(event)['cached']), 'page')}")


def _moved(event: Event) -> Said:
    fields = _fields(event)
    return Said(text=f"{fields['comm']} moves to CPU {fields['dest_cpu']}", level=Level.DETAIL)


def _scan(event: Event) -> Said | None:
    """Beginning and end of a grace period are told by the machine itself."""
    step = event.text.rsplit(" ", 1)[-1]
    return Said(text=f"grace period: {step}", level=Level.DETAIL) if step not in ("start", "end") else None


def _expedited(event: Event) -> Said:
    _, number, *what = event.text.split()
    text = f"expedited grace period {number}: {' '.join(what)}"
    return Said(text=text, same=f"expedited grace period: {' '.join(what)}")


def _nothing(_event: Event) -> None:
    """It is told by a probe, with more."""


TOLD: Final[Mapping[str, Callable[[Event], Said | None]]] = MappingProxyType(
    {
        "kvfree_call_rcu": _nothing,
        "console": _nothing,
        "hrtimer_start": _hrtimer_start,
        "hrtimer_expire_entry": _hrtimer_expire,
        "timer_start": _nothing,
        "timer_expire_entry": _timer_expire,
        "workqueue_queue_work": _work_queued,
        "workqueue_execute_start": _work_begins,
        "workqueue_execute_end": _work_ends,
        "rcu_callback": _callback,
        "rcu_batch_end": _callbacks_ran,
        "rcu_invoke_kfree_bulk_callback": _block_freed,
        "rcu_invoke_kvfree_callback": _one_freed,
        "fill_page_cache_func": _filled,
        "sched_migrate_task": _moved,
        "rcu_grace_period": _scan,
        "rcu_exp_grace_period": _expedited,
    }
)
"""By the event's name. Others are told as they stand where they are asked for."""


def departure_said(decision: Decision, picked: int) -> str:
    """A decision that was not the usual one, in words; '' for the usual one."""
    if not picked:
        return ""
    named, label = decision.option(picked), decision.label(picked)
    at = f", at {label}" if label else ""
    if decision.kind is HOLD_UP:
        return f"HELD UP for {duration(picked)}{at}"
    if isinstance(decision, Duration):
        return f"LATE: {named}"
    if decision.kind is NEXT_ACTOR:
        what = "TIME PASSES first, to" if picked == decision.time else "PASSED OVER by"
        return f"{what} {named}{at}"
    return f"{decision.kind.name.upper()}: {named}"
