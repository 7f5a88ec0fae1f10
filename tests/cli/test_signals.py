"""SIGTERM and SIGHUP end a command as Ctrl-C does: what was found is printed, files are whole or not there."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

Spawn = Callable[..., "subprocess.Popen[str]"]
ScenarioFile = Callable[[str], str]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends signals")
_PATIENCE_S = 30


def until(so: Callable[[], object]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def begun(path: Path) -> None:
    """The run has begun when the file that it writes its events to is there."""
    until(lambda: list(path.glob(".events.txt.*")))
    time.sleep(0.2)


# Under nohup it is ignored, as it should be.
hangs_up = pytest.mark.skipif(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN, reason="SIGHUP is ignored here")


@pytest.mark.parametrize(("how", "code"), [("SIGTERM", 143), pytest.param("SIGHUP", 129, marks=hangs_up)])
def test_what_was_found_is_printed_and_the_file_is_whole(
    spawn: Spawn, scenario_file: ScenarioFile, tmp_path: Path, how: str, code: int
) -> None:
    scenario_file("endless")
    with spawn("-m", "rcuactors", "run", "endless.py", "--events", "events.txt") as process:
        begun(tmp_path)
        process.send_signal(getattr(signal, how))
        out, said = process.communicate(timeout=_PATIENCE_S)
    assert (process.returncode, said) == (code, "interrupted\n")
    assert out.splitlines()[-1] == "clean so far"
    assert (tmp_path / "events.txt").read_text(encoding="utf-8").endswith("\n")
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []


def test_a_run_that_gives_way_to_nobody_is_named_then(
    spawn: Spawn, scenario_file: ScenarioFile, tmp_path: Path
) -> None:
    scenario_file("stuck")
    with spawn("-m", "rcuactors", "run", "stuck.py", "--events", "events.txt") as process:
        begun(tmp_path)
        process.send_signal(signal.SIGTERM)
        out, said = process.communicate(timeout=_PATIENCE_S)
    assert process.returncode == 143
    assert said in {f"interrupted at stuck.py:{line}, which gives way to nobody\n" for line in (5, 6)}
    assert out.splitlines()[-1] == "clean so far"


@pytest.mark.parametrize("before", [None, "what was there\n"])
def test_a_file_is_whole_or_as_it_was_whatever_ends_the_command(
    spawn: Spawn, scenario_file: ScenarioFile, tmp_path: Path, before: str | None
) -> None:
    """Nobody can do anything about SIGKILL: so the file gets its name when it is whole."""
    scenario_file("endless")
    target = tmp_path / "events.txt"
    if before is not None:
        target.write_text(before, encoding="utf-8")
    with spawn("-m", "rcuactors", "run", "endless.py", "--events", "events.txt") as process:
        begun(tmp_path)
        process.kill()
        process.communicate(timeout=_PATIENCE_S)
    assert process.returncode == -signal.SIGKILL
    assert (target.read_text(encoding="utf-8") if target.exists() else None) == before


def children_of(pid: int) -> set[int]:
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.add(int(stat.parent.name))
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


RECORDED = Path(__file__).parents[1] / "data" / "context-6.1" / "context-6.1.tar.xz"
WORKERS = {
    "compare": ("compare", "--jobs", "2"),
    "campaign": ("campaign", "--runs", "100000", "--jobs", "2"),
    "matrix": ("lockdep", "matrix", "--jobs", "2"),
    "ask": ("lockdep", "ask", "--all", "--against", str(RECORDED), "--jobs", "2"),
}


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at /proc")
@pytest.mark.parametrize(
    ("name", "how"), [("compare", "SIGKILL"), ("campaign", "SIGTERM"), ("matrix", "SIGKILL"), ("ask", "SIGKILL")]
)
def test_no_process_of_a_command_outlives_it(spawn: Spawn, name: str, how: str) -> None:
    with spawn("-m", "rcuactors", *WORKERS[name]) as process:
        until(lambda: len(children_of(process.pid)) >= 2 or process.poll() is not None)
        workers = children_of(process.pid)
        assert len(workers) >= 2, process.communicate()
        process.send_signal(getattr(signal, how))
        process.communicate(timeout=_PATIENCE_S)
    assert process.returncode == (143 if how == "SIGTERM" else -signal.SIGKILL)
    until(lambda: not any(map(is_alive, workers)))


def test_work_in_other_processes_is_waited_for_no_longer_than_said(spawn: Spawn) -> None:
    """The main thread waits for their answers then: a flag that asks it to stop would be seen when they come."""
    code = (
        "import time; from rcuactors.cli.session import collect; from rcuactors.lab.jobs import do_all\n"
        "print('begun', flush=True)\n"
        "error = collect(do_all(time.sleep, [600, 600], 2), print, patience_s=0.2, how_far=str)\n"
        "print(type(error).__name__)"
    )
    with spawn("-c", code) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        out, said = process.communicate(timeout=_PATIENCE_S)
    assert (out, said) == ("Interrupted\n", "")
