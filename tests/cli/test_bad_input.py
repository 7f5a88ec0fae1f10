"""Whatever is wrong with the input: exit code 2, one line that says what would be right, no traceback."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from rcuactors import cli
from rcuactors.designs import DESIGNS

COMMANDS = ", ".join(cli.COMMANDS)
OneLine = Callable[..., str]
Command = Callable[..., tuple[int, str, str]]
Spawn = Callable[..., "subprocess.Popen[str]"]
ScenarioFile = Callable[[str], str]


@pytest.mark.parametrize(
    ("args", "wanted"),
    [
        ((), ["needs a command", COMMANDS]),
        (("runn",), ["command runn", "did you mean run?", COMMANDS]),
        (("xyzzy",), ["command xyzzy", f"there are {COMMANDS}"]),
        (("--frobnicate",), ["--frobnicate", "rcuactors --help"]),
        (("run",), ["SCENARIO", "rcuactors run --help"]),
        (("run", "cold_cache_burst", "--kernle", "v5.9"), ["--kernle", "--kernel"]),
        (("run", "cold_cache_burst", "extra"), ["extra", "rcuactors run --help"]),
        (("run", "cold_cache_burst", "--seed"), ["--seed", "--help"]),
        (("run", "cold_cache_burst", "--json=5"), ["--json", "--help"]),
        (("run", "no_such_scenario"), ["no_such_scenario", "cold_cache_burst", "one_argument"]),
        (("run", "cold_cache_brust"), ["cold_cache_brust", "did you mean cold_cache_burst?"]),
        (("run", "missing.py"), ["missing.py", "no such file"]),
        (("run", "two\nlines"), [r"two\nlines"]),
        (("run", "cold_cache_burst", "--kernel", "6.1"), ["kernel 6.1", "v5.9, v5.11"]),
        (("run", "cold_cache_burst", "--kernel", "v5.1"), ["kernel v5.1: did you mean v5.11? there are v5.9, v5.11"]),
        (("lockdep", "matrix", "--kernel", "v5.1"), ["kernel v5.1: did you mean v5.11? there are"]),
        (("compare", "--kernels", "v5.1"), ["--kernels v5.1: did you mean v5.11? there are"]),
        (("compare", "--designs", "dirct"), ["--designs dirct: did you mean direct? there are"]),
        (("run", "cold_cache_burst", "--design", "dirct"), ["design dirct: ", "did you mean direct? there are"]),
        (("run", "cold_cache_burst", "--strategy", "randm"), ["strategy randm: did you mean random? there are timed"]),
        (("run", "cold_cache_burst", "--design", "magic"), ["design magic", ", ".join(DESIGNS)]),
        (("run", "cold_cache_burst", "--strategy", "luck"), ["strategy luck", "timed, random"]),
        (("run", "cold_cache_burst", "--seed", "abc"), ["--seed abc", "whole number from 0"]),
        (("run", "cold_cache_burst", "--seed", "-1"), ["--seed -1", "whole number from 0"]),
        (("run", "cold_cache_burst", "--seed", "1_0"), ["--seed 1_0", "whole number from 0"]),
        (
            ("run", "cold_cache_burst", "--seed", str(1 << 64)),
            ["--seed 18446744073709551616", "to 18446744073709551615"],
        ),
        (("run", "cold_cache_burst", "--seed", "9" * 5000), ["--seed 999", "whole number from 0"]),
        (("run", "cold_cache_burst", "--max-steps", "0"), ["--max-steps 0", "from 1 to"]),
        (("run", "cold_cache_burst", "--max-steps", "-5"), ["--max-steps -5", "from 1 to"]),
        (("run", "cold_cache_burst", "--set", "PREEMPT_RT"), ["PREEMPT_RT", "NAME=VALUE"]),
        (("run", "cold_cache_burst", "--set", "=y"), ["=y", "NAME=VALUE"]),
        (("run", "cold_cache_burst", "--set", "PREEMPT_RT=maybe"), ["PREEMPT_RT=maybe", "y or n"]),
        (("run", "cold_cache_burst", "--set", "HZ=7"), ["HZ=7", "100, 250, 300 or 1000"]),
        (("run", "cold_cache_burst", "--set", "nr_cpus=0"), ["nr_cpus=0", "from 1 to 4096"]),
        (("run", "cold_cache_burst", "--set", "objects=many"), ["objects=many", "whole number"]),
        (("run", "cold_cache_burst", "--set", "objects=" + "9" * 5000), ["objects=999", "whole number"]),
        (("run", "cold_cache_burst", "--costs", "none.toml"), ["none.toml", "cannot be read"]),
        (("run", "cold_cache_burst", "--costs", "a\0b"), [r"a\x00b", "cannot be read"]),
        (("run", "cold_cache_burst", "--json", "-v"), ["--json and -v", "--events FILE"]),
        (("run", "cold_cache_burst", "--max-steps", "3"), ["3 steps", "--max-steps"]),
        (("list", "kernel"), ["list kernel", "did you mean kernels?"]),
        (("list", "everything"), ["list everything", "scenarios, kernels, configs, strategies, designs, costs"]),
        (("list", "kernels", "configs"), ["configs", "rcuactors list --help"]),
        (("replay",), ["FILE", "rcuactors replay --help"]),
        (("replay", "missing.txt"), ["missing.txt", "No such file"]),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_one_line(one_line: OneLine, args: tuple[str, ...], wanted: list[str]) -> None:
    said = one_line(*args)
    assert [part for part in wanted if part not in said] == []


def test_an_unknown_name_lists_the_parameters_and_the_configuration(
    one_line: OneLine, scenario_file: ScenarioFile
) -> None:
    said = one_line("run", scenario_file("tidy"), "--set", "object=3")
    assert "--set object: no such name; did you mean objects?" in said
    assert "tidy has the parameters objects, careful, text" in said
    assert "PREEMPT, PREEMPT_RT" in said


def test_names_are_found_in_any_case(one_line: OneLine) -> None:
    assert "did you mean PREEMPT_RT?" in one_line("run", "cold_cache_burst", "--set", "preempt_rt=y")


def test_the_kernels_prefix_is_taken_off(one_line: OneLine) -> None:
    assert "did you mean PREEMPT_RT?" in one_line("run", "cold_cache_burst", "--set", "CONFIG_PREEMPTRT=y")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("lock_ns = ", "not TOML"),
        ("lock_ns = -1", "lock_ns = -1"),
        ("lock_ns = true", "lock_ns = True"),
        ("lock_ns = 1.5", "lock_ns = 1.5"),
        ("locks_ns = 5", "cost locks_ns: no such cost; did you mean lock_ns?"),
        (f"lock_ns = {'9' * 5000}", "not TOML"),
        ("a = " + "[" * 100_000, "not TOML"),
    ],
    ids=["cut", "negative", "bool", "float", "unknown", "huge", "deep"],
)
def test_cost_files(one_line: OneLine, tmp_path: Path, text: str, wanted: str) -> None:
    file = tmp_path / "costs.toml"
    file.write_text(text, encoding="utf-8")
    assert wanted in one_line("run", "cold_cache_burst", "--costs", str(file))


def test_a_cost_file_that_is_no_text(one_line: OneLine, tmp_path: Path) -> None:
    file = tmp_path / "costs.toml"
    file.write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in one_line("run", "cold_cache_burst", "--costs", str(file))


def test_a_directory_is_no_scenario(one_line: OneLine, tmp_path: Path) -> None:
    assert "is a directory" in one_line("run", str(tmp_path))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("raises", "scenario raises raised ZeroDivisionError: division by zero (raises.py:6)"),
        ("asserts", "scenario asserts raised AssertionError (asserts.py:5)"),
        ("exits", "scenario exits raised SystemExit: 7 (exits.py:5)"),
    ],
)
def test_what_a_scenario_raises(one_line: OneLine, scenario_file: ScenarioFile, name: str, wanted: str) -> None:
    assert one_line("run", scenario_file(name)) == wanted


def test_what_is_raised_below_a_scenario_names_both_places(one_line: OneLine, tmp_path: Path) -> None:
    file = tmp_path / "reads.py"
    file.write_text(
        "import json\nfrom rcuactors import scenario\n@scenario()\nasync def reads(k):\n    json.loads('{')\n",
        encoding="utf-8",
    )
    said = one_line("run", str(file))
    assert said.startswith("scenario reads raised JSONDecodeError: ")
    assert "(reads.py:5, in decoder.py:" in said


def test_the_first_of_a_group_of_errors_is_named(one_line: OneLine, tmp_path: Path) -> None:
    file = tmp_path / "group.py"
    file.write_text(
        "from rcuactors import scenario\n"
        "@scenario()\n"
        "async def group(k):\n"
        "    raise ExceptionGroup('many', [ExceptionGroup('some', [KeyError('x')]), TypeError('y')])\n",
        encoding="utf-8",
    )
    assert one_line("run", str(file)).startswith("scenario group raised KeyError: 'x'")


def test_bad_input_inside_a_scenario_names_the_line(one_line: OneLine, tmp_path: Path) -> None:
    file = tmp_path / "wide.py"
    file.write_text(
        "from rcuactors import scenario\n"
        "@scenario()\n"
        "async def wide(k):\n"
        "    async with k.open_nursery() as nursery:\n"
        "        await nursery.start_soon(k.schedule, cpu=99)\n",
        encoding="utf-8",
    )
    assert one_line("run", str(file)) == "cpu=99: the machine has CPUs 0 to 1 (nr_cpus=2) (wide.py:5)"


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("k.udelay(5)", "udelay() is called without `await` (slip.py:7)"),
        ("unused = k.udelay(5)", "udelay() is called without `await` (slip.py:7)"),
        (
            "lock = k.raw_spinlock('a'); flags = k.raw_spin_lock_irqsave(lock); await k.schedule()",
            "raw_spin_lock_irqsave() is called without `await` (slip.py:7)",
        ),
        ("k.kfree(p); await k.mutex_lock(k.mutex('m'))", "kfree() is called without `await` (slip.py:7)"),
        ("await k.kthread_run(helper)", "preempt_enable() is called without `await` (slip.py:4)"),
        ("await k.kfree(k.kmalloc(64))", "needs an `await` before kmalloc() (slip.py:7)"),
        ("await k.kmallok(64)", "has no attribute 'kmallok'; did you mean kmalloc? (slip.py:7)"),
    ],
)
@pytest.mark.parametrize("as_program", [False, True])
def test_slips_of_a_beginner(spawn: Spawn, tmp_path: Path, body: str, wanted: str, as_program: bool) -> None:
    """In a process of its own, since Python must not have the last word."""
    (tmp_path / "slip.py").write_text(
        "from rcuactors import scenario, script\n"
        "async def helper():\n"
        "    kernel.preempt_disable()\n"
        "    kernel.preempt_enable()\n"
        "@scenario()\n"
        "async def slip(k, p=1):\n"
        f"    global kernel; kernel = k; {body}\n"
        "if __name__ == '__main__':\n"
        "    script(slip)\n",
        encoding="utf-8",
    )
    with spawn(*(() if as_program else ("-m", "rcuactors", "run")), "slip.py") as process:
        out, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said.startswith("rcuactors: ")
    assert wanted in said
    assert said.count("\n") == 1
    assert " so far" in out.splitlines()[-1]


def test_a_scenarios_own_warnings_are_shown(command: Command, tmp_path: Path) -> None:
    (tmp_path / "warns.py").write_text(
        "import warnings\nfrom rcuactors import scenario\n@scenario()\nasync def warns(k):\n"
        "    warnings.warn('mind the gap')\n",
        encoding="utf-8",
    )
    code, out, said = command("run", "warns.py")
    assert (code, out.splitlines()[-1].split()[0]) == (0, "clean")
    assert "mind the gap" in said


@pytest.mark.parametrize("args", [("run", "nope"), ("run", "cold_cache_burst", "--seed", "x"), ("replay", "/")])
def test_in_a_process_of_its_own(command: Command, args: tuple[str, ...]) -> None:
    code, out, err = command(*args)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "Traceback" not in err


@pytest.mark.parametrize(("last", "warns"), [("return 3", False), ("1 / 0", False), ("", True)])
def test_python_warns_only_of_a_file_that_is_right(command: Command, tmp_path: Path, last: str, warns: bool) -> None:
    """Fuzzing: beside the one line that says what is wrong stood a SyntaxWarning of another."""
    text = "from rcuactors import scenario\n@scenario()\nasync def s(k):\n    assert k is not 1\n"
    (tmp_path / "s.py").write_text(text + last)
    code, _, err = command("run", "s.py")
    assert code == (0 if warns else 2)
    assert ("SyntaxWarning" in err) == warns
    assert warns or err.count("\n") == 1
