"""ftrace text: the header, what our own reader reads back, and what no text may do to it."""

from __future__ import annotations

import re
from pathlib import Path

from rcuactors.engine.events import Event
from rcuactors.traces import Broken, Call, Gap, HrtimerStarted, Other, TimerStarted, Trace, WorkStarted
from rcuactors.traces.lines import parse_line

from .conftest import Told, trace_of


def test_it_begins_as_tracefs_begins(told: Told) -> None:
    lines = trace_of(told.events, told.nr_cpus, "a.txt").decode().splitlines()
    head = [line for line in lines if line.startswith("#")]
    count = len(told.events)
    assert head[:4] == [
        "# tracer: nop",
        "#",
        f"# entries-in-buffer/entries-written: {count}/{count}   #P:3",
        "#",
    ]
    assert lines[: len(head)] == head
    assert len(lines) - len(head) == count
    # Where the columns are drawn they are.
    legend, line = head[-2], lines[len(head)]
    assert line.index("[") <= legend.index("CPU#") + 1 < line.index("]") + 1
    assert line.index("...1.") == legend.index("|||||") == head[-1].index("|", 28)


def test_the_reader_reads_back_every_event_in_order(told: Told, tmp_path: Path) -> None:
    path = tmp_path / "trace.txt"
    path.write_bytes(trace_of(told.events, told.nr_cpus, path.name))
    trace = Trace(path)
    items = [(item, parse_line(text)) for item, text in trace.with_text()]
    assert [item for item, _ in items if isinstance(item, Gap | Broken)] == []
    lines = [line for _, line in items if line]
    read = [(line.comm, line.pid, line.cpu, line.flags, line.time_ns, line.event, line.text) for line in lines]
    wanted = [
        (event.comm, event.pid, event.cpu, event.flags, event.time_ns // 1000 * 1000, event.name, event.text)
        for event in told.in_order
    ]
    assert read == wanted
    assert trace.header.nr_cpus == told.nr_cpus
    assert trace.header.text_format == "ftrace"
    kinds = {type(item) for item, _ in items}
    assert {Call, HrtimerStarted, TimerStarted, WorkStarted, Other} <= kinds


def test_every_line_is_what_perfettos_reader_takes_for_one(told: Told) -> None:
    # Its systrace tokenizer: task-pid, an optional (tgid), [cpu], flags, seconds.micros, then `event: text`.
    task, flags = r"\s*(.+)-(\d+)\s+(?:\(\s*(?:\d+|-+)\)\s+)?", r"(?:(\S{4,7})\s+)?"
    form = re.compile(rf"{task}\[(\d+)\]\s*{flags}(\d+)\.(\d+):\s+(\w+):\s+(.*)")
    for line in trace_of(told.events, told.nr_cpus, "a.ftrace").decode().splitlines():
        assert line.startswith("#") or form.fullmatch(line), line


def test_no_text_breaks_its_line() -> None:
    odd = Event(5, 0, "evil\ntask", 1, ".....", "console", "one\ntwo\x00\u2028 \ud800 ü")
    lines = trace_of([odd], 1, "a.txt").decode().splitlines()
    assert len(lines) == 13
    assert lines[-1].endswith(r"console: one\x0atwo\x00\x2028 \ud800 ü")
    assert r"evil\x0atask-1" in lines[-1]
