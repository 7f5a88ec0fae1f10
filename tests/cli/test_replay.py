"""`rcuactors replay`: thin, so only that the options reach the machine and the report comes out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from rcuactors.recordings import read_recording
from rcuactors.recordings.replay import replay
from rcuactors.runs import RunOptions

Call = Callable[..., Result]
OneLine = Callable[..., str]


@pytest.fixture
def recording(root: Path) -> str:
    """A recording of a real kernel: frees under a raw spinlock."""
    return str(root / "tests" / "data" / "recordings" / "kvfree" / "c_mixed_512_min1.txt.gz")


def test_the_report_as_text(call: Call, recording: str) -> None:
    result = call("replay", recording)
    expected = replay(read_recording(recording), RunOptions())
    assert result.stdout.splitlines() == expected.lines()
    assert result.exit_code == (0 if expected.result.clean else 1)
    assert not result.stderr


def test_the_report_as_json(call: Call, recording: str) -> None:
    document = json.loads(call("replay", recording, "--json", "--seed", "2").stdout)
    assert document["result"]["seed"] == 2
    assert document == json.loads(json.dumps(replay(read_recording(recording), RunOptions(seed=2)).as_json()))


def test_the_options_reach_the_machine(call: Call, recording: str) -> None:
    document = json.loads(
        call("replay", recording, "--json", "--kernel", "v5.9", "--design", "direct", "--set", "HZ=1000").stdout
    )
    result = document["result"]
    assert (result["kernel"], result["design"], result["config"]["HZ"]) == ("v5.9", "direct", "1000")


def test_events_of_a_replay(call: Call, recording: str, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    document = json.loads(call("replay", recording, "--json", "--events", str(file)).stdout)
    assert file.read_text(encoding="utf-8").count("\n") == document["result"]["events"]


def test_a_replay_that_panics(call: Call, root: Path) -> None:
    file = str(root / "tests" / "data" / "recordings" / "kvfree" / "d_rawspin_1100_min5.txt.gz")
    # With neither cached pages nor a page list worth the name, the page comes from the zone, under the raw krcp->lock.
    cold = ("--set", "pcp_batch=1", "--set", "rcu_min_cached_objs=0", "--set", "PROVE_RAW_LOCK_NESTING=y")
    args = ("replay", file, "--kernel", "v5.9", *cold, "--panic-on-warn")
    result = call(*args)
    assert result.exit_code == 1
    assert "[ BUG: Invalid wait context ]" in result.stdout
    assert result.stdout.splitlines()[-1] == "1 violation: invalid-wait-context"
    document = json.loads(call(*args, "--json").stdout)
    assert [violation["kind"] for violation in document["result"]["violations"]] == ["invalid-wait-context"]
    assert 0 < document["calls_driven"] < document["calls_recorded"]


def test_a_replay_that_is_cut_short_loses_nothing(call: Call, root: Path) -> None:
    file = str(root / "tests" / "data" / "recordings" / "kvfree" / "d_rawspin_1100_min5.txt.gz")
    cold = ("--set", "pcp_batch=1", "--set", "rcu_min_cached_objs=0", "--set", "PROVE_RAW_LOCK_NESTING=y")
    args = ("replay", file, "--kernel", "v5.9", *cold, "--max-steps", "2000")
    result = call(*args)
    assert result.exit_code == 2
    assert "[ BUG: Invalid wait context ]" in result.stdout
    assert result.stdout.splitlines()[-1] == "1 violation so far: invalid-wait-context"
    document = json.loads(call(*args, "--json").stdout)
    assert result.stderr == f"rcuactors: {document['error']}\n"
    assert [violation["kind"] for violation in document["result"]["violations"]] == ["invalid-wait-context"]


def test_verbose_prints_every_report(call: Call, tmp_path: Path) -> None:
    text = "task-1 [000] ...1. {}.{}00000: kvfree_call_rcu: (kvfree_call_rcu) head=0x0 func=0xffff888000001000\n"
    file = tmp_path / "twelve.txt"
    file.write_text("".join(text.format(index // 10, index % 10) for index in range(12)), encoding="utf-8")
    args = ("replay", str(file), "--kernel", "v5.11", "--set", "rcu_min_cached_objs=0")
    short, full = call(*args).stdout, call(*args, "-v").stdout
    assert short.splitlines()[-1] == full.splitlines()[-1] == "12 violations: scheduling-while-atomic"
    assert short.count("\nBUG: scheduling while atomic") == 10
    assert "(2 more; -v prints all that were kept)" in short.splitlines()
    assert full.count("\nBUG: scheduling while atomic") == 12
    assert "more" not in full.splitlines()[-3]


@pytest.mark.parametrize(
    ("args", "wanted"),
    [
        (("--set", "objects=3"), "--set objects: no such name; the configuration has PREEMPT"),
        (("--kernel", "v1"), "kernel v1: there are"),
        (("--max-steps", "2"), "2 steps"),
    ],
)
def test_bad_options(one_line: OneLine, recording: str, args: tuple[str, ...], wanted: str) -> None:
    assert wanted in one_line("replay", recording, *args)


def test_a_file_that_is_no_recording(one_line: OneLine, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("nothing of the kind\n", encoding="utf-8")
    assert "holds no line of ftrace text" in one_line("replay", str(file))
