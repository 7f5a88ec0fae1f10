"""Per-CPU state (include/linux/percpu.h), and which CPUs there are (kernel/cpu.c, cpu_possible_mask, cpu_online_mask).

A CPU's state is made when something first touches it, so that a machine of 1,024 CPUs costs what those cost that are
used; for whoever goes through those of all possible CPUs, the others hold nothing that was put there. It is a
dictionary by CPU number, so that looking one up costs no call: `lists[cpu.cpu_id]` is this_cpu_ptr() for who holds a
`Cpu`, and `lists.get(cpu_id)` looks without making one.

Who has state of a CPU says with cpuhp_setup_state() what becomes of it when its CPU comes or goes (hotplug/). State
outlives its CPU: that of a dead one is there for whoever goes through all possible CPUs, and when it comes back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from ..errors import BadInput
from ..marks import MACHINERY

__trace__ = MACHINERY

T = TypeVar("T")


class CpuMasks:
    """The CPUs that a machine can have, and those that take part.

    `active` are those that threads may be put on (cpu_active_mask): all possible ones until one is not.
    """

    def __init__(self, nr_cpus: int, booted: int = 0) -> None:
        self.possible = range(nr_cpus)
        self.active: range | frozenset[int] = self.possible
        self._offline: set[int] = set()
        if 0 < booted < nr_cpus:
            self._offline.update(range(booted, nr_cpus))
            self.active = range(booted)

    def online(self) -> list[int]:
        """for_each_online_cpu()."""
        return [cpu_id for cpu_id in self.possible if cpu_id not in self._offline]

    def offline(self) -> frozenset[int]:
        """The possible CPUs that are not online."""
        return frozenset(self._offline)

    def is_online(self, cpu_id: int) -> bool:
        """cpu_online()."""
        return cpu_id not in self._offline

    def set_cpu_active(self, cpu_id: int, active: bool) -> None:
        """set_cpu_active()."""
        others = frozenset(self.active) - {cpu_id}
        now = others | {cpu_id} if active else others
        self.active = self.possible if len(now) == len(self.possible) else now

    def set_cpu_online(self, cpu_id: int, online: bool) -> None:
        """set_cpu_online(): the CPU comes or goes. Raises BadInput for one that the machine cannot have."""
        if cpu_id not in self.possible:
            raise BadInput(f"cpu={cpu_id}: the machine has CPUs 0 to {len(self.possible) - 1}")
        if online:
            self._offline.discard(cpu_id)
        else:
            self._offline.add(cpu_id)


class PerCpu(dict[int, T], Generic[T]):
    """DEFINE_PER_CPU(). `make` is told the number of a CPU, and makes what that has."""

    __slots__ = ("_make", "_masks")

    def __init__(self, make: Callable[[int], T], masks: CpuMasks) -> None:
        super().__init__()
        self._make, self._masks = make, masks

    def __missing__(self, cpu_id: int) -> T:
        made = self[cpu_id] = self._make(cpu_id)
        return made

    def touched(self) -> list[tuple[int, T]]:
        """CPU numbers in order and what they have, of all that anything has touched.

        This is for_each_possible_cpu() for who looks for what was put there.
        """
        return sorted(self.items(), key=_number)

    def possible(self) -> list[tuple[int, T]]:
        """for_each_possible_cpu(), for who puts something there: those that are missing are made."""
        return [(cpu_id, self[cpu_id]) for cpu_id in self._masks.possible]

    def online(self) -> list[tuple[int, T]]:
        """for_each_online_cpu(), of those that anything has touched."""
        return [(cpu_id, self[cpu_id]) for cpu_id in self._masks.online() if cpu_id in self]


def _number(entry: tuple[int, object]) -> int:
    return entry[0]
