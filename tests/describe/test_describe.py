"""Descriptions against the summaries that were made with the recordings, and what a trace cannot tell."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rcuactors.describe import Description, describe
from rcuactors.errors import BadInput
from tests.other_tools import as_perf, as_trace_cmd, recorded

DATA = Path(__file__).parents[1] / "data" / "recordings"

Row = dict[str, str]


def rows() -> list[Row]:
    """Rows of the recordings' own summaries, for those that are in the tests' data."""
    with (DATA / "summary.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def described(run: str, **words: str) -> Description:
    return describe(DATA / f"{run}.txt.gz", **words)


def write(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "x.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


WAITS = "kvfree/i_failalloc_single_arg_5_min5"
CALL = "kvt1-70 [001] ..... {}: kvfree_call_rcu: (kvfree_call_rcu+0x0/0x2e0) head=0xff11000000{:06x} func=0x10"


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["run"])
def test_figures_are_those_of_the_summary(row: Row) -> None:
    found = described(row["run"]).as_json()
    calls, freed = found["calls"], found["freed"]
    says = {
        "two_arg_slab": calls["count"] - calls["by_kind"].get("vmalloc", 0) - calls["by_form"].get("one_argument", 0),
        "single_arg": calls["by_form"].get("one_argument", 0),
        "bulk_calls": found["bulk_sizes"]["count"],
        "bulk_total": freed["slab_blocks"],
        "vmalloc_channel_freed": freed["vmalloc_blocks"],
        "per_object_channel3_freed": freed["list"],
        "inline_sync_freed": freed["in_line"],
        "cache_refill_work_runs": found["refills"]["runs"],
        "page_hrtimer_starts": found["refills"]["asked_by_timer"],
        "monitor_runs": found["monitor_runs"],
        "kfree_rcu_work_runs": found["kfree_rcu_work_runs"],
        "gp_ends_first_queue_to_last_free": found["grace_periods"]["ended_between_first_call_and_last_free"],
        "page_tries": found["pages"]["got"] + found["pages"]["refused"],
        "page_failures": found["pages"]["refused"],
    }
    if row["run"] == "kvfree/g_single_vmalloc_600_min0":  # one argument, but of vmalloc()
        says["two_arg_slab"] = 0
    assert says == {name: int(row[name]) for name in says}
    if int(row["slab_freed_by_monitor"]) + int(row["slab_freed_by_shrinker"]):
        assert found["freed_by"]["monitor"] >= int(row["slab_freed_by_monitor"])
        assert found["freed_by"]["shrinker"] >= int(row["slab_freed_by_shrinker"])


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["run"])
def test_every_object_is_followed_from_call_to_free(row: Row) -> None:
    found = described(row["run"]).as_json()
    took, calls = found["call_to_free_ns"], found["calls"]["count"]
    assert sum(found["freed"].values()) == took["by_name"] + took["by_order"] == took["count"] == calls
    assert took["unmatched"] == took["not_followed"] == found["backlog"]["at_the_end"] == 0
    calls_of = found["calls"]
    known = sum(sort["fell_back"] for sort in calls_of["by_sort"])
    assert known + calls_of["fell_back_unknown"] == found["freed"]["list"]
    assert not calls_of["fell_back_unknown"] or (found["addresses"] == "hidden" and len(calls_of["by_sort"]) > 1)
    if row["last_free_latency_ms"]:
        # The first call is no later than any other one, and the last free no earlier.
        first, last = (float(row[f"{which}_free_latency_ms"]) * 1e6 for which in ("first", "last"))
        assert took["min"] <= first + 1000
        assert took["max"] <= last + 1000
        if calls == 1:
            assert abs(took["max"] - last) < 1000


@pytest.mark.parametrize("run", [row["run"] for row in rows()])
def test_nothing_in_a_recording_is_odd(run: str) -> None:
    description = described(run)
    assert not description.unknown
    without_calls = "barrier_idle" in run
    problems = [problem.partition(":")[0] for problem in description.problems]
    assert problems == ["holds no kvfree_call_rcu line"] * without_calls


@pytest.mark.parametrize("tool", ["trace-cmd", "trace-cmd with flags", "perf"])
@pytest.mark.parametrize("run", [WAITS, "kvfree-6.1-rt/c_mixed_2_min5", "kvfree-6.12/l_ready_warm300_gp_vmalloc5_min5"])
def test_figures_do_not_hang_on_the_tool(run: str, tool: str, tmp_path: Path) -> None:
    lines = recorded(run)
    text = as_perf(lines) if tool == "perf" else as_trace_cmd(lines, flags="flags" in tool)
    theirs = describe(write(tmp_path, *text), kernel="6.12" if "6.12" in run else "6.1").as_json()
    ours = described(run).as_json()
    same = ours.keys() - {"recording", "kernel", "script", "format", "lines", "calls", "bursts", "cannot_tell"}
    assert {name: theirs[name] for name in same} == {name: ours[name] for name in same}
    for name in ("count", "by_form", "by_cpu", "by_kind", "fell_back_unknown"):
        assert theirs["calls"][name] == ours["calls"][name]
    assert (theirs["calls"]["by_context"] == ours["calls"]["by_context"]) == ("flags" in tool)
    assert ("no flags" in " ".join(theirs["cannot_tell"])) == ("flags" not in tool)


def test_one_argument_callers_and_how_long_they_waited() -> None:
    found = described(WAITS).as_json()
    waits = found["one_argument"]
    assert (waits["pages_refused"], waits["waited_ns"]["count"], waits["still_waiting"]) == (5, 5, 0)
    # Each of them waits for a grace period at least.
    assert waits["waited_ns"]["min"] > 4_000_000
    assert waits["waited_ns"]["min"] <= waits["waited_ns"]["median"] <= waits["waited_ns"]["max"]
    assert "5 waited for a grace period" in "\n".join(described(WAITS).lines())


def test_who_fell_back_where_callers_are_told() -> None:
    found = described("workload/B_vethroute")
    calls = found.as_json()["calls"]
    assert calls["by_caller"] == {
        "drop_sysctl_table": 225,
        "ma_put": 56,
        "neigh_destroy": 44,
        "__hw_addr_del_entry": 41,
        "ip6addrlbl_net_exit": 30,
        "inet6_ifa_finish_destroy": 29,
        "mld_clear_delrec": 26,
        "fib_rules_unregister": 21,
        "dev_addr_flush": 12,
        "ip_ma_put": 9,
        "fib_notifier_ops_unregister": 6,
        "key_remove_domain": 3,
        "fib_nl_delrule": 1,
    }
    assert calls["by_context"] == {"preempt_off": 340, "process": 163}
    assert "which function calls" not in " ".join(found.cannot_tell())
    assert found.as_json()["freed"]["list"] == 0


def test_who_fell_back_by_the_object(tmp_path: Path) -> None:
    lines = [
        CALL.format(1.0, 0x1010) + " caller=first+0x1",
        CALL.format(1.1, 0x2010) + " caller=second+0x1",
        "k-2 [001] ..... 1.5: rcu_invoke_kvfree_callback: rcu_preempt rhp=ff11000000002010 func=16",
    ]
    found = describe(write(tmp_path, *lines)).as_json()
    assert {sort["caller"]: sort["fell_back"] for sort in found["calls"]["by_sort"]} == {"first": 0, "second": 1}
    assert found["call_to_free_ns"]["max"] == 400_000_000
    assert found["backlog"]["at_the_end"] == 1


def test_of_hidden_pointers_it_is_not_known_who_fell_back(tmp_path: Path) -> None:
    freed = "k-2 [001] ..... 1.5: rcu_invoke_kvfree_callback: rcu_preempt rhp=(____ptrval____) func=16"
    lines = [CALL.format(1.0, 0x1010) + " caller=first+0x1", CALL.format(1.1, 0x2010) + " caller=second+0x1"]
    found = describe(write(tmp_path, *lines, freed))
    assert found.as_json()["calls"]["fell_back_unknown"] == 1
    assert any("pointers are hidden" in sentence for sentence in found.cannot_tell())
    # With one sort of call there is no doubt.
    assert describe(write(tmp_path, lines[0], freed)).as_json()["calls"]["fell_back_unknown"] == 0


def test_backlog_over_time() -> None:
    found = described("kvfree/a_cold_512_min5").as_json()["backlog"]
    over_time = found["over_time"]
    assert found["peak"] == max(value for _, value in over_time) == 512
    assert 2 <= len(over_time) <= 60
    assert [time for time, _ in over_time] == sorted({time for time, _ in over_time})


def test_bursts() -> None:
    found = described("kvfree-6.12/n_bg_gp_burst50_every100ms_40_min5").as_json()["bursts"]
    assert found["sizes"]["median"] == 50
    assert found["sizes"]["count"] >= 40
    assert found["largest"]["calls"] == 50
    assert found["pauses_ns"]["median"] > 90_000_000


def test_refills_and_pages() -> None:
    found = described("kvfree-6.12/h_dropslab_mid_300_min5_delay200").as_json()
    assert found["refills"]["runs"] == 1
    assert found["refills"]["wait_ns"]["count"] == 1
    assert found["pages"]["got"] == 5
    assert found["pages"]["held_peak"] == 5
    assert found["shrinker"]["scans"] > 0


def test_stock_kernels_tell_less() -> None:
    description = described("workload/stock_all")
    told = " ".join(description.cannot_tell())
    assert "objects of the list and of vmalloc blocks: their frees are not recorded" in told
    assert "no probe on the return of __get_free_pages()" in told
    assert description.as_json()["calls"]["count"] == 4013
    assert not any(line.startswith("call to free") for line in description.lines())


def test_without_calls_there_is_little_to_describe(tmp_path: Path) -> None:
    grace = "rcu-17 [002] ..... 10.1: rcu_grace_period: rcu_preempt -875 start"
    description = describe(write(tmp_path, grace, "x-1 [000] ..... 10.2: mine: (ffffffff8111e6e0) head=0x0 func=0x10"))
    (problem,) = description.problems
    assert "holds no kvfree_call_rcu line" in problem
    assert "--probe" in problem
    assert description.unknown == {"mine": 1}
    (problem,) = describe(write(tmp_path, grace), probe="mine").problems
    assert problem == "holds no mine line: nobody's calls can be described"


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([CALL.format(1.2, 0x1010), CALL.format(1.1, 0x2010)], "line 2: time goes back, from 1.200000 s to 1.100000 s"),
        ([CALL.format(1.2, 0x1010), CALL.format(1.3, 0x2010).replace("0xff11000000", "0xff1100")], "cut in two"),
        (["# kernel: 6.12.117", CALL.format(1.2, 0x1010)], "not as the kernel that the trace names has it"),
    ],
)
def test_problems(tmp_path: Path, lines: list[str], problem: str) -> None:
    description = describe(write(tmp_path, *lines, CALL.format(1.4, 0x3010)))
    assert any(problem in said for said in description.problems)
    assert problem in " ".join(" ".join(description.lines()).split())


def test_a_state_that_contradicts_itself(tmp_path: Path) -> None:
    state = (
        "init-1 [000] ..... 1.5: state: KRC cpu=1 count=3 head=1 slab=1/1pg vmal=0/0pg cache=5 wip=0 backoff=0 "
        "mon_pending=1 krw0=[s0 v0 h0] krw1=[s0 v0 h0]"
    )
    (problem,) = describe(write(tmp_path, CALL.format(1.2, 0x1010), state)).problems
    assert problem == "line 2: state: count=3, but head, slab and vmal are 2 together"


def test_a_cut_recording_is_no_problem(tmp_path: Path) -> None:
    cut = "kvt1-70 [001] ..... 1.3: kvfree_call_rcu: (kv"
    path = write(tmp_path, CALL.format(1.2, 0x1010), cut, "# TRUNCATED at 2 MB")
    description = describe(path)
    assert not description.problems
    assert not description.unknown
    assert description.as_json()["gaps"] == [{"line": 3, "missing": "cut", "cpu": None, "events": None}]
    assert any("after the cut" in sentence for sentence in description.cannot_tell())
    # In the middle of a file such a line is wrong.
    (problem,) = describe(write(tmp_path, cut, CALL.format(1.4, 0x1010))).problems
    assert "does not say what such a line says" in problem


def test_lost_events_are_counted(tmp_path: Path) -> None:
    lost = [f"CPU:{cpu} [LOST 10 EVENTS]" for cpu in range(8)]
    found = describe(write(tmp_path, CALL.format(1.2, 0x1010), *lost))
    assert (found.as_json()["gap_count"], found.as_json()["lost_events"], len(found.as_json()["gaps"])) == (8, 80, 5)
    assert any("80 events that were lost" in sentence for sentence in found.cannot_tell())


def test_two_runs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="another run begins"):
        describe(write(tmp_path, "# run: a", CALL.format(1.2, 0x1010), "# run: b", CALL.format(1.3, 0x1010)))


def test_reading_ends_when_nobody_wants_more() -> None:
    answers = iter([True] * 200 + [False])
    description = describe(DATA / "kvfree" / "a_cold_512_min5.txt.gz", wanted=lambda: next(answers))
    assert description.interrupted
    assert 0 < description.as_json()["calls"]["count"] < 512
    assert any("interrupted" in line for line in description.lines())


def test_bars_only_where_they_can_be_seen() -> None:
    description = described("kvfree/d_rawspin_1100_min5")
    plain, drawn = "\n".join(description.lines()), "\n".join(description.lines(bars=True))
    assert not set("▁▂▃▄▅▆▇█") & set(plain)
    assert "█" in drawn
    assert Counter(drawn.split())["▂"] == 0
    assert [line.split("  ")[0] for line in plain.splitlines() if line][:4] == ["recording", "kernel", "script", "read"]


SAMPLE = gzip.decompress((DATA / "kvfree" / "i_failalloc_single_arg_5_min5.txt.gz").read_bytes()).splitlines()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.data())
def test_a_damaged_recording_is_described_or_bad_input(tmp_path: Path, data: st.DataObject) -> None:
    lines = list(SAMPLE)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(lines) - 1))
        match data.draw(st.sampled_from(["drop", "double", "cut", "swap", "change"])):
            case "drop" if len(lines) > 1:
                del lines[at]
            case "double":
                lines.insert(at, lines[at])
            case "cut":
                lines[at] = lines[at][: data.draw(st.integers(0, len(lines[at])))]
            case "swap":
                lines[at], lines[at - 1] = lines[at - 1], lines[at]
            case _ if lines[at]:
                where = data.draw(st.integers(0, len(lines[at]) - 1))
                lines[at] = lines[at][:where] + data.draw(st.binary(max_size=2)) + lines[at][where + 1 :]
    path = tmp_path / "x.txt"
    path.write_bytes(b"\n".join(lines))
    try:
        description = describe(path)
    except BadInput as error:
        message = str(error)
    else:
        json.dumps(description.as_json())
        assert description.lines(bars=True)
        return
    assert len(message.splitlines()) == 1


def test_keys_of_the_document_stay() -> None:
    document = described("kvfree/d_rawspin_1100_min5").as_json()
    json.dumps(document)
    assert list(document) == [
        *("recording", "kernel", "script", "format", "addresses", "nr_cpus", "lines", "begin_ns", "end_ns"),
        *("interrupted", "gaps", "gap_count", "lost_events", "not_understood", "problems", "calls", "bursts"),
        *("one_argument", "freed", "freed_by", "bulk_sizes", "monitor_runs", "monitor_runs_by_shrinker"),
        *("kfree_rcu_work_runs", "shrinker", "barrier_ns", "grace_periods", "refills", "pages", "backlog"),
        *("call_to_free_ns", "cannot_tell"),
    ]
