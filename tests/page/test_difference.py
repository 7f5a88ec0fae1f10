"""Where two runs first differ: in what happened, not in when; and what was left out for that is said."""

from __future__ import annotations

import attrs
import pytest

from rcuactors.page import Difference
from rcuactors.page.difference import LEFT_OUT, first_difference
from rcuactors.picture.runs import watched_run
from rcuactors.runs import RunOptions
from rcuactors.timeline import Lane, LaneKind, Life, Mark, MarkKind, Sketch, Span, SpanKind, Stage
from rcuactors.userfiles import load_scenario

SAME = f"What happened is the same in both, if this is left out: {LEFT_OUT}."
LANES = [
    Lane(0, "CPU 0", "threads", LaneKind.THREADS, 0),
    Lane(1, "CPU 1", "threads", LaneKind.THREADS, 1),
    Lane(2, "CPU 0", "irqs off", LaneKind.IRQS_OFF, 0),
    Lane(3, "timers", "tick_sched_timer, CPU 0", LaneKind.HRTIMER, 0),
    Lane(4, "CPU 0", "hardirq", LaneKind.HARDIRQ, 0),
    Lane(5, "workers", "kworker/0:1", LaneKind.WORKER),
]


def event(time_ns: int, name: str, who: str = "caller/20", lane: int = 0) -> Mark:
    return Mark(lane, time_ns, MarkKind.EVENT, name, who)


def sketch(*elements: Mark | Span | Life) -> Sketch:
    parts = {kind: [each for each in elements if isinstance(each, kind)] for kind in (Mark, Span, Life)}
    return Sketch(lanes=LANES, marks=parts[Mark], spans=parts[Span], lives=parts[Life], end_ns=1_000)


BASE = (
    event(10, "kvfree_call_rcu"),
    event(20, "mm_page_alloc"),
    Life(1, 0xFF00, Stage.ALLOCATED, 0, 5, "64 bytes, caller (mine.py:7)"),
    Life(1, 0xFF00, Stage.QUEUED, 0, 12, "CPU 0, slab block 1, record 1"),
    Life(1, 0xFF00, Stage.FREED, 0, 500, "kfree_bulk"),
    Span(5, 400, 510, SpanKind.WORK_RUNS, "kfree_rcu_work", "kworker/0:1/25"),
    event(450, "rcu_invoke_kfree_bulk_callback", "kworker/0:1/25"),
)


def test_the_same_does_not_differ_whatever_the_order_of_one_moment() -> None:
    a, b = Span(0, 5, 9, SpanKind.RUNS, "a"), Span(0, 5, 8, SpanKind.RUNS, "b")
    assert first_difference(sketch(a, b), sketch(b, a)) is None


@pytest.mark.parametrize(
    "change",
    [
        {0: event(15, "kvfree_call_rcu")},
        {0: event(10, "kvfree_call_rcu", "caller/21"), 1: event(20, "mm_page_alloc", "caller/21")},
        {1: event(20, "mm_page_alloc", lane=1)},
        {3: Life(1, 0xFF00, Stage.QUEUED, 0, 12, "CPU 1, slab block 2, record 7")},
        {2: Life(1, 0xFF80, Stage.ALLOCATED, 0, 5, "64 bytes, caller (yours.py:9)")},
        {
            5: Span(5, 400, 510, SpanKind.WORK_RUNS, "kfree_rcu_work", "kworker/u4:0/31"),
            6: event(450, "rcu_invoke_kfree_bulk_callback", "kworker/u4:0/31"),
        },
        {7: Span(2, 10, 20, SpanKind.IRQS_OFF, "")},
        {7: Span(3, 10, 20, SpanKind.TIMER_ARMED, "tick_sched_timer")},
        {7: event(11, "mm_page_pcpu_drain")},
    ],
)
def test_what_is_no_happening_is_left_out_and_that_is_said(change: dict[int, Mark | Span | Life]) -> None:
    other = [change.get(number, each) for number, each in enumerate((*BASE, None)) if change.get(number, each)]
    found = first_difference(sketch(*BASE), sketch(*other))  # type: ignore[arg-type]
    if change.keys() & {2, 3}:
        assert found is None  # where it is queued, and what at, is all that there is
        return
    assert found is not None
    assert found.left_out == SAME
    assert found.besides is None


@pytest.mark.parametrize(
    ("number", "other", "times", "texts"),
    [
        (
            1,
            event(25, "hrtimer_start"),
            (20, 25),
            (
                "CPU 0, threads: event: mm_page_alloc by caller/20",
                "CPU 0, threads: event: hrtimer_start by caller/20",
            ),
        ),
        (
            3,
            Life(1, 0xFF00, Stage.QUEUED, 0, 13, "CPU 0, rcu_head list"),
            (12, 13),
            (
                "CPU 0, threads: object 0xff00 queued, CPU 0, slab block 1, record 1",
                "CPU 0, threads: object 0xff00 queued, CPU 0, rcu_head list",
            ),
        ),
        (
            6,
            event(450, "rcu_invoke_kvfree_callback", "kworker/0:1/25"),
            (450, 450),
            (
                "CPU 0, threads: event: rcu_invoke_kfree_bulk_callback by kworker/0:1/25",
                "CPU 0, threads: event: rcu_invoke_kvfree_callback by kworker/0:1/25",
            ),
        ),
        (
            7,
            Mark(0, 30, MarkKind.VIOLATION, "BUG: x"),
            (30, 30),
            ("nothing of that", "CPU 0, threads: violation: BUG: x"),
        ),
        (
            7,
            event(40, "hrtimer_expire_entry", "anybody/3", lane=4),
            (40, 40),
            ("nothing of that", "CPU 0, hardirq: event: hrtimer_expire_entry by anybody/3"),
        ),
    ],
)
def test_what_happened_is_what_differs(
    number: int, other: Mark | Life, times: tuple[int, int], texts: tuple[str, str]
) -> None:
    """Though all of it is later, and the tick comes at another time."""
    elements = [other if at == number else each for at, each in enumerate((*BASE, None))]
    tick = Span(3, 1, 2, SpanKind.TIMER_ARMED, "tick_sched_timer")
    found = first_difference(sketch(*BASE), sketch(tick, *filter(None, elements)))
    assert found == Difference(times, texts, f"Left out: {LEFT_OUT}.", (5, 1))


def test_a_label_of_one_lane_is_not_said_twice() -> None:
    found = first_difference(sketch(Span(2, 10, 20, SpanKind.IRQS_OFF, "")), sketch())
    assert found is not None
    assert found.texts == ("CPU 0, irqs off", "nothing more")
    assert found.times_ns == (10, 1_000)


def test_two_designs_differ_in_who_asks_for_a_page() -> None:
    chosen = load_scenario("raw_lock_caller")
    drawn = [watched_run(chosen, RunOptions(design=name)).panel.sketch for name in ("lockless", "hrtimer-work")]
    found = first_difference(*drawn)
    assert found is not None
    assert found.texts[1] == "timers, schedule_page_work_fn, CPU 0: timer armed: schedule_page_work_fn"
    same = first_difference(drawn[0], attrs.evolve(drawn[0], end_ns=1))
    assert same is None
