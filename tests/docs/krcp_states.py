"""The states of kvfree_rcu(), as the bundled scenarios went through them: counted on the default version, and drawn.

Three things of a CPU's struct kfree_rcu_cpu have states: what it collects and the monitor, each of its two batches,
and its page cache with the refill. A machine's probes say when one may have changed; what it is then is read off the
machine, so a transition is in the picture if a scenario made it, and in no other way. Counts are kept in
tests/data/krcp-states.json, a row for each scenario: not all of them are gone through in each run of the tests.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import attrs

from rcuactors import Run
from rcuactors.context.locks import Lock
from rcuactors.eras import DEFAULT_ERA
from rcuactors.kernel.time.hrtimer import Hrtimer
from rcuactors.kernel.workqueue import Work
from rcuactors.kvfree.krc import Batch, Krc
from rcuactors.machine import Machine
from rcuactors.spelling import plural
from rcuactors.userfiles import find_scenarios, load_scenario
from tests.docs import svg

DATA: Final = Path(__file__).resolve().parent.parent / "data" / "krcp-states.json"

Steps = Counter[tuple[str, str, str]]
"""(which of the three, from, to): how many times."""

COLLECTING, BATCH, CACHE = "collecting", "batch", "cache"
TITLES: Final = {
    COLLECTING: "What is collected, and the monitor",
    BATCH: "A batch (struct kfree_rcu_cpu_work)",
    CACHE: "The page cache, and its refill",
}
ORDER: Final = {
    COLLECTING: (
        "empty", "objects, timer armed", "objects, monitor queued", "monitor runs, objects", "monitor runs, empty",
        "empty, timer armed", "empty, monitor queued", "objects, no monitor",
    ),
    BATCH: ("free", "waits for a grace period", "work queued", "work runs, batch full", "work runs, batch taken"),
    CACHE: ("empty", "put off by a timer", "hrtimer armed", "work queued", "being filled", "has pages"),
}  # fmt: skip
"""From the top; each begins in the first. What stands in no scenario's way is not drawn."""


class Watcher:
    """Looks at the states of one machine whenever one of them may have changed."""

    def __init__(self, machine: Machine) -> None:
        self.steps: Steps = Counter()
        self._machine = machine
        self._last: dict[tuple[int, str, int], str] = {}
        self._krcs: dict[int, Krc] = {}
        """By their locks."""
        self._queued: set[int] = set()
        self._running: set[int] = set()
        self._armed: dict[int, int] = {}
        """Of each hrtimer that asks for a refill and is armed the CPU whose refill it is: it may expire on another."""
        probes = machine.probes
        probes.kernel.work_queued.listen(self._work_queued)
        probes.kernel.work_started.listen(lambda work, _workqueue, _thread: self._work_started(work))
        probes.kernel.work_ended.listen(lambda work, _thread: self._work_ended(work))
        probes.kernel.work_withdrawn.listen(self._withdrawn)
        probes.kernel.hrtimer_started.listen(lambda cpu, timer: self._hrtimer(cpu.cpu_id, timer, armed=True))
        probes.kernel.hrtimer_left.listen(lambda cpu, timer, _expired: self._hrtimer(cpu.cpu_id, timer, armed=False))
        probes.kernel.timer_started.listen(lambda _timer, _jiffies: self._look())
        probes.kernel.timer_left.listen(lambda _cpu, _timer, _expired: self._look())
        probes.kernel.lock_let_go.listen(lambda _cpu, lock, _ns: self._lock_let_go(lock))

    def _work_queued(self, work: Work, _workqueue: object) -> None:
        self._queued.add(id(work))
        self._look()

    def _work_started(self, work: Work) -> None:
        self._queued.discard(id(work))
        self._running.add(id(work))
        self._look()

    def _work_ended(self, work: Work) -> None:
        self._running.discard(id(work))
        self._look()

    def _withdrawn(self, work: Work) -> None:
        self._queued.discard(id(work))
        self._look()

    def _hrtimer(self, cpu: int, timer: Hrtimer, *, armed: bool) -> None:
        if timer.name == "schedule_page_work_fn":
            if armed:
                self._armed[id(timer)] = cpu
            else:
                self._armed.pop(id(timer), None)
            self._look()

    def _lock_let_go(self, lock: Lock) -> None:
        """What is under krcp->lock may have changed: of that CPU."""
        if lock.name != "krc.lock":
            return
        krcp = self._krcs.get(id(lock))
        if krcp is None:
            self._krcs = {id(one.lock): one for one in self._machine.kvfree.all_krcs()}
            krcp = self._krcs[id(lock)]
        self._look_at(krcp)

    def _look(self) -> None:
        for krcp in self._machine.kvfree.all_krcs():
            self._look_at(krcp)

    def _look_at(self, krcp: Krc) -> None:
        self._note(krcp, COLLECTING, 0, self._collecting(krcp))
        for number, batch in enumerate(krcp.batches):
            self._note(krcp, BATCH, number, self._batch(batch))
        self._note(krcp, CACHE, 0, self._cache(krcp))

    def _note(self, krcp: Krc, which: str, number: int, state: str) -> None:
        """A state; "" for what is between two: a timer has fired, and its work is not queued yet."""
        if not state:
            return
        key = (krcp.cpu_id, which, number)
        last = self._last.setdefault(key, ORDER[which][0])
        if last != state:
            self.steps[which, last, state] += 1
            self._last[key] = state

    def _collecting(self, krcp: Krc) -> str:
        has = "objects" if krcp.anything_queued() else "empty"
        work = krcp.monitor_work.work
        if id(work) in self._running:
            return f"monitor runs, {has}"
        if id(work) in self._queued:
            return f"{has}, monitor queued"
        if krcp.monitor_work.timer.pending:
            return f"{has}, timer armed"
        if work.pending:
            return ""
        return "objects, no monitor" if has == "objects" else "empty"

    def _batch(self, batch: Batch) -> str:
        work = batch.rcu_work.work
        if id(work) in self._running:
            return f"work runs, batch {'full' if batch.busy() else 'taken'}"
        if id(work) in self._queued:
            return "work queued"
        return "waits for a grace period" if batch.busy() else "free"

    def _cache(self, krcp: Krc) -> str:
        work = krcp.page_work.work
        if id(work) in self._running:
            return "being filled"
        if id(work) in self._queued:
            return "work queued"
        if krcp.page_work.timer.pending:
            return "put off by a timer"
        if krcp.cpu_id in self._armed.values():
            return "hrtimer armed"
        if work.pending or self._machine.kvfree.refill.of(krcp).work_in_progress:
            return ""
        return "has pages" if krcp.cache else "empty"


def steps_of(name: str) -> Steps:
    """What one scenario goes through, as it stands."""
    run = Run(load_scenario(name), kernel=DEFAULT_ERA)
    watcher = Watcher(run.machine)
    # How it ends is another test's matter.
    run.attempt()
    return watcher.steps


def row_of(steps: Steps) -> dict[str, dict[str, int]]:
    """As the data have it."""
    return {
        which: {
            f"{begin} -> {end}": steps[which, begin, end] for _, begin, end in sorted(s for s in steps if s[0] == which)
        }
        for which in TITLES
    }


def all_rows(names: Iterable[str] | None = None) -> dict[str, dict[str, dict[str, int]]]:
    """By scenario. This is the work."""
    return {name: row_of(steps_of(name)) for name in sorted(names or find_scenarios())}


def kept_rows() -> dict[str, dict[str, dict[str, int]]]:
    """The same as it was written down."""
    rows: dict[str, dict[str, dict[str, int]]] = json.loads(DATA.read_text(encoding="utf-8"))
    return rows


@attrs.frozen
class Step:
    """A transition, over all scenarios."""

    begin: str
    end: str
    times: int
    scenarios: int


def steps(rows: Mapping[str, Mapping[str, Mapping[str, int]]], which: str) -> list[Step]:
    """All transitions of one of the three."""
    times: Counter[str] = Counter()
    scenarios: Counter[str] = Counter()
    for row in rows.values():
        times.update(row[which])
        scenarios.update(row[which].keys())
    found = []
    for name in times:
        begin, _, end = name.partition(" -> ")
        found.append(Step(begin, end, times[name], scenarios[name]))
    places = {state: at for at, state in enumerate(ORDER[which])}
    return sorted(found, key=lambda step: (places[step.begin], places[step.end]))


# -- drawing -----------------------------------------------------------------------------------------------------------

_BOX_W, _BOX_H, _PITCH, _LANE = 180, 34, 66, 38


def _lanes(spans: list[tuple[int, int]]) -> list[int]:
    """For each span of rows a lane, such that those that overlap have different ones; short ones lie inside."""
    lanes: list[int] = [0] * len(spans)
    taken: list[list[tuple[int, int]]] = []
    for number in sorted(range(len(spans)), key=lambda n: (spans[n][1] - spans[n][0], spans[n])):
        low, high = spans[number]
        lane = next(
            (at for at, others in enumerate(taken) if all(high <= a or b <= low for a, b in others)), len(taken)
        )
        if lane == len(taken):
            taken.append([])
        taken[lane].append((low, high))
        lanes[number] = lane
    return lanes


def _span(one: int, other: int) -> tuple[int, int]:
    return min(one, other), max(one, other)


@attrs.frozen
class _Panel:
    parts: list[str]
    width: float
    height: float


def _panel(which: str, found: list[Step], left: float, top: float) -> _Panel:
    """States from the top, transitions downwards on the right and upwards on the left."""
    states = [state for state in ORDER[which] if any(state in (step.begin, step.end) for step in found)]
    row = {state: at for at, state in enumerate(states)}
    down = [step for step in found if row[step.begin] < row[step.end]]
    up = [step for step in found if row[step.begin] > row[step.end]]
    sides = [
        _lanes([(min(at), max(at)) for at in ((row[one.begin], row[one.end]) for one in side)]) for side in (down, up)
    ]
    wide = [(max(lanes, default=-1) + 1) * _LANE + 14 for lanes in sides]
    x = left + wide[1]
    parts = [svg.text(left, top + 16, TITLES[which], "head")]
    first = top + 36
    for state, at in row.items():
        kind = "rest" if at == 0 else "box"
        parts.append(svg.rect(kind, x, first + at * _PITCH, _BOX_W, _BOX_H))
        parts.append(svg.text(x + _BOX_W / 2, first + at * _PITCH + 23, state, anchor="middle"))
    ends: Counter[tuple[str, str]] = Counter()
    labels: list[str] = []
    for steps_here, lanes, sign in ((down, sides[0], 1), (up, sides[1], -1)):
        edge = x + _BOX_W if sign > 0 else x
        for step, lane in zip(steps_here, lanes, strict=True):
            turn = edge + sign * (lane * _LANE + 30)
            begin = first + row[step.begin] * _PITCH + _port(ends, step.begin, sign, outward=True, down=sign > 0)
            end = first + row[step.end] * _PITCH + _port(ends, step.end, sign, outward=False, down=sign > 0)
            bend = 9 * (1 if end > begin else -1)
            path = (
                f"M{edge:g} {begin:g}H{turn - sign * 9:g}Q{turn:g} {begin:g} {turn:g} {begin + bend:g}"
                f"V{end - bend:g}Q{turn:g} {end:g} {turn - sign * 9:g} {end:g}H{edge + sign * 2:g}"
            )
            says = f"{step.begin} -> {step.end}: {plural(step.times, 'time')}, in {plural(step.scenarios, 'scenario')}"
            parts.append(svg.arrow(path, "out" if sign > 0 else "back", says=says))
            middle = (begin + end) / 2 + 4
            labels += svg.label(turn, middle, f"{step.times:,}")
    return _Panel([*parts, *labels], wide[0] + wide[1] + _BOX_W, 36 + len(states) * _PITCH)


def _port(ends: Counter[tuple[str, str]], state: str, sign: int, *, outward: bool, down: bool) -> float:
    """Where on the side of a box an arrow begins or ends: those that go on from its lower half leave there."""
    lower = outward == down
    key = (state, f"{sign}{lower}")
    number = ends[key]
    ends[key] += 1
    step = min(number * 4, 12)
    return _BOX_H - 5 - step if lower else 5 + step


def draw(rows: Mapping[str, Mapping[str, Mapping[str, int]]]) -> str:
    """The picture."""
    top, left, gap = 66, 24, 36
    first = _panel(COLLECTING, steps(rows, COLLECTING), left, top)
    beside = left + first.width + gap
    second = _panel(BATCH, steps(rows, BATCH), beside, top)
    third = _panel(CACHE, steps(rows, CACHE), beside, top + second.height + gap)
    width = beside + max(second.width, third.width) + 16
    height = top + max(first.height, second.height + gap + third.height)
    about = "States of what a CPU collects, of a batch and of the page cache; arrows between them, with how many times."
    head = f"kvfree_rcu() on {DEFAULT_ERA}: what {len(rows)} scenarios went through"
    note = "downwards on the right of the states, upwards on the left; each with how many times"
    parts = [svg.text(24, 34, head, "head"), svg.text(24, 53, note, "small")]
    return svg.picture(width, height, head, about, [*parts, *first.parts, *second.parts, *third.parts])
