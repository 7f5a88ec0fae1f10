"""`rcuactors check`: exit codes, what it prints, the file it leaves, Ctrl-C."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Call = Callable[..., Result]
OneLine = Callable[..., str]
ScenarioFile = Callable[[str], str]
Spawn = Callable[..., "subprocess.Popen[str]"]

SHORT = ("--kernels", "v6.12", "--jobs", "1", "--schedules", "16")


def test_a_clean_one_ends_with_0_and_says_what_is_not_covered(call: Call, scenario_file: ScenarioFile) -> None:
    result = call("check", scenario_file("tidy"), *SHORT)
    assert result.exit_code == 0
    assert "nothing found in 16 schedules on 1 version x 4 builds" in result.stdout
    assert "not covered:" in result.stdout


def test_a_finding_ends_with_1_and_its_schedule_runs_again(
    call: Call, scenario_file: ScenarioFile, tmp_path: Path
) -> None:
    file = scenario_file("twice")
    result = call("check", file, *SHORT, "--out", str(tmp_path / "found"))
    assert result.exit_code == 1
    assert "NO on v6.12: " in result.stdout
    (kept,) = (tmp_path / "found").iterdir()
    assert str(kept) in result.stdout
    again = call("replay-schedule", str(kept), file)
    assert again.exit_code == 1
    assert "double-free" in again.stdout


def test_without_a_file_the_command_that_shows_it_again(call: Call, scenario_file: ScenarioFile) -> None:
    result = call("check", scenario_file("twice"), *SHORT)
    again = result.stdout.splitlines()[-1].removeprefix("again: rcuactors ").split()
    assert "double-free" in call(*again).stdout


def test_json_is_one_document(call: Call, scenario_file: ScenarioFile) -> None:
    result = call("check", scenario_file("twice"), *SHORT, "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["verdict"] == "no"
    assert document["findings"][0]["kind"] == "double-free"
    assert document["file"] is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nosuch",), "scenario nosuch"),
        (("spin_under_raw", "--kernels", "v6.13"), "did you mean v6.1"),
        (("spin_under_raw", "--builds", "rtt"), "--builds rtt: did you mean rt?"),
        (("spin_under_raw", "--kernels", "v5.9,"), "--kernels v5.9,: needs names"),
        (("spin_under_raw", "--time", "soon"), "--time soon"),
        (("spin_under_raw", "--schedules", "0"), "--schedules 0"),
        (("spin_under_raw", "--set", "HZ=7"), "--set HZ=7"),
        (("spin_under_raw", "--set", "contended=maybe"), "contended=maybe"),
    ],
)
def test_bad_input_is_one_line(one_line: OneLine, arguments: tuple[str, ...], said: str) -> None:
    assert said in one_line("check", *arguments)


def test_a_scenario_that_raises_everywhere_is_bad_input(one_line: OneLine, scenario_file: ScenarioFile) -> None:
    assert "ZeroDivisionError" in one_line("check", scenario_file("raises"), *SHORT)


def test_an_endless_one_ends_within_its_time(call: Call, scenario_file: ScenarioFile) -> None:
    result = call("check", scenario_file("endless"), "--time", "1s", "--jobs", "1")
    assert "the bound of steps (--max-steps) or the time (--time) cut them short" in result.stdout
    # What nobody has seen the end of is not clean.
    assert "clean" not in result.stdout
    assert "nothing found before it was cut short in 1 schedule " in result.stdout
    assert result.exit_code == 1


BEGINS = '''"""begins: it says so."""
from pathlib import Path
from rcuactors import Kernel, scenario
@scenario()
async def begins(k: Kernel) -> None:
    Path("begun").touch()
    await k.kvfree_rcu(await k.kmalloc(64), "rcu")
'''


def test_ctrl_c_ends_it_with_what_was_tried(spawn: Spawn, tmp_path: Path) -> None:
    (tmp_path / "begins.py").write_text(BEGINS)
    words = ("check", "begins.py", "--jobs", "1", "--schedules", "100000", "--json")
    with spawn("-m", "rcuactors", *words) as process:
        while not (tmp_path / "begun").exists():
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    document = json.loads(out)
    assert document["error"] == "interrupted"
    assert document["schedules"] > 0
