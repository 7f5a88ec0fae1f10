"""The machine's side of what a recording tells: who freed which block, delays of timers, workqueues of works.

It listens to the machine's probes, and tells of them in the recording's words (observed.py). A recording ends when its
objects are freed, the machine when nothing is to be done any more: the timers that are pending then still expire, and
the works that they queue find nothing to do. These are `late`, and no part of a comparison.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ..context.trace import call_trace
from ..traces.freers import FreedBlock, Freer, freer_of

if TYPE_CHECKING:
    from ..kernel.time.timer import Timer
    from ..kernel.workqueue.work import Work
    from ..kernel.workqueue.workqueue import Workqueue
    from ..kvfree.krc import Krc
    from ..machine import Machine
    from ..mm.objects import KObject
    from .feeders import Replayed
    from .recording import Recording


class Witness:
    """What one machine did with its objects. The names are those of `Observed`.

    `grace_periods` are those that have ended between the first call and the last free.
    """

    def __init__(self, machine: Machine, recording: Recording, replayed: Replayed) -> None:
        self._machine, self._replayed = machine, replayed
        self._first_ns = min((call.time_ns for call in recording.calls), default=recording.begin_ns)
        self._end_ns = recording.end_ns
        self._ended, self._at_last_free = 0, -1
        self.blocks: list[FreedBlock] = []
        self.list_freed_by: Counter[Freer | None] = Counter()
        self.monitor_delays: list[int] = []
        self.refill_delays: list[int] = []
        self.queued_on: Counter[str] = Counter()
        self.late: Counter[str] = Counter()
        self.put_off = 0
        """Refills that were asked for without the hrtimer, which queues on events_highpri."""
        probes = machine.probes
        probes.kvfree.block_freed.listen(self._block_freed)
        probes.kvfree.listed_freed.listen(self._listed_freed)
        probes.kernel.timer_started.listen(self._timer_started)
        probes.kernel.work_queued.listen(self._work_queued)
        probes.rcu.gp_ended.listen(self._gp_ended)

    @property
    def grace_periods(self) -> int:
        """How many."""
        return self._ended if self._at_last_free < 0 else self._at_last_free

    def _block_freed(self, _krcp: Krc, vmalloc: bool, nr_records: int) -> None:
        self.blocks.append(FreedBlock(vmalloc, nr_records, freer_of(call_trace())))
        self._at_last_free = self._ended

    def _listed_freed(self, _krcp: Krc, _item: KObject) -> None:
        self.list_freed_by[freer_of(call_trace())] += 1
        self._at_last_free = self._ended

    def _gp_ended(self, _gp_seq: int, time_ns: int) -> None:
        shift_ns = self._replayed.shift_ns
        self._ended += shift_ns is not None and time_ns >= self._first_ns + shift_ns

    def _timer_started(self, timer: Timer, delay_jiffies: int) -> None:
        for krcp in self._machine.kvfree.all_krcs():
            if timer is krcp.monitor_work.timer:
                self.monitor_delays.append(delay_jiffies)
            elif timer is krcp.page_work.timer:
                self.refill_delays.append(delay_jiffies)

    def _work_queued(self, work: Work, workqueue: Workqueue) -> None:
        for krcp in self._machine.kvfree.all_krcs():
            rcu_works = [batch.rcu_work.work for batch in krcp.batches]
            self.put_off += work is krcp.page_work.work and workqueue.name != "events_highpri"
            if work in (krcp.monitor_work.work, krcp.page_work.work, *rcu_works):
                if self._is_over():
                    self.late[work.name] += 1
                else:
                    self.queued_on[f"{work.name}@{workqueue.name}"] += 1

    def _is_over(self) -> bool:
        """The recording has ended, and all that it gave is freed."""
        shift_ns = self._replayed.shift_ns
        if shift_ns is None or self._machine.this_cpu.clock <= self._end_ns + shift_ns:
            return False
        return not any(
            krcp.anything_queued() or any(batch.busy() for batch in krcp.batches)
            for krcp in self._machine.kvfree.all_krcs()
        )
