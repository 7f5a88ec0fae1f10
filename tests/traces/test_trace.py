"""Traces as streams: three tools, probes of any name, and whatever is missing or wrong (rcuactors/traces/)."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rcuactors.errors import BadInput
from rcuactors.traces import (
    Addresses,
    BlockFreed,
    Broken,
    Call,
    Entered,
    Event,
    Gap,
    GracePeriod,
    Item,
    Mark,
    Missing,
    Other,
    PageGot,
    Returned,
    StateTold,
    TimerStarted,
    Trace,
    Unknown,
    WorkQueued,
)
from tests.other_tools import DATA, as_perf, as_trace_cmd, recorded

Written = Callable[..., Path]
NAMES = ("kvfree/d_rawspin_1100_min5", "kvfree/i_failalloc_single_arg_5_min5", "kvfree-6.12/b_warm_507_min5")

HEAD = "kvt1-70 [001] ..... "
CALL = HEAD + "10.{:06d}: {}: ({}) head=0x{:x} func=0x10"
OBJECT = 0xFF1100000083E680


def call(time: int = 500000, event: str = "kvfree_call_rcu", at: str = "kvfree_call_rcu+0x0/0x2e0") -> str:
    return CALL.format(time, event, at, OBJECT + 16)


STATE = (
    HEAD + "11.0: state: KRC cpu=1 count={} head={} slab={}/{}pg vmal=0/0pg cache=5 wip=0 backoff=0 mon_pending=1 "
    "krw0=[s0 v0 h0] krw1=[s0 v0 h0]"
)


def items(path: Path, **words: str) -> list[Item]:
    return list(Trace(path, **words))


def told(event: Event) -> Event:
    """An event as every tool tells it: without flags, context, and the function that a return goes back to."""
    changes: dict[str, object] = {"flags": ""}
    if isinstance(event, Call):
        changes["context"] = event.context if event.context in ("raw_lock", "rcu_read") else ""
    if isinstance(event, (PageGot, Returned)):
        changes["to"] = ""
    return attrs.evolve(event, **changes)


@pytest.mark.parametrize("name", NAMES)
def test_every_line_of_a_recording_is_an_event(name: str) -> None:
    trace = Trace(DATA / f"{name}.txt.gz")
    read = list(trace)
    assert all(isinstance(item, Event) for item in read)
    assert not any(isinstance(item, Other) for item in read)
    assert len(read) == sum(not line.startswith("#") for line in recorded(name))
    assert [item.number for item in read] == sorted({item.number for item in read})
    assert trace.header.name == name.partition("/")[2]
    assert trace.header.nr_cpus == 3
    assert trace.header.text_format == "ftrace"
    assert trace.header.addresses is (Addresses.REAL if "6.12" in name else Addresses.HIDDEN)
    assert list(trace) == read


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("tool", ["trace-cmd", "trace-cmd with flags", "perf"])
def test_three_tools_tell_the_same(name: str, tool: str, written: Written) -> None:
    lines = recorded(name)
    text = as_perf(lines) if tool == "perf" else as_trace_cmd(lines, flags="flags" in tool)
    kernel = "6.12" if "6.12" in name else "6.1"
    trace = Trace(written(*text), kernel=kernel)
    theirs = [told(item) for item in trace if isinstance(item, Event)]
    ours = [told(item) for item in Trace(DATA / f"{name}.txt.gz") if isinstance(item, Event)]
    assert theirs == ours
    assert trace.header.text_format in ("trace-cmd" if tool != "perf" else "perf")
    contexts = {item.context for item in trace if isinstance(item, Call)}
    assert (contexts <= {"unknown", "raw_lock"}) == ("flags" not in tool or name == NAMES[0])


def test_columns_are_those_that_the_comments_draw(written: Written) -> None:
    drawn = [
        "#                          _------=> irqs-off/BH-disabled",
        "#                         / _-----=> hardirq/softirq",
        "#                        | / _----=> need-resched",
        "#                        || / _---=> preempt-depth",
        "#                        ||| /     delay",
    ]
    plain = "a-1 [000] .s.. 10.5: kvfree_call_rcu: (kvfree_call_rcu+0x0/0x2e0) head=0xff1100000083e690 func=0x10"
    (seen,) = items(written(*drawn, plain))
    assert isinstance(seen, Call)
    assert seen.context == "softirq"


@pytest.mark.parametrize(
    ("event", "at", "words"),
    [
        ("kvfree_call_rcu", "kvfree_call_rcu+0x0/0x2e0", {}),
        ("mine", "kvfree_call_rcu+0x4/0x350", {}),
        ("p_kvfree_call_rcu_0", "ffffffff8111e6e0", {}),
        ("probe:kvfree_call_rcu", "ffffffff8111e6e0", {}),
        ("mine", "ffffffff8111e6e0", {"probe": "mine"}),
        ("mine", "ffffffff8111e6e0", {"probe": "kprobes/mine"}),
    ],
)
def test_the_probe_may_have_any_name(event: str, at: str, words: dict[str, str], written: Written) -> None:
    (seen,) = items(written(call(event=event, at=at)), **words)
    assert isinstance(seen, Call)
    assert (seen.address, seen.offset, seen.one_argument, seen.number) == (OBJECT, 16, False, 1)


def test_a_named_probe_is_the_only_one(written: Written) -> None:
    path = written(call(), call(event="mine"), call(event="other", at="ffffffff8111e6e0"))
    assert Counter(type(item) for item in items(path, probe="mine")) == {Unknown: 2, Call: 1}
    assert Counter(type(item) for item in items(path)) == {Unknown: 1, Call: 2}


@pytest.mark.parametrize("event", ["r_kfree_rcu_work_0", "kfree_rcu_work__return", "kfree_rcu_work_ret", "x"])
def test_returns(event: str, written: Written) -> None:
    at = (
        "(process_one_work+0x1d2/0x3e0 <- kfree_rcu_work)" if event == "x" else "(ffffffff81112345 <- ffffffff8111e6e0)"
    )
    first, second = items(written(call(), f"k-2 [001] ..... 10.6: {event}: {at}"))
    assert isinstance(first, Call)
    assert isinstance(second, Returned)
    assert (second.function, second.to) == ("kfree_rcu_work", "process_one_work" if event == "x" else "")


def test_a_probe_inside_a_function_is_not_on_its_entry(written: Written) -> None:
    _, unknown = items(written(call(), call(event="x", at="kvfree_call_rcu+0x44/0x2e0")))
    assert isinstance(unknown, Unknown)
    assert unknown.event == "x"


def test_a_caller_among_other_arguments(written: Written) -> None:
    text = call() + " extra=1 caller=put_it+0x10/0x20 more=2"
    (seen,) = items(written(text))
    assert isinstance(seen, Call)
    assert seen.caller == "put_it"


def test_the_models_own_traces_name_what_a_timer_calls_instead_of_where_it_is(written: Written) -> None:
    line = "  a-1       [000] d..1.     0.000012: {}"
    path = written(
        line.format("hrtimer_start: hrtimer=page_work function=page_work expires=12 softexpires=12 mode=REL"),
        line.format("timer_start: timer=monitor function=monitor expires=6 [timeout=5] cpu=0 idx=0 flags=I"),
        line.format("workqueue_execute_end: work struct monitor: function monitor"),
        line.format("rcu_grace_period: rcu_preempt -1187 cpuofl-bgp"),
        line.format("hrtimer_start: hrtimer=another function=page_work expires=12 softexpires=12 mode=REL"),
    )
    *told, other = Trace(path)
    assert [type(item).__name__ for item in told] == ["HrtimerStarted", "TimerStarted", "WorkEnded", "GracePeriod"]
    assert [getattr(item, "timer", getattr(item, "work", None)) for item in told] == [None] * 4
    assert getattr(told[3], "step", "") == "cpuofl-bgp"
    # What is neither an address nor that name is wrong as ever.
    assert isinstance(other, Broken)


def test_stacks_are_passed_over(written: Written) -> None:
    stack = [
        "kvt1-70 [001] ..... 10.6: <stack trace>",
        " => kvfree_call_rcu",
        " => ksys_write",
        "\tffffffff8111e6e1 kvfree_call_rcu+0x1 ([kernel.kallsyms])",
        "",
    ]
    assert [type(item) for item in items(written(call(), *stack, call(700000)))] == [Call, Call]


def test_what_events_say() -> None:
    read = items(DATA / "kvfree-6.12" / "l_ready_warm300_gp_vmalloc5_min5.txt.gz")
    timer = next(item for item in read if isinstance(item, TimerStarted))
    assert (timer.timeout, timer.expires - timer.now, timer.on_cpu) == (1250, 1250, 1)
    blocks = [(item.channel, item.nr_records) for item in read if isinstance(item, BlockFreed)]
    assert (0, 300) in blocks
    assert (1, 5) in blocks
    queued = {item.workqueue for item in read if isinstance(item, WorkQueued) and item.function == "kfree_rcu_monitor"}
    assert queued == {"kvfree_rcu_reclaim"}
    krcps = {item.argument for item in read if isinstance(item, Entered) and item.function == "kvfree_rcu_queue_batch"}
    assert len(krcps) == 1
    steps = Counter(item.step for item in read if isinstance(item, GracePeriod))
    assert steps["start"] == steps["end"] or abs(steps["start"] - steps["end"]) == 1


@pytest.mark.parametrize(
    ("line", "gap"),
    [
        ("CPU:1 [LOST 12 EVENTS]", (Missing.LOST, 1, 12)),
        ("CPU:1 [LOST EVENTS]", (Missing.LOST, 1, None)),
        ("CPU:3 [7 EVENTS DROPPED]", (Missing.LOST, 3, 7)),
        ("swapper 0 [002] 10.6: PERF_RECORD_LOST lost 9", (Missing.LOST, None, 9)),
        ("##### CPU 2 buffer started ####", (Missing.OVERWRITTEN, 2, None)),
        ("# TRUNCATED at 2 MB", (Missing.CUT, None, None)),
        ("# entries-in-buffer/entries-written: 10/12   #P:2", (Missing.OVERWRITTEN, None, 2)),
    ],
)
def test_gaps(line: str, gap: tuple[Missing, int | None, int | None], written: Written) -> None:
    first, second, third = items(written(call(), line, call(700000)))
    assert isinstance(second, Gap)
    assert (second.missing, second.cpu, second.events) == gap
    assert (first.number, second.number, third.number) == (1, 2, 3)


def test_time_that_goes_back_is_told_where_it_does(written: Written) -> None:
    read = items(written(call(700000), call(600000), call(650000)))
    assert [type(item) for item in read] == [Call, Gap, Call, Call]
    assert isinstance(read[1], Gap)
    assert (read[1].missing, read[1].number) == (Missing.BACKWARDS, 2)


@pytest.mark.parametrize("length", [20, 60, 95])
@pytest.mark.parametrize("packed", [False, True])
def test_a_cut_file_says_so(length: int, packed: bool, written: Written, tmp_path: Path) -> None:
    text = f"{call()}\n{call(600000)[:length]}"
    path = written(text, end="")
    if packed:
        path = tmp_path / "x.gz"
        whole = gzip.compress((f"{call()}\n" * 5000).encode(), mtime=0)
        path.write_bytes(whole[:-12])
    read = items(path)
    assert isinstance(read[0], Call)
    assert isinstance(read[-1], Gap)
    assert read[-1].missing is Missing.CUT
    assert sum(isinstance(item, Gap) for item in read) == 1


def test_a_broken_line_in_the_middle_is_broken(written: Written) -> None:
    read = items(written(call(), call(600000)[:-16], call(700000)))
    assert [type(item) for item in read] == [Call, Broken, Call]


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        (call().replace("0xff1100000083e690", "0xff11000"), "a pointer cut in two"),
        (call().replace("func=0x10", "func=0x1"), "no object and its rcu_head"),
        (STATE.format(3, 1, 1, 1), "count=3, but head, slab and vmal are 2 together"),
        (STATE.format(2, 1, 1, 0), "slab=1/0pg"),
        (STATE.format(2, 1, 1, 2), "slab=1/2pg"),
        (STATE.format(2, 1, 1, "x"), "does not say"),
        (HEAD + "11.0: kvt_write: KRCADDR cpu=1 monitor_work=ff", "does not say"),
    ],
)
def test_broken_lines(line: str, wrong: str, written: Written) -> None:
    _, broken, _ = items(written(call(), line, call(999999).replace(" 10.", " 11.")))
    assert isinstance(broken, Broken)
    assert wrong in broken.wrong
    assert broken.text == line


def test_another_kernels_recording_is_told_from_a_broken_one(written: Written) -> None:
    for kernel, func in (("6.12.117", 0x10), ("6.1.192", OBJECT)):
        line = call().replace("func=0x10", f"func=0x{func:x}")
        broken, _ = items(written(f"# kernel: {kernel} x", line, call(600000, "x", "y+0x0/0x1")))
        assert isinstance(broken, Broken)
        assert "the kernel that the trace names" in broken.wrong


def test_states_of_the_recordings_do_not_contradict_themselves() -> None:
    states = 0
    for path in sorted(DATA.glob("kvfree*/*.txt.gz")):
        read = items(path)
        states += sum(isinstance(item, StateTold) for item in read)
        assert not any(isinstance(item, Broken) for item in read)
    assert states > 100


@pytest.mark.parametrize(
    "again",
    ["# run: another", "# tracer: nop", "# realistic recording x: y", HEAD + "10.9: kvt_write: BEGIN cold"],
)
def test_two_runs_in_one_file_are_refused(again: str, written: Written) -> None:
    path = written("# run: one", HEAD + "10.1: kvt_write: BEGIN cold", call(), again, call(999999))
    with pytest.raises(BadInput, match=r"line 4: another run begins"):
        items(path)


def test_a_long_file_of_something_else_is_given_up(written: Written) -> None:
    path = written(*["no trace at all"] * 30_000)
    trace = Trace(path)
    with pytest.raises(BadInput, match=r"no line of ftrace text .* nor of trace-cmd report or perf script"):
        _ = trace.header


def test_items_come_with_their_text(written: Written) -> None:
    path = written(call(), "CPU:1 [LOST 12 EVENTS]", call(700000), end="\nkvt1-70 [00")
    texts = [text for _, text in Trace(path).with_text()]
    assert texts == [call(), "CPU:1 [LOST 12 EVENTS]", call(700000), "kvt1-70 [00"]


def test_progress_is_told(written: Written) -> None:
    heard: list[tuple[int, int]] = []
    path = written(*[call()] * 120_000)
    for _ in Trace(path, progress=lambda lines, done: heard.append((lines, done))):
        pass
    assert [lines for lines, _ in heard] == [10_000 * number for number in range(1, 13)]
    assert 0 < heard[0][1] < heard[1][1] <= path.stat().st_size


def test_marks(written: Written) -> None:
    path = written(
        "a-1 [000] ..... 1.0: tracing_mark_write: PHASE x",
        "a-1 [000] ..... 1.1: print: tracing_mark_write: PHASE y",
        "a-1 [000] ..... 1.2: bprint: runp: STMT cpu=1 free2 slab 5",
        "a-1 [000] ..... 1.3: bprint: somebody: said so",
        call(),
    )
    read = items(path)
    assert [item.text for item in read if isinstance(item, Mark)] == ["PHASE x", "PHASE y", "somebody: said so"]
    assert not any(isinstance(item, (Unknown, Broken)) for item in read)


FIELDS = st.sampled_from(
    ["head=0xff1100000083e690", "func=0x10", "(x+0x0/0x1)", "KRC cpu=1", "count=-1", "STMT cpu=1", "=", "0x", "-"]
)
EVENTS = st.sampled_from(
    [
        *("kvfree_call_rcu", "state", "runp", "kvt_write", "print", "timer_start", "hrtimer_start", "get_free_pages"),
        *("get_free_pages_ret", "kvfree_rcu_bulk", "rcu_grace_period", "workqueue_queue_work", "vfree", "x"),
    ]
)
TEXTS = st.lists(st.one_of(FIELDS, st.text(max_size=8)), max_size=6).map(" ".join)
FUZZED = st.lists(
    st.one_of(
        st.text(max_size=80),
        st.builds(
            "a-1 [000] {2} {3}.5: {0}: {1}".format, EVENTS, TEXTS, st.sampled_from(["", "....."]), st.integers(0, 9)
        ),
        st.builds("a 1 [000] 1.5: probe:{}: {}".format, EVENTS, TEXTS),
        st.builds("# {}: {}".format, st.sampled_from(["run", "kernel", "params", "tracer"]), st.text(max_size=9)),
    ),
    max_size=12,
).map("\n".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(FUZZED)
def test_whatever_stands_there_is_an_item_or_bad_input(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(text.encode("utf-8", "replace"))
    try:
        read = items(path)
    except BadInput as error:
        message = str(error)
    else:
        assert any(not isinstance(item, Gap) for item in read)
        return
    assert len(message.splitlines()) == 1
