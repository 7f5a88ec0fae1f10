"""A trace, as a picture: what its lines tell is on its lanes, and what they do not tell is named."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from rcuactors import Run, RunOptions
from rcuactors.engine.events import TextSink
from rcuactors.timeline import CounterKind, LaneKind, MarkKind, Sketch, SpanKind, Stage
from rcuactors.timeline.own_lines import as_ftrace
from rcuactors.timeline.traced import Traced
from rcuactors.traces.trace import Trace
from rcuactors.userfiles import load_scenario

LINES = (Path(__file__).resolve().parents[1] / "data" / "timeline" / "trace.txt").read_text()


def told_of(path: Path, *, shift_ns: int = 0) -> tuple[Sketch, tuple[str, ...]]:
    sketch = Sketch()
    traced = Traced(Trace(path, as_ftrace=as_ftrace), sketch, shift_ns=shift_ns)
    traced.tell()
    return sketch, traced.notes()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "trace.txt"
    path.write_text(LINES)
    return path


def test_what_the_lines_tell_is_on_its_lanes(file: Path) -> None:
    sketch, _ = told_of(file)
    found = {(sketch.lanes[span.lane].kind, span.kind, span.label): span for span in sketch.spans}
    us = 1_000
    begin = 1_000_000_000
    lasts = {key: ((span.begin_ns - begin) // us, (span.end_ns - begin) // us) for key, span in found.items()}
    assert lasts == {
        (LaneKind.THREADS, SpanKind.RUNS, "user"): (0, 60),
        (LaneKind.THREADS, SpanKind.RUNS, "kworker/0:1"): (60, 80),
        (LaneKind.HARDIRQ, SpanKind.HARDIRQ, "eth0"): (25, 27),
        (LaneKind.SOFTIRQ, SpanKind.SOFTIRQ, "TIMER"): (28, 31),
        (LaneKind.TIMER, SpanKind.TIMER_ARMED, "delayed_work_timer_fn"): (20, 70),
        (LaneKind.POOL, SpanKind.WORK_PENDING, "kfree_rcu_work"): (61, 62),
        (LaneKind.WORKER, SpanKind.WORK_RUNS, "kfree_rcu_work"): (62, 66),
        (LaneKind.GRACE_PERIOD, SpanKind.GRACE_PERIOD, "gp_seq 5"): (63, 64),
    }
    assert found[LaneKind.THREADS, SpanKind.RUNS, "kworker/0:1"].open_ended
    assert [(life.stage, life.address) for life in sketch.lives] == [
        (Stage.RETIRED, 0xFF1100000083E680),
        (Stage.FREED, 0xFF1100000083E680),
    ]
    (krcp,) = sketch.krcps
    assert dict(krcp.state)["cache"] == "2"
    assert dict(krcp.state)["read out at"] == f"{krcp.time_ns / 1e6:,.3f} ms"
    values = {sketch.counters[sample.counter].kind: sample.value for sample in sketch.samples}
    assert values == {CounterKind.OBJECTS: 0, CounterKind.CACHED_PAGES: 2, CounterKind.BLOCKS: 0}
    marks = Counter(mark.kind for mark in sketch.marks)
    assert marks == {MarkKind.EVENT: LINES.count(" [000] "), MarkKind.TIMER_FIRED: 1, MarkKind.GAP: 1}
    assert {arrow.label for arrow in sketch.arrows} == {"wakes kworker/0:1", "kfree_rcu_work begins"}


def test_what_they_do_not_tell_is_named(file: Path) -> None:
    _, notes = told_of(file)
    assert "events were lost (1 place)" in notes
    assert "7 events lost, by the trace's own count" in notes
    assert "1 line not understood" in notes
    assert not any("sched_switch" in note or "irq_handler" in note or "softirq_entry" in note for note in notes)
    assert any(note.startswith("locks, readers") for note in notes)
    file.write_text("\n".join(line for line in LINES.splitlines() if "sched_" not in line and "LOST" not in line))
    assert "who runs between two lines: sched_switch was not recorded" in told_of(file)[1]


def test_its_times_can_be_those_of_a_machine(file: Path) -> None:
    sketch, notes = told_of(file, shift_ns=-1_000_020_000)
    assert min(mark.time_ns for mark in sketch.marks) == 0
    assert sketch.end_ns == 60_000
    assert "2 lines before the first moment shown left out" in notes


@pytest.mark.parametrize("as_json", [False, True])
def test_a_runs_own_events_are_read_as_text_and_as_json(tmp_path: Path, as_json: bool) -> None:
    path = tmp_path / "events"
    with path.open("w") as out:
        run = Run(load_scenario("stale_batch"), RunOptions(sinks=(TextSink(out, as_json=as_json),)))
        run.run()
    sketch, notes = told_of(path)
    assert not any("not understood" in note for note in notes)
    kinds = Counter(span.kind for span in sketch.spans)
    assert kinds[SpanKind.WORK_RUNS] == kinds[SpanKind.WORK_PENDING] == 5
    assert kinds[SpanKind.GRACE_PERIOD] == run.result().counters["grace_periods"]
    marks = Counter(mark.kind for mark in sketch.marks)
    assert marks[MarkKind.EVENT] == run.result().events + 2 * kinds[SpanKind.GRACE_PERIOD]
