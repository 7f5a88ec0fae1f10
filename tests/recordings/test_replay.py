"""Replays: recordings of real kernels and made-up ones, driven through a machine."""

import json
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from rcuactors.builds import BUILDS, USUAL_BUILDS
from rcuactors.context.violation import KernelBug, ViolationKind
from rcuactors.engine.events import Event
from rcuactors.errors import BadInput, StepBoundExceeded
from rcuactors.recordings import Call, Observed, Recording, UnknownLine, read_recording
from rcuactors.recordings.comparison import ReplayResult
from rcuactors.recordings.replay import Replay, replay, settings_of
from rcuactors.recordings.sections import BURST_GAP_NS, CONTEXTS, cold_cpus, feeds_of, section_gap_ns
from rcuactors.runs import RunOptions

DATA = Path(__file__).resolve().parent.parent / "data" / "recordings"
FILES = sorted(DATA.glob("*/*.txt.gz"))

US = 1000
MS = 1_000_000

NOTHING_OBSERVED = Observed(
    grace_periods_ended=0,
    bulk_sizes=(),
    list_freed=0,
    vmalloc_freed=0,
    caller_pages_failed=0,
    rcu_visible=False,
)


def call(
    time_ns: int,
    *,
    cpu: int = 0,
    context: str = "process",
    one_argument: bool = False,
    kind: str = "slab",
    pid: int = 70,
) -> Call:
    return Call(time_ns, cpu, "task", pid, ".....", context, one_argument, kind, 0xFFFF_8880_0000_0000, "")


def recording(*calls: Call, script: str = "", kernel: str = "5.11.0 #1 SMP PREEMPT") -> Recording:
    return Recording(
        name="made_up",
        script=script,
        pre="",
        params={},
        kernel=kernel,
        nr_cpus=4,
        begin_ns=0,
        end_ns=max((one.time_ns for one in calls), default=0),
        calls=calls,
        calls_before_begin=0,
        observed=NOTHING_OBSERVED,
        unknown_lines=0,
        unknown_examples=(),
        truncated=False,
    )


def drive(what: Recording, kernel: str = "v5.11", design: str | None = None, **names: object) -> ReplayResult:
    chosen = {name: str(value) for name, value in names.items()}
    return replay(what, RunOptions(kernel=kernel, design=design, settings=chosen))


def freed(result: ReplayResult) -> int:
    counters = result.result.counters
    channels = ("bulk_objects", "vmalloc_freed", "list_freed", "inline_freed")
    return sum(counters[name] for name in channels)


def real_and_machine(result: ReplayResult, *names: str) -> tuple[list[int | None], list[int]]:
    rows = {row.name: row for row in result.compared()}
    return [rows[name].real for name in names], [rows[name].machine for name in names]


# -- recordings of real kernels --


@pytest.mark.one_in(4)
@pytest.mark.parametrize("build", USUAL_BUILDS)
@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name.split('.')[0]}")
def test_real_calls_run_clean_and_every_object_is_freed_once(path: Path, build: str) -> None:
    what = read_recording(path)
    result = replay(what, RunOptions(settings=BUILDS[build].settings))
    assert result.verdict() == "clean"
    assert (result.calls, result.skipped) == (len(what.calls), 0)
    assert freed(result) == len(what.calls)
    by_form = {form: sum(row.values()) for form, row in result.calls_by_form().items()}
    counted = {form: sum(row.values()) for form, row in result.result.counters["calls"].items()}
    assert by_form == counted


@pytest.mark.parametrize("name", ["d_rawspin_1100_min5", "d2_irqoff_600_min5", "e_hardirq_600_min5"])
def test_where_the_caller_keeps_its_cpu_the_machine_frees_as_the_real_kernel_did(name: str) -> None:
    result = drive(read_recording(DATA / "kvfree" / f"{name}.txt.gz"))
    names = ("freed_bulk", "freed_vmalloc", "freed_list", "freed_inline", "bulk_frees")
    real, machine = real_and_machine(result, *names)
    assert real == machine
    assert tuple(result.result.counters["bulk_sizes_in_order"]) == result.recording.observed.bulk_sizes
    assert result.max_lag_ns < 10 * US


@pytest.mark.parametrize("context", CONTEXTS)
def test_calls_are_made_in_their_context(context: str) -> None:
    result = drive(recording(*(call(index * 10 * US, context=context) for index in range(5))))
    # A raw lock is taken with interrupts off, and a reader of a preemptible kernel is like anybody.
    seen = {"raw_lock": "irqs_off", "rcu_read": "process"}.get(context, context)
    assert result.calls_by_form() == {"two_argument": {context: 5}, "one_argument": {}}
    assert result.result.counters["calls"]["two_argument"] == {seen: 5}


def test_the_same_replay_twice_has_the_same_events() -> None:
    what = read_recording(DATA / "workload" / "B_vethroute.txt.gz")
    first, second = replay(what, RunOptions(seed=3)), replay(what, seed=3)
    assert first.result.digest is not None
    assert first.as_json() == second.as_json()


def test_waiting_callers_make_a_replay_late_and_are_freed_inline() -> None:
    what = read_recording(DATA / "kvfree" / "g_single_vmalloc_600_min0.txt.gz")
    result = drive(what)
    assert result.result.counters["inline_freed"] == len(what.calls)
    assert result.max_lag_ns > 1000 * MS


# -- the configuration --


def test_the_configuration_is_the_recorded_kernels() -> None:
    rt = read_recording(DATA / "kvfree-6.1-rt" / "d_rawspin_600_min0.txt.gz")
    assert settings_of(rt) == {
        "nr_cpus": "3",
        "PREEMPT_RT": "y",
        "HZ": "250",
        "rcu_min_cached_objs": "0",
        "rcu_delay_page_cache_fill_msec": "5000",
    }
    config = drive(evolve(rt, calls=rt.calls[:10])).result.config
    assert (config["nr_cpus"], config["PREEMPT_RT"], config["rcu_min_cached_objs"]) == ("3", "y", "0")
    workload = read_recording(DATA / "workload" / "B_rps.txt.gz")
    assert settings_of(workload) == {"nr_cpus": "2"}


def test_the_user_has_the_last_word_on_the_configuration() -> None:
    rt = read_recording(DATA / "kvfree-6.1-rt" / "d_rawspin_600_min0.txt.gz")
    few = evolve(rt, calls=rt.calls[:10])
    config = drive(few, nr_cpus=8, PREEMPT_RT="n", HZ=1000, rcu_min_cached_objs=7).result.config
    chosen = {name: config[name] for name in ("nr_cpus", "PREEMPT_RT", "HZ", "rcu_min_cached_objs")}
    assert chosen == {"nr_cpus": "8", "PREEMPT_RT": "n", "HZ": "1000", "rcu_min_cached_objs": "7"}


@pytest.mark.parametrize("value", ["", "x", "-1", "5000", "²", "99999999999999999999"])
def test_a_parameter_that_is_no_number_of_pages_is_left_to_the_version(value: str) -> None:
    what = evolve(recording(call(0)), params={"rcutree.rcu_min_cached_objs": value})
    assert "rcu_min_cached_objs" not in settings_of(what)


def test_too_few_cpus_are_refused_in_one_line() -> None:
    with pytest.raises(BadInput, match=r"^nr_cpus=2: the recording has calls on CPU 3, needs at least 4$"):
        drive(recording(call(0, cpu=3)), nr_cpus=2)


def test_a_machine_that_is_too_large_is_said_of_the_recording() -> None:
    """R5: it was nr_cpus that was blamed, which nobody had given."""
    large = evolve(recording(call(0)), nr_cpus=99999, path="large.txt")
    with pytest.raises(BadInput, match=r"^recording 'large.txt': nr_cpus=99999: needs a whole number from 1 to 4096$"):
        drive(large)
    assert drive(large, nr_cpus=2).recording.nr_cpus == 99999
    with pytest.raises(BadInput, match=r"^nr_cpus=x: "):
        drive(large, nr_cpus="x")


def test_another_version_is_told_and_the_same_one_is_not() -> None:
    real = read_recording(DATA / "kvfree" / "a_cold_1_min5_rep1.txt.gz")
    note = drive(real).version_note
    assert "Linux 6.1" in note
    assert "v5.11" in note
    assert "20 ms" in note
    assert "5 s" in note
    assert note in " ".join(" ".join(drive(real).lines()).split())
    assert drive(recording(call(0))).version_note == ""
    same_drain = drive(real, "v6.12").version_note
    assert same_drain.startswith("The recording is of Linux 6.1, the machine models v6.12: sizes of blocks")
    assert "5 s" not in drive(recording(call(0), kernel="Linux (none) 5.10.3")).version_note
    assert "unknown version" in drive(recording(call(0), kernel="")).version_note


# -- v5.9's allocation in the caller's context --


def test_v5_9_direct_reports_when_the_page_list_runs_dry_under_the_raw_lock() -> None:
    calls = [call(index * 2 * US, context="raw_lock") for index in range(20_000)]
    for many, expected in ((600, "clean"), (20_000, "1 violation: invalid-wait-context")):
        what = recording(*calls[:many], script="@0 cold; free2 slab N rawspin")
        result = drive(what, "v5.9", "direct", PROVE_RAW_LOCK_NESTING="y")
        assert result.verdict() == expected
        assert freed(result) == many
    splat = "\n".join(result.lines())
    assert "[ BUG: Invalid wait context ]" in splat
    assert splat.endswith("\n1 violation: invalid-wait-context")


def test_v5_9_direct_on_rt_reports_the_page_list_itself() -> None:
    what = read_recording(DATA / "kvfree" / "d_rawspin_1100_min5.txt.gz")
    result = drive(what, "v5.9", "direct", PROVE_RAW_LOCK_NESTING="y", PREEMPT_RT="y")
    assert result.result.kinds == {ViolationKind.INVALID_WAIT_CONTEXT}
    assert drive(what, "v5.9", PROVE_RAW_LOCK_NESTING="y", PREEMPT_RT="y").verdict() == "clean"


def test_panic_on_warn_raises_the_violation() -> None:
    what = recording(call(0, context="preempt_off", one_argument=True))
    assert drive(what, rcu_min_cached_objs=0).verdict() == "1 violation: scheduling-while-atomic"
    with pytest.raises(KernelBug, match="scheduling while atomic"):
        drive(what, rcu_min_cached_objs=0, panic_on_warn="y")


# -- calls that cannot be made --


def test_nmi_calls_are_skipped() -> None:
    result = drive(recording(call(0, context="nmi"), call(1, context="nmi"), call(2)))
    assert (result.calls, result.skipped) == (1, 2)
    assert result.as_json()["skip_reasons"] == {"called in nmi context": 2}
    assert any("2 calls not made: called in nmi context" in line for line in result.lines())


def test_nothing_but_nmi_calls_is_a_clean_run_of_nothing() -> None:
    result = drive(recording(call(5, context="nmi")))
    assert (result.calls, result.skipped, result.verdict()) == (0, 1, "clean")


@pytest.mark.parametrize("context", ["process", "raw_lock"])
def test_calls_without_memory_for_their_object_are_skipped(context: str) -> None:
    calls = [call(index * US, context=context, kind=kind) for index in range(10) for kind in ("slab", "vmalloc")]
    result = drive(recording(*calls), fail_page_alloc=100)
    assert (result.calls, result.skip_reasons) == (0, {"no memory for the object": 20})


# -- times --


class Arrivals:
    """An event sink that keeps the time and the CPU of each call."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def take(self, event: Event) -> None:
        if event.name == "kvfree_call_rcu":
            self.seen.append((event.time_ns, event.cpu))


@pytest.mark.parametrize("context", CONTEXTS)
def test_calls_come_at_their_nanosecond_on_their_cpu(context: str) -> None:
    # The first call asks for a refill, whose worker takes the CPU for a while: the others come when that is over.
    times = [0, 50_000_000, 50_000_001, 50_007_003, 51_000_001, 51_020_009, 90_000_000_017]
    what = recording(*(call(5 * MS + time, cpu=1, context=context) for time in times))
    arrivals = Arrivals()
    result = replay(what, RunOptions(sinks=(arrivals,)))
    first = arrivals.seen[0][0]
    # The third call is due one nanosecond after the second, which itself takes time: it is the late one.
    late = result.max_lag_ns
    assert 0 < late < US
    assert [time - first for time, _ in arrivals.seen] == [*times[:2], times[2] + late, *times[3:]]
    assert {cpu for _, cpu in arrivals.seen} == {1}


def test_a_waiting_one_argument_caller_does_not_hold_up_the_others_of_its_cpu() -> None:
    one = [call(index * MS, one_argument=True, pid=1) for index in range(4)]
    two = [call(index * MS + 500 * US, pid=2) for index in range(4)]
    arrivals = Arrivals()
    options = RunOptions(kernel="v5.11", settings={"rcu_min_cached_objs": "0"}, sinks=(arrivals,))
    result = replay(recording(*one, *two), options)
    assert result.max_lag_ns > 10 * MS
    early = sorted(time for time, _ in arrivals.seen)[:5]
    assert early[-1] - early[0] < 4 * MS


# -- sections --


def shape(*calls: Call, script: str = "") -> list[tuple[int, bool, list[tuple[str, int]]]]:
    feeds, _ = feeds_of(recording(*calls, script=script))
    return [(feed.cpu, feed.one_argument, [(one.context, len(one.calls)) for one in feed.sections]) for feed in feeds]


def test_a_section_is_a_burst_of_one_task_in_one_context() -> None:
    lock = "raw_lock"
    burst = [call(index * 10 * US, context=lock) for index in range(3)]
    assert shape(*burst) == [(0, False, [(lock, 3)])]
    assert shape(*burst, call(35 * US)) == [(0, False, [(lock, 3), ("process", 1)])]
    assert shape(*burst, call(35 * US, context=lock, pid=71)) == [(0, False, [(lock, 3), (lock, 1)])]
    assert shape(*burst, call(20 * US + BURST_GAP_NS, context=lock)) == [(0, False, [(lock, 3), (lock, 1)])]
    assert shape(*burst, call(5 * US, cpu=1)) == [(0, False, [(lock, 3)]), (1, False, [("process", 1)])]


def test_no_call_of_one_feeder_lies_inside_a_section_of_the_other() -> None:
    calls = [call(index * 10 * US, one_argument=index == 1) for index in range(3)]
    assert shape(*calls) == [(0, False, [("process", 1), ("process", 1)]), (0, True, [("process", 1)])]


def test_a_script_tells_how_long_a_section_may_stand_still() -> None:
    assert section_gap_ns("") == 50 * US
    assert section_gap_ns("@1 cold; free2 slab 600 rawspin; waitdrain 15") == 20 * MS
    assert section_gap_ns("@1 cold; free2 slab 600 rawspin; sleep 100; free2 slab 600 rawspin") == 20 * MS
    assert section_gap_ns("@1 cold; burstr 100 60 5; waitdrain 15 | @2 cold; sleep 50") == 5 * MS
    assert section_gap_ns("@1 cold; burst 600 12 0; waitdrain 15") == 50 * US
    paused = (call(0, context="irqs_off"), call(14 * MS, context="irqs_off"))
    assert shape(*paused, script="@0 cold; free2 slab 2 irqoff") == [(0, False, [("irqs_off", 2)])]
    in_process = (call(0), call(14 * MS))
    assert shape(*in_process, script="@0 cold; free2 slab 2 process") == [(0, False, [("process", 1)] * 2)]


def test_the_script_tells_which_caches_were_emptied() -> None:
    what = recording(call(0), script="@1 cold; free2 slab 1 | @12 cold; sleep 5 | @3 free2 slab 1")
    assert cold_cpus(what) == {1, 12}
    # v5.9 begins with filled caches: only where they were emptied must the machine take a page.
    for script, misses in (("", 0), ("@0 cold; free2 slab 1", 1)):
        assert drive(recording(call(0), script=script), "v5.9").result.counters["cache_misses"] == misses


@pytest.mark.parametrize(("cached", "misses"), [({}, 1), ({0: 0}, 1), ({0: 1}, 0), ({0: 400}, 0), ({3: 1}, 1)])
def test_a_cache_begins_with_what_a_state_says(cached: dict[int, int], misses: int) -> None:
    what = evolve(recording(call(0), call(US)), cached_pages=cached)
    assert drive(what, "v6.1-stable").result.counters["cache_misses"] == misses


def test_a_state_of_a_cpu_that_the_machine_has_not_is_no_matter() -> None:
    what = evolve(recording(call(0)), cached_pages={0: 1, 3: 1})
    assert drive(what, "v6.1-stable", nr_cpus=2).result.counters["cache_misses"] == 0


# -- the report --


def test_the_report_tells_what_was_read_driven_and_seen() -> None:
    real = read_recording(DATA / "kvfree" / "d_rawspin_1100_min5.txt.gz")
    odd = evolve(real, unknown_lines=2, unknown_examples=(UnknownLine(7, "strange"),), truncated=True)
    lines = drive(odd).lines()
    text = "\n".join(lines)
    assert "2 unknown lines\n             line 7: strange\n" in text
    assert "the recording is cut" in text
    assert "driven     2200 calls" in text
    assert "two-argument: raw_lock 2200" in text
    assert ["objects", "freed,", "list", "1100", "1100"] in [line.split() for line in lines]
    assert "bulk sizes, real     80, 510 x 2" in lines
    assert lines[-1] == "clean"


def test_what_the_kernel_did_not_show_is_not_compared() -> None:
    result = drive(read_recording(DATA / "workload" / "stock_all.txt.gz"))
    real, _ = real_and_machine(result, "freed_list", "freed_vmalloc", "freed_inline", "not_freed", "grace_periods")
    assert real == [None] * 5
    assert any(
        line.split() == ["grace", "periods", "-", str(result.result.counters["grace_periods"])]
        for line in result.lines()
    )


def test_the_json_is_plain_data_and_complete() -> None:
    what = read_recording(DATA / "kvfree" / "c_mixed_512_min1.txt.gz")
    result = drive(what)
    data = result.as_json()
    assert json.loads(json.dumps(data)) == data
    assert data["recording"] == "c_mixed_512_min1"
    assert data["kernel"] == what.kernel
    assert data["script"] == what.script
    assert data["calls"] == {"two_argument": {"process": 1024}, "one_argument": {}}
    assert (data["unknown_lines"], data["skipped"], data["max_lag_ns"]) == (0, 0, result.max_lag_ns)
    assert data["compared"]["freed_vmalloc"]["machine"] > 0
    assert data["compared"]["not_freed"] == {"real": 0, "machine": 0}
    assert data["bulk_sizes"]["real"] == list(what.observed.bulk_sizes)
    assert data["result"]["scenario"] == "replay"
    assert data["result"]["digest"] == result.result.digest


def test_only_the_first_of_many_splats_are_printed() -> None:
    what = recording(*(call(index * 100 * MS, context="preempt_off", one_argument=True) for index in range(12)))
    result = drive(what, rcu_min_cached_objs=0)
    assert result.result.violation_count == 12
    lines = result.lines()
    assert sum("BUG: scheduling while atomic" in line for line in lines) == 10
    assert lines[-3:] == ["(2 more; -v prints all that were kept)", "", "12 violations: scheduling-while-atomic"]


# -- any calls --


@st.composite
def some_calls(draw: st.DrawFn) -> Call:
    context = draw(st.sampled_from(list(CONTEXTS)))
    return call(
        draw(st.one_of(st.integers(0, 200 * US), st.integers(0, 100 * MS))),
        cpu=draw(st.integers(0, 3)),
        context=context,
        one_argument=context == "process" and draw(st.booleans()),
        kind=draw(st.sampled_from(["slab", "vmalloc"])),
        pid=draw(st.integers(1, 3)),
    )


# Long readers are left out: with one that outlasts a drain, v5.11 may free too early (commit 5da7cb193db3 mended
# it), and a replay would rightly report that.
@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    calls=st.lists(some_calls(), min_size=1, max_size=40),
    build=st.sampled_from(USUAL_BUILDS),
    cached=st.integers(0, 3),
    scripted=st.booleans(),
)
def test_any_calls_replay_clean_and_all_objects_are_freed(
    calls: list[Call], build: str, cached: int, scripted: bool
) -> None:
    what = recording(*calls, script="@0 cold; @2 cold; burst 1 1 0" if scripted else "")
    names = {"rcu_min_cached_objs": str(cached), "DEBUG_ATOMIC_SLEEP": "y", **BUILDS[build].settings}
    result = replay(what, RunOptions(settings=names))
    assert result.verdict() == "clean"
    assert result.calls == freed(result) == len(calls)


def test_a_replay_that_did_not_end_well_has_its_result() -> None:
    what = recording(*(call(index * 100 * MS, context="preempt_off", one_argument=True) for index in range(12)))
    cut = Replay(what, RunOptions(kernel="v5.11", settings={"rcu_min_cached_objs": "0"}, max_steps=300))
    with pytest.raises(StepBoundExceeded):
        cut.run()
    so_far = cut.result()
    assert 0 < so_far.calls < 12
    assert so_far.result.outcome() == "scheduling-while-atomic"
    assert so_far.lines(so_far=True)[-1].endswith(" so far: scheduling-while-atomic")
