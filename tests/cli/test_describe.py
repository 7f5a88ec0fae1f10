"""`rcuactors describe`: thin, so only what it prints, and how it ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from rcuactors.describe import describe

Call = Callable[..., Result]
OneLine = Callable[..., str]


@pytest.fixture
def recording(root: Path) -> str:
    """A recording of a real kernel."""
    return str(root / "tests" / "data" / "recordings" / "kvfree" / "c_mixed_512_min1.txt.gz")


def test_as_text(call: Call, recording: str) -> None:
    result = call("describe", recording)
    assert result.stdout.splitlines() == describe(recording).lines()
    assert (result.exit_code, result.stderr) == (0, "")


def test_as_json(call: Call, recording: str) -> None:
    document = json.loads(call("describe", recording, "--json").stdout)
    assert document == json.loads(json.dumps(describe(recording).as_json()))


def test_the_probe_and_the_version_reach_the_reader(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    line = "a-1 [000] ..... 1.5: mine: (ffffffff8111e6e0) head=0x0 func=0xff1100000083e680\n"
    path.write_text(line * 2 + line.replace("head=0x0", "head=0xff1100000083e690"), encoding="utf-8")
    document = json.loads(call("describe", str(path), "--probe", "mine", "--kernel", "v6.12", "--json").stdout)
    assert document["calls"]["by_form"] == {"one_argument": 2, "two_argument": 1}
    result = call("describe", str(path), "--probe", "mine", "--kernel", "v6.1-stable")
    assert result.exit_code == 0  # the first call with two arguments shows the form


def test_problems_are_named_and_end_with_2(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    line = "a-1 [000] ..... {}: kvfree_call_rcu: (kvfree_call_rcu+0x0/0x2e0) head=0xff1100000083e690 func=0x10\n"
    path.write_text(line.format("1.5") + line.format("1.4"), encoding="utf-8")
    result = call("describe", str(path))
    assert result.exit_code == 2
    assert result.stderr.startswith(f"rcuactors: recording {str(path)!r}: line 2: time goes back")
    assert "calls" in result.stdout


def test_what_is_no_recording(one_line: OneLine, tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("import os\n", encoding="utf-8")
    assert "no line of ftrace text" in one_line("describe", str(path))
    assert "No such file" in one_line("describe", str(tmp_path / "missing"))
    assert "did you mean v6.1" in one_line("describe", str(path), "--kernel", "v6.1x")


def test_ctrl_c_gives_what_was_seen(recording: str, tmp_path: Path) -> None:
    """A pipe that nobody closes: the reading waits for more until it is interrupted."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "rcuactors", "describe", str(pipe), "--json"]
    line = "a-1 [000] ..... {}.5: kvfree_call_rcu: (kvfree_call_rcu+0x0/0x2e0) head=0xff11000000{:04x}10 func=0x10\n"
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as reading:
        with contextlib.suppress(BrokenPipeError), pipe.open("w", encoding="utf-8") as writing:
            for number in range(5000):
                writing.write(line.format(number, number))
            writing.flush()
            reading.send_signal(signal.SIGINT)
            with contextlib.suppress(BrokenPipeError):
                for number in range(5000, 9000):
                    writing.write(line.format(number, number))
                    writing.flush()
        out, err = reading.communicate(timeout=60)
    assert reading.returncode == 130
    assert err == "interrupted\n"
    document = json.loads(out)
    assert document["interrupted"]
    assert 0 < document["calls"]["count"] <= 9000
