"""Which of the possible states later lines are going to contradict: they are not carried on beside others.

That is a batch of other objects than its next run will free, an object that was linked to the list and is not freed
from there, or the other way round, and a shrinker that returns what the script will not say. It saves time, and decides
nothing: where no other state is left, those are carried on, and the lines decide.
"""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING

from ..kvfree.krc import SLAB, VMALLOC, Batch, objects_in
from .carried import Carried
from .factors import Factor
from .foresight import Run, Turn, shows_list
from .lines import Told
from .operations import Operation
from .registers import calls_back
from .state import State

if TYPE_CHECKING:
    from ..eras.era import Era


class Dooms(Carried):
    """Marks them."""

    def __init__(self, told: Told, era: Era) -> None:
        super().__init__(told, era)
        self.factors: list[Factor] = []
        self._in_turn = bool(told.runs_on) and not told.events & {"shrink_scan", "kfree_rcu_shrink_scan"}
        self._shows_list, self._shows_blocks = shows_list(told), self.expecter.shows("kmem_cache_free_bulk")

    def _foresee(self, state: State, op: Operation) -> None:
        """A step was made: whether later lines contradict what has come of it."""
        if op.over and op.kind == "call":
            self._foresee_call(state, op)
        if op.over and op.item is not None:
            on_list = self.place.krcs[op.cpu_id].head
            state.doomed |= (bool(on_list) and on_list[-1] is op.item) != self.told.listed[op.item.serial]
        if op.over and op.promised is not None:
            state.doomed |= op.promised != (op.returned if op.returned is not None else -1)
        elif op.over and op.kind in ("count", "scan") and not self.expecter.shows("shrink_scan_ret"):
            op.returned = None  # nobody will say it
        for whose in self.place.batched:
            batch = self.place.krcs[whose[0]].batches[int(whose[1][-1])]
            freed = self.told.freed_next(whose, self.at)
            turns = self._turns(whose, op.cpu_id)
            if len(turns) == 1:
                self.place.works[whose[0]][whose[1]].turn = turns[0].at
            if freed is not None:
                state.doomed |= freed != objects_in(batch.blocks) + len(batch.head)
            elif turns:
                runs = [turn.run for turn in turns if turn.run is not None and turn.run.whole]
                state.doomed |= len(runs) == len(turns) and not any(self._frees(run, batch) for run in runs)

    def _frees(self, run: Run, batch: Batch) -> bool:
        """What is in the batch is what the run frees, as far as that is shown."""
        if self._shows_blocks and tuple(len(block.records) for block in batch.blocks[SLAB]) != run.blocks:
            return False
        return not self._shows_list or len(run.listed) == objects_in([batch.blocks[VMALLOC]]) + len(batch.head)

    def _turns(self, whose: tuple[int, str], cpu_id: int) -> list[Turn]:
        """When a batch may be called back which is started on a CPU now: after those that wait there."""
        turns = self.told.turns.get(cpu_id, [])
        if not turns:
            return []
        waiting = [
            calls_back(work.registers(), cpu_id)
            for other, works in self._works()
            for role, work in works.items()
            if role.startswith("krw") and (other, role) != whose
        ]
        least, most = waiting.count(True), len(waiting) - waiting.count(False)
        for factor in self.factors:
            if not factor.cpus & self._scope:
                elsewhere = [self._elsewhere(state, factor.cpus, cpu_id) for state in factor.states]
                least += min(one[0] for one in elsewhere)
                most += max(one[1] for one in elsewhere)
        first = bisect.bisect_left(turns, self.at, key=lambda turn: turn.at)
        return turns[first + least : first + most + 1] if first + most < len(turns) else []

    @staticmethod
    def _elsewhere(state: State, cpus: frozenset[int], cpu_id: int) -> tuple[int, int]:
        assert state.saved is not None
        waiting = [calls_back(registers, cpu_id) for other in cpus for registers in state.saved[other][-1][2:]]
        return waiting.count(True), len(waiting) - waiting.count(False)

    def _foresee_call(self, state: State, op: Operation) -> None:
        """An object was put where the next run of a batch of this CPU frees fewer."""
        krcp, monitor = self.place.krcs[op.cpu_id], self.place.works[op.cpu_id]["monitor"]
        if not self._in_turn or not (krcp.head or krcp.blocks[SLAB]) or op.cpu_id not in (monitor.base, monitor.on):
            return
        if (run := self._run_after(op.cpu_id)) is not None:
            state.doomed |= self._shows_blocks and objects_in([krcp.blocks[SLAB]]) > sum(run.blocks)
            state.doomed |= self._shows_list and len(krcp.head) > len(run.listed)

    def _run_after(self, cpu_id: int) -> Run | None:
        """The run on a CPU that comes after those of its batches which wait."""
        works, runs = self.place.works[cpu_id], self.told.runs_on.get(cpu_id, [])
        before = sum(works[role].pending or works[role].queued for role in ("krw0", "krw1"))
        first = bisect.bisect_left(runs, self.at, key=lambda run: run.at) + before
        return runs[first] if first < len(runs) and runs[first].whole else None
