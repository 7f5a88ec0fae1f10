"""A scenario file as a program, `python -m rcuactors`, and the version."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

import rcuactors
from rcuactors.cli import main, run_script
from rcuactors.eras import ERAS
from rcuactors.userfiles import load_scenario

Spawn = Callable[..., "subprocess.Popen[str]"]
ScenarioFile = Callable[[str], str]
OneLine = Callable[..., str]


def test_a_file_as_a_program(spawn: Spawn, scenario_file: ScenarioFile, call: Callable[..., Result]) -> None:
    path = scenario_file("twice")
    with spawn(path, "--seed", "4", "--json") as process:
        out, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (1, "")
    assert json.loads(out) == json.loads(call("run", path, "--seed", "4", "--json").stdout)


def test_a_program_loses_nothing_either(spawn: Spawn, scenario_file: ScenarioFile) -> None:
    with spawn(scenario_file("midway"), "--json") as process:
        out, said = process.communicate(timeout=60)
    document = json.loads(out)
    assert (process.returncode, said) == (2, f"rcuactors: {document['error']}\n")
    assert [violation["kind"] for violation in document["violations"]] == ["double-free"]


@pytest.mark.parametrize(
    ("args", "code", "wanted"),
    [
        ((), 0, "clean"),
        (("--set", "objects=3"), 0, "calls             3 (process 3)"),
        (("--help",), 0, "--panic-on-warn"),
    ],
)
def test_the_options_are_those_of_run(
    scenario_file: ScenarioFile, capsys: pytest.CaptureFixture[str], args: tuple[str, ...], code: int, wanted: str
) -> None:
    with pytest.raises(SystemExit) as end:
        run_script(load_scenario(scenario_file("tidy")), args)
    assert end.value.code == code
    assert wanted in capsys.readouterr().out


def test_bad_options_of_a_program(scenario_file: ScenarioFile, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        run_script(load_scenario(scenario_file("tidy")), ["--kernel", "v1"])
    assert end.value.code == 2
    assert capsys.readouterr() == ("", f"rcuactors: kernel v1: there are {', '.join(ERAS)}\n")


def test_a_file_that_runs_itself_when_imported(one_line: OneLine, tmp_path: Path) -> None:
    file = tmp_path / "eager.py"
    file.write_text(
        "from rcuactors import scenario, script\n@scenario()\nasync def eager(k):\n    pass\nscript(eager)\n",
        encoding="utf-8",
    )
    said = one_line("run", str(file))
    assert 'put it under `if __name__ == "__main__":`' in said
    assert said.endswith("(line 5)")


def test_the_version(call: Callable[..., Result]) -> None:
    result = call("--version")
    assert (result.exit_code, result.stdout) == (0, f"rcuactors, version {rcuactors.__version__}\n")


@pytest.mark.parametrize("args", [("--help",), ("-h",), ("run", "--help"), ("list", "-h"), ("replay", "--help")])
def test_help(call: Callable[..., Result], args: tuple[str, ...]) -> None:
    result = call(*args)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("Usage: rcuactors")


@pytest.mark.parametrize("args", [("--help",), ("lockdep", "--help"), ("new", "--help")])
def test_help_cuts_no_sentence_short(call: Callable[..., Result], args: tuple[str, ...]) -> None:
    assert "..." not in call(*args).stdout.replace("[ARGS]...", "")


def test_rich_is_for_terminals_only(spawn: Spawn, scenario_file: ScenarioFile) -> None:
    scenario_file("tidy")
    code = (
        "import sys\nfrom rcuactors.cli import main\n"
        "try:\n    main(['run', 'tidy.py', '-v'])\n"
        "except SystemExit:\n    print('rich' in sys.modules)\n"
    )
    with spawn("-c", code) as process:
        out, _ = process.communicate(timeout=60)
    assert out.splitlines()[-1] == "False"


def test_main_is_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["list", "strategies"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("timed ")
