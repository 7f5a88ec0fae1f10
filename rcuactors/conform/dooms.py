"""Which of the possible states later lines are going to contradict.

Those need not be carried on beside others (foresight.py): it saves time, and decides nothing.
"""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING

from ..kvfree.krc import SLAB, VMALLOC, objects_in
from .carried import Carried
from .foresight import Run, shows_list
from .lines import Told
from .operations import Operation
from .state import State

if TYPE_CHECKING:
    from ..eras.era import Era


class Dooms(Carried):
    """Marks them."""

    def __init__(self, told: Told, era: Era) -> None:
        super().__init__(told, era)
        self._in_turn = bool(told.runs_on) and not told.events & {"shrink_scan", "kfree_rcu_shrink_scan"}
        self._shows_list = shows_list(told)

    def _foresee(self, state: State, op: Operation) -> None:
        """What later lines are going to contradict need not be carried on beside others.

        That is a batch of more or fewer objects than its next run will free, an object that was linked to the list and
        is not freed from there, or the other way round, and a shrinker that returns what the script will not say.
        """
        if op.over and op.kind == "call":
            self._foresee_call(state, op)
        if op.over and op.item is not None:
            on_list = self.place.krcs[op.cpu_id].head
            state.doomed |= (bool(on_list) and on_list[-1] is op.item) != self.told.listed[op.item.serial]
        if op.over and op.promised is not None:
            state.doomed |= op.promised != (op.returned if op.returned is not None else -1)
        elif op.over and op.kind == "count":
            op.returned = None  # nobody will say it
        for whose in self.place.batched:
            batch = self.place.krcs[whose[0]].batches[int(whose[1][-1])]
            freed = self.told.freed_next(whose, self.at)
            if freed is not None:
                state.doomed |= freed != objects_in(batch.blocks) + len(batch.head)
            elif (run := self._run_in_turn(whose, op)) is not None:
                state.doomed |= sum(run.blocks) != objects_in([batch.blocks[SLAB]])
                if self._shows_list:
                    state.doomed |= len(run.listed) != objects_in([batch.blocks[VMALLOC]]) + len(batch.head)

    def _foresee_call(self, state: State, op: Operation) -> None:
        """An object was put where the next run of a batch of this CPU frees fewer."""
        krcp, monitor = self.place.krcs[op.cpu_id], self.place.works[op.cpu_id]["monitor"]
        if not self._in_turn or not (krcp.head or krcp.blocks[SLAB]) or op.cpu_id not in (monitor.base, monitor.on):
            return
        if (run := self._run_after(op.cpu_id, op.cpu_id)) is not None:
            state.doomed |= objects_in([krcp.blocks[SLAB]]) > sum(run.blocks)
            state.doomed |= self._shows_list and len(krcp.head) > len(run.listed)

    def _run_in_turn(self, whose: tuple[int, str], op: Operation) -> Run | None:
        """The run of a batch that a CPU's own worker starts: that CPU calls back, and runs, in the order it was asked.

        None where that is not known: the shrinker starts batches of all CPUs.
        """
        return self._run_after(whose[0], op.cpu_id, 1) if op.kind == "monitor" and self._in_turn else None

    def _run_after(self, cpu_id: int, worker: int, mine: int = 0) -> Run | None:
        """The run on a worker's CPU that comes after those of a CPU's batches which wait, but for `mine`."""
        works, runs = self.place.works[cpu_id], self.told.runs_on.get(worker, [])
        before = sum(works[role].pending or works[role].queued for role in ("krw0", "krw1")) - mine
        first = bisect.bisect_left(runs, self.at, key=lambda run: run.at) + before
        return runs[first] if first < len(runs) and runs[first].whole else None
