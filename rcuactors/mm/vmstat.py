"""The works that keep the counters of memory (mm/vmstat.c), for what they do to the CPUs' page lists.

vmstat_shepherd() looks about once a second (vm.stat_interval) which CPUs have changed anything, and has vmstat_update()
run there, a work on mm_percpu_wq. From v6.7 on that takes an eighth of pcp->high away, and what is then too many of the
list's pages (decay_pcp_high()). Counters are not modelled, so only CPUs whose list has grown have the work; with the
others it would find nothing. The shepherd's timer is a deferrable one: an idle machine is left alone. Here the first
tick behind a whole second has its CPU be the shepherd.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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


class Vmstat:
    """vmstat_shepherd(), every `interval` seconds while there is a list to look after."""

    def __init__(self, system: System, zone: ZoneWithLists, workqueues: Workqueues, *, interval: int) -> None:
        self._zone, self._workqueues = zone, workqueues
        self._interval_ns = interval * 1_000_000_000
        self._grown: dict[int, Cpu] = {}
        self._next = self._interval_ns
        """round_jiffies_relative(): at whole seconds."""
        self._works = PerCpu(lambda _: Work("vmstat_update", self._vmstat_update), system.masks)
        self._mm_percpu_wq = workqueues.alloc_workqueue("mm_percpu_wq", WqFlags.MEM_RECLAIM)
        zone.tells_of_growth_to(self._has_grown)
        self._system = system
        system.hooks.on_tick.append(self._tick)

    def _has_grown(self, cpu: Cpu) -> None:
        self._grown[cpu.cpu_id] = cpu

    def _tick(self, cpu: Cpu) -> None:
        if cpu.clock >= self._next:
            self._next = (cpu.clock // self._interval_ns + 1) * self._interval_ns
            if self._grown:
                irq = HardIrq(sender=cpu.name, time_ns=cpu.clock, line="vmstat", handler=self._vmstat_shepherd)
                self._system.conductor.post(cpu, irq)

    async def _vmstat_shepherd(self, cpu: Cpu) -> None:
        """vmstat_shepherd(): queue_delayed_work_on() each of them, without delay."""
        for target in list(self._grown.values()):
            if target.online:
                await self._workqueues.queue_work(cpu, self._mm_percpu_wq, self._works[target.cpu_id], on=target)

    async def _vmstat_update(self, cpu: Cpu) -> None:
        """vmstat_update(), refresh_cpu_vm_stats()."""
        if not await self._zone.decay_pcp_high(cpu.current):
            self._grown.pop(cpu.cpu_id, None)


def start_shepherd(system: System, zone: ZoneWithLists, workqueues: Workqueues) -> None:
    """start_shepherd_timer(), where it is wanted."""
    interval = system.config.stat_interval
    if interval:
        Vmstat(system, zone, workqueues, interval=interval)
