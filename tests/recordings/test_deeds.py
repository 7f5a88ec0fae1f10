"""What was done beside freeing, and is done again (rcuactors/recordings/calls.py, feeders.py)."""

from __future__ import annotations

from pathlib import Path

from rcuactors.recordings import Recording, read_recording
from rcuactors.recordings.replay import replay
from rcuactors.runs import RunOptions

COUNT, SCAN = "shrink_count: (kfree_rcu_shrink_count+0x0/0x80)", "shrink_scan: (kfree_rcu_shrink_scan+0x0/0x110)"
CALL = "kvfree_call_rcu: (kvfree_call_rcu+0x0/0x220) head=0xff110000008e3{:03x} func=0x10"


def read(tmp_path: Path, *lines: str) -> Recording:
    path = tmp_path / "x.txt"
    head = ["# kernel: 6.1.192 (PREEMPT=y SMP HZ=250)", f"sh-2 [000] ..... 9.800000: {COUNT}"]
    begin = "init-1 [000] ..... 9.900000: kvt_write: BEGIN cold"
    path.write_text("\n".join([*head, begin, *lines]) + "\n", encoding="utf-8")
    return read_recording(path)


def test_reclaim_calls_the_shrinker_at_its_times_in_its_tasks(tmp_path: Path) -> None:
    """Something beside the script uses the memory up: kswapd and who allocates ask kvfree_rcu() what it has."""
    calls = [f"kvt1-70 [001] ..... 10.0{number:05}: {CALL.format(number * 16)}" for number in range(60)]
    recording = read(
        tmp_path,
        *calls[:50],
        f"kswapd0-37 [000] ..... 10.020000: {COUNT}",
        f"kswapd0-37 [000] ..... 10.020100: {SCAN}",
        f"dd-75 [002] ..... 10.020200: {COUNT}",
        *(f"kvt1-70 [001] ..... 10.03{number:04}: {CALL.format(number * 16)}" for number in range(50, 60)),
    )
    assert [(deed.what, deed.comm, deed.cpu) for deed in recording.deeds] == [
        ("shrink_count", "kswapd0", 0),
        ("shrink_scan", "kswapd0", 0),
        ("shrink_count", "dd", 2),
    ]
    result = replay(recording, RunOptions(kernel="v6.1-stable"))
    assert (result.done, result.not_done) == ({"shrink_count": 2, "shrink_scan": 1}, {})
    assert any("beside: shrink_count 2, shrink_scan 1" in line for line in result.lines())


def test_what_a_statement_makes_the_shrinker_do_is_that_statement_s(tmp_path: Path) -> None:
    recording = read(
        tmp_path,
        f"kvt1-70 [001] ..... 10.000000: {CALL.format(16)}",
        "kvt1-70 [001] ..... 10.010000: runp: STMT cpu=1 shrink 128",
        f"kvt1-70 [001] ..... 10.010100: {COUNT}",
        f"kvt1-70 [001] ..... 10.010200: {SCAN}",
        "kvt1-70 [001] ..... 10.020000: runp: STMT cpu=1 drop_slab",
        f"kvt1-70 [001] ..... 10.020100: {COUNT}",
        "kvt1-70 [001] ..... 10.030000: runp: STMT cpu=1 waitdrain 15",
        f"kvt1-70 [001] ..... 10.030100: {COUNT}",
    )
    assert [(deed.what, deed.number) for deed in recording.deeds] == [
        ("shrink", 128),
        ("drop_slab", 0),
        ("shrink_count", 0),
    ]
