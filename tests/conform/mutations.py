"""Recordings with one line changed: what a judge has to find."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

import attrs

_OWN = re.compile(
    r": (kvfree_call_rcu|hrtimer_start|hrtimer_expire_entry|timer_start|timer_expire_entry|workqueue_queue_work|"
    r"workqueue_execute_start|workqueue_execute_end|fill_page_cache_func|fill_page_cache_ret|get_free_pages|"
    r"get_free_pages_ret|kfree_rcu_monitor|kfree_rcu_monitor_ret|kfree_rcu_work|kfree_rcu_work_ret|"
    r"kmem_cache_free_bulk|rcu_invoke_kfree_bulk_callback|rcu_invoke_kvfree_callback|kvfree_rcu_bulk|"
    r"kvfree_rcu_list|kvfree_rcu_queue_batch|kvfree_rcu_queue_batch_ret|state): "
)
_WORK = re.compile(r"function[= ](kfree_rcu_monitor|fill_page_cache_func|kfree_rcu_work)\b")
_STATE_FIELD = re.compile(r"\b(count|head|cache|wip|backoff|mon_pending)=(\d+)")


@attrs.frozen
class Mutation:
    """One: what was done to which line (from 1), and the text that came of it."""

    what: str
    number: int
    text: str


def is_own(line: str) -> bool:
    """A line of kvfree_rcu()'s own, and of nobody else's."""
    match = _OWN.search(line)
    if match is None or line.startswith("#"):
        return False
    event = match[1]
    if event.startswith("workqueue_"):
        return _WORK.search(line) is not None
    if event.startswith("hrtimer"):
        return "schedule_page_work_fn" in line
    if event == "timer_start":
        return re.search(r"\[timeout=(1|1250)\]", line) is not None and "kvt" in line[:20]
    if event == "timer_expire_entry":
        return False
    if event == "get_free_pages":
        return "gfp=0x92cc0" in line
    if event == "get_free_pages_ret":
        return "fill_page_cache_func" in line or "kvfree_call_rcu" in line
    if event == "kmem_cache_free_bulk":
        return " s=0x0 " in line
    return event != "state" or "KRC cpu=" in line


def _by_one(text: str, pattern: str, rng: random.Random) -> str | None:
    match = re.search(pattern, text)
    if match is None:
        return None
    value = int(match[1])
    changed = value + rng.choice([1, -1] if value > 1 else [1])
    return text[: match.start(1)] + str(changed) + text[match.end(1) :]


def _size(line: str, rng: random.Random) -> str | None:
    return _by_one(line, r"(?:nr_records|size|nr)=(\d+)$", rng)


def _state(line: str, rng: random.Random) -> str | None:
    if ": state: " not in line:
        return None
    fields = list(_STATE_FIELD.finditer(line))
    match = rng.choice(fields)
    value = int(match[2])
    flag = match[1] in ("wip", "backoff", "mon_pending")
    changed = 1 - value if flag else value + rng.choice([1, -1] if value else [1])
    return line[: match.start(2)] + str(changed) + line[match.end(2) :]


def _delay(line: str, _rng: random.Random) -> str | None:
    if "[timeout=1250]" in line:
        return line.replace("[timeout=1250]", "[timeout=1]")
    return line.replace("[timeout=1]", "[timeout=1250]") if "[timeout=1]" in line else None


def _refused(line: str, _rng: random.Random) -> str | None:
    return re.sub(r" ret=0x[0-9a-f]+$", " ret=0x0", line) if ": get_free_pages_ret: " in line else None


def _channel(line: str, _rng: random.Random) -> str | None:
    if ": rcu_invoke_kvfree_callback: " in line:
        return line.replace("func=16", "func=0") if "func=16" in line else line.replace("func=0", "func=16")
    if ": kvfree_rcu_bulk: " in line:
        return line.replace("idx=0", "idx=1") if "idx=0" in line else line.replace("idx=1", "idx=0")
    return None


_CHANGES: dict[str, Callable[[str, random.Random], str | None]] = {
    "size": _size,
    "state": _state,
    "delay": _delay,
    "refused": _refused,
    "channel": _channel,
}


def mutated(lines: Sequence[str], rng: random.Random, what: str = "") -> Mutation | None:
    """One change at random after the first states; None where the kind that was drawn has no place."""
    begin = next((at for at, line in enumerate(lines) if ": kvt_write: BEGIN" in line), 0)
    first = next((at for at, line in enumerate(lines) if ": runp: STMT" in line), begin)
    what = what or rng.choice(["drop", "double", "period", *_CHANGES])
    places = range(first, len(lines))
    if what == "period":
        # Of those that a batch has waited for: before the first call nobody waits.
        called = next((at for at, line in enumerate(lines) if ": kvfree_call_rcu: " in line), first)
        own = [at for at in range(called, len(lines)) if re.search(r"rcu_grace_period: \S+ -?\d+ end$", lines[at])]
    elif what in ("drop", "double"):
        own = [at for at in places if is_own(lines[at]) and ": state: " not in lines[at]]
    else:
        own = [at for at in places if is_own(lines[at]) and _CHANGES[what](lines[at], rng) is not None]
    if not own:
        return None
    at = rng.choice(own)
    middle: list[str] = []
    if what == "double":
        middle = [lines[at], lines[at]]
    elif what in _CHANGES:
        changed = _CHANGES[what](lines[at], rng)
        assert changed is not None
        middle = [changed]
    return Mutation(what, at + 1, "\n".join([*lines[:at], *middle, *lines[at + 1 :]]) + "\n")
