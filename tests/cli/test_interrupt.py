"""Ctrl-C: one line, what was found so far, exit code 130; also in code that never comes back to us."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

Spawn = Callable[..., "subprocess.Popen[str]"]
ScenarioFile = Callable[[str], str]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")


def _started(path: Path) -> None:
    """Wait until the run has begun: the file that it writes its events to is there."""
    deadline = time.monotonic() + 30
    while not list(path.glob(".events.txt.*")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.2)


@pytest.mark.parametrize("name", ["endless", "stuck"])
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_ctrl_c(spawn: Spawn, scenario_file: ScenarioFile, tmp_path: Path, name: str, as_json: bool) -> None:
    scenario_file(name)
    args = ("-m", "rcuactors", "run", f"{name}.py", "--events", "events.txt", *(("--json",) if as_json else ()))
    with spawn(*args) as process:
        _started(tmp_path)
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=30)
    where = re.escape(", which gives way to nobody")
    assert process.returncode == 130
    assert re.fullmatch(
        "interrupted" if name == "endless" else f"interrupted at stuck.py:[56]{where}", said.rstrip("\n")
    )
    if as_json:
        document = json.loads(out)
        assert document["error"] == said.rstrip("\n")
        assert document["violations"] == []
        events = document["events"]
    else:
        assert out.splitlines()[-1] == "clean so far"
        events = None
    # A run that was interrupted keeps the events that it had.
    written = (tmp_path / "events.txt").read_text(encoding="utf-8").count("\n")
    assert written == events if events is not None else (written > 0) == (name == "endless")


def test_ctrl_c_during_a_replay(spawn: Spawn, tmp_path: Path) -> None:
    call = "task-1 [000] ..... {}.{:06d}: kvfree_call_rcu: (kvfree_call_rcu) head=0xffff888000001110 func=0x10\n"
    calls = (call.format(time_ms // 1000, time_ms % 1000 * 1000) for time_ms in range(30_000))
    (tmp_path / "long.txt").write_text("".join(calls), encoding="utf-8")
    with spawn("-m", "rcuactors", "replay", "long.txt", "--events", "events.txt") as process:
        _started(tmp_path)
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, "interrupted\n")
    assert any(line.startswith("driven ") for line in out.splitlines())
    assert out.splitlines()[-1] == "clean so far"
    assert (tmp_path / "events.txt").stat().st_size
