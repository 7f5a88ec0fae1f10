"""`--design FILE` for `run`, `replay` and scenario files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Call = Callable[..., Result]
OneLine = Callable[..., str]
ScenarioFile = Callable[[str], str]

DIRECT = """
from rcuactors.designs.direct import Direct


class Mine(Direct):
    name = "mine"
    about = "the allocation in the caller's context, under another name"

    async def get_page(self, kvfree, cpu, krcp):
        {}
        return await super().get_page(kvfree, cpu, krcp)
"""


@pytest.fixture
def recording(root: Path) -> str:
    return str(root / "tests" / "data" / "recordings" / "kvfree" / "a_cold_1_min5_rep1.txt.gz")


@pytest.fixture
def design(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Write a design that does as `direct` after a statement of its own; returns its name, in the current folder."""
    monkeypatch.chdir(tmp_path)

    def write(statement: str = "pass") -> str:
        Path("my design.py").write_text(DIRECT.format(statement), encoding="utf-8")
        return "my design.py"

    return write


def documents(call: Call, *args: str, designs: tuple[str, str]) -> list[dict[str, object]]:
    return [json.loads(call(*args, "--json", "--design", name).stdout) for name in designs]


def test_run(call: Call, design: Callable[..., str]) -> None:
    own, bundled = documents(call, "run", "cold_cache_burst", designs=(design(), "direct"))
    assert (own.pop("design"), bundled.pop("design")) == ("mine", "direct")
    assert own == bundled


def test_run_as_text(call: Call, design: Callable[..., str]) -> None:
    result = call(
        "run", "cold_cache_burst", "--design", design(), "--set", "PREEMPT_RT=y", "--set", "DEBUG_ATOMIC_SLEEP=y"
    )
    assert result.exit_code == 1
    assert result.stdout.startswith("cold_cache_burst on v6.12, design mine, ")
    assert "get_page (my design.py:11)" in result.stdout


def test_replay(call: Call, design: Callable[..., str], recording: str) -> None:
    own, bundled = documents(call, "replay", recording, designs=(design(), "direct"))
    assert own != bundled
    assert json.dumps(own).replace('"design": "mine"', '"design": "direct"') == json.dumps(bundled)


def test_a_scenario_file_as_a_program(
    spawn: Callable[..., object], scenario_file: ScenarioFile, design: Callable[..., str]
) -> None:
    with spawn(scenario_file("tidy"), "--design", design()) as process:  # type: ignore[attr-defined]
        out, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "")
    assert out.startswith("tidy on v6.12, design mine, ")


def test_what_it_prints_stays_out_of_the_document(call: Call, design: Callable[..., str]) -> None:
    name = design("print('when run')")
    Path(name).write_text("print('at load')\n" + Path(name).read_text())
    result = call("run", "cold_cache_burst", "--design", name, "--json")
    assert json.loads(result.stdout)["design"] == "mine"
    assert {"at load", "when run"} <= set(result.stderr.splitlines())


@pytest.mark.parametrize("command", ["run", "replay"])
def test_what_is_wrong_at_load(one_line: OneLine, design: Callable[..., str], recording: str, command: str) -> None:
    what = {"run": "cold_cache_burst", "replay": recording}[command]
    assert one_line(command, what, "--design", "none.py") == "design file none.py: there is no such file"
    assert one_line(command, what, "--design", design("x = = 5")) == (
        "design file my design.py: does not import: SyntaxError: invalid syntax (line 10)"
    )


@pytest.mark.parametrize("command", ["run", "replay"])
@pytest.mark.parametrize(
    ("statement", "wanted"),
    [
        ("1 / 0", "design file my design.py raised ZeroDivisionError: division by zero (my design.py:10)"),
        ("raise SystemExit", "design file my design.py raised SystemExit (my design.py:10)"),
        ("return 'page'", "design file my design.py: get_page() returned 'page' (str): needs a page frame number, or "),
    ],
)
def test_what_is_wrong_in_a_run(
    call: Call, design: Callable[..., str], recording: str, command: str, statement: str, wanted: str
) -> None:
    what = {"run": "cold_cache_burst", "replay": recording}[command]
    result = call(command, what, "--design", design(statement))
    assert result.exit_code == 2
    assert result.stderr.startswith(f"rcuactors: {wanted}")
    assert result.stderr.count("\n") == 1


def test_what_was_found_before_it_raised_is_shown(call: Call, design: Callable[..., str]) -> None:
    statement = "import trio; await trio.sleep(0); 1 / 0"
    result = call("run", "cold_cache_burst", "--design", design(statement))
    assert result.exit_code == 2
    assert "BUG: scheduling while atomic" in result.stdout
    assert (
        result.stderr
        == "rcuactors: design file my design.py raised ZeroDivisionError: division by zero (my design.py:10)\n"
    )


def test_nothing_more_is_said_of_the_other_coroutines_of_a_missing_await(
    command: Callable[..., tuple[int, str, str]], design: Callable[..., str]
) -> None:
    """Some are named nowhere; Python would complain of them when the process ends."""
    statement = "self.kept = [kvfree.pages.get_free_page(cpu.current, 0) for _ in range(3)]; return self.kept[0]"
    code, _, said = command("run", "cold_cache_burst", "--design", design(statement))
    assert code == 2
    assert said.startswith("rcuactors: design file my design.py: get_page() returned the coroutine get_free_page() ")
    assert said.count("\n") == 1


def test_an_event_file_is_not_begun_for_a_design_that_does_not_load(
    one_line: OneLine, design: Callable[..., str]
) -> None:
    one_line("run", "cold_cache_burst", "--design", design("x = = 5"), "--events", "events.txt")
    assert not Path("events.txt").exists()
