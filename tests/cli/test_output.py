"""Event files, and what becomes of output that cannot be written."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from rcuactors.recordings import read_recording

Call = Callable[..., Result]
Command = Callable[..., tuple[int, str, str]]
OneLine = Callable[..., str]
ScenarioFile = Callable[[str], str]
Spawn = Callable[..., "subprocess.Popen[str]"]

needs_dev_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")


def test_events_as_ftrace_text(call: Call, scenario_file: ScenarioFile, tmp_path: Path) -> None:
    path, file = scenario_file("tidy"), tmp_path / "events.txt"
    assert call("run", path, "--events", str(file)).exit_code == 0
    lines = file.read_text(encoding="utf-8").splitlines()
    verbose = call("run", path, "-v").stdout.splitlines()
    # What the page allocator does is in the file only.
    shown = [line for line in lines if ": mm_page_" not in line]
    assert shown == verbose[1 : len(shown) + 1]
    assert 20 < len(shown) < len(lines)
    assert len(read_recording(file).calls) == 20


@pytest.mark.parametrize("suffix", ["json", "jsonl", "JSONL"])
def test_events_as_json_lines(call: Call, scenario_file: ScenarioFile, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"events.{suffix}"
    document = json.loads(call("run", scenario_file("tidy"), "--json", "--events", str(file)).stdout)
    events = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert len(events) == document["events"]
    assert sum(event["name"] == "kvfree_call_rcu" for event in events) == 20


def test_an_event_file_is_made_as_any_other_file(call: Call, scenario_file: ScenarioFile, tmp_path: Path) -> None:
    other, file = tmp_path / "other", tmp_path / "events.txt"
    other.touch()
    call("run", scenario_file("tidy"), "--events", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == stat.S_IMODE(other.stat().st_mode)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["events.txt", "other", "tidy.py"]


def test_a_symbolic_link_stays_one(call: Call, scenario_file: ScenarioFile, tmp_path: Path) -> None:
    target, link = tmp_path / "target.txt", tmp_path / "link.txt"
    link.symlink_to(target)
    call("run", scenario_file("tidy"), "--events", str(link))
    assert link.is_symlink()
    assert target.stat().st_size


@pytest.mark.parametrize("args", [("--kernel", "v1"), ("--set", "HZ=1"), ("--set", "objects=x")])
def test_an_older_file_stays_when_the_run_is_not_begun(
    call: Call, scenario_file: ScenarioFile, tmp_path: Path, args: tuple[str, ...]
) -> None:
    file = tmp_path / "events.txt"
    file.write_text("older", encoding="utf-8")
    assert call("run", scenario_file("tidy"), "--events", str(file), *args).exit_code == 2
    assert file.read_text(encoding="utf-8") == "older"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["events.txt", "tidy.py"]


@pytest.mark.parametrize(
    ("name", "args", "code"),
    [
        ("raises", (), 2),
        ("midway", (), 2),
        ("endless", ("--max-steps", "500"), 2),
        ("twice", ("--panic-on-warn",), 1),
    ],
)
def test_a_run_that_ends_badly_keeps_its_events(
    call: Call, scenario_file: ScenarioFile, tmp_path: Path, name: str, args: tuple[str, ...], code: int
) -> None:
    file = tmp_path / "events.txt"
    assert call("run", scenario_file(name), "--events", str(file), *args).exit_code == code
    assert file.read_text(encoding="utf-8").count("\n") > 0
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(["events.txt", f"{name}.py"])


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("", "is a directory"),
        ("missing/events.txt", "cannot be written: No such file or directory"),
        ("file/events.txt", "cannot be written: Not a directory"),
        ("nul\0", "cannot be written"),
    ],
)
def test_unwritable_event_files(
    one_line: OneLine, call: Call, scenario_file: ScenarioFile, tmp_path: Path, name: str, wanted: str
) -> None:
    (tmp_path / "file").touch()
    args = ("run", scenario_file("chatty"), "--events", f"{tmp_path}/{name}")
    assert wanted in one_line(*args)
    assert not call(*args).stdout, "the run must not begin"


@pytest.mark.parametrize("name", ["", "-"])
def test_an_event_file_needs_a_name(one_line: OneLine, scenario_file: ScenarioFile, name: str) -> None:
    assert "needs the name of a file" in one_line("run", scenario_file("tidy"), "--events", name)


def test_a_file_that_must_not_be_written_is_not_replaced(
    one_line: OneLine, scenario_file: ScenarioFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "events.txt"
    file.write_text("older", encoding="utf-8")
    # Root may write anything, so the answer that others get is made up here.
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != file)
    assert "cannot be written: Permission denied" in one_line("run", scenario_file("tidy"), "--events", str(file))
    assert file.read_text(encoding="utf-8") == "older"


@needs_dev_full
def test_a_full_disk_under_the_events(one_line: OneLine, scenario_file: ScenarioFile) -> None:
    assert "--events /dev/full: cannot be written: No space left" in one_line(
        "run", scenario_file("tidy"), "--events", "/dev/full"
    )
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode), "a device is written, not replaced"


@needs_dev_full
@pytest.mark.parametrize(
    "args",
    [
        ("list",),
        ("run", "tidy.py"),
        ("run", "tidy.py", "-v"),
        ("run", "tidy.py", "--json"),
        ("--version",),
        ("run", "--help"),
    ],
)
def test_a_full_disk_under_standard_output(
    command: Command, scenario_file: ScenarioFile, args: tuple[str, ...]
) -> None:
    scenario_file("tidy")
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        code, _, err = command(*args, stdout=full)
    assert code == 2
    assert err == "rcuactors: standard output: cannot be written: No space left on device\n"


@needs_dev_full
@pytest.mark.parametrize("args", [("run", "nope"), ("run", "raises.py"), ("run", "tidy.py", "--frobnicate")])
def test_a_full_disk_under_standard_error_leaves_the_exit_code(
    command: Command, scenario_file: ScenarioFile, args: tuple[str, ...]
) -> None:
    scenario_file("tidy")
    scenario_file("raises")
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        assert command(*args, stderr=full)[0] == 2


@pytest.mark.parametrize(
    "args", [("run", "endless.py", "-v"), ("list", "costs"), ("run", "tidy.py", "--json"), ("--help",)]
)
def test_a_reader_that_goes_away_is_no_error(spawn: Spawn, scenario_file: ScenarioFile, args: tuple[str, ...]) -> None:
    scenario_file("endless")
    scenario_file("tidy")
    with spawn("-m", "rcuactors", *args) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert said == ""
    assert process.returncode == 141


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
def test_a_closed_standard_output(package: Path, scenario_file: ScenarioFile, spawn: Spawn) -> None:
    scenario_file("tidy")
    code = (
        "import os, sys; os.close(1); os.execv(sys.executable, [sys.executable, '-m', 'rcuactors', 'run', 'tidy.py'])"
    )
    with spawn("-c", code) as process:
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (2, "rcuactors: standard output: is closed\n")


def test_text_that_the_encoding_lacks(spawn: Spawn, scenario_file: ScenarioFile, package: Path) -> None:
    scenario_file("tidy")
    env = {**os.environ, "PYTHONPATH": str(package.parent), "PYTHONIOENCODING": "ascii"}
    with spawn("-m", "rcuactors", "run", "tidy.py", "--set", "text=\u00e4", env=env) as process:
        out, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "")
    assert r"text=\xe4" in out
