"""`rcuactors new design NAME`: a file that works as it is."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from rcuactors import RunOptions, run
from rcuactors.cli.new_command import design_text
from rcuactors.designs import DESIGNS
from rcuactors.userfiles import load_scenario
from rcuactors.userfiles.designs import load_design

Call = Callable[..., Result]
OneLine = Callable[..., str]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_writes_a_file_and_says_what_to_try(call: Call, elsewhere: Path) -> None:
    result = call("new", "design", "mine")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "wrote mine.py, to try it:\n  rcuactors run cold_cache_burst --design mine.py\n"
    assert [entry.name for entry in elsewhere.iterdir()] == ["mine.py"]


def test_the_command_that_it_names_runs_clean(call: Call) -> None:
    command = shlex.split(call("new", "design", "my-own").stdout.splitlines()[-1])
    assert command[0] == "rcuactors"
    result = call(*command[1:])
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("cold_cache_burst on v6.12, design my-own, ")
    assert result.stdout.splitlines()[-1].startswith("clean (")


@pytest.mark.parametrize("name", ["mine", "my-own-2", "none", "template", "template-x", "krc", "a--b-", "x" * 40])
def test_every_name_that_is_allowed_gives_a_design(call: Call, name: str) -> None:
    assert call("new", "design", name).exit_code == 0
    design = load_design(f"{name}.py")()
    assert design.name == name
    text = Path(f"{name}.py").read_text(encoding="utf-8")
    assert text.startswith(f'"""{name}: ')
    assert f"--design {name}.py`" in text
    assert ("template" in text.lower()) == ("template" in name)
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize(
    "preset", [{}, {"PROVE_RAW_LOCK_NESTING": "y"}, {"PREEMPT_RT": "y", "DEBUG_ATOMIC_SLEEP": "y"}]
)
@pytest.mark.parametrize("scenario", ["cold_cache_burst", "raw_lock_caller"])
def test_the_template_is_legal_where_the_bundled_one_is(elsewhere: Path, scenario: str, preset: dict[str, str]) -> None:
    path = elsewhere / "mine.py"
    path.write_text(design_text("mine"), encoding="utf-8")
    assert run(load_scenario(scenario), RunOptions(design=path), **preset).clean


def test_the_template_does_what_it_says(elsewhere: Path) -> None:
    """Pages by the caller from its own list, where that needs no lock, and a worker's besides."""
    path = elsewhere / "mine.py"
    path.write_text(design_text("mine"), encoding="utf-8")
    burst = load_scenario("cold_cache_burst")
    plain, rt = (run(burst, RunOptions(design=path), PREEMPT_RT=rt, kernel="v5.11").counters for rt in "ny")
    assert plain["caller_pages"] > 0
    assert rt["caller_pages"] == 0
    assert min(plain["refill_pages"], rt["refill_pages"]) > 0


def test_the_template_is_short(elsewhere: Path) -> None:
    assert 30 <= len(design_text("mine").splitlines()) <= 42


def test_a_file_that_is_there_is_left_alone(one_line: OneLine, elsewhere: Path) -> None:
    (elsewhere / "mine.py").write_text("precious\n")
    assert one_line("new", "design", "mine") == "mine.py: is there already; nothing was written"
    assert (elsewhere / "mine.py").read_text() == "precious\n"


def test_so_is_a_link_to_nowhere(one_line: OneLine, elsewhere: Path) -> None:
    (elsewhere / "mine.py").symlink_to("nowhere.py")
    assert one_line("new", "design", "mine") == "mine.py: is there already; nothing was written"
    assert not (elsewhere / "nowhere.py").exists()


def test_a_file_that_cannot_be_written(one_line: OneLine, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Path.open

    def refuse(self: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if mode == "x":
            raise PermissionError(13, "Permission denied")
        return opened(self, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    assert one_line("new", "design", "mine") == "mine.py: cannot be written: Permission denied"


RULE = "needs up to 40 letters, digits and -, beginning with a letter"


@pytest.mark.parametrize(
    ("args", "wanted"),
    [
        ((), "new needs a command: design, scenario (`rcuactors new --help` describes them)"),
        (("scenery", "x"), "command scenery: did you mean scenario? there are design, scenario"),
        (("desing", "x"), "command desing: did you mean design? there are design, scenario"),
        (("design",), "Missing argument 'NAME' (`rcuactors new design --help` shows what there is)"),
        (("design", ""), f"design name : {RULE}"),
        (("design", "my own"), f"design name my own: {RULE}"),
        (("design", "../mine"), f"design name ../mine: {RULE}"),
        (("design", "2fast"), f"design name 2fast: {RULE}"),
        (("design", "gr\u00fcn"), f"design name gr\u00fcn: {RULE}"),
        (("design", "x" * 41), f"design name {'x' * 41}: {RULE}"),
        (("design", "mine.py"), f"design name mine.py: {RULE}; did you mean mine?"),
        (("design", "json.py.py"), f"design name json.py.py: {RULE}"),
        (("design", "json"), "design name json: json.py would hide the Python module json from programs run here"),
        (("design", "trio"), "design name trio: trio.py would hide the Python module trio from programs run here"),
        (("design", "sys"), "design name sys: sys.py would hide the Python module sys from programs run here"),
    ],
)
def test_what_it_refuses(one_line: OneLine, elsewhere: Path, args: tuple[str, ...], wanted: str) -> None:
    assert one_line("new", *args) == wanted
    assert os.listdir(elsewhere) == []  # noqa: PTH208 - names are wanted


@pytest.mark.parametrize("name", list(DESIGNS))
def test_a_bundled_designs_name_is_taken(one_line: OneLine, name: str) -> None:
    assert one_line("new", "design", name.upper()) == (
        f"design name {name.upper()}: is the name of a bundled design; needs one of its own"
    )


def test_a_design_is_not_listed_among_the_bundled_ones(call: Call) -> None:
    before = call("list", "designs").stdout
    call("new", "design", "mine")
    assert call("list", "designs").stdout == before


# -- a scenario --------------------------------------------------------------------------------------------------------


def test_a_scenario_is_written_and_its_commands_run_clean(call: Call, elsewhere: Path) -> None:
    result = call("new", "scenario", "my_driver")
    assert (result.exit_code, result.stderr) == (0, "")
    first, *commands = result.stdout.splitlines()
    assert first == "wrote my_driver.py, to try it:"
    assert [shlex.split(command)[:2] for command in commands] == [["rcuactors", "run"], ["rcuactors", "check"]]
    assert call("run", "my_driver.py").stdout.splitlines()[-1].startswith("clean (")
    assert call("check", "my_driver.py", "--schedules", "80", "--kernels", "v5.9,v7.3").exit_code == 0
    text = (elsewhere / "my_driver.py").read_text()
    assert "template" not in text
    (elsewhere / "worse.py").write_text(text.replace('k.kvfree_rcu(old, "rcu")', "k.kfree(old)"))
    assert call("run", "worse.py").exit_code == 1, "the file says what its change shows"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("my-driver", "did you mean my_driver?"),
        ("driver.py", "did you mean driver?"),
        ("9", "beginning with a letter"),
        ("class", "beginning with a letter"),
        ("", "beginning with a letter"),
        ("churn", "is the name of a bundled scenario"),
        ("json", "would hide the Python module json"),
        ("../x", "beginning with a letter"),
    ],
)
def test_a_name_that_will_not_do_for_a_scenario(one_line: OneLine, elsewhere: Path, name: str, said: str) -> None:
    assert said in one_line("new", "scenario", name)
    assert list(elsewhere.iterdir()) == []


def test_a_scenario_that_is_there_stays(call: Call, one_line: OneLine, elsewhere: Path) -> None:
    assert call("new", "scenario", "mine").exit_code == 0
    (elsewhere / "mine.py").write_text("changed")
    assert "is there already" in one_line("new", "scenario", "mine")
    assert (elsewhere / "mine.py").read_text() == "changed"
