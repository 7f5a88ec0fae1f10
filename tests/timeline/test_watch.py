"""A machine, watched: each lane has what happened, told once, in its place; and to watch changes nothing."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path

import attrs
import pytest

from rcuactors import Kernel, Run, RunOptions, scenario
from rcuactors.timeline import (
    ArrowKind,
    CounterKind,
    LaneKind,
    Life,
    MarkKind,
    Sketch,
    Span,
    SpanKind,
    Stage,
    Watch,
)
from rcuactors.timeline.board import Board, Nest, Tracks
from rcuactors.userfiles import load_scenario


@scenario(settings={"nr_cpus": "2"})
async def busy(k: Kernel) -> None:
    """Something for each lane."""
    lock, mutex = k.raw_spinlock("L"), k.mutex("M")

    async def handler() -> None:
        await k.udelay(2)
        await k.tasklet_schedule(tasklet)

    async def tasklet() -> None:
        await k.udelay(1)

    async def nmi() -> None:
        await k.udelay(1)

    async def other() -> None:
        await k.mutex_lock(mutex)
        await k.raw_spin_lock(lock)
        await k.udelay(40)
        await k.raw_spin_unlock(lock)
        await k.msleep(1)
        await k.mutex_unlock(mutex)

    await k.synchronize_rcu_expedited()
    for _ in range(600):
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")
    thread = await k.kthread_run(other, cpu=1, name="other")
    await k.udelay(10)
    await k.raise_irq(handler, cpu=1)
    await k.raise_nmi(nmi, cpu=1)
    await k.raw_spin_lock(lock)
    await k.raw_spin_unlock(lock)
    await k.mutex_lock(mutex)
    await k.mutex_unlock(mutex)
    with k.rcu_reader():
        flags = k.local_irq_save()
        await k.udelay(3)
        await k.local_irq_restore(flags)
    work = k.work(handler)
    k.preempt_disable()
    await k.schedule_work(work)
    await k.cancel_work(work)
    await k.preempt_enable()
    await k.kthread_join(thread)
    await k.kvfree_rcu_barrier() if k.machine.setup.era.name == "v6.12" else await k.msleep(100)
    p = await k.kmalloc(8)
    await k.kfree(p)
    await k.kfree(p)


@cache
def watched(kernel: str = "v6.12") -> tuple[Run, Sketch]:
    """The run, and what was told of it."""
    run, sketch = Run(busy, kernel=kernel), Sketch()
    watch = Watch(run.machine, sketch, events=True)
    assert run.attempt() is None
    watch.end()
    return run, sketch


def spans(kind: SpanKind, label: str = "") -> list[Span]:
    return [span for span in watched()[1].spans if span.kind is kind and label in span.label]


def lane_kind(span: Span) -> LaneKind:
    return watched()[1].lanes[span.lane].kind


ON_LANES = {
    SpanKind.RUNS: LaneKind.THREADS,
    SpanKind.IDLE: LaneKind.THREADS,
    SpanKind.SOFTIRQ: LaneKind.SOFTIRQ,
    SpanKind.HARDIRQ: LaneKind.HARDIRQ,
    SpanKind.NMI: LaneKind.NMI,
    SpanKind.IRQS_OFF: LaneKind.IRQS_OFF,
    SpanKind.PREEMPTION_OFF: LaneKind.PREEMPTION_OFF,
    SpanKind.LOCK_HELD: LaneKind.LOCKS,
    SpanKind.LOCK_WAITED_FOR: LaneKind.LOCKS,
    SpanKind.READER: LaneKind.READERS,
    SpanKind.GRACE_PERIOD: LaneKind.GRACE_PERIOD,
    SpanKind.GP_STEP: LaneKind.GRACE_PERIOD,
    SpanKind.WORK_PENDING: LaneKind.POOL,
    SpanKind.WORK_RUNS: LaneKind.WORKER,
}


@pytest.mark.parametrize("kind", list(ON_LANES))
def test_each_kind_of_span_is_told_on_its_lane(kind: SpanKind) -> None:
    assert {lane_kind(span) for span in spans(kind)} == {ON_LANES[kind]}


def test_timers_of_both_kinds_are_told_until_they_expire() -> None:
    _, sketch = watched()
    armed = Counter(lane_kind(span) for span in spans(SpanKind.TIMER_ARMED))
    assert armed[LaneKind.HRTIMER] > 2 < armed[LaneKind.TIMER]
    fired = {(mark.lane, mark.time_ns) for mark in sketch.marks if mark.kind is MarkKind.TIMER_FIRED}
    ended = {(span.lane, span.end_ns) for span in spans(SpanKind.TIMER_ARMED) if ("ended", "expired") in span.detail}
    assert fired == ended


def test_lanes_are_told_of_before_what_lies_on_them_and_once() -> None:
    _, sketch = watched()
    assert [lane.number for lane in sketch.lanes] == list(range(len(sketch.lanes)))
    assert len({(lane.group, lane.name) for lane in sketch.lanes}) == len(sketch.lanes)


def crossings(sketch: Sketch) -> list[Span]:
    """Spans that overlap another of their lane, and do not lie in it."""
    found, lanes = [], {}
    for span in sorted(sketch.spans, key=lambda span: (span.lane, span.begin_ns, -span.end_ns)):
        around = lanes.setdefault(span.lane, [])
        while around and around[-1].end_ns <= span.begin_ns:
            around.pop()
        if around and span.end_ns > around[-1].end_ns:
            found.append(span)
        around.append(span)
    return found


def test_spans_of_a_lane_lie_in_each_other_or_apart() -> None:
    assert crossings(watched()[1]) == []


@pytest.mark.parametrize("settings", [{"PREEMPT_RT": "y"}, {"PREEMPT": "n"}])
@pytest.mark.parametrize("name", ["module_unload", "hardirq_caller", "scheduler_lock_caller"])
def test_so_they_do_in_other_builds_and_orders_and_the_run_is_the_same(name: str, settings: dict[str, str]) -> None:
    chosen, options = load_scenario(name), RunOptions(settings=settings, strategy="random", seed=2)
    plain, run, sketch = Run(chosen, options), Run(chosen, options), Sketch()
    watch = Watch(run.machine, sketch)
    assert repr(run.attempt()) == repr(plain.attempt())
    watch.end()
    assert run.result() == plain.result()
    assert crossings(sketch) == []
    assert all(arrow.from_ns <= arrow.to_ns for arrow in sketch.arrows)
    assert all(span.begin_ns <= span.end_ns <= sketch.end_ns for span in sketch.spans)


def test_a_thread_runs_from_one_switch_to_the_next() -> None:
    _, sketch = watched()
    for number in {span.lane for span in spans(SpanKind.RUNS)}:
        on = [span for span in sketch.spans if span.lane == number and span.kind in (SpanKind.RUNS, SpanKind.IDLE)]
        assert all(one.end_ns <= other.begin_ns for one, other in pairwise(on))
    sleeps = [span for span in spans(SpanKind.RUNS, "busy") if ("leaves", "sleeps: sleeps on M") in span.detail]
    assert len(sleeps) == 1
    assert spans(SpanKind.RUNS, "other")[0].who.startswith("other/")


def test_who_waits_for_a_lock_gets_it_from_who_had_it() -> None:
    _, sketch = watched()
    for name, holder, waited in (("L", "other/", 10_000), ("M", "other/", 900_000)):
        (wait,) = [span for span in spans(SpanKind.LOCK_WAITED_FOR) if span.label == name]
        assert dict(wait.detail)["held by"].startswith(holder)
        assert wait.end_ns - wait.begin_ns >= waited
        (arrow,) = [a for a in sketch.arrows if a.kind is ArrowKind.HAND_OVER and a.about == name]
        held = [span for span in spans(SpanKind.LOCK_HELD) if span.label == name]
        assert (arrow.from_lane, arrow.from_ns) == (held[0].lane, held[0].end_ns)
        assert (arrow.to_lane, arrow.to_ns) == (held[1].lane, held[1].begin_ns)


def test_handlers_are_named() -> None:
    assert {"timer", "IRQ"} & {span.label.partition(" ")[0] for span in spans(SpanKind.HARDIRQ)}
    assert [span.label for span in spans(SpanKind.NMI)] == ["nmi"]
    assert {"TASKLET", "RCU", "TIMER"} <= {span.label for span in spans(SpanKind.SOFTIRQ)}
    nested = [span for span in spans(SpanKind.IRQS_OFF) if span.end_ns - span.begin_ns >= 3_000]
    assert any("busy" in span.label for span in nested)


def test_works_wait_and_run_and_one_is_taken_back() -> None:
    _, sketch = watched()
    run = spans(SpanKind.WORK_RUNS)
    pending = Counter(("ended", "taken off its list") in span.detail for span in spans(SpanKind.WORK_PENDING))
    assert pending == {False: len(run), True: 1}
    begins = {(arrow.to_lane, arrow.to_ns) for arrow in sketch.arrows if arrow.label.endswith(" begins")}
    assert begins == {(span.lane, span.begin_ns) for span in run}


def test_nothing_lasts_until_the_end_but_what_does() -> None:
    lasts = {span.kind for span in watched()[1].spans if span.open_ended}
    assert lasts <= {SpanKind.IDLE, SpanKind.RUNS, SpanKind.TIMER_ARMED}
    lanes = {watched()[1].lanes[span.lane].name for span in spans(SpanKind.TIMER_ARMED) if span.open_ended}
    assert all(name.startswith(("tick_sched_timer", "kfree_rcu_monitor", "vmstat")) for name in lanes)


def test_grace_periods_have_their_steps() -> None:
    names = [sketch_lane.name for sketch_lane in watched()[1].lanes if sketch_lane.kind is LaneKind.GRACE_PERIOD]
    assert names == ["expedited", "expedited, steps", "rcu_preempt", "rcu_preempt, steps"]
    normal = spans(SpanKind.GRACE_PERIOD, "gp_seq")
    steps = [span.label for span in spans(SpanKind.GP_STEP) if normal[0].begin_ns <= span.begin_ns < normal[0].end_ns]
    assert steps[:3] == ["rcu_gp_init", "waits for quiescent states", "rcu_gp_cleanup"]
    assert len(spans(SpanKind.GRACE_PERIOD, "expedited")) >= 1


def lives(sketch: Sketch) -> dict[int, list[Life]]:
    told: dict[int, list[Life]] = {}
    for life in sketch.lives:
        told.setdefault(life.serial, []).append(life)
    return told


@pytest.mark.parametrize("kernel", ["v5.9", "v6.12"])
def test_an_object_goes_from_station_to_station(kernel: str) -> None:
    """Where the monitor frees what its cookie says is ready, an object was in no batch."""
    _, sketch = watched(kernel)
    ways = Counter(tuple(life.stage for life in told) for told in lives(sketch).values())
    whole = tuple(Stage)
    by_cookie = (Stage.ALLOCATED, Stage.RETIRED, Stage.QUEUED, Stage.FREED)
    assert set(ways) <= {whole, by_cookie, (Stage.ALLOCATED, Stage.FREED)}
    assert ways[whole] + ways[by_cookie] == 600
    for told in lives(sketch).values():
        assert [life.time_ns for life in told] == sorted(life.time_ns for life in told)
    one = next(told for told in lives(sketch).values() if tuple(life.stage for life in told) == whole)
    where = {life.stage: life.where for life in one}
    assert where[Stage.QUEUED].startswith("CPU 0, ")
    assert where[Stage.BATCHED].startswith("CPU 0, batch 0, ")
    assert where[Stage.READY] in {span.about for span in ended_periods(sketch)}


def ended_periods(sketch: Sketch) -> list[Span]:
    """A grace period that begins at an odd number ends at the next multiple of four."""
    made = []
    for span in sketch.spans:
        if span.kind is SpanKind.GRACE_PERIOD and span.about.startswith("gp_seq"):
            number = int(span.about.split()[1])
            made.append(Span(span.lane, 0, span.end_ns, span.kind, "", about=f"gp_seq {(number | 3) + 1}"))
    return made


def test_a_batch_relies_on_a_grace_period_that_has_ended() -> None:
    _, sketch = watched("v5.9")
    relied = [arrow for arrow in sketch.arrows if arrow.kind is ArrowKind.RELIES_ON]
    assert relied
    ends = {(span.lane, span.end_ns): span.about for span in ended_periods(sketch)}
    for arrow in relied:
        assert ends[arrow.from_lane, arrow.from_ns] == arrow.about


def test_curves_end_where_the_run_does() -> None:
    run, sketch = watched()
    last = {sketch.counters[sample.counter]: sample.value for sample in sketch.samples}
    by_kind = {(counter.kind, counter.cpu): value for counter, value in last.items()}
    statistics, krcp = run.machine.statistics(), run.machine.kvfree.krc(0)
    assert by_kind[CounterKind.OBJECTS, -1] == statistics.oracle.objects == 0
    assert by_kind[CounterKind.BYTES, -1] == 0
    assert by_kind[CounterKind.CACHED_PAGES, 0] == len(krcp.cache) > 0
    assert by_kind[CounterKind.PCPLIST, 0] == run.machine.pages.zone.listed(0)
    objects = next(counter.number for counter in sketch.counters if counter.kind is CounterKind.OBJECTS)
    assert max(s.value for s in sketch.samples if s.counter == objects) == statistics.oracle.peak_objects
    blocks = next(counter.number for counter in sketch.counters if counter.kind is CounterKind.BLOCKS)
    assert max(s.value for s in sketch.samples if s.counter == blocks) >= 2


def test_what_a_krcp_holds_is_told_as_it_changes() -> None:
    _, sketch = watched()
    counts = [int(dict(krcp.state)["count"]) for krcp in sketch.krcps if krcp.cpu == 0]
    assert set(range(1, 601)) <= set(counts)
    assert counts[-1] == 0
    assert any(dict(krcp.state)["mon_pending"] == "1" for krcp in sketch.krcps)


@pytest.mark.parametrize(("name", "kernel"), [("raw_lock_caller", "v5.11"), ("refill_put_off", "v6.12")])
def test_that_a_refill_or_a_monitor_waits_is_told_at_the_moment_when_it_does(name: str, kernel: str) -> None:
    """Not only when its krcp's lock is let go of next; and a page list when interrupts are on again."""
    run, sketch = Run(load_scenario(name), kernel=kernel), Sketch()
    watch = Watch(run.machine, sketch)
    assert run.attempt() is None
    watch.end()
    told = sorted(sketch.krcps, key=lambda krcp: krcp.time_ns)
    kinds = Counter[SpanKind]()
    for span in sketch.spans:
        for function, word in (("fill_page_cache_func", "pcw_pending"), ("kfree_rcu_monitor", "mon_pending")):
            waits = {SpanKind.WORK_RUNS: "0", SpanKind.WORK_PENDING: "1", SpanKind.TIMER_ARMED: "1"}.get(span.kind)
            if span.label.startswith(function) and waits is not None:
                latest = {krcp.cpu: dict(krcp.state) for krcp in told if krcp.time_ns <= span.begin_ns}
                assert waits in [state[word] for state in latest.values()], span
                kinds[span.kind] += 1
    assert kinds[SpanKind.WORK_RUNS] >= 2
    assert kinds[SpanKind.TIMER_ARMED] >= 1
    (listed,) = [each.number for each in sketch.counters if each.kind is CounterKind.PCPLIST and each.cpu == 0]
    lets_go = {span.end_ns for span in sketch.spans if span.kind is SpanKind.LOCK_HELD}
    times = {sample.time_ns for sample in sketch.samples if sample.counter == listed} - lets_go
    irqs_on = {span.end_ns for span in sketch.spans if span.kind is SpanKind.IRQS_OFF}
    assert times <= irqs_on
    assert times or kernel != "v5.11"


def test_a_report_is_told_whole_and_marked() -> None:
    run, sketch = watched()
    (found,) = run.result().violations
    (told,) = sketch.reports
    assert (told.title, told.text, told.kind) == (found.title, found.text, "double-free")
    (mark,) = [mark for mark in sketch.marks if mark.kind is MarkKind.VIOLATION]
    assert (mark.lane, mark.time_ns, mark.label) == (told.lane, found.time_ns, found.title)


def test_events_are_marks_if_wanted() -> None:
    run, sketch = watched()
    events = [mark for mark in sketch.marks if mark.kind is MarkKind.EVENT and mark.detail]
    assert len(events) == run.result().events
    assert {sketch.lanes[mark.lane].kind for mark in events} >= {LaneKind.THREADS, LaneKind.HARDIRQ, LaneKind.SOFTIRQ}


def test_departures_are_marked_where_somebody_departs() -> None:
    assert not [mark for mark in watched()[1].marks if mark.kind is MarkKind.DEPARTURE]
    run, sketch = Run(busy, strategy="random", seed=1), Sketch()
    watch, picks = Watch(run.machine, sketch), Counter[bool]()
    run.machine.probes.engine.decision.listen(lambda _decision, picked: picks.update([picked > 0]))
    run.attempt()
    watch.end()
    assert len([mark for mark in sketch.marks if mark.kind is MarkKind.DEPARTURE]) == picks[True] > 0


def test_a_wake_up_leads_to_where_the_thread_runs() -> None:
    _, sketch = watched()
    begins = {(span.lane, span.begin_ns): span for span in sketch.spans if span.kind is SpanKind.RUNS}
    wakes = [arrow for arrow in sketch.arrows if arrow.kind is ArrowKind.WAKE_UP]
    assert len(wakes) > 5
    assert all(begins[arrow.to_lane, arrow.to_ns].who == arrow.about for arrow in wakes)
    woken = next(arrow for arrow in wakes if arrow.about.startswith("other/"))
    assert sketch.lanes[woken.from_lane].cpu == 0, "where it was woken, not where it runs"
    assert sketch.lanes[woken.to_lane].cpu == 1
    sent = Counter(arrow.label for arrow in sketch.arrows if arrow.kind is ArrowKind.MESSAGE)
    assert {"HrtimerArmed", "HardIrq timer", "GpKthreadWoken", "WakeUp", "Nmi nmi"} <= set(sent)


# -- what is kept ----------------------------------------------------------------------------------------------


class Forgetful:
    """A drawing that keeps nothing."""

    def lane(self, _told: object) -> None:
        """Nothing."""

    span = mark = arrow = life = counter = sample = krcp = told = ended = lane


def kept_after(objects: int) -> int:
    """How many entries all parts have at the end of a run."""
    run = Run(load_scenario("cold_cache_burst"), objects=objects)
    watch = Watch(run.machine, Forgetful(), events=True)
    run.run()
    lengths = [
        len(value)
        for part in watch.parts
        for field in attrs.fields(type(part))
        if isinstance(value := getattr(part, field.name), dict | list)
    ]
    watch.end()
    return sum(lengths)


def test_nothing_is_kept_with_the_length_of_a_run() -> None:
    assert kept_after(1_200) == kept_after(600) > 10


def test_what_ends_first_need_not_have_begun_last() -> None:
    sketch = Sketch()
    board = Board(sketch)
    nest = Nest(board, board.lane("g", "n", LaneKind.HARDIRQ))
    outer = nest.open(0, SpanKind.HARDIRQ, "outer")
    inner = nest.open(5, SpanKind.HARDIRQ, "inner")
    nest.close(outer, 10)
    nest.close(inner, 15)
    assert [(span.label, span.begin_ns, span.end_ns) for span in sketch.spans] == [
        ("inner", 5, 10),
        ("outer", 0, 10),
        ("inner", 10, 15),
    ]


def test_what_overlaps_lies_beside_each_other_and_lanes_are_used_again() -> None:
    sketch = Sketch()
    board = Board(sketch)
    tracks = Tracks(board, "g", "locks", LaneKind.LOCKS)
    first, second = (tracks.open(at, SpanKind.LOCK_HELD, f"{at}") for at in (0, 5))
    board.close(first, 10)
    third = tracks.open(10, SpanKind.LOCK_HELD, "10")
    board.close(second, 12)
    board.end(20)
    assert [lane.name for lane in sketch.lanes] == ["locks", "locks (2)"]
    assert third.lane == first.lane != second.lane
    assert [span.open_ended for span in sketch.spans] == [False, False, True]
    assert sketch.end_ns == 20


def test_the_page_says_of_each_lane_where_it_comes_from(root: Path) -> None:
    rows = [line.split(" | ") for line in (root / "docs" / "report.md").read_text().splitlines() if " | " in line]
    told = {row[0].removeprefix("| "): " ".join(row[2:]) for row in rows}
    assert {kind.value for kind in LaneKind} <= set(told)
    names = {name for kind in LaneKind for name in re.findall(r"`(?:[a-z]+\.)?([a-z_]+)`", told[kind.value])}
    machine = watched()[0].machine
    heard = {"violation", "event"}
    for part in (machine.probes.engine, machine.probes.kernel, machine.probes.rcu):
        heard |= set(type(part).__annotations__)
    assert names - heard == set()
