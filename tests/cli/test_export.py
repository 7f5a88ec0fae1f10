"""`rcuactors export`: what it takes, what it writes, and what it says when it cannot."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from rcuactors.exports import ordered
from rcuactors.things import COMPARISON_KEYS
from rcuactors.traces import Broken, Trace

Call = Callable[..., Result]
OneLine = Callable[..., str]
ScenarioFile = Callable[[str], str]
Spawn = Callable[..., "subprocess.Popen[str]"]

KEPT = Path(__file__).parents[1] / "history" / "kept" / "4c33464ae85e-stale_batch-v5.11.json"
needs_dev_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")


def lines_of(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]


def test_a_scenario_and_its_events_file_say_the_same(call: Call, scenario_file: ScenarioFile, tmp_path: Path) -> None:
    path, text, events = scenario_file("tidy"), tmp_path / "a.txt", tmp_path / "e.jsonl"
    ran = call("export", path, "--set", "objects=3", "-o", str(text))
    assert (ran.exit_code, ran.stderr) == (0, "")
    head, said = ran.stdout.splitlines()
    assert head.startswith("tidy on v6.12, design hrtimer-work, objects=3 careful=y text=x, strategy timed, seed 0")
    count = len(lines_of(text))
    assert said.startswith(f"{text}: ftrace, {count:,} events on 2 CPUs, ")
    assert said.endswith("; no report")
    call("run", path, "--set", "objects=3", "--events", str(events))
    again = tmp_path / "b.txt"
    ran = call("export", str(events), "-o", str(again))
    # What the scheduler did is no part of the event stream.
    assert lines_of(again) == [line for line in lines_of(text) if ": sched_" not in line]
    assert ran.stdout == f"{again}: ftrace, {len(lines_of(again)):,} events on 2 CPUs\n"


def test_the_format_is_that_of_the_suffix_or_the_one_asked_for(call: Call, tmp_path: Path) -> None:
    for words, begins in (
        (("-o", "a.dat"), b"\x17\x08Dtracing6\0"),
        (("-o", "b.DAT"), b"\x17\x08Dtracing6\0"),
        (("-o", "c", "--format", "trace.dat"), b"\x17\x08Dtracing6\0"),
        (("-o", "d.ftrace"), b"# tracer: nop\n"),
    ):
        path = tmp_path / words[1]
        assert call("export", "spin_under_raw", "-o", str(path), *words[2:]).exit_code == 0
        assert path.read_bytes().startswith(begins)


def test_a_schedule_file_is_run_again(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    ran = call("export", str(KEPT), "-o", str(path))
    assert ran.exit_code == 0, ran.output
    shows = json.loads(KEPT.read_text(encoding="utf-8"))["shows"]
    assert shows["kind"] == "waste"  # which is no report of a kernel's, but what was looked for
    assert ran.stdout.splitlines()[-1].endswith("64.0 ms; no report, shows waste, counts_too_low")
    assert not any(isinstance(item, Broken) for item in Trace(path))


def test_what_went_wrong_in_a_run_is_said_and_what_came_is_kept(
    call: Call, scenario_file: ScenarioFile, tmp_path: Path
) -> None:
    path = tmp_path / "a.txt"
    ran = call("export", scenario_file("raises"), "-o", str(path))
    assert ran.exit_code == 2
    assert ran.stderr.startswith("rcuactors: scenario raises")
    assert ran.stderr.count("\n") == 1
    assert any("kvfree_call_rcu" in line for line in lines_of(path))
    ran = call("export", scenario_file("twice"), "-o", str(path), "--panic-on-warn")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout.splitlines()[-1].endswith("; 1 report: double-free")


def test_what_a_scenario_prints_is_not_in_the_answer(call: Call, scenario_file: ScenarioFile, tmp_path: Path) -> None:
    ran = call("export", scenario_file("chatty"), "-o", str(tmp_path / "a.txt"))
    assert "of the scenario's own" not in ran.stdout
    assert "of the scenario's own" in ran.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("churn", "-o", "a.foo"), "-o a.foo: needs a name that ends in .txt, .ftrace, .trace"),
        (("churn", "-o", "a.txt", "--format", "html"), "--format html: needs ftrace"),
        (("nosuch", "-o", "a.txt"), "scenario nosuch: no such name or file"),
        (("nosuch.json", "-o", "a.txt"), "scenario nosuch.json: no such name or file"),
        (("churn", "-o", "nosuch/a.txt"), "-o nosuch/a.txt: cannot be written: No such file or directory"),
        (("churn", "-o", "-", "--format", "ftrace"), "-o -: needs the name of a file"),
        (("churn", "-o", "a.txt", "--kernel", "v5.1"), "kernel v5.1: did you mean v5.11?"),
        (("churn", "churn", "-o", "a.txt"), "churn beside churn, which is a scenario: needs one thing"),
        ((str(KEPT), "-o", "a.txt", "--seed", "1"), "--seed: "),
    ],
)
def test_bad_input(
    one_line: OneLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: object, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert isinstance(words, tuple)
    assert one_line("export", *words).startswith(said)
    assert list(tmp_path.iterdir()) == []


GOOD = '{"time_ns":5,"cpu":0,"comm":"a","pid":1,"flags":".....","name":"console","text":"b"}\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("hello\n", "holds no line of ftrace text"),
        ("a\0b\n", "holds binary data"),
        (GOOD + "{\n", "line 2: is no JSON"),
        (GOOD + "[]\n", "line 2: is no event; needs time_ns, cpu, comm, pid, flags, name, text"),
        (GOOD + GOOD.replace("5", "5.5"), "line 2: time_ns: 5.5: is of the wrong type"),
        (GOOD + GOOD.replace("5", "-5"), "line 2: time_ns: -5: needs a whole number from 0 to 4611686018427387903"),
        (GOOD.replace('"cpu":0', '"cpu":4096'), "line 1: cpu: 4096: needs a whole number from 0 to 4095"),
        (GOOD + GOOD[:30], "line 2: ends in the middle"),
    ],
)
def test_bad_files_of_events(one_line: OneLine, tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "e.jsonl"
    path.write_text(text, encoding="utf-8")
    if not text.startswith("{"):
        path = path.rename(tmp_path / "e.txt")
    assert one_line("export", str(path), "-o", str(tmp_path / "a.dat")).startswith(f"recording {str(path)!r}: {said}")
    assert list(tmp_path.iterdir()) == [path]


def test_perfetto_needs_its_package(one_line: OneLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(sys.modules):
        if name.partition(".")[0] == "perfetto":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "perfetto", None)
    said = one_line("export", "spin_under_raw", "-o", str(tmp_path / "a.pftrace"))
    assert said == "Perfetto: the package perfetto is not there: pip install 'rcuactors[perfetto]'"
    assert list(tmp_path.iterdir()) == []


def test_a_perfetto_trace(call: Call, scenario_file: ScenarioFile, tmp_path: Path) -> None:
    schema = pytest.importorskip("perfetto.protos.perfetto.trace.perfetto_trace_pb2")
    path, trace = tmp_path / "a.pftrace", schema.Trace()
    assert call("export", "spin_under_raw", "--kernel", "v6.6", "-o", str(path)).exit_code == 0
    trace.ParseFromString(path.read_bytes())
    assert trace.packet[0].system_info.utsname.release.startswith("6.6")
    assert {packet.WhichOneof("data") for packet in trace.packet} >= {
        "track_descriptor",
        "track_event",
        "ftrace_events",
    }
    call("run", scenario_file("tidy"), "--events", str(tmp_path / "e.jsonl"))
    ran = call("export", str(tmp_path / "e.jsonl"), "-o", str(path))
    assert ran.exit_code == 0
    assert "rcuactors: cannot tell who runs between two lines: sched_switch was not recorded" in ran.stderr.splitlines()


def test_another_document_is_no_schedule(one_line: OneLine, tmp_path: Path) -> None:
    path = tmp_path / "comparison.json"
    path.write_text('{\n "designs": []\n}\n', encoding="utf-8")
    said = one_line("export", str(path), "-o", str(tmp_path / "a.dat"))
    assert said.startswith(f"{path}: is JSON, and neither a schedule nor events nor a comparison")
    path.write_text(json.dumps(dict.fromkeys(COMPARISON_KEYS)), encoding="utf-8")
    said = one_line("export", str(path), "-o", str(tmp_path / "a.dat"))
    assert said.startswith(f"{path}, which is a comparison: needs what is one run")


def test_what_a_file_lacks_is_said(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "e.txt"
    line = "  a-1  [000] .....     {}: console: b\n"
    path.write_text(
        f"{line.format('1.000000')}CPU:1 [LOST 7 EVENTS]\nwhat\n{line.format('2.000000')}", encoding="utf-8"
    )
    ran = call("export", str(path), "-o", str(tmp_path / "a.dat"))
    assert ran.exit_code == 0
    assert ran.stderr.splitlines() == [
        f"rcuactors: {path}: 1 gap in it, of which the trace says nothing",
        f"rcuactors: {path}: 1 line of it are no events, and not in the trace",
    ]


@needs_dev_full
def test_a_full_disk(one_line: OneLine) -> None:
    said = one_line("export", "spin_under_raw", "-o", "/dev/full", "--format", "trace.dat")
    assert said == "-o /dev/full: cannot be written: No space left on device"


@pytest.mark.parametrize("name", ["a.txt", "a.dat", "a.pftrace"])
def test_a_disk_that_is_full_of_what_does_not_fit_into_memory(
    one_line: OneLine, scenario_file: ScenarioFile, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    def full(_folder: Path | None) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(ordered, "HELD_BYTES", 1_000)
    monkeypatch.setattr(ordered, "scratch", full)
    path, events = scenario_file("tidy"), tmp_path / "e.txt"
    for thing in (path, str(KEPT)):
        said = one_line("export", thing, "-o", str(tmp_path / name))
        assert said == f"-o {tmp_path / name}: cannot be written: No space left on device"
    events.write_text(
        "".join(f"  a-1  [000] .....     {at}.000000: console: {'b' * 500}\n" for at in range(9)), "utf-8"
    )
    assert one_line("export", str(events), "-o", str(tmp_path / name)) == said
    assert sorted(each.name for each in tmp_path.iterdir()) == ["e.txt", "tidy.py"]


def test_a_pipe_gets_the_trace_and_nothing_else(call: Call, tmp_path: Path) -> None:
    ran = call("export", "spin_under_raw", "-o", "/dev/stdout", "--format", "ftrace")
    assert ran.stdout == ""


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
@pytest.mark.parametrize(("how", "code"), [("SIGINT", 130), ("SIGKILL", -9)])
def test_ended_in_the_middle(spawn: Spawn, scenario_file: ScenarioFile, tmp_path: Path, how: str, code: int) -> None:
    scenario_file("endless")
    with spawn("-m", "rcuactors", "export", "endless.py", "-o", "a.dat") as process:
        deadline = time.monotonic() + 30
        while not list(tmp_path.glob(".a.dat.*")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.3)
        process.send_signal(getattr(signal, how))
        out, said = process.communicate(timeout=30)
    assert process.returncode == code
    left = sorted(path.name for path in tmp_path.iterdir() if path.name != "__pycache__")
    if how == "SIGINT":
        assert (said, left) == ("interrupted\n", ["a.dat", "endless.py"])
        assert out.splitlines()[-1].startswith("a.dat: trace.dat, ")
        assert (tmp_path / "a.dat").read_bytes().startswith(b"\x17\x08Dtracing6\0")
    else:
        # What could not be tidied away is not under the name that was asked for.
        assert "a.dat" not in left
        assert len(left) == 2
