"""`rcuactors lockdep matrix`: the table, the comparison, its exit codes, and bad input."""

from __future__ import annotations

import csv
import importlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from rcuactors.lab.jobs import WorkerDied
from rcuactors.lock_matrix.cells import Cell

Call = Callable[..., Result]
OneLine = Callable[..., str]

HEADER = "context,op,variant,verdict,first_line\n"
CELLS = (
    Cell("process", "spin_lock", "first"),
    Cell("raw_spin", "spin_lock", "first"),
    Cell("preempt_disable", "vfree", "first"),
    Cell("preempt_disable", "msleep", "first"),
)
WAIT, SLEEP, ATOMIC = (
    "[ BUG: Invalid wait context ]",
    "BUG: sleeping function called from invalid context at mm/vmalloc.c:2858",
    "BUG: scheduling while atomic: nest_runner/41/0x00000002",
)


@pytest.fixture
def few_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run four cells instead of all."""
    module = importlib.import_module("rcuactors.cli.matrix_command")
    monkeypatch.setattr(module, "all_cells", lambda: iter(CELLS))


@pytest.fixture
def recording(tmp_path: Path) -> Callable[..., str]:
    def write(*rows: str, name: str = "matrix_prove_raw.csv") -> str:
        path = tmp_path / name
        path.write_text(HEADER + "".join(f"{row}\n" for row in rows), encoding="utf-8")
        return str(path)

    return write


RIGHT = (
    "process,spin_lock,first,none,",
    f"raw_spin,spin_lock,first,splat,{WAIT}",
    f"preempt_disable,vfree,first,splat,{SLEEP}",
    f"preempt_disable,msleep,first,splat,{ATOMIC}",
)


@pytest.mark.usefixtures("few_cells")
def test_the_table(call: Call) -> None:
    result = call("lockdep", "matrix", "--jobs", "1")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "v6.1-stable prove_raw: 4 of 4 cells"
    assert "spin_lock first . W" in " ".join("\n".join(lines).split())
    assert "vfree first S" in " ".join(" ".join(lines).split())
    assert any(WAIT in line and "op_spin{3:3} in context-{5:5}" in line for line in lines)


def test_a_part_of_the_table_with_the_reports_in_full(call: Call) -> None:
    result = call(
        "lockdep", "matrix", "--op", "vfree", "--context", "raw_spin", "--context", "mutex", "-v", "--jobs", "1"
    )
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "v6.1-stable prove_raw: 4 of 4 cells"
    assert "raw_spin vfree first:" in lines
    assert any(line.startswith("  in_atomic(): 1, irqs_disabled(): 0") for line in lines)
    assert "mutex vfree first:" not in lines


def test_a_part_of_a_recording(call: Call, recording: Callable[..., str], one_line: OneLine) -> None:
    path = recording(*RIGHT)
    result = call("lockdep", "matrix", "--jobs", "1", "--op", "vfree", "--against", path)
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "agreement: 1 of 1 cells (100 %)")
    said = one_line("lockdep", "matrix", "--op", "kfree", "--against", path)
    assert said == f"recording {path!r}: has none of the cells that --op and --context leave"


@pytest.mark.usefixtures("few_cells")
def test_csv_and_json(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("older", encoding="utf-8")
    result = call("lockdep", "matrix", "--jobs", "1", "--csv", str(path), "--json")
    assert result.exit_code == 0
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["context", "op", "variant", "verdict", "title"]
    document = json.loads(result.stdout)
    assert document["kernel"] == "v6.1-stable"
    assert document["config"]["PROVE_RAW_LOCK_NESTING"] == "y"
    assert "against" not in document
    assert [{name: cell[name] for name in rows[0]} for cell in document["cells"]] == rows
    assert [row["verdict"] for row in rows] == [
        "none",
        "invalid wait context",
        "sleeping function",
        "scheduling while atomic",
    ]
    assert document["cells"][1]["lock"] == "op_spin{3:3}"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("few_cells")
def test_agreement_is_exit_code_0(call: Call, recording: Callable[..., str]) -> None:
    result = call("lockdep", "matrix", "--jobs", "1", "--against", recording(*RIGHT))
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "agreement: 4 of 4 cells (100 %)"


@pytest.mark.usefixtures("few_cells")
def test_a_difference_is_exit_code_1(call: Call, recording: Callable[..., str]) -> None:
    path = recording(*RIGHT[1:], f"process,spin_lock,first,splat,{WAIT}", "user,spin_lock,first,none,", "half,a")
    result = call("lockdep", "matrix", "--jobs", "1", "--against", path)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[-1] == "agreement: 3 of 4 cells (75 %)"
    assert f"  {path}:6: user spin_lock first: the rig has no context 'user'" in lines
    assert f"  {path}:7: has 2 columns, needs 5" in lines
    document = json.loads(call("lockdep", "matrix", "--jobs", "1", "--json", "--against", path).stdout)
    against = document["against"]
    assert (against["compared"], against["agreeing"]) == (4, 3)
    assert [row["context"] for row in against["differing"]] == ["process"]
    assert against["broken_rows"] == [{"line": 7, "wrong": "has 2 columns, needs 5"}]
    assert [row["line"] for row in against["not_compared"]] == [6]


@pytest.mark.usefixtures("few_cells")
def test_the_configuration_is_told_by_the_name_by_as_or_by_set(call: Call, recording: Callable[..., str]) -> None:
    rows = ("raw_spin,spin_lock,first,none,", f"preempt_disable,msleep,first,splat,{ATOMIC}")
    for arguments in (
        ("--against", recording(*rows, name="matrix_stock.csv")),
        ("--against", recording(*rows, name="mine.csv"), "--as", "stock"),
        ("--against", recording(*rows, name="mine.csv"), "--set", "PREEMPT=y"),
        # the name is a hint only
        ("--against", recording(*rows, name="matrix_prove_raw.csv"), "--as", "rt_bare"),
    ):
        result = call("lockdep", "matrix", "--jobs", "1", *arguments)
        assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--kernel", "next"), "kernel next: there are v5.9, v5.11"),
        (("--as", "realtime"), "--as realtime: there are prove_raw, rt_bare, stock"),
        (("--as", "stok"), "--as stok: did you mean stock? there are"),
        (("--as", "rt"), "--as rt: did you mean rt_bare? there are"),
        (("--set", "PREEMPTRT=y"), "--set PREEMPTRT: no such name; did you mean PREEMPT_RT?"),
        (("--set", "PREEMPT_RT=maybe"), "--set PREEMPT_RT=maybe: needs y or n"),
        (("--set", "nr_cpus=1"), "--set nr_cpus=1: the matrix needs a machine with at least 2 CPUs"),
        (("--op", "vfee"), "--op vfee: did you mean vfree? there are none, raw_spin_lock"),
        (("--context", "user"), "--context user: there are process, preempt_disable"),
        (("--json", "-v"), "--json and -v: only one of them"),
        (("--set", "mem=8M"), "mem=8388608: the matrix needs 16M"),
        (("--set", "panic_on_warn=y"), "panic_on_warn=y: each cell ends at its first report anyway"),
        (("--jobs", "0"), "--jobs 0: needs a whole number from 1 to 256"),
        (("--against", "nowhere.csv", "--as", "rt_bare"), "recording 'nowhere.csv': cannot be read: No such file"),
        (("--against", "nowhere.csv"), "recording 'nowhere.csv': cannot be read: No such file"),
        (("--against", ".", "--as", "rt_bare"), "recording '.': is a directory"),
        (("--csv", ""), "--csv : needs the name of a file"),
        (("--csv", "."), "--csv .: is a directory"),
        (("--csv", "no/where.csv"), "--csv no/where.csv: cannot be written: No such file or directory"),
        (("--csv", "a\0b"), "cannot be written: "),
    ],
)
def test_bad_input(one_line: OneLine, arguments: tuple[str, ...], said: str) -> None:
    assert said in one_line("lockdep", "matrix", *arguments)


def test_a_recording_whose_name_tells_no_kernel(one_line: OneLine, recording: Callable[..., str]) -> None:
    path = recording("process,msleep,first,none,", name="verdicts.csv")
    said = one_line("lockdep", "matrix", "--against", path)
    assert said.startswith(f"--against {path}: which kernel is it of? --as prove_raw|rt_bare|stock")


def test_nothing_left_to_compare(one_line: OneLine, recording: Callable[..., str]) -> None:
    path = recording("user,msleep,first,none,", "half", "process,msleep,first,fine,", "a,b,c,none,", "d,e,f,none,")
    said = one_line("lockdep", "matrix", "--against", path)
    assert said.startswith(f"recording {path!r}: nothing left to compare: 2 rows broken, 3 not comparable ({path}:3: ")
    assert said.endswith("; and 2 more)")
    assert "has no rows" in one_line("lockdep", "matrix", "--against", recording())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.usefixtures("few_cells")
def test_a_full_device(one_line: OneLine, call: Call) -> None:
    args = ("lockdep", "matrix", "--jobs", "1", "--csv", "/dev/full")
    said = one_line(*args)
    assert said == "--csv /dev/full: cannot be written: No space left on device"
    # What was computed is shown all the same.
    assert call(*args).stdout.splitlines()[0].endswith(": 4 of 4 cells")
    document = json.loads(call(*args, "--json").stdout)
    assert (document["error"], len(document["cells"])) == (said, 4)


@pytest.mark.usefixtures("few_cells")
def test_what_is_done_is_not_lost_with_a_process_that_dies(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("rcuactors.cli.matrix_command")
    run_cells = module.run_cells

    def dies(cells: tuple[Cell, ...], *rest: Any) -> Iterator[Any]:
        yield from islice(run_cells(cells, *rest), 3)
        raise WorkerDied("--jobs 2: a process died")

    monkeypatch.setattr(module, "run_cells", dies)
    result = call("lockdep", "matrix", "--jobs", "1")
    assert (result.exit_code, result.stderr) == (2, "rcuactors: --jobs 2: a process died\n")
    assert result.stdout.splitlines()[0].endswith(": 3 of 4 cells")
    document = json.loads(call("lockdep", "matrix", "--jobs", "1", "--json").stdout)
    assert (document["error"], len(document["cells"])) == ("--jobs 2: a process died", 3)


@pytest.mark.one_in(2)
@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("after_s", [0.2, 0.5, 2.0])
def test_ctrl_c_prints_what_is_done(
    spawn: Callable[..., subprocess.Popen[str]], tmp_path: Path, jobs: str, after_s: float
) -> None:
    args = ("-m", "rcuactors", "lockdep", "matrix", "--jobs", jobs, "--csv", "out.csv")
    with spawn(*args, start_new_session=True) as process:
        deadline = time.monotonic() + 30
        while not list(tmp_path.glob(".out.csv.*")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(after_s)
        # As a terminal does: to every process.
        os.killpg(process.pid, signal.SIGINT)
        out, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "interrupted\n")
    done, _, rest = out.partition(" of 1207 cells")
    rows = (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()
    assert rest
    assert len(rows) - 1 == int(done.split()[-1]) < 1207


class Swallows:
    """Ctrl-C comes while it is deleted, where Python ignores whatever is raised."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_that_python_swallows(
    call: Call, few_cells: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, jobs: str
) -> None:
    # Trio's Nursery has a __del__: a KeyboardInterrupt that fell into it was lost, and the table was run to its end.
    module = importlib.import_module("rcuactors.cli.matrix_command")
    run_cells = module.run_cells

    def interrupted(cells: tuple[Cell, ...], *rest: Any) -> Iterator[Any]:
        for number, outcome in enumerate(run_cells(cells, *rest)):
            if number == 1:
                Swallows()
            yield outcome

    monkeypatch.setattr(module, "run_cells", interrupted)
    result = call("lockdep", "matrix", "--jobs", jobs)
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")
    assert result.stdout.splitlines()[0].endswith(": 2 of 4 cells")
