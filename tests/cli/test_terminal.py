"""On a terminal: colours, the event log, the progress bar. A pseudo-terminal stands for it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

EVENT = re.compile(r" \[00[01]\] ")

pty = pytest.importorskip("pty")

ScenarioFile = Callable[[str], str]
OnTerminal = Callable[..., tuple[int, str]]


def _read_all(terminal: int) -> str:
    """Read until the other side is closed, which Linux reports as an error."""
    pieces = []
    while True:
        try:
            piece = os.read(terminal, 65_536)
        except OSError:
            break
        if not piece:
            break
        pieces.append(piece)
    return b"".join(pieces).decode()


@pytest.fixture
def on_terminal(package: Path, tmp_path: Path) -> OnTerminal:
    """Run the command line on a terminal; returns exit code and everything that was written."""

    def run(*args: str, **more: str) -> tuple[int, str]:
        ours, theirs = pty.openpty()
        env = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
        env |= {"PYTHONPATH": str(package.parent), "TERM": "xterm-256color", **more}
        command = [sys.executable, "-m", "rcuactors", *args]
        with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path, env=env) as process:
            os.close(theirs)
            seen = _read_all(ours)
        os.close(ours)
        return process.returncode, seen.replace("\r\n", "\n")

    return run


def test_colours_and_the_end_of_the_event_log(on_terminal: OnTerminal, scenario_file: ScenarioFile) -> None:
    code, seen = on_terminal("run", scenario_file("twice"))
    lines = seen.splitlines()
    assert code == 1
    assert "\x1b[1;31m2 violations: double-free\x1b[0m" in lines
    assert any("\x1b[1;31m" in line and "double" in line for line in lines[:-1])
    assert any("console" in line and "[000]" in line for line in lines)


def test_figures_come_first_and_no_events_without_a_report(
    on_terminal: OnTerminal, scenario_file: ScenarioFile
) -> None:
    path = scenario_file("tidy")
    _, short = on_terminal("run", path, TERM="dumb")
    _, full = on_terminal("run", path, "-v", TERM="dumb")
    assert not any(EVENT.search(line) for line in short.splitlines())
    assert short.splitlines()[1].startswith("calls ")
    rows = [line for line in full.splitlines() if EVENT.search(line)]
    assert rows
    assert not any("mm_page" in line for line in rows)


def test_with_a_report_stand_the_events_before_it(on_terminal: OnTerminal, scenario_file: ScenarioFile) -> None:
    _, seen = on_terminal("run", scenario_file("twice"), TERM="dumb")
    lines = seen.splitlines()
    events = [number for number, line in enumerate(lines) if EVENT.search(line)]
    report = next(number for number, line in enumerate(lines) if "BUG: double" in line and not EVENT.search(line))
    assert lines[1].startswith("calls ")
    assert events
    assert 1 < events[0] < report
    assert "console: " in lines[events[0]] or "console " in lines[events[-1]]


def test_events_stand_in_columns(on_terminal: OnTerminal, scenario_file: ScenarioFile) -> None:
    _, seen = on_terminal("run", scenario_file("tidy"), "-v", TERM="dumb")
    rows = [line for line in seen.splitlines() if EVENT.search(line)]
    assert len({EVENT.search(line).start() for line in rows}) == 1
    assert len({line.index("kvfree_call_rcu") for line in rows if "kvfree_call_rcu " in line}) == 1


def test_no_color_is_respected(on_terminal: OnTerminal, scenario_file: ScenarioFile) -> None:
    _, seen = on_terminal("run", scenario_file("twice"), NO_COLOR="1")
    assert "\x1b[1;31m" not in seen
    assert "\x1b[3" not in seen


def test_json_is_plain_on_a_terminal_too(on_terminal: OnTerminal, scenario_file: ScenarioFile) -> None:
    code, seen = on_terminal("run", scenario_file("tidy"), "--json")
    assert code == 0
    assert seen.startswith("{\n")
    assert seen.endswith("}\n")
    assert "\x1b" not in seen


def test_a_bar_appears_when_it_takes_long(on_terminal: OnTerminal, scenario_file: ScenarioFile) -> None:
    _, seen = on_terminal("run", scenario_file("slow"))
    assert " steps, virtual time " in seen
    assert "clean" in seen.splitlines()[-1]


def test_no_bar_when_it_is_quick(on_terminal: OnTerminal, scenario_file: ScenarioFile) -> None:
    _, seen = on_terminal("run", scenario_file("tidy"))
    assert "\x1b[2K" not in seen


def test_no_bar_in_a_pipe(package: Path, scenario_file: ScenarioFile) -> None:
    env = {**os.environ, "PYTHONPATH": str(package.parent)}
    done = subprocess.run(
        [sys.executable, "-m", "rcuactors", "run", scenario_file("slow")],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    assert "\x1b" not in done.stdout


def test_a_replay_on_a_terminal(on_terminal: OnTerminal, root: Path) -> None:
    recording = root / "tests" / "data" / "recordings" / "kvfree" / "a_cold_1_min5_rep1.txt.gz"
    code, seen = on_terminal("replay", str(recording), TERM="dumb")
    lines = seen.splitlines()
    assert (code, lines[-1]) == (0, "clean")
    assert len([line for line in lines if " [000] " in line or " [001] " in line]) == 20
    assert any(line.startswith("recording  ") for line in lines)


COMPARE = ("compare", "raw_lock_caller", "--designs", "direct,hrtimer-work", "--kernels", "prove,rt", "--jobs", "1")
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def test_verdicts_have_colours(on_terminal: OnTerminal) -> None:
    code, seen = on_terminal(*COMPARE)
    assert code == 0
    assert "\x1b[32mlegal\x1b[0m" in seen
    assert "\x1b[31msleeps\x1b[0m" in seen
    plain = on_terminal(*COMPARE, NO_COLOR="1")[1]
    assert "\x1b[32m" not in plain
    assert ESCAPE.sub("", seen).splitlines()[-20:] == ESCAPE.sub("", plain).splitlines()[-20:]


@pytest.mark.parametrize("columns", [80, 120, 200])
def test_a_comparison_is_as_wide_as_the_terminal(on_terminal: OnTerminal, columns: int) -> None:
    seen = on_terminal(*COMPARE, COLUMNS=str(columns), NO_COLOR="1")[1]
    lines = [line for line in ESCAPE.sub("", seen).split("\n") if "\r" not in line]
    assert max(map(len, lines)) <= columns
    assert max(map(len, lines)) > columns * 0.8
    for head in ("raw_lock_caller", "found", "OOM"):
        assert any(head in line.split() for line in lines)


def test_an_error_is_one_line_there_too(on_terminal: OnTerminal) -> None:
    assert on_terminal("run", "nope.py") == (2, "rcuactors: scenario file nope.py: there is no such file\n")
