"""The machine's side of what a recording tells: who freed which block, delays of timers, workqueues of works.

It listens to the machine's probes, and tells of them in the recording's words (observed.py).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ..context.trace import call_trace
from .freers import FreedBlock, Freer, freer_of

if TYPE_CHECKING:
    from ..kernel.time.timer import Timer
    from ..kernel.workqueue.work import Work
    from ..kernel.workqueue.workqueue import Workqueue
    from ..kvfree.krc import Krc
    from ..machine import Machine
    from ..mm.objects import KObject


class Witness:
    """What one machine did with its objects. The names are those of `Observed`."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.blocks: list[FreedBlock] = []
        self.list_freed_by: Counter[Freer | None] = Counter()
        self.monitor_delays: list[int] = []
        self.refill_delays: list[int] = []
        self.queued_on: Counter[str] = Counter()
        probes = machine.probes
        probes.kvfree.block_freed.listen(self._block_freed)
        probes.kvfree.listed_freed.listen(self._listed_freed)
        probes.kernel.timer_started.listen(self._timer_started)
        probes.kernel.work_queued.listen(self._work_queued)

    def _block_freed(self, _krcp: Krc, vmalloc: bool, nr_records: int) -> None:
        self.blocks.append(FreedBlock(vmalloc, nr_records, freer_of(call_trace())))

    def _listed_freed(self, _krcp: Krc, _item: KObject) -> None:
        self.list_freed_by[freer_of(call_trace())] += 1

    def _timer_started(self, timer: Timer, delay_jiffies: int) -> None:
        for krcp in self._machine.kvfree.all_krcs():
            if timer is krcp.monitor_work.timer:
                self.monitor_delays.append(delay_jiffies)
            elif timer is krcp.page_work.timer:
                self.refill_delays.append(delay_jiffies)

    def _work_queued(self, work: Work, workqueue: Workqueue) -> None:
        for krcp in self._machine.kvfree.all_krcs():
            rcu_works = [batch.rcu_work.work for batch in krcp.batches]
            if work in (krcp.monitor_work.work, krcp.page_work.work, *rcu_works):
                self.queued_on[f"{work.name}@{workqueue.name}"] += 1
