"""Sketches that are made by hand: one with some of everything, one of any size, and what has almost nothing."""

from __future__ import annotations

import random

from rcuactors.timeline import (
    Arrow,
    ArrowKind,
    Counter,
    CounterKind,
    Krcp,
    Lane,
    LaneKind,
    Life,
    Mark,
    MarkKind,
    Sample,
    Sketch,
    Span,
    SpanKind,
    Stage,
    Told,
)

EVIL = "<script>document.title='taken'</script><img src=x onerror=alert(1)>&lt;"
"""The name of a lock."""
ADDRESS = 0xFFFF888004C00040
_KINDS = (
    LaneKind.THREADS,
    LaneKind.SOFTIRQ,
    LaneKind.HARDIRQ,
    LaneKind.IRQS_OFF,
    LaneKind.PREEMPTION_OFF,
    LaneKind.LOCKS,
    LaneKind.READERS,
)


def lanes_of(cpus: int) -> list[Lane]:
    """Those of some CPUs, then a grace-period machine, timers and a worker."""
    lanes = [
        Lane(cpu * 10 + number, f"CPU {cpu}", kind.value, kind, cpu)
        for cpu in range(cpus)
        for number, kind in enumerate(_KINDS)
    ]
    return [
        *lanes,
        Lane(1000, "grace periods", "rcu_preempt", LaneKind.GRACE_PERIOD),
        Lane(1001, "timers", "hrtimer of CPU 0", LaneKind.HRTIMER, 0),
        Lane(1002, "workers", "kworker/0:1", LaneKind.WORKER, 0),
    ]


def _told(sketch: Sketch) -> None:
    sketch.reports.append(
        Told(5, 3_200, "invalid-wait-context", "BUG: Invalid wait context", f"{EVIL}\nis trying to lock:\n {EVIL}")
    )
    sketch.marks.append(Mark(5, 3_200, MarkKind.VIOLATION, "BUG: Invalid wait context", "caller"))
    sketch.marks.append(Mark(0, 2_500, MarkKind.DEPARTURE, "option 1 of 2", "caller", "", (("kind", "preempt"),)))
    sketch.marks.append(Mark(1001, 4_005_000, MarkKind.TIMER_FIRED, "fill_page_cache", "", "krcp timer"))
    sketch.marks.extend(Mark(0, 1_000 + 100 * n, MarkKind.EVENT, f"kfree_rcu {n}", "caller") for n in range(9))


def _life(sketch: Sketch) -> None:
    stations = (
        (Stage.ALLOCATED, 0, 900, ""),
        (Stage.RETIRED, 0, 1_200, "kvfree_rcu()"),
        (Stage.QUEUED, 0, 3_100, "block 1, channel 0"),
        (Stage.BATCHED, 1002, 4_010_500, "batch 0"),
        (Stage.READY, 1000, 8_000_000, "grace period 4"),
        (Stage.FREED, 1002, 8_002_000, "kfree_bulk() of 9"),
    )
    sketch.lives.extend(Life(1, ADDRESS, stage, lane, time, where) for stage, lane, time, where in stations)
    sketch.lives.append(Life(2, ADDRESS, Stage.ALLOCATED, 0, 8_003_000))


def some_of_everything(shift_ns: int = 0) -> Sketch:
    """A caller with a raw lock on CPU 0, a reader on CPU 1, a timer, a worker, a grace period, and a report.

    `shift_ns` puts off what the worker does, so that two of them differ.
    """
    sketch = Sketch(lanes=lanes_of(2), end_ns=8_010_000)
    work = 4_010_000 + shift_ns
    about = (("taken in", "kvfree_call_rcu()"), ("address", f"{ADDRESS:#x}"))
    sketch.spans.extend(
        [
            Span(0, 0, 3_600, SpanKind.RUNS, "caller", "caller"),
            Span(0, 3_600, work, SpanKind.IDLE, "idle", "swapper/0"),
            Span(0, work, work + 3_000, SpanKind.RUNS, "kworker/0:1", "kworker/0:1"),
            Span(2, 4_005_000, 4_007_000, SpanKind.HARDIRQ, "hrtimer_interrupt", "hrtimer"),
            Span(3, 2_000, 3_400, SpanKind.IRQS_OFF, "irqs off", "caller"),
            Span(4, 2_000, 3_500, SpanKind.PREEMPTION_OFF, "preemption off", "caller"),
            Span(5, 2_000, 3_400, SpanKind.LOCK_HELD, "raw_lock", "caller", "raw_lock"),
            Span(5, 3_000, 3_300, SpanKind.LOCK_HELD, EVIL, "caller", EVIL, about),
            Span(15, 2_600, 3_000, SpanKind.LOCK_WAITED_FOR, "raw_lock", "reader", "raw_lock"),
            Span(10, 0, 7_500_000, SpanKind.RUNS, "reader", "reader"),
            Span(16, 500, 7_400_000, SpanKind.READER, "rcu_read_lock()", "reader"),
            Span(1000, 3_400, 8_000_000, SpanKind.GRACE_PERIOD, "grace period 4", "rcu_gp_kthread"),
            Span(1000, 3_500, 7_400_500, SpanKind.GP_STEP, "waits for CPU 1", "rcu_gp_kthread"),
            Span(1001, 3_000, 4_005_000, SpanKind.TIMER_ARMED, "fill_page_cache", "", "krcp timer"),
            Span(1002, 4_007_000, work, SpanKind.WORK_PENDING, "kfree_rcu_monitor", "kworker/0:1"),
            Span(1002, work, work + 3_000, SpanKind.WORK_RUNS, "kfree_rcu_monitor", "kworker/0:1"),
            Span(10, 7_500_000, 8_010_000, SpanKind.RUNS, "reader", "reader", open_ended=True),
        ]
    )
    sketch.arrows.extend(
        [
            Arrow(ArrowKind.HAND_OVER, 5, 3_400, 15, 3_400, "raw_lock", "raw_lock"),
            Arrow(ArrowKind.WAKE_UP, 2, 4_006_000, 0, work, "wakes kworker/0:1"),
            Arrow(ArrowKind.MESSAGE, 1001, 4_005_000, 2, 4_005_000, "HardIrq"),
            Arrow(ArrowKind.RELIES_ON, 1002, work + 2_000, 1000, 8_000_000, "grace period 4"),
        ]
    )
    _told(sketch)
    _life(sketch)
    _curves(sketch)
    return sketch


def _curves(sketch: Sketch) -> None:
    sketch.counters.extend(
        [
            Counter(0, CounterKind.OBJECTS, "outstanding objects", ""),
            Counter(1, CounterKind.BYTES, "outstanding bytes", "bytes"),
            Counter(2, CounterKind.CACHED_PAGES, "cached pages of CPU 0", "pages", 0),
            Counter(3, CounterKind.CACHED_PAGES, "cached pages of CPU 1", "pages", 1),
            Counter(4, CounterKind.BLOCKS, "blocks of CPU 1", "", 1),
        ]
    )
    for number in range(9):
        sketch.samples.append(Sample(0, 1_200 + 200 * number, number + 1))
        sketch.samples.append(Sample(1, 1_200 + 200 * number, 64 * (number + 1)))
    sketch.samples.extend([Sample(0, 8_002_000, 0), Sample(1, 8_002_000, 0), Sample(2, 0, 0), Sample(2, 4_011_000, 5)])
    sketch.samples.append(Sample(3, 0, 2))
    sketch.krcps.extend(
        [
            Krcp(0, 0, (("cached pages", "0"), ("channel 0", "0 blocks"), ("timer", "off"))),
            Krcp(0, 3_000, (("cached pages", "0"), ("channel 0", "1 block"), ("timer", "armed"))),
            Krcp(0, 4_011_000, (("cached pages", "5"), ("channel 0", "0 blocks"), ("batch 0", "9 objects"))),
            Krcp(1, 0, (("cached pages", "2"), ("channel 0", "0 blocks"), ("timer", "off"))),
        ]
    )


def many(elements: int, cpus: int = 4, seed: int = 1) -> Sketch:
    """So many elements, in the proportions of a busy run, with idle stretches."""
    draw = random.Random(seed)
    sketch = Sketch(lanes=lanes_of(cpus))
    sketch.counters.extend(Counter(cpu, CounterKind.BLOCKS, f"blocks of CPU {cpu}", "", cpu) for cpu in range(cpus))
    locks = ["krcp->lock", "rcu_node_0", "zone->lock", "&rq->__lock", "pool->lock"]
    clocks = [0] * cpus
    count = 0
    while count < elements:
        cpu = draw.randrange(cpus)
        begin = clocks[cpu] = clocks[cpu] + draw.choice((200, 700, 1_500, 4_000))
        if draw.random() < 0.002:
            begin = clocks[cpu] = max(clocks) + 1_000_000
        count += _piece(sketch, draw, cpu, begin, draw.choice(locks), count)
    sketch.end_ns = max(clocks) + 10_000
    return sketch


def _piece(sketch: Sketch, draw: random.Random, cpu: int, begin: int, lock: str, number: int) -> int:
    """A thread runs, takes a lock with interrupts off, frees an object. Returned is how many elements that is."""
    lane, thread = cpu * 10, f"worker {draw.randrange(20)}"
    detail = (("taken in", "kvfree_call_rcu()"), ("depth", str(draw.randrange(3))))
    address = ADDRESS + 64 * draw.randrange(4096)
    sketch.spans.extend(
        [
            Span(lane, begin, begin + 180, SpanKind.RUNS, thread, thread),
            Span(lane + 3, begin + 20, begin + 90, SpanKind.IRQS_OFF, "irqs off", thread),
            Span(lane + 5, begin + 30, begin + 80, SpanKind.LOCK_HELD, lock, thread, lock, detail),
        ]
    )
    sketch.marks.append(Mark(lane, begin + 40, MarkKind.EVENT, "kvfree_rcu", thread, f"{address:#x}"))
    sketch.lives.append(Life(number, address, Stage.QUEUED, lane, begin + 60, f"block {number // 500}, channel 0"))
    sketch.samples.append(Sample(cpu, begin + 60, draw.randrange(12)))
    to = draw.randrange(4) * 10
    sketch.arrows.append(Arrow(ArrowKind.WAKE_UP, lane, begin + 70, to, begin + 150, f"wakes {thread}"))
    sketch.krcps.append(
        Krcp(cpu, begin + 60, (("cached pages", "3"), ("channel 0", f"{number % 500} objects"), ("timer", "armed")))
    )
    return 8
