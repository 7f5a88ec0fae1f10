"""What later lines say: how many objects a batch's work frees, and which objects were on the list.

Nothing is decided by it. Of states that differ in what a batch has taken, or in where an object was put, those that the
lines of its work are going to contradict are not carried on until then, as long as there are others.
"""

from __future__ import annotations

from typing import Final, cast

import attrs

from ..traces import Call
from .lines import Line, Told, state_of


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
    told.runs_on = {}
    if not told.addresses:
        for line in told.lines:
            if starts_batch(line):
                told.runs_on.setdefault(line.cpu, []).append(run_of(told, line))
    told.anonymous = not any(_shows_object(line) for line in told.lines)
    if not told.anonymous and "rcu_invoke_kvfree_callback" in told.events:
        _see_objects(told)


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
