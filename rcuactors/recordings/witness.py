"""The machine's side of what a recording tells: who freed the objects, and how many grace periods that took.

It listens to the machine's probes, and tells of them in the recording's words (observed.py).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ..context.trace import call_trace
from ..traces.freers import FreedBlock, Freer, freer_of

if TYPE_CHECKING:
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
        self._replayed = replayed
        self._first_ns = min((call.time_ns for call in recording.calls), default=recording.begin_ns)
        self._ended, self._at_last_free = 0, -1
        self.blocks: list[FreedBlock] = []
        self.list_freed_by: Counter[Freer | None] = Counter()
        probes = machine.probes
        probes.kvfree.block_freed.listen(self._block_freed)
        probes.kvfree.listed_freed.listen(self._listed_freed)
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
