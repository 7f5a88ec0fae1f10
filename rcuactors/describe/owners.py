"""Whose struct kfree_rcu_cpu a worker works on.

Where the trace has real addresses, a work or krcp tells it: everything of one CPU lies within one page, near the
hrtimer that a call on that CPU has started, or the addresses that the rig has told. Else it is taken to be the CPU on
which the work runs: up to v6.6 the works are queued on a bound workqueue, by a timer or a callback of that CPU.
"""

from __future__ import annotations

from typing import Final

import attrs

from ..traces.krc import KrcAddresses

_NEAR: Final = 4096
_MOST: Final = 8192


@attrs.define
class Owners:
    """Which CPU an address belongs to, and which CPU's work each task is in."""

    _anchors: dict[int, int] = attrs.field(factory=dict)
    """Addresses inside a struct kfree_rcu_cpu, by CPU."""
    _refill_timers: set[int] = attrs.field(factory=set)
    _known: dict[int, int | None] = attrs.field(factory=dict)
    _working: dict[int, int] = attrs.field(factory=dict)

    def told(self, addresses: KrcAddresses) -> None:
        """Take in what the rig says of one CPU."""
        self.seen(addresses.cpu, addresses.refill_hrtimer)
        self._refill_timers.add(addresses.refill_timer)

    def is_refill_timer(self, address: int | None) -> bool:
        """Whether a timer is that of a delayed refill, where the rig has told them."""
        return address in self._refill_timers

    def seen(self, cpu: int, address: int | None) -> None:
        """An address of that CPU's structure."""
        if address is not None and address >> 63 and cpu not in self._anchors:
            self._anchors[cpu] = address
            self._known.clear()

    def of(self, address: int | None) -> int | None:
        """The CPU whose structure an address lies in; None where that is not known."""
        if address is None or not self._anchors:
            return None
        if address not in self._known:
            if len(self._known) > _MOST:
                self._known.clear()
            near = (cpu for cpu, anchor in self._anchors.items() if abs(anchor - address) < _NEAR)
            self._known[address] = next(near, None)
        return self._known[address]

    def starts(self, pid: int, address: int | None) -> None:
        """A task starts a work, or enters a function, that is at this address."""
        cpu = self.of(address)
        if cpu is not None:
            self._working[pid] = cpu
        else:
            self._working.pop(pid, None)

    def ends(self, pid: int) -> None:
        """It is done."""
        self._working.pop(pid, None)

    def works_on(self, pid: int, cpu: int) -> int:
        """Whose structure a task on that CPU works on."""
        return self._working.get(pid, cpu)
