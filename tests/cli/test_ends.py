"""What would end the program, raised in a user's file, ends no command: it is told as any other mistake there."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Final

import pytest
from click.testing import Result

from rcuactors import Kernel, scenario
from rcuactors.errors import ScenarioError
from rcuactors.runs import Run
from rcuactors.runs.plain import PlainRun

Call = Callable[..., Result]

ENDS: Final = (
    "sys.exit()",
    "sys.exit(3)",
    "raise GeneratorExit",
    "raise Own",
    "raise BaseExceptionGroup('', [SystemExit()])",
)
PLACES: Final = {
    "body": "end()",
    "thread": "await k.kthread_join(await k.kthread_run(ends, cpu=1))",
    "interrupt": "await k.raise_irq(ends); await k.udelay(9)",
    "work": "await k.schedule_work(k.work(ends)); await k.msleep(9)",
    "callback": "await k.call_rcu(ends); await k.rcu_barrier()",
}
DESIGNS: Final = {
    "init": "def __init__(self): end()",
    "attach": "def attach(self, kvfree): end()",
    "get_page": "async def get_page(self, kvfree, cpu, krcp): end()",
}
COMMANDS: Final = {
    ("run",): 2,
    ("run", "--seeds", "2"): 2,
    ("explore", "--schedules", "2"): 2,
    ("campaign", "--runs", "1"): 1,
    ("compare", "--designs", "reserve", "--kernels", "v5.11:plain"): 0,
}
"""With what each ends: in a comparison, `raised` is a verdict."""


def written(path: Path, text: str, ends: str) -> str:
    path.write_text(
        "import sys\n"
        "from rcuactors import scenario\n"
        "class Own(BaseException): pass\n"
        "def end():\n"
        f"    {ends}\n"
        "async def ends(*_):\n"
        "    end()\n"
        f"{text}\n",
        encoding="utf-8",
    )
    return str(path)


def told(result: Result, code: int, where: str) -> str:
    """It ends with that, and says once which line it was."""
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    assert not isinstance(result.exception, SystemExit) or result.exception.code == code
    lines = [line for line in (result.stdout + result.stderr).splitlines() if where in line]
    assert lines, result.output
    assert len(result.stderr.splitlines()) == (code == 2), result.stderr
    return lines[0]


@pytest.mark.one_in(3)
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("place", "ends"), [*product(["body"], ENDS), *product(PLACES, ENDS[:1])])
def test_a_scenario_ends_its_run_only(
    call: Call, tmp_path: Path, command: tuple[str, ...], place: str, ends: str
) -> None:
    file = written(tmp_path / "own.py", f"@scenario()\nasync def own(k):\n    await k.msleep(1); {PLACES[place]}", ends)
    line = told(call(command[0], file, *command[1:]), COMMANDS[command], "own.py:5")
    assert "scenario own raised" in line


@pytest.mark.one_in(3)
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("place", "ends"), [*product(["get_page"], ENDS), *product(DESIGNS, ENDS[:1])])
def test_nor_does_a_design(call: Call, tmp_path: Path, command: tuple[str, ...], place: str, ends: str) -> None:
    needed = ("get_page", "missed")
    others = [f"    async def {name}(self, *_): pass\n" for name in needed if name != place]
    design = f"class OwnDesign:\n    name = about = 'own'\n{''.join(others)}    {DESIGNS[place]}"
    file = written(tmp_path / "own.py", design, ends)
    code = 2 if place == "init" or (place == "attach" and command[0] == "campaign") else COMMANDS[command]
    line = told(
        call(command[0], "cold_cache_burst", *command[1:], "--design", file), code, ":5" if place != "init" else "5)"
    )
    assert "design file" in line


@pytest.mark.parametrize("command", COMMANDS)
def test_nor_does_a_file_while_it_is_imported(call: Call, tmp_path: Path, command: tuple[str, ...]) -> None:
    for ends in ENDS:
        file = written(tmp_path / "own.py", "end()", ends)
        line = told(call(command[0], file, *command[1:]), 2, "own.py: does not import: ")
        assert line.endswith("(line 5)")


def test_ctrl_c_is_nobodys_mistake(call: Call, tmp_path: Path) -> None:
    """Not even in a group."""
    text = "@scenario()\nasync def own(k):\n    await k.msleep(1); end()"
    for ends in ("raise KeyboardInterrupt", "raise BaseExceptionGroup('', [ValueError(), KeyboardInterrupt()])"):
        file = written(tmp_path / "own.py", text, ends)
        for command in COMMANDS:
            assert call(command[0], file, *command[1:]).exit_code == 130


def test_for_who_makes_runs_in_python_too() -> None:
    """`Run.attempt()` gives back what ended it, on Trio and without; `run()` raises it as it is."""

    @scenario()
    async def script(k: Kernel) -> None:
        await k.msleep(1)
        raise SystemExit(3)

    for kind in (Run, PlainRun):
        error = kind(script).attempt()
        assert isinstance(error, ScenarioError)
        assert str(error).startswith("scenario script raised SystemExit: 3 (test_ends.py:")
        assert isinstance(error.__cause__, SystemExit)
        with pytest.raises(BaseException) as caught:  # noqa: PT011 - which it is, is asked for below
            kind(script).run()
        assert isinstance(caught.value, SystemExit | BaseExceptionGroup)


def test_nothing_else_ends_a_command_well(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """A way out that nobody has thought of is an internal error, and not an end with exit code 0."""

    def exits(*_: object) -> None:
        raise SystemExit(0)

    monkeypatch.setattr("rcuactors.cli.list_command.print_lines", exits)
    result = call("list", "kernels")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert result.stderr.startswith("rcuactors: internal error: SystemExit: 0 (test_ends.py:")
