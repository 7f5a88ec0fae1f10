"""A beginning that no `state:` line tells: every state that is possible, as far as later lines leave a choice.

What the kernel does while user programs run is recorded without snapshots. What a CPU had queued by the first line is
found backwards: it is what a run of a batch's work frees, less the calls that came in between. Each run and each
monitor that it may belong to is one possibility; those that are wrong do not explain the lines that follow. Whether a
refill is under way, whether the next is put off, and whether the monitor's timer runs, are tried both ways; how many
pages are cached is left open until somebody looks.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, Final

import attrs

from ..kvfree.krc import N_BATCHES, Block
from .begin import arm
from .beginnings import Beginnings
from .carried import MOST_STATES, TooMany
from .foresight import Run, monitors, run_of, shows_list, starts_batch
from .lines import Line, Told
from .standins import LONG_AGO, SOMETIME, Deferred, Item
from .state import State

_RUNS: Final = 3
"""So many runs of a CPU's batches may have freed what it had queued: two may have waited, and the third is its own."""


@attrs.frozen
class Contents:
    """What a CPU has queued: objects in blocks, and the offsets of those on the list, the oldest first."""

    slab: int = 0
    listed: tuple[int, ...] = ()

    @property
    def empty(self) -> bool:
        """Nothing is queued."""
        return not (self.slab or self.listed)


@attrs.frozen
class Refilling:
    """What the refill is at: asked for or not, by what."""

    by: str = ""


class Untold:
    """The possible beginnings of one recording."""

    def __init__(self, told: Told, capacity: int) -> None:
        self._told, self._capacity = told, capacity
        self._runs = [run_of(told, line) for line in told.lines if starts_batch(line)]
        self._of_whom = monitors(told)
        self._monitors = [line for line, _ in self._of_whom]
        self._scans = "shrink_scan" in told.events
        self._scanned = next((line.at for line in told.lines if line.event == "shrink_scan"), 1 << 62)
        self._shows_list = shows_list(told)
        self._calls: dict[int, list[int]] = {}
        self._moved: dict[int, list[int]] = {}
        """Calls whose task may have been moved to another CPU, and which."""
        for line in told.lines:
            if line.event == "kvfree_call_rcu":
                self._calls.setdefault(line.cpu, []).append(line.at)
                if there := told.moves(line):
                    self._moved[line.at] = there

    def why_not(self) -> str:
        """Why nothing can be decided; "" if it can."""
        cpus = [cpu_id for cpu_id in self._calls if not self._runs_of(cpu_id)]
        if cpus:
            return f"no state: lines, and nothing tells what CPU {cpus[0]} had queued when the recording began"
        return ""

    def states(self, carried: Beginnings, cpu_id: int) -> list[State]:
        """Those of one CPU; of the others they say nothing."""
        found: dict[object, State] = {}
        contents, refills = self._contents(cpu_id), self._refills(cpu_id)
        for queued, refilling, waiting in itertools.product(contents, refills, self._waiting(cpu_id)):
            for monitor in self._timers(cpu_id, queued):
                self._set(carried, cpu_id, queued, refilling, monitor, waiting)
                state = State(carried.registers.save())
                found.setdefault(state.key(), state)
        return list(found.values())

    def _runs_of(self, cpu_id: int) -> list[Run]:
        """The first runs that may be of this CPU's batches. The shrinker starts those of any CPU on its own."""
        by_cpu = [run for run in self._runs if run.cpu == cpu_id][:_RUNS]
        if not self._scans:
            waited = len(self._waiting(cpu_id)[0])
            return by_cpu[waited : waited + 1]
        others = [run for run in self._runs if run.cpu != cpu_id][:_RUNS]
        return by_cpu + others

    def _waiting(self, cpu_id: int) -> list[tuple[Run, ...]]:
        """Batches that waited already: of runs before which no monitor has run."""
        first = self._monitors[0].at if self._monitors else 1 << 62
        waited = [run for run in self._runs if run.cpu == cpu_id and run.at < first][:2]
        return list(itertools.permutations(waited)) if waited else [()]

    def _contents(self, cpu_id: int) -> list[Contents]:
        found = set() if self._calls.get(cpu_id) else {Contents()}
        if self._scans and (first := self._first(cpu_id)) is not None:
            for run in self._first_freed(cpu_id, first):
                for number in range(*self._calls_by(cpu_id, first)):
                    found.update(self._before(run, number, cpu_id, first.at))
            return self._sorted(found, cpu_id)
        possible = self._objects(cpu_id)
        own = [line for line in self._monitors if line.cpu == cpu_id and line.at < self._scanned]
        runs = self._runs_of(cpu_id)
        if self._scans and own:
            # Its own worker came before the shrinker: that is the first batch of this CPU's.
            waited = len(self._waiting(cpu_id)[0])
            runs = [run for run in runs if run.cpu == cpu_id][waited : waited + 1]
        for run in runs:
            for line in own or self._monitors:
                if line.at < run.at and (line.cpu == cpu_id or self._scans):
                    for number in range(*self._calls_by(cpu_id, line)):
                        found.update(
                            one
                            for one in self._before(run, number, cpu_id, line.at)
                            if possible is None or one.slab + len(one.listed) in possible
                        )
                        self._sorted(found, cpu_id)
        return self._sorted(found, cpu_id)

    @staticmethod
    def _sorted(found: set[Contents], cpu_id: int) -> list[Contents]:
        if len(found) > MOST_STATES:
            raise TooMany(f"more than {MOST_STATES} in which CPU {cpu_id} may have begun")
        return sorted(found, key=lambda one: (one.slab, one.listed))

    def _first(self, cpu_id: int) -> Line | None:
        """The first monitor of a CPU's, if that takes all there is: one of its batches at least is free."""
        if not self._told.turns or len(self._waiting(cpu_id)[0]) == N_BATCHES:
            return None
        return next((line for line, whose in self._of_whom if whose == cpu_id), None)

    def _first_freed(self, cpu_id: int, first: Line) -> list[Run]:
        """What the batch that it starts may free. A CPU calls batches back in the order in which they were started."""
        turns = self._told.turns.get(first.cpu, [])
        on_cpu = [(line, whose) for line, whose in self._of_whom if line.cpu == first.cpu]
        waited = sum(turn.at < on_cpu[0][0].at for turn in turns)
        before = [(line, whose) for line, whose in on_cpu if line.at < first.at and whose != cpu_id]
        least = sum(self._has_started(line, whose) for line, whose in before)
        most = sum(self._may_have_started(line, whose) for line, whose in before)
        return [turn.run for turn in turns[waited + least : waited + most + 1] if turn.run is not None]

    def _has_started(self, monitor: Line, cpu_id: int) -> bool:
        """It was the CPU's first, and found what had been queued since the first line."""
        return monitor is self._first(cpu_id) and self._calls_by(cpu_id, monitor)[0] > 0

    def _may_have_started(self, monitor: Line, cpu_id: int) -> bool:
        """It was the CPU's first; or something may have been queued since the last, or been left by that."""
        of_cpu = [line for line, whose in self._of_whom if whose == cpu_id and line.at <= monitor.at]
        if len(of_cpu) != N_BATCHES or of_cpu[0] is not self._first(cpu_id):
            return True
        return self._calls_by(cpu_id, monitor)[1] - 1 > self._calls_by(cpu_id, of_cpu[0])[0]

    def _calls_by(self, cpu_id: int, monitor: Line) -> tuple[int, int]:
        """How many calls a monitor finds, at least and less than: those hidden may have come first, or not."""
        calls, moved = self._calls.get(cpu_id, []), self._moved
        after = monitor.after if monitor.after >= 0 else len(self._told.lines)
        least = sum(at < monitor.at and at not in moved and self._is_over(at, monitor.at) for at in calls)
        there = sum(at < after and cpu_id in moved[at] for at in moved)
        return least, sum(at < after for at in calls) + there + 1

    def _objects(self, cpu_id: int) -> range | None:
        """How many objects were queued, where each monitor has its batch: all that was freed by one, less the calls.

        None where that leaves nothing out: the shrinker starts batches, too, or not all that is freed is shown.
        """
        monitors = [line for line in self._monitors if line.cpu == cpu_id]
        runs = [run for run in self._runs if run.cpu == cpu_id]
        if self._scans or len(monitors) != len(runs) or not (self._shows_list or not self._ran_out(cpu_id, None)):
            return None
        freed, low, high = 0, 0, 1 << 30
        for monitor, run in zip(monitors, runs, strict=True):
            if run.at < monitor.at or not run.whole:
                return None
            freed += run.objects
            least, below = self._calls_by(cpu_id, monitor)
            low, high = max(low, freed - below + 1), min(high, freed - least)
        return range(low, high + 1)

    def _ran_out(self, cpu_id: int, until: int | None) -> bool:
        """A refill may have been asked for, in the beginning or by then: then objects may be on the list.

        One that is put off starts a timer, which is not shown.
        """
        if "timer_start" not in self._told.events or any(refilling.by for refilling in self._refills(cpu_id)):
            return True
        return any(line.event == "hrtimer_start" and line.cpu == cpu_id for line in self._told.lines[:until])

    def _pages_came(self, cpu_id: int, until: int) -> bool:
        return any(
            line.cpu == cpu_id and line.event in ("get_free_pages", "kfree_rcu_work")
            for line in self._told.lines[:until]
        )

    def _is_over(self, at: int, until: int) -> bool:
        """A call has taken the lock by a line: its task has a line in between, or its CPU has idled."""
        call = self._told.lines[at]
        if call.ctx[0] != "task" or 0 <= call.after < until:
            return True
        return any(line.cpu == call.cpu and line.raw.pid == 0 for line in self._told.lines[at:until])

    def _before(self, run: Run, calls: int, cpu_id: int, until: int) -> Iterator[Contents]:
        """What the run frees, less so many calls: they are the newest, in the blocks and on the list."""
        slab, oldest = sum(run.blocks), run.listed[::-1]
        ran_out = self._ran_out(cpu_id, until)
        if self._shows_list:
            for listed in range(0 if ran_out else len(oldest), len(oldest) + 1):
                left = slab + len(oldest) - calls - listed
                if 0 <= left <= slab:
                    yield Contents(left, oldest[:listed])
            return
        # How many are on the list is not shown. Whoever has a block with room does not use the list; so some are there
        # only if the newest block is full, or if pages came after them.
        full = not run.blocks or run.blocks[-1] == self._capacity or self._pages_came(cpu_id, until)
        for listed in range(calls + 1 if ran_out and full else 1):
            if 0 <= slab - calls + listed <= slab:
                yield Contents(slab - calls + listed)

    def _refills(self, cpu_id: int) -> list[Refilling]:
        """Nothing asked for; or by what it was, where a refill comes that nobody is seen to ask for."""
        forms = [Refilling()]
        for line in self._told.lines:
            if line.event == "hrtimer_start" and line.cpu == cpu_id:
                break
            if line.told.get("role") == "page" and line.cpu == cpu_id:
                forms += [Refilling("timer"), Refilling("queued")]
                break
            if line.event == "hrtimer_expire_entry" and line.cpu == cpu_id:
                forms.append(Refilling("hrtimer"))
                break
        return forms

    def _timers(self, cpu_id: int, contents: Contents) -> list[str]:
        """The monitor's timer runs where anything is queued, and may where nothing is, as long as nobody calls."""
        for line in self._told.lines:
            if line.event == "kvfree_call_rcu" and line.cpu == cpu_id:
                return [""] if contents.empty else ["timer"]
            if line.told.get("role") == "monitor" and line.cpu == cpu_id:
                return ["queued"] if line.event == "workqueue_execute_start" else ["timer"]
        return [""] if contents.empty else ["timer"]

    def _set(
        self,
        carried: Beginnings,
        cpu_id: int,
        contents: Contents,
        refilling: Refilling,
        monitor: str,
        waiting: tuple[Run, ...],
    ) -> None:
        place: Any = carried.place
        krcp, works = place.krcs[cpu_id], place.works[cpu_id]
        capacity = place.kvfree.rules.block_capacity
        krcp.count = contents.slab + len(contents.listed)
        krcp.blocks = [_blocks(carried, contents.slab, capacity), []]
        krcp.head = _objects(carried, contents.listed)
        carried.registers.leave_open(cpu_id)
        mine = place.kvfree.refill.of(krcp)
        mine.work_in_progress = bool(refilling.by)
        _pend(works["page"], refilling.by)
        if refilling.by == "hrtimer":
            place.know_handler(cpu_id)
        _pend(works["monitor"], monitor)
        arm(place, krcp, place.kvfree.arming.delay_jiffies if monitor == "timer" else 0, pending=bool(monitor))
        for batch in krcp.batches:
            batch.blocks, batch.head = [[], []], []
        for index in range(len(krcp.batches)):
            works[f"krw{index}"].load(Deferred("").registers())
        for index, run in enumerate(waiting):
            batch, work = krcp.batches[index], works[f"krw{index}"]
            batch.blocks = [_blocks(carried, sum(run.blocks), capacity), []]
            batch.head = _objects(carried, run.listed[::-1])
            work.pending, work.asked, work.since = True, 1, LONG_AGO
        carried.registers.touch(cpu_id)


def _pend(work: Deferred, by: str) -> None:
    """Its pending bit, and where it is on its way."""
    work.load(Deferred("").registers())
    work.pending, work.asked = by in ("timer", "queued"), int(by in ("timer", "queued"))
    work.hrtimer, work.queued = by == "hrtimer", by == "queued"
    work.expires = SOMETIME if by == "timer" else None
    work.base = work.cpu_id if by == "timer" else -1


def _objects(carried: Beginnings, offsets: tuple[int, ...]) -> list[Any]:
    """So many, of which no more is known than where the rcu_head is."""
    if carried.told.anonymous:
        return [carried.anonymous_item(offset) for offset in offsets]
    return [Item(-1 - number, 0, offset, is_vmalloc=False) for number, offset in enumerate(offsets)]


def _blocks(carried: Beginnings, objects: int, capacity: int) -> list[Block]:
    items = _objects(carried, (0,) * objects)
    return [Block(-1, items[first : first + capacity]) for first in range(0, objects, capacity)]
