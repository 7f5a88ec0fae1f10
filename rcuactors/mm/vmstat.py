"""The works that keep the counters of memory (mm/vmstat.c), for what they do to the CPUs' page lists.

vmstat_shepherd() looks about once a second (vm.stat_interval) which CPUs have changed anything, and has vmstat_update()
run there, a work on mm_percpu_wq that queues itself again as long as it finds something to do. From v6.7 on it takes an
eighth of pcp->high away, and what is then too many of the list's pages (decay_pcp_high()). Counters are not modelled,
so only CPUs whose list has grown have the work; with the others it would find nothing. The shepherd is a device here,
which tells the CPU to queue it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ..engine.actor import Message
from ..engine.device import Device
from ..kernel.messages import HardIrq
from ..kernel.percpu import PerCpu
from ..kernel.workqueue import Work, WqFlags
from ..marks import MACHINERY

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kernel.system import System
    from ..kernel.workqueue import Workqueues
    from .page.pcplist import ZoneWithLists

__trace__ = MACHINERY


@attrs.frozen(kw_only=True)
class ListGrown(Message):
    """pcp->high of that CPU's list is above what it is at least."""

    cpu: Cpu


class VmstatShepherd(Device):
    """vmstat_shepherd(), every `interval` seconds while there is a list to look after."""

    def __init__(self, system: System, zone: ZoneWithLists, workqueues: Workqueues, *, interval: int) -> None:
        super().__init__(name="vmstat_shepherd", index=system.next_actor_index())
        self._system, self._zone, self._workqueues = system, zone, workqueues
        self._interval_ns = interval * 1_000_000_000
        self._grown: dict[int, Cpu] = {}
        self._next: int | None = None
        self._works = PerCpu(lambda _: Work("vmstat_update", self._vmstat_update), system.masks)
        self._mm_percpu_wq = workqueues.alloc_workqueue("mm_percpu_wq", WqFlags.MEM_RECLAIM)
        zone.on_grown = self.grown

    def grown(self, cpu: Cpu) -> None:
        """A list has been made longer."""
        if cpu.cpu_id not in self._grown:
            self._system.conductor.post(self, ListGrown(sender=cpu.name, time_ns=cpu.clock, cpu=cpu))

    async def main(self) -> None:
        """For ever."""
        while True:
            message = await self._system.conductor.receive(self, self._next)
            if isinstance(message, ListGrown):
                self._grown[message.cpu.cpu_id] = message.cpu
                if self._next is None:
                    # round_jiffies_relative(): at whole seconds.
                    self._next = (self.clock // self._interval_ns + 1) * self._interval_ns
            elif self._next is not None:
                self._look()

    def _look(self) -> None:
        assert self._next is not None
        for cpu in self._grown.values():
            if cpu.online:
                irq = HardIrq(sender=self.name, time_ns=self.clock, line="vmstat", handler=self._queue)
                self._system.conductor.post(cpu, irq)
        self._next = self._next + self._interval_ns if self._grown else None

    async def _queue(self, cpu: Cpu) -> None:
        """queue_delayed_work_on()."""
        await self._workqueues.queue_work(cpu, self._mm_percpu_wq, self._works[cpu.cpu_id], on=cpu)

    async def _vmstat_update(self, cpu: Cpu) -> None:
        """vmstat_update(), refresh_cpu_vm_stats()."""
        if not await self._zone.decay_pcp_high(cpu.current):
            self._grown.pop(cpu.cpu_id, None)


def start_shepherd(system: System, zone: ZoneWithLists, workqueues: Workqueues) -> None:
    """start_shepherd_timer(), where it is wanted."""
    interval = system.config.stat_interval
    if interval:
        system.add_device(VmstatShepherd(system, zone, workqueues, interval=interval))
