"""What the rig says of struct kfree_rcu_cpu (rcuactors/recordings/krc.py), and what it says beside calls."""

from __future__ import annotations

from pathlib import Path

import pytest

from rcuactors.recordings import read_recording
from rcuactors.recordings.calls import Deed
from rcuactors.traces.krc import BatchState, parse_addresses, parse_state
from rcuactors.traces.lines import TraceLine

DATA = Path(__file__).parents[1] / "data" / "recordings"

ADDRESSES = (
    "KRCADDR cpu=1 monitor_work=ff1100001f29c7f8 monitor_timer=ff1100001f29c818 page_cache_work=ff1100001f29c858 "
    "page_cache_timer=ff1100001f29c878 hrtimer=ff1100001f29c8b8 krw0_work=ff1100001f29c700 krw1_work=ff1100001f29c778 "
    "block_capacity=507"
)
OLD = (
    "KRC cpu=2 count=-1 head=3 slab=4/1pg vmal=5/2pg cache=6 wip=1 backoff=0 mon_pending=1 "
    "krw0=[s7 v8 h9] krw1=[s0 v0 h0]"
)
LATER = OLD + " mon_left_ms=4896 pcw_pending=1 pcw_left_ms=200 newest_blk=91/0"


def state(text: str) -> TraceLine:
    return TraceLine("kvt1", 70, 1, ".....", 5, "state", text)


def test_addresses() -> None:
    found = parse_addresses(ADDRESSES)
    assert found is not None
    assert (found.cpu, found.block_capacity) == (1, 507)
    assert (found.monitor_timer, found.refill_timer) == (0xFF1100001F29C818, 0xFF1100001F29C878)
    assert found.batch_works == (0xFF1100001F29C700, 0xFF1100001F29C778)


@pytest.mark.parametrize("text", ["KRCADDR", "KRCADDR cpu=1 ", ADDRESSES[:-20], ADDRESSES.replace("hrtimer=", "x=")])
def test_broken_addresses(text: str) -> None:
    assert parse_addresses(text) is None


def test_a_snapshot_with_and_without_what_later_recordings_have() -> None:
    old, later = parse_state(state(OLD)), parse_state(state(LATER))
    assert old is not None
    assert later is not None
    assert (old.time_ns, old.cpu, old.count, old.head, old.slab, old.slab_pages) == (5, 2, -1, 3, 4, 1)
    assert (old.vmalloc, old.vmalloc_pages, old.cached) == (5, 2, 6)
    assert (old.work_in_progress, old.backoff, old.monitor_pending) == (True, False, True)
    assert old.batches == (BatchState(slab=7, vmalloc=8, head=9), BatchState(slab=0, vmalloc=0, head=0))
    assert (old.monitor_left_ms, old.refill_pending, old.refill_left_ms, old.newest_blocks) == (None, None, None, None)
    assert (later.monitor_left_ms, later.refill_pending, later.refill_left_ms) == (4896, True, 200)
    assert later.newest_blocks == (91, 0)


def test_a_cut_snapshot_is_none() -> None:
    assert parse_state(state(LATER[:-30])) is None
    assert parse_state(state(OLD[:-4])) is None


@pytest.mark.parametrize("path", sorted(DATA.glob("kvfree*/*.txt.gz")), ids=lambda path: path.stem)
def test_snapshots_agree_with_the_calls_around_them(path: Path) -> None:
    """What is queued is what was called, less what has been taken: never more, and nothing is left at the end."""
    recording = read_recording(path)
    assert recording.states
    assert {one.cpu for one in recording.states} == set(range(recording.nr_cpus))
    for one in recording.states:
        called = sum(call.cpu == one.cpu and call.time_ns <= one.time_ns for call in recording.calls)
        assert one.head + one.slab + one.vmalloc <= called
        if recording.addresses:
            assert one.count == one.head + one.slab + one.vmalloc
    last = [one for one in recording.states if one.time_ns >= recording.states[-1].time_ns - 1_000_000]
    assert [(one.head, one.slab, one.vmalloc) for one in last] == [(0, 0, 0)] * len(last)


def deeds(name: str) -> list[tuple[str, int, int]]:
    recording = read_recording(DATA / "kvfree-6.12" / f"{name}.txt.gz")
    return [(deed.what, deed.number, deed.cpu) for deed in recording.deeds]


def test_deeds_are_what_the_script_says() -> None:
    assert deeds("h_shrink_ready_400_min5_delay200") == [
        ("synchronize_rcu", 0, 1),
        ("shrink", 128, 1),
        ("shrink", 128, 1),
    ]
    assert deeds("h_dropslab_mid_300_min5_delay200") == [("drop_slab", 0, 1)]
    assert deeds("k_barrier_warm300_min5") == deeds("k_barrier_idle_min5") == [("barrier", 0, 1)]
    assert deeds("n_bg_gp_burst50_every100ms_40_min5") == [("synchronize_rcu", 0, 2)] * 300
    assert deeds("b_warm_507_min5") == []


def test_a_recording_of_deeds_alone_can_be_replayed() -> None:
    recording = read_recording(DATA / "kvfree-6.12" / "k_barrier_idle_min5.txt.gz")
    assert recording.calls == ()
    (deed,) = recording.deeds
    assert isinstance(deed, Deed)
    assert recording.begin_ns < deed.time_ns < recording.end_ns


def test_synchronize_rcu_of_a_one_argument_caller_is_no_deed(tmp_path: Path) -> None:
    """It is the kernel's own, and the machine's own kvfree_rcu() does it again."""
    lines = [
        "kvt1-70 [001] ..... 10.1: runp: STMT cpu=1 free1 slab 5",
        "kvt1-70 [001] ..... 10.2: kvfree_call_rcu: (kvfree_call_rcu+0x0/0x2e0) head=0x0 func=0xff1100000083e690",
        "kvt1-70 [001] ..... 10.3: synchronize_rcu: (synchronize_rcu+0x4/0x40)",
        "kvt1-70 [001] ..... 10.4: runp: STMTEND cpu=1 free1 slab 5",
        "kvt1-70 [001] ..... 10.5: runp: STMT cpu=1 gploop 2 5",
        "kvt1-70 [001] ..... 10.6: synchronize_rcu: (synchronize_rcu+0x4/0x40)",
        "kvt2-71 [002] ..... 10.7: synchronize_rcu: (synchronize_rcu+0x4/0x40)",
        "kvt1-70 [001] ..... 10.8: runp: STMT cpu=1 sync_expedited",
    ]
    path = tmp_path / "x.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    recording = read_recording(path)
    assert [(deed.what, deed.time_ns) for deed in recording.deeds] == [
        ("synchronize_rcu", 10_600_000_000),
        ("sync_expedited", 10_800_000_000),
    ]


@pytest.mark.parametrize("number", ["9" * 4301, "1" + "0" * 18])
def test_a_number_of_more_digits_than_any_is_a_broken_line(number: str) -> None:
    """int() refuses more than 4,300 digits with an error of its own."""
    assert parse_state(state(OLD.replace("head=3", f"head={number}"))) is None


@pytest.mark.parametrize("field", ["cache=6", "s7", "h9"])
def test_more_than_a_cpu_ever_had_contradicts_itself(field: str) -> None:
    """Objects are made for what a state says: a number out of a broken file must not fill the memory."""
    word = field.rstrip("0123456789")
    told = parse_state(state(OLD.replace("count=-1", "count=12").replace(field, f"{word}1000001")))
    assert told is not None
    assert told.contradiction() == "1000001: more than 1,000,000"


def test_there_are_only_so_many_cpus() -> None:
    told = parse_state(state(OLD.replace("cpu=2 count=-1", "cpu=8192 count=12")))
    assert told is not None
    assert told.contradiction() == "cpu=8192: there are no more than 8,192"
    assert parse_addresses(ADDRESSES.replace("cpu=1", "cpu=8192")) is None
