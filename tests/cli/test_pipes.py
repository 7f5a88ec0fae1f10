"""Pipes and devices by path: read and written as they are, wherever a command takes a file."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

ScenarioFile = Callable[[str], str]
Call = Callable[..., Result]
OneLine = Callable[..., str]
Bash = Callable[[str], "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.skipif(not Path("/dev/fd").exists() or not Path("/bin/bash").exists(), reason="needs bash")

RECORDING = "task-1 [000] ..... 1.{:06d}: kvfree_call_rcu: (kvfree_call_rcu) head=0xffff888000001110 func=0x10\n"


@pytest.fixture
def bash(tmp_path: Path, package: Path) -> Bash:
    """Run a line of bash in which `$R` is the program."""

    def call(line: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(package.parent), "R": f"{sys.executable} -m rcuactors"}
        return subprocess.run(
            ["/bin/bash", "-o", "pipefail", "-c", line],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return call


@pytest.fixture
def pipe() -> Iterator[Callable[[str], str]]:
    """A pipe that holds a text, by its path."""
    opened: list[int] = []

    def make(text: str) -> str:
        reading, writing = os.pipe()
        opened.append(reading)
        with os.fdopen(writing, "w") as out:
            out.write(text)
        return f"/dev/fd/{reading}"

    yield make
    for reading in opened:
        os.close(reading)


@pytest.mark.parametrize(
    ("name", "into"), [("/dev/stdout", "| cat"), ("link", "> out; cat out"), ("/dev/fd/1", "> out; cat out")]
)
def test_events_to_standard_output_stand_where_they_were_written(
    bash: Bash, scenario_file: ScenarioFile, tmp_path: Path, name: str, into: str
) -> None:
    scenario_file("tidy")
    (tmp_path / "link").symlink_to("/dev/stdout")
    done = bash(f"$R run tidy.py --events {name} {into}")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("tidy on ")
    assert " [00" in lines[1]
    assert lines[-1].startswith("clean (")
    figures = [line for line in lines[1:] if " [00" not in line]
    assert len(figures) < 20
    assert lines[-len(figures) :] == figures


def test_events_and_a_table_through_pipes_of_the_shells(bash: Bash, scenario_file: ScenarioFile) -> None:
    scenario_file("tidy")
    table = "$R lockdep matrix --context process --op mod_timer --csv /dev/stdout | sed -n 1p"
    done = bash(f"$R run tidy.py --events >(gzip > x.gz) > /dev/null; sleep 0.2; zcat x.gz | tail -1; {table}")
    assert (done.returncode, done.stderr) == (0, "")
    event, columns = done.stdout.splitlines()
    assert " [00" in event
    assert columns == "context,op,variant,verdict,title"


def test_a_scenario_a_design_and_costs_through_pipes(
    call: Call, scenario_file: ScenarioFile, pipe: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("new", "design", "mine").exit_code == 0
    scenario = pipe(Path(scenario_file("tidy")).read_text(encoding="utf-8"))
    design, costs = pipe(Path("mine.py").read_text(encoding="utf-8")), pipe("lock_ns = 20\n")
    done = call("run", scenario, "--design", design, "--costs", costs)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("tidy on v6.12, design mine, ")


def test_a_recording_through_a_pipe(call: Call, pipe: Callable[[str], str]) -> None:
    done = call("replay", pipe("".join(RECORDING.format(number * 1000) for number in range(20))))
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "clean"


@pytest.mark.parametrize("what", ["run", "replay", "lockdep matrix --against", "--costs", "--design"])
def test_a_device_without_end_is_not_read_to_its_end(one_line: OneLine, scenario_file: ScenarioFile, what: str) -> None:
    words = ["run", scenario_file("tidy"), what] if what.startswith("--") else what.split()
    said = one_line(*words, "/dev/zero")
    assert "/dev/zero" in said
    assert "internal error" not in said
