"""Whole recordings: the numbers of the summaries made with them, and everything that is no recording."""

import gzip
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rcuactors.errors import BadInput
from rcuactors.recordings import Recording, UnknownLine, read_recording

DATA = Path(__file__).parents[1] / "data" / "recordings"

CALL = "kvt1-70 [001] ..... 10.5: kvfree_call_rcu: (kvfree_call_rcu+0x0/0x2e0) head={} func={}\n"
ONE_CALL = CALL.format("0xff1100000083e690", "0x10")


class Row(NamedTuple):
    """A row of kvfree_summary*.csv, in the order of its columns."""

    run: str
    two_arg_slab: int
    two_arg_vmalloc: int
    single_arg: int
    bulk_nr_records_in_order: tuple[int, ...]
    vmalloc_channel_freed: int
    per_object_channel3_freed: int
    cache_refill_work_runs: int
    refill_page_tries: int  # the column is called refill_pages_allocated, but counts failures as well
    refill_pages_alloc_failed: int
    single_arg_page_tries: int
    page_hrtimer_starts: int
    monitor_runs: int
    kfree_rcu_work_runs: int
    gp_starts: int
    gp_ends: int
    caller_flags: str
    context: str  # not from the summary: what the script says


# fmt: off
ROWS = [
    Row("kvfree/a_cold_1_min5_rep1", 1, 0, 0, (), 0, 1, 1, 5, 0, 0, 1, 1, 1, 1, 1,
        ".....:1", "process"),
    Row("kvfree/a_cold_512_min5", 512, 0, 0, (), 0, 512, 1, 5, 0, 0, 1, 1, 1, 1, 1,
        ".....:512", "process"),
    Row("kvfree/c_mixed_512_min1", 512, 512, 0, (247, 256), 511, 10, 3, 3, 0, 0, 3, 2, 2, 2, 2,
        ".....:1024", "process"),
    Row("kvfree/d2_irqoff_600_min5", 1200, 0, 0, (90, 510), 0, 600, 1, 5, 0, 0, 1, 2, 2, 2, 2,
        "d....:1200", "irqs_off"),
    Row("kvfree/d3_preemptoff_600_min5", 1200, 0, 0, (90, 510), 0, 600, 1, 5, 0, 0, 1, 2, 2, 2, 2,
        "...1.:1200", "preempt_off"),
    Row("kvfree/d4_rcuread_600_min5", 1200, 0, 0, (90, 510), 0, 600, 1, 5, 0, 0, 1, 2, 2, 2, 2,
        ".....:1200", "rcu_read"),
    Row("kvfree/d_rawspin_1100_min5", 2200, 0, 0, (80, 510, 510), 0, 1100, 1, 5, 0, 0, 1, 2, 2, 2, 2,
        "d..1.:2200", "raw_lock"),
    Row("kvfree/e2_softirq_600_min0", 1200, 0, 0, (), 0, 1200, 2, 0, 0, 0, 2, 2, 2, 2, 2,
        ".Ns..:1105 ..s..:95", "softirq"),
    Row("kvfree/e_hardirq_600_min5", 1200, 0, 0, (90, 510), 0, 600, 1, 5, 0, 0, 1, 2, 2, 2, 2,
        "d.h1.:1200", "hardirq"),
    Row("kvfree/g_single_vmalloc_600_min0", 0, 0, 600, (), 600, 0, 0, 0, 0, 2, 0, 1, 1, 1, 1,
        ".....:600", "process"),
    Row("kvfree/g_single_warm_1100_min5", 1, 0, 1100, (80, 510, 510), 0, 1, 1, 5, 0, 0, 1, 1, 1, 1, 1,
        ".....:1101", "process"),
    Row("kvfree/i_failalloc_single_arg_5_min5", 0, 0, 5, (), 0, 0, 5, 5, 5, 5, 5, 0, 0, 0, 0,
        ".....:5", "process"),
    Row("kvfree-6.12/b_warm_507_min5", 1014, 0, 0, (506, 507), 0, 1, 1, 5, 0, 0, 1, 2, 2, 2, 2,
        ".....:1014", "process"),
    Row("kvfree-6.12/c_mixed_2_min5", 2, 2, 0, (1,), 2, 1, 1, 5, 0, 0, 1, 1, 1, 1, 1,
        ".....:4", "process"),
    Row("kvfree-6.1-rt/c_mixed_2_min5", 2, 2, 0, (1,), 2, 1, 1, 5, 0, 0, 1, 1, 1, 1, 2,
        ".......:4", "process"),
    Row("kvfree-6.1-rt/d_rawspin_600_min0", 1200, 0, 0, (), 0, 1200, 2, 0, 0, 0, 2, 2, 2, 3, 3,
        "d...1..:1200", "raw_lock"),
    Row("kvfree-6.1-rt/d_softirq_600_min5", 1200, 0, 0, (90, 510), 0, 600, 1, 5, 0, 0, 1, 2, 2, 2, 2,
        "...s.12:1200", "softirq"),
]

# A row of real_workload_summary.csv: calls, bulk sizes, freed object by object (None on stock), monitor runs,
# kfree_rcu_work runs, refill work runs, hrtimer starts, pages.
WORKLOADS = [
    ("workload/B_rps", 20, (), 20, 1, 1, 0, 0, 0),
    ("workload/B_vethroute", 503, (12, 362, 129), 0, 3, 3, 0, 0, 0),
    ("workload/stock_all", 4013, (232, 90, 510, 90, 510, 1, 510, 505, 221, 411, 349, 157, 47),
        None, 10, 10, 1, 1, 5),
]
# fmt: on


def read(run: str) -> Recording:
    return read_recording(DATA / f"{run}.txt.gz")


def write(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "x.txt"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.run)
def test_calls_are_those_of_the_summary(row: Row) -> None:
    recording = read(row.run)
    calls = Counter((call.one_argument, call.kind) for call in recording.calls)
    assert calls[(False, "slab")] == row.two_arg_slab
    assert calls[(False, "vmalloc")] == row.two_arg_vmalloc
    assert calls[(True, "slab")] + calls[(True, "vmalloc")] == row.single_arg
    flags = Counter(call.flags for call in recording.calls)
    assert flags == {word.split(":")[0]: int(word.split(":")[1]) for word in row.caller_flags.split()}
    assert {call.context for call in recording.calls} == {row.context}
    assert len({call.address for call in recording.calls}) > len(recording.calls) // 3
    assert all(recording.begin_ns < call.time_ns < recording.end_ns for call in recording.calls)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.run)
def test_observed_is_what_the_summary_says(row: Row) -> None:
    observed = read(row.run).observed
    assert observed.bulk_sizes == row.bulk_nr_records_in_order
    assert observed.vmalloc_freed == row.vmalloc_channel_freed
    assert observed.list_freed == row.per_object_channel3_freed
    assert observed.rcu_visible
    if row.monitor_runs:  # or else nothing was freed, and every grace period counts
        assert observed.grace_periods_ended == row.gp_ends


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.run)
def test_every_object_is_freed_once(row: Row) -> None:
    recording = read(row.run)
    observed = recording.observed
    freed = sum(observed.bulk_sizes) + observed.list_freed + observed.vmalloc_freed
    assert freed + observed.caller_pages_failed == len(recording.calls)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.run)
def test_what_was_run(row: Row) -> None:
    recording = read(row.run)
    assert recording.name == row.run.partition("/")[2]
    assert recording.script.startswith("@1 cold; free")
    assert recording.kernel.startswith("6.12.117 " if "6.12" in row.run else "6.1.")
    assert recording.params["rcutree.rcu_delay_page_cache_fill_msec"] == "5000"
    assert f"_min{recording.params['rcutree.rcu_min_cached_objs']}" in recording.name
    assert recording.nr_cpus == 3
    assert recording.calls_before_begin == 0
    assert recording.unknown_lines == 0
    assert recording.unknown_examples == ()
    assert not recording.truncated
    assert bool(recording.pre) == ("failalloc" in row.run)


@pytest.mark.parametrize("row", WORKLOADS, ids=lambda row: row[0])
def test_workloads(row: tuple[str, int, tuple[int, ...], int | None, int, int, int, int, int]) -> None:
    run, calls, bulk_sizes, per_object, *_ = row
    recording = read(run)
    observed = recording.observed
    assert recording.name == run.partition("/")[2]
    assert len(recording.calls) == calls
    assert observed.bulk_sizes == bulk_sizes
    assert observed.rcu_visible == (per_object is not None)
    assert observed.list_freed + observed.vmalloc_freed == (per_object or 0)
    assert recording.kernel.startswith("Linux (none) 6.1")
    assert recording.script == recording.pre == ""
    assert recording.params["loglevel"] == "4"
    assert recording.nr_cpus == 2
    assert recording.unknown_lines == recording.calls_before_begin == 0


def test_workload_callers_and_contexts() -> None:
    recording = read("workload/stock_all")
    one_argument = [call for call in recording.calls if call.one_argument]
    # rps_sock_flow_sysctl() frees a table from vmalloc. This kernel has KASLR, so no fixed range tells that.
    assert {(call.caller, call.kind) for call in one_argument} == {("rps_sock_flow_sysctl", "vmalloc")}
    assert len(one_argument) == 20
    assert {call.kind for call in recording.calls if not call.one_argument} == {"slab"}
    contexts = Counter(call.context for call in recording.calls)
    assert contexts == {"process": 3126 + 3, "preempt_off": 734 + 100, "softirq": 50}


def test_first_call_in_full() -> None:
    call = read("kvfree-6.12/c_mixed_2_min5").calls[1]
    assert (call.comm, call.cpu, call.flags, call.context) == ("kvt1", 1, ".....", "process")
    assert (call.one_argument, call.kind, call.caller) == (False, "vmalloc", "")
    assert call.address % 4096 == 0


def test_name_of_the_file_does_not_matter(tmp_path: Path) -> None:
    packed = DATA / "kvfree" / "a_cold_1_min5_rep1.txt.gz"
    plain = write(tmp_path, gzip.decompress(packed.read_bytes()))
    assert read_recording(plain) == read_recording(packed)
    assert read_recording(os.fspath(plain)) == read_recording(packed)
    renamed = write(tmp_path, packed.read_bytes())
    assert read_recording(renamed) == read_recording(packed)


def test_cut_file(tmp_path: Path) -> None:
    text = gzip.decompress((DATA / "kvfree" / "a_cold_512_min5.txt.gz").read_bytes())
    cut = text.index(b"head=", len(text) // 3) + len(b"head=0xff11000")
    recording = read_recording(write(tmp_path, text[:cut] + b"\n# TRUNCATED at 2 MB\n"))
    assert recording.truncated
    assert recording.unknown_lines == 1
    assert recording.unknown_examples[0].text.endswith("head=0xff11000")
    assert 0 < len(recording.calls) < 512


@pytest.mark.parametrize("head", ["0x0", "0", "(null)", "0000000000000000"])
def test_null_in_all_its_forms(tmp_path: Path, head: str) -> None:
    (call,) = read_recording(write(tmp_path, CALL.format(head, "0xff1100000083e690"))).calls
    assert call.one_argument
    assert call.address == 0xFF1100000083E690


@pytest.mark.parametrize(
    ("head", "func"),
    [
        ("0xff1100000083e690", "0x1"),  # 0x10, cut
        ("0xff11000000", "0x10"),
        ("0xff1100000083e69", "0x10"),
        ("0xff1100000083e691", "0x10"),
        ("0x1ff1100000083e690", "0x10"),
        ("0x0", "0x10"),
        ("0x8", "0x10"),
        ("(____ptrval____)", "0x10"),
        ("-0x8", "0x10"),
    ],
)
def test_broken_arguments(tmp_path: Path, head: str, func: str) -> None:
    recording = read_recording(write(tmp_path, ONE_CALL + CALL.format(head, func)))
    assert len(recording.calls) == recording.unknown_lines == 1


def test_statement_tells_what_flags_cannot(tmp_path: Path) -> None:
    def run(statement: str, task: str = "kvt1-70", flags: str = "d..1.") -> tuple[str, str]:
        lines = f"kvt1-70 [001] ..... 10.1: runp: {statement}\n" + ONE_CALL
        path = write(tmp_path, lines.replace("kvt1-70 [001] ..... 10.5", f"{task} [001] {flags} 10.5"))
        return read_recording(path).calls[0].context, read_recording(path).calls[0].kind

    assert run("STMT cpu=1 free2 slab 512 rawspin") == ("raw_lock", "slab")
    assert run("STMT cpu=1 burstr 60 100 5") == ("raw_lock", "slab")
    assert run("STMT cpu=1 free2 slab 512 rcuread", flags=".....") == ("rcu_read", "slab")
    assert run("STMT cpu=1 free2 slab 512 irqoff") == ("irqs_off", "slab")
    assert run("STMT cpu=1 free2 vmalloc 512 process") == ("irqs_off", "vmalloc")
    # An interrupt on top of the statement, another task beside it, and a statement that is over.
    assert run("STMT cpu=1 free2 slab 512 rawspin", flags="d.h1.") == ("hardirq", "slab")
    assert run("STMT cpu=1 free2 slab 512 rawspin", task="other-71") == ("irqs_off", "slab")
    assert run("STMT x\nkvt1-70 [001] ..... 10.2: runp: STMTEND cpu=1 x") == ("irqs_off", "slab")


def test_only_calls_after_begin_count(tmp_path: Path) -> None:
    begin = "init-1 [000] ..... 10.6: kvt_write: BEGIN cold\n"
    later = ONE_CALL.replace("10.5", "10.7").replace("[001]", "[004]")
    bulk = "k-2 [001] ..... 10.5: kmem_cache_free_bulk: (kmem_cache_free_bulk+0x0/0x20) s=0x0 size=3\n"
    recording = read_recording(write(tmp_path, ONE_CALL * 2 + bulk + begin + later + bulk))
    assert recording.calls_before_begin == 2
    assert [call.time_ns for call in recording.calls] == [10_700_000_000]
    assert (recording.begin_ns, recording.end_ns) == (10_600_000_000, 10_700_000_000)
    assert recording.observed.bulk_sizes == (3,)
    assert recording.nr_cpus == 5
    with pytest.raises(BadInput, match="after the BEGIN mark: nothing to replay"):
        read_recording(write(tmp_path, ONE_CALL + begin))


def test_unknown_lines_are_counted_and_the_first_remembered(tmp_path: Path) -> None:
    lines = ["# a comment", "", "what?", "kvt1-7 [000] ..... 1.0: strange_event: x", "y" * 1000, *"abcdef"]
    recording = read_recording(write(tmp_path, "\n".join(lines) + "\n" + ONE_CALL))
    assert recording.unknown_lines == 9
    assert [example.number for example in recording.unknown_examples] == [3, 4, 5, 6, 7]
    assert recording.unknown_examples[0] == UnknownLine(3, "what?")
    assert len(recording.unknown_examples[2].text) == 120


@pytest.mark.parametrize(
    "sign",
    [
        "# TRUNCATED at 2 MB\n",
        "# entries-in-buffer/entries-written: 10/12   #P:2\n",
        "CPU:1 [LOST 12 EVENTS]\n",
    ],
)
def test_signs_of_loss(tmp_path: Path, sign: str) -> None:
    recording = read_recording(write(tmp_path, ONE_CALL + sign))
    assert recording.truncated
    assert recording.unknown_lines == 0


def test_parameters(tmp_path: Path) -> None:
    recording = read_recording(write(tmp_path, "# params: a=1 b a=2=3 c=\n" + ONE_CALL))
    assert recording.params == {"a": "2=3", "b": "", "c": ""}
    assert recording.name == "x"
    assert recording.kernel == ""


def wrong(path: object, expected: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_recording(path)  # type: ignore[arg-type]
    message = str(caught.value)
    assert expected in message
    assert len(message.splitlines()) == 1
    assert repr(os.fspath(path)) in message  # type: ignore[call-overload]


def test_wrong_paths(tmp_path: Path) -> None:
    wrong(tmp_path / "missing", "No such file")
    wrong(tmp_path / "two\nlines", "No such file")
    wrong(tmp_path, "directory")
    wrong("a\0b", "cannot be read")
    wrong(tmp_path / ("x" * 5000), "name too long")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(tmp_path: Path) -> None:
    path = write(tmp_path, ONE_CALL)
    path.chmod(0)
    wrong(path, "Permission denied")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (gzip.compress(b"", mtime=0), "is empty once unpacked"),
        (gzip.compress(ONE_CALL.encode() * 50, mtime=0)[:40], "broken gzip file, it ends too early"),
        (b"\x1f\x8b", "broken gzip file"),
        (b"\x1f\x8bnot really", "broken gzip file"),
        (gzip.compress(ONE_CALL.encode(), mtime=0) + b"rest", "broken gzip file"),
        (bytes(range(256)), "binary data"),
        (gzip.compress(bytes(100), mtime=0), "binary data"),
        (b"\xff\xfe\xff", "no line of ftrace text"),
        (b"import os\n\nprint(os)\n", "no line of ftrace text"),
        (b"# tracer: nop\n#\n", "no line of ftrace text"),
        (b"a-1 [000] ..... 1.0: kvt_write: BEGIN cold\n", "no kvfree_call_rcu line: nothing to replay"),
        (
            b"a-1 [000] ..... 1.0: kvfree_call_rcu: (kvfree_ca\n",
            "line 1: kvfree_call_rcu: it does not say what such a line says: nothing to replay",
        ),
    ],
)
def test_wrong_contents(tmp_path: Path, content: bytes, expected: str) -> None:
    wrong(write(tmp_path, content), expected)


SAMPLE = gzip.decompress((DATA / "kvfree" / "a_cold_1_min5_rep1.txt.gz").read_bytes())


def damage(draw: Callable[[st.SearchStrategy[int]], int], content: bytes) -> bytes:
    damaged = bytearray(content)
    for _ in range(draw(st.integers(1, 8))):
        damaged[draw(st.integers(0, len(damaged) - 1))] = draw(st.integers(0, 255))
    return bytes(damaged[: draw(st.integers(0, 2 * len(damaged)))])


@st.composite
def damaged_recordings(draw: Callable[[st.SearchStrategy[int]], int]) -> bytes:
    packed = gzip.compress(damage(draw, SAMPLE), mtime=0)
    return [damage(draw, SAMPLE), packed, damage(draw, packed)][draw(st.integers(0, 2))]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.one_of(st.binary(), st.text().map(str.encode), st.binary().map(gzip.compress), damaged_recordings()))
def test_garbage_raises_nothing_but_bad_input(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path, content)
    try:
        recording = read_recording(path)
    except BadInput as error:
        message = str(error)
    else:
        assert recording.calls
        return
    assert len(message.splitlines()) == 1


def test_calls_that_are_not_as_their_kernel_has_them_are_named(tmp_path: Path) -> None:
    """A header of one kernel, and the calls of another."""
    with pytest.raises(BadInput, match=r"line 2: kvfree_call_rcu: .*not as the kernel that the trace names has it"):
        read_recording(write(tmp_path, f"# kernel: 6.12.117 (PREEMPT=y)\n{ONE_CALL}"))
