"""trace.dat, as Debian's own trace-cmd reads it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from rcuactors.engine.events import Event
from rcuactors.exports import EventsIn
from rcuactors.exports.flags import flag_bytes
from rcuactors.exports.tracedat.pages import PAGE, Pages

from .conftest import Told, needs_trace_cmd, trace_of

Report = Callable[..., list[str]]
RECORDINGS = Path(__file__).parents[1] / "data" / "recordings"

# With -N (no plugins, which word some events in their own way) and -t (all digits of the time).
LINE = re.compile(r" *(.+)-(\d+) +\[(\d{3})\] +(\d+)\.(\d{9}): (\S+): +(.*)")
LATENCY = re.compile(r" *(.{1,8})-(\d+) +(\d+)(\S{5}) +(\d+)\.(\d{9}): (\S+): +(.*)")

Seen = tuple[str, int, int, int, str, str]


def as_seen(event: Event) -> Seen:
    return event.comm, event.pid, event.cpu, event.time_ns, event.name, event.text


def read_back(lines: list[str]) -> list[Seen]:
    found = []
    for text in lines:
        line = LINE.fullmatch(text)
        assert line is not None, text
        found.append((line[1], int(line[2]), int(line[3]), int(line[4] + line[5]), line[6], line[7]))
    return found


@needs_trace_cmd
def test_trace_cmd_reads_back_every_event_its_text_and_its_time(told: Told, trace_cmd: Report) -> None:
    data = trace_of(told.events, told.nr_cpus, "a.dat")
    assert read_back(trace_cmd(data, "-N", "-t")) == [as_seen(event) for event in told.in_order]
    # The columns of flags, which only the latency format has. This trace-cmd knows nothing of the NMI's bit.
    lines = [LATENCY.fullmatch(line) for line in trace_cmd(data, "-N", "-t", "-l")]
    flags = [line[4] for line in lines if line is not None]
    assert flags == [event.flags.replace("Z", "h").replace("z", ".") for event in told.in_order]
    assert {columns[2] for columns in flags} >= {".", "h", "s"}


@needs_trace_cmd
def test_its_plugins_find_the_fields_that_they_word_anew(told: Told, trace_cmd: Report) -> None:
    lines = trace_cmd(trace_of(told.events, told.nr_cpus, "a.dat"), "-t")
    assert len(lines) == len(told.events)
    switch = next(line for line in lines if "sched_switch" in line)
    assert switch.endswith("swapper/0:0 [120] R ==> churn:20 [120]")
    started = next(line for line in lines if "hrtimer_start" in line)
    assert re.search(
        r"hrtimer=0xffffffff81\w+ function=schedule_page_work_fn/0x0 expires=\d+ softexpires=\d+$", started
    )


@needs_trace_cmd
def test_a_filter_by_a_field_finds_what_it_names(told: Told, trace_cmd: Report) -> None:
    data = trace_of(told.events, told.nr_cpus, "a.dat")
    wanted = [event for event in told.in_order if event.name == "sched_switch" and event.text.endswith("next_prio=100")]
    found = trace_cmd(data, "-N", "-t", "-F", "sched_switch: next_prio == 100")
    assert read_back(found) == [as_seen(event) for event in wanted]
    assert wanted


@needs_trace_cmd
@pytest.mark.parametrize(
    "name", ["kvfree-6.12/h_shrink_ready_400_min5_delay200", "workload/B_vethroute", "kvfree/c_mixed_512_min1"]
)
def test_a_recording_of_a_real_kernel_comes_back_as_it_was(name: str, trace_cmd: Report) -> None:
    source = EventsIn(RECORDINGS / f"{name}.txt.gz")
    events = list(source)
    lines = read_back(trace_cmd(trace_of(events, source.nr_cpus, "a.dat"), "-N", "-t"))
    comms = {event.pid: event.comm for event in events}
    in_order = sorted(events, key=lambda event: (event.time_ns, event.cpu))
    assert lines == [(comms[event.pid], *as_seen(event)[1:]) for event in in_order]
    assert len(lines) > 900


@needs_trace_cmd
def test_times_far_apart_texts_too_long_and_cpus_without_events(trace_cmd: Report) -> None:
    times = [0, 1, 1 << 27, (1 << 27) + (1 << 27) - 1, 1 << 40, 1 << 59, (1 << 62) - 1]
    events = [Event(time, 2, "a", 7, "d..1.", "console", f"at {time}") for time in times]
    events += [Event(5, 0, "b", 8, ".....", "console", "x" * length) for length in (0, 100, 113, 3_799, 3_800)]
    long = Event(6, 0, "b", 8, ".....", "own", "ü" * 5_000)
    data = trace_of([*events, long], 4, "a.dat")
    lines = read_back(trace_cmd(data, "-N", "-t"))
    wanted = [*events, Event(6, 0, "b", 8, ".....", "own", "ü" * 1_900)]
    assert lines == [as_seen(event) for event in sorted(wanted, key=lambda x: (x.time_ns, x.cpu))]


def test_a_page_holds_what_fits_and_no_more() -> None:
    pages = Pages()
    done = b"".join([*(pages.add(1_000 * number, bytes(92)) for number in range(1_000)), pages.end()])
    assert len(done) % PAGE == 0
    used = [int.from_bytes(done[at + 8 : at + 16], "little") for at in range(0, len(done), PAGE)]
    # 96 bytes an event, of which 42 go into 4,080.
    assert used == [42 * 96] * 23 + [1_000 % 42 * 96]
    assert [int.from_bytes(done[at : at + 8], "little") for at in range(0, len(done), PAGE)] == [
        42_000 * page for page in range(24)
    ]


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        (".....", (0, 0)),
        ("d..1.", (0x01, 1)),
        ("DNh23", (0x81 | 0x24 | 0x08, 0x32)),
        ("b.s..", (0x90, 0)),
        (".pZ.f", (0x20 | 0x48, 0xF0)),
        ("dnH4", (0x01 | 0x04 | 0x18, 4)),
        ("d..h2.1", (0x01 | 0x08, 0x12)),
        ("", (0, 0)),
        ("?????", (0, 0)),
    ],
)
def test_flags_in_two_bytes(flags: str, found: tuple[int, int]) -> None:
    assert flag_bytes(flags) == found
