"""Per-CPU state (include/linux/percpu.h): one of something for each CPU.

A CPU's is made when something first touches it, so that a machine of 1,024 CPUs costs what those cost that are used;
for whoever goes through those of all possible CPUs, the others hold nothing that was put there. It is a dictionary by
CPU number, so that looking one up costs no call: `lists[cpu.cpu_id]` is this_cpu_ptr() for who holds a `Cpu`, and
`lists.get(cpu_id)` looks without making one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from ..marks import MACHINERY

__trace__ = MACHINERY

T = TypeVar("T")


class PerCpu(dict[int, T], Generic[T]):
    """DEFINE_PER_CPU(). `make` is told the number of a CPU, and makes what that has."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[int], T]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, cpu_id: int) -> T:
        made = self[cpu_id] = self._make(cpu_id)
        return made

    def in_order(self) -> list[tuple[int, T]]:
        """for_each_possible_cpu(): CPU numbers and what they have, of all that were touched."""
        return sorted(self.items(), key=_number)

    def states(self) -> list[T]:
        """The same without the numbers."""
        return [state for _, state in self.in_order()]


def _number(entry: tuple[int, object]) -> int:
    return entry[0]
