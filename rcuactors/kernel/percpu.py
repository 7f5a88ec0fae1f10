"""Per-CPU state (include/linux/percpu.h), and which CPUs there are (kernel/cpu.c, cpu_possible_mask, cpu_online_mask).

A CPU's state is made when something first touches it, so that a machine of 1,024 CPUs costs what those cost that are
used; for whoever goes through those of all possible CPUs, the others hold nothing that was put there. It is a
dictionary by CPU number, so that looking one up costs no call: `lists[cpu.cpu_id]` is this_cpu_ptr() for who holds a
`Cpu`, and `lists.get(cpu_id)` looks without making one.

All CPUs are online from boot: nothing takes one away yet (docs, assumptions). Who owns a state says when it is made
what becomes of it when its CPU comes or goes (cpuhp_setup_state()), if that is one plain move: the page lists do. What
needs locks, works or another CPU (timers, callbacks, slabs, pools) says nothing yet; kfree_rcu has nothing to say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from ..errors import BadInput
from ..marks import MACHINERY

__trace__ = MACHINERY

T = TypeVar("T")

Hook = Callable[[int, T], None]
"""Told the number of a CPU and what that has."""


class CpuMasks:
    """The CPUs that a machine can have, and those that take part."""

    def __init__(self, nr_cpus: int) -> None:
        self.possible = range(nr_cpus)
        self._offline: set[int] = set()
        self._states: list[PerCpu[Any]] = []

    def register(self, states: PerCpu[Any]) -> None:
        """These have to hear of CPUs that come and go, in the order of registering."""
        self._states.append(states)

    def online(self) -> list[int]:
        """for_each_online_cpu()."""
        return [cpu_id for cpu_id in self.possible if cpu_id not in self._offline]

    def set_cpu_online(self, cpu_id: int, online: bool) -> None:
        """set_cpu_online(): the CPU comes or goes; whoever has state of it hears of it.

        As for the kernel's hotplug states, those that were set up last are torn down first. Raises BadInput for a CPU
        that the machine cannot have.
        """
        if cpu_id not in self.possible:
            raise BadInput(f"cpu={cpu_id}: the machine has CPUs 0 to {len(self.possible) - 1}")
        if online is (cpu_id not in self._offline):
            return
        if online:
            self._offline.remove(cpu_id)
        else:
            self._offline.add(cpu_id)
        for states in self._states if online else reversed(self._states):
            states.tell(cpu_id, online=online)


class PerCpu(dict[int, T], Generic[T]):
    """DEFINE_PER_CPU(). `make` is told the number of a CPU, and makes what that has.

    `comes` and `goes` are called for a CPU that has state when it comes online or goes offline.
    """

    __slots__ = ("_comes", "_goes", "_make", "_masks")

    def __init__(
        self,
        make: Callable[[int], T],
        masks: CpuMasks,
        *,
        comes: Hook[T] | None = None,
        goes: Hook[T] | None = None,
    ) -> None:
        super().__init__()
        self._make, self._masks, self._comes, self._goes = make, masks, comes, goes
        if comes is not None or goes is not None:
            masks.register(self)

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

    def tell(self, cpu_id: int, *, online: bool) -> None:
        """The CPU has come, or has gone."""
        hook = self._comes if online else self._goes
        if hook is not None and cpu_id in self:
            hook(cpu_id, self[cpu_id])


def _number(entry: tuple[int, object]) -> int:
    return entry[0]
