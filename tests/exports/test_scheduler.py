"""The scheduler's tracepoints, held against what a kernel's own are like."""

from __future__ import annotations

import re
from collections import Counter

from rcuactors import Kernel, scenario
from rcuactors.engine.events import Event, ListSink
from rcuactors.exports import SchedulerEvents
from rcuactors.runs import Run, RunOptions

from .conftest import Told

SWITCH = re.compile(
    r"prev_comm=(.+) prev_pid=(\d+) prev_prio=(\d+) prev_state=(\S+) ==> next_comm=(.+) next_pid=(\d+) next_prio=(\d+)"
)


def switches(told: Told, cpu: int) -> list[tuple[Event, re.Match[str]]]:
    found = [(event, SWITCH.fullmatch(event.text)) for event in told.events if event.name == "sched_switch"]
    return [(event, match) for event, match in found if match is not None and event.cpu == cpu]


def test_who_leaves_is_who_came(told: Told) -> None:
    for cpu in range(told.nr_cpus):
        runs, count = "0", 0
        for event, match in switches(told, cpu):
            assert (match[2], str(event.pid)) == (runs, runs)
            assert match[6] != runs
            runs, count = match[6], count + 1
        assert count > 20
        assert runs == "0"


def test_every_event_of_a_cpu_is_of_who_runs_there(told: Told) -> None:
    runs: dict[int, int] = Counter()
    devices = {event.pid for event in told.events if event.comm == "rcu_preempt"}
    assert devices == {14}
    for event in told.events:
        if event.pid in devices:
            continue
        assert event.pid == runs[event.cpu], event.line()
        if event.name == "sched_switch":
            match = SWITCH.fullmatch(event.text)
            assert match is not None
            runs[event.cpu] = int(match[6])


def test_who_comes_was_woken_or_left_runnable(told: Told) -> None:
    ready: set[str] = set()
    for event in told.events:
        if event.name == "sched_wakeup":
            match = re.search(r" pid=(\d+) ", event.text)
            assert match is not None
            ready.add(match[1])
        elif event.name == "sched_switch":
            switch = SWITCH.fullmatch(event.text)
            assert switch is not None
            if switch[4] in ("R", "R+"):
                ready.add(switch[2])
            assert switch[6] in ready | {"0"}
            ready.discard(switch[6])


def test_each_wake_up_has_both_its_ends(told: Told) -> None:
    counts = Counter(event.name for event in told.events)
    assert counts["sched_waking"] == counts["sched_wakeup"] > 100


@scenario()
async def _elsewhere(k: Kernel) -> None:
    done = k.completion("done")

    async def waits() -> None:
        await k.wait_for_completion(done)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(waits, cpu=1)
        await k.msleep(1)
        await k.complete(done)


def test_a_wake_up_of_another_cpu_is_told_where_it_is_made_and_where_it_arrives() -> None:
    sink = ListSink()
    one = Run(_elsewhere, RunOptions(sinks=(sink,)))
    SchedulerEvents(one.machine, sink.take).listen()
    one.run()
    ends = [
        event for event in sink.events if event.name in ("sched_waking", "sched_wakeup") and "comm=waits" in event.text
    ]
    # The first two are of its birth.
    assert [(event.name, event.cpu) for event in ends[-2:]] == [("sched_waking", 0), ("sched_wakeup", 1)]
    assert ends[-2].comm == "_elsewhere"
    assert ends[-1].comm == "<idle>"
    assert ends[-2].time_ns < ends[-1].time_ns
    assert ends[-1].text == "comm=waits pid=21 prio=120 target_cpu=001"


def test_listening_changes_no_run() -> None:
    deaf, heard = Run(_elsewhere, RunOptions()), Run(_elsewhere, RunOptions())
    SchedulerEvents(heard.machine, lambda _event: None).listen()
    assert deaf.run().digest == heard.run().digest
