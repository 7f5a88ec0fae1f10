"""Who frees: the work after the grace period, the monitor by itself, or the monitor that the shrinker has called.

In v6.6 and later the monitor frees what is ready when it runs (kvfree_rcu_drain_ready()), and from v6.1 on the shrinker
calls the monitor. A task's kprobes on entry and return tell in which of these it is; so does a call trace of the
machine.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Container, Iterable
from typing import Final

import attrs


class Freer(enum.Enum):
    """Its value is the letter of the recordings' summaries."""

    WORK = "W"
    MONITOR = "M"
    SHRINKER = "S"


_WORK: Final = "kfree_rcu_work"
_MONITOR: Final = "kfree_rcu_monitor"
_SCAN: Final = "kfree_rcu_shrink_scan"

ENTRIES: Final = frozenset({_WORK, _MONITOR, _SCAN})
"""The functions that tell."""


def freer_of(trace: Container[str]) -> Freer | None:
    """Who frees, by the functions that a task is in."""
    if _WORK in trace:
        return Freer.WORK
    if _SCAN in trace:
        return Freer.SHRINKER
    return Freer.MONITOR if _MONITOR in trace else None


@attrs.frozen
class FreedBlock:
    """A block of pointers: of kmalloc() objects or of vmalloc() areas, how many, and who freed it.

    As a text it is what the recordings' summaries have: `s507W`.
    """

    vmalloc: bool
    nr_records: int
    freer: Freer | None

    def __str__(self) -> str:
        return f"{'v' if self.vmalloc else 's'}{self.nr_records}{self.freer.value if self.freer is not None else '?'}"


def by_freer(blocks: Iterable[FreedBlock], *, vmalloc: bool) -> Counter[Freer | None]:
    """How many objects each of them has freed in such blocks."""
    counted: Counter[Freer | None] = Counter()
    for block in blocks:
        if block.vmalloc is vmalloc:
            counted[block.freer] += block.nr_records
    return counted


@attrs.define
class Inside:
    """In which of these functions each task is, by its pid."""

    _inside: dict[int, list[str]] = attrs.field(factory=dict, init=False)

    def entered(self, pid: int, function: str) -> None:
        """A task enters one. Whose return was not recorded, it has left before."""
        functions = self._inside.setdefault(pid, [])
        if function in functions:
            del functions[functions.index(function) :]
        functions.append(function)

    def left(self, pid: int, function: str) -> None:
        """It returns."""
        functions = self._inside.get(pid, [])
        if function in functions:
            del functions[functions.index(function) :]
            if not functions:
                del self._inside[pid]

    def freer(self, pid: int) -> Freer | None:
        """Who a task is that frees now."""
        return freer_of(self._inside.get(pid, ()))
