"""What later lines say: how many objects a batch's work frees, and which objects were on the list.

Nothing is decided by it. Of states that differ in what a batch has taken, or in where an object was put, those that the
lines of its work are going to contradict are not carried on until then, as long as there are others.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, cast

import attrs

from ..traces import Call
from .lines import Ctx, Line, Told, state_of


@attrs.frozen
class Run:
    """What a run of a batch's work frees: the blocks' sizes, the oldest first; of the list where each rcu_head is."""

    at: int
    cpu: int
    blocks: tuple[int, ...]
    listed: tuple[int, ...]
    """The newest first."""
    whole: bool
    """It has come to its end."""

    @property
    def objects(self) -> int:
        """How many it frees."""
        return sum(self.blocks) + len(self.listed)


@attrs.define(eq=False)
class Turn:
    """A batch is called back, by the line at which its work is queued; and the run that comes of it, if any does."""

    at: int
    run: Run | None = None


def starts_batch(line: Line) -> bool:
    """A worker begins with a batch's work."""
    return line.event == "workqueue_execute_start" and line.told["role"] == "krw"


def run_of(told: Told, start: Line) -> Run:
    """The run of a batch's work that begins at a line."""
    blocks: list[int] = []
    listed: list[int] = []
    whole, at = False, start.after
    while at >= 0 and not whole:
        line = told.lines[at]
        if line.event == "kmem_cache_free_bulk":
            blocks.append(int(str(line.told["size"])))
        elif line.event == "rcu_invoke_kvfree_callback":
            listed.append(int(str(line.told["offset"])))
        whole = line.event == "kfree_rcu_work_ret"
        at = line.after
    return Run(start.at, start.cpu, tuple(blocks[::-1]), tuple(listed), whole)


def shows_list(told: Told) -> bool:
    """It shows what is freed from the list, if anything is."""
    return bool(told.events & {"rcu_invoke_kvfree_callback", "rcu_invoke_kfree_bulk_callback"})


_KERNEL: Final = 63
"""A kernel's address has this bit; what was hashed has not."""


def foresee(told: Told) -> None:
    """Count what each run of a batch's work frees, and find which objects it takes from the list; as far as is told."""
    told.runs.clear()
    told.listed.clear()
    _see_runs(told)
    told.runs_on, told.turns = {}, {}
    if not told.addresses:
        for line in told.lines:
            if starts_batch(line):
                told.runs_on.setdefault(line.cpu, []).append(run_of(told, line))
        told.turns = _turns(told)
    told.anonymous = not any(_shows_object(line) for line in told.lines)
    told.tells_numbers = _tells_numbers(told)
    if not told.anonymous and "rcu_invoke_kvfree_callback" in told.events:
        _see_objects(told)


def _turns(told: Told) -> dict[int, list[Turn]]:
    """Each CPU's callbacks that queue a batch's work. They are called in the order in which they were asked.

    Empty where others than softirqs call back. Works run in the order in which they were queued on a CPU, those that
    have a name under that.
    """
    turns: dict[int, list[Turn]] = {}
    queued: dict[object, list[Turn]] = {}
    runs = {run.at: run for on_cpu in told.runs_on.values() for run in on_cpu}
    from_before = _queued_before(told)
    for line in told.lines:
        if line.event == "workqueue_queue_work" and line.told["role"] == "krw":
            if line.ctx[0] != "softirq" or int(str(line.told["on"])) < 0:
                return {}
            turn = Turn(line.at)
            turns.setdefault(line.cpu, []).append(turn)
            queued.setdefault(line.told.get("name", line.told["on"]), []).append(turn)
        elif starts_batch(line):
            name = line.told.get("name", line.cpu)
            if from_before.get(name):
                from_before[name] -= 1
            elif queued.get(name):
                queued[name].pop(0).run = runs[line.at]
    return turns


def _queued_before(told: Told) -> dict[object, int]:
    """How many works were queued before the first line, of each name, or of each CPU: more run than are queued."""
    ahead: Counter[object] = Counter()
    before: dict[object, int] = {}
    for line in told.lines:
        if line.event == "workqueue_queue_work" and line.told["role"] == "krw":
            ahead[line.told.get("name", line.told["on"])] -= 1
        elif starts_batch(line):
            name = line.told.get("name", line.cpu)
            ahead[name] += 1
            before[name] = max(before.get(name, 0), ahead[name])
    return before


def _tells_numbers(told: Told) -> bool:
    """Some line depends on how many objects a CPU has queued, its list among them."""
    if told.by_rig or not told.anonymous or shows_list(told) or told.events & _NUMBERS:
        return True
    return any(line.event == "shrink_scan" and visited(told, line) < told.nr_cpus for line in told.lines)


def monitors(told: Told) -> list[tuple[Line, int]]:
    """Each monitor's line, and of which CPU it is: a worker's own, or, one after the other, those of a shrinker."""
    found: list[tuple[Line, int]] = []
    scanned: dict[Ctx, int] = {}
    for line in told.lines:
        if line.event == "shrink_scan":
            scanned[line.ctx] = 0
        elif line.event in ("shrink_count", "workqueue_execute_start"):
            scanned.pop(line.ctx, None)
        elif line.event == "kfree_rcu_monitor":
            found.append((line, scanned.get(line.ctx, line.cpu)))
            if line.ctx in scanned:
                scanned[line.ctx] += 1
    return found


def visited(told: Told, scan: Line) -> int:
    """How many CPUs a shrinker's scan is seen to go to."""
    cpus, at = 0, scan.after
    while at >= 0 and (event := told.lines[at].event) not in ("shrink_count", "shrink_scan"):
        cpus += event == "kfree_rcu_monitor"
        at = told.lines[at].after
    return cpus


_NUMBERS: Final = frozenset({"timer_start", "shrink_scan_ret"})


def _shows_object(line: Line) -> bool:
    """It says by its address which object of the slab is freed."""
    if line.event == "rcu_invoke_kvfree_callback":
        head = line.told["rhp"]
        return isinstance(head, int) and bool(head >> _KERNEL)
    return line.event in ("kvfree", "kvfree_rcu_list")


def _see_objects(told: Told) -> None:
    """Backwards: what its next line frees from the list was there, what is given again or is all freed was not.

    Objects whose rcu_head is at their beginning are left out: they are freed as what comes from vmalloc() is.
    """
    next_freed: dict[int, bool] = {}
    all_freed = _drained_at(told)
    for line in reversed(told.lines):
        if line.event == "rcu_invoke_kvfree_callback":
            head, offset = line.told["rhp"], int(str(line.told["offset"]))
            if isinstance(head, int) and head >> _KERNEL:
                next_freed[head - offset] = bool(offset)
        elif line.event == "kvfree_call_rcu":
            call = cast("Call", line.told["call"])
            if call.one_argument or not call.address >> _KERNEL or not call.offset:
                continue
            known = next_freed.pop(call.address, None)
            if known is None and line.at < all_freed:
                known = False
            if known is not None:
                told.listed[line.at] = known
            next_freed[call.address] = False


def _drained_at(told: Told) -> int:
    """The first of the last state lines, if they say of all CPUs that nothing is queued nor waits; else -1."""
    if told.ends_early:
        return -1
    seen: set[int] = set()
    for line in reversed(told.lines):
        printed = state_of(line)
        if printed is None or printed.cpu in seen:
            if seen and line.event == "kvfree_call_rcu":
                break
            continue
        if printed.count or printed.head or any(one.slab + one.vmalloc + one.head for one in printed.batches):
            return -1
        seen.add(printed.cpu)
        if len(seen) == told.nr_cpus:
            return line.at
    return -1


def _see_runs(told: Told) -> None:
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
