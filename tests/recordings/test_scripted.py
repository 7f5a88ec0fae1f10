"""Calls out of the script, where single calls were not recorded (rcuactors/recordings/scripted.py)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from rcuactors.recordings import Recording, read_recording
from rcuactors.recordings.replay import replay
from rcuactors.recordings.scripted import calls_are_scripted
from rcuactors.runs import RunOptions

OFF = "echo 0 > /sys/kernel/tracing/events/kv/kvfree_call_rcu/enable; echo 0 > /sys/x/rcu_invoke_kvfree_callback/enable"


def read(tmp_path: Path, statement: str, pre: str = OFF, lasted: str = "11.000000") -> Recording:
    lines = [
        f"# script: @1 cold; {statement}",
        f"# pre: {pre}",
        "# kernel: 6.12.117 (PREEMPT=y SMP HZ=250)",
        "init-1 [000] ..... 9.900000: kvt_write: BEGIN cold",
        f"kvt1-70 [001] ..... 10.000000: runp: STMT cpu=1 {statement}",
        "rcu-17 [002] ..... 10.100000: rcu_grace_period: rcu_preempt -875 start",
        "rcu-17 [002] ..... 10.200000: rcu_grace_period: rcu_preempt -875 end",
        "kworker/1:1-20 [001] ..... 10.250000: rcu_invoke_kfree_bulk_callback: rcu_preempt bulk=0x1 nr_records=3",
        f"kvt1-70 [001] ..... {lasted}: runp: STMTEND cpu=1 {statement}",
        "kvt1-70 [001] ..... 11.500000: runp: STMT cpu=1 waitdrain 15",
    ]
    path = tmp_path / "x.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_recording(path)


def test_only_where_the_probe_was_switched_off() -> None:
    assert calls_are_scripted(OFF)
    assert not calls_are_scripted("-")
    assert not calls_are_scripted("echo 1 > /sys/kernel/tracing/events/sched/sched_switch/enable")


@pytest.mark.parametrize(
    ("statement", "kinds", "context", "one_argument"),
    [
        ("free2 slab 5", {"slab": 5}, "process", False),
        ("free2 slab 5 rawspin", {"slab": 5}, "raw_lock", False),
        ("free2 vmalloc 3 hardirq", {"vmalloc": 3}, "hardirq", False),
        ("free2 mixed 4 irqoff", {"slab": 4, "vmalloc": 4}, "irqs_off", False),
        ("free1 slab 6", {"slab": 6}, "process", True),
        ("burst 10 20 5", {"slab": 200}, "process", False),
        ("burstr 10 20 5", {"slab": 200}, "raw_lock", False),
    ],
)
def test_what_a_statement_calls(
    tmp_path: Path, statement: str, kinds: dict[str, int], context: str, one_argument: bool
) -> None:
    recording = read(tmp_path, statement)
    assert Counter(call.kind for call in recording.calls) == kinds
    assert {(call.context, call.one_argument, call.cpu) for call in recording.calls} == {(context, one_argument, 1)}
    assert len({call.address for call in recording.calls}) == len(recording.calls)


def test_bursts_are_laid_over_the_time_that_the_statement_took(tmp_path: Path) -> None:
    times = [call.time_ns for call in read(tmp_path, "burst 100 10 5").calls]
    assert times == sorted(times)
    assert times[::100] == [10_000_000_000 + burst * 100_000_000 for burst in range(10)]
    assert times[99] - times[0] == 99_000
    short = [call.time_ns for call in read(tmp_path, "burst 100 10 0", lasted="10.000500").calls]
    assert short[-1] < 10_000_500_000


def test_single_objects_are_not_compared(tmp_path: Path) -> None:
    recording = read(tmp_path, "free2 slab 5")
    assert not recording.observed.objects_visible
    assert recording.observed.grace_periods_ended == 1
    result = replay(recording, RunOptions(kernel="v6.12"))
    assert (result.verdict(), result.calls) == ("clean", 5)
    rows = {row.name: row.real for row in result.compared()}
    assert (rows["freed_bulk"], rows["freed_list"], rows["freed_vmalloc"], rows["not_freed"]) == (3, None, None, None)
