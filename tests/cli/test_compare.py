"""`rcuactors compare`: tables, files, exit codes, bad input, processes, Ctrl-C."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from rcuactors.cli.compare_command import Progress
from rcuactors.compare.board import make_board
from rcuactors.compare.contexts import CONTEXTS
from rcuactors.compare.designs import find_designs
from rcuactors.compare.kernels import find_kernels
from rcuactors.compare.tasks import Plan, tasks_of
from rcuactors.compare.workloads import WORKLOADS
from rcuactors.eras import ERAS

Call = Callable[..., Result]
OneLine = Callable[..., str]
Command = Callable[..., tuple[int, str, str]]

DESIGN = '''"""A design of the tests."""

import os
from pathlib import Path


class Mine:
    """Does something in get_page()."""

    name = "mine"
    about = "a design of the tests"

    async def get_page(self, kvfree, cpu, krcp):
        """None."""
        {body}
        return None

    async def missed(self, kvfree, cpu, krcp):
        """Nothing."""
'''

NOT_ON_RT = """return None

    def attach(self, kvfree):
        if kvfree.system.config.PREEMPT_RT:
            raise ValueError("not on RT")

    def unused(self):
        pass"""

SMALL = ("raw_lock_caller", "--designs", "direct,hrtimer-work", "--kernels", "prove")


@pytest.fixture
def design_file(tmp_path: Path) -> Callable[[str], str]:
    def write(body: str) -> str:
        path = tmp_path / "mine.py"
        path.write_text(DESIGN.format(body=body), encoding="utf-8")
        return str(path)

    return write


def test_scenarios(call: Call) -> None:
    result = call("compare", *SMALL, "--jobs", "1")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "2 designs on v5.11 (prove), timed"
    assert lines[2].startswith("* For what was asked for take hrtimer-work: legal in the 1 cell (at worst ")
    assert [lines[lines.index(name) + 1].split() for name in ("direct", "hrtimer-work")] == [
        ["prove", "wait-ctx"],
        ["prove", "legal"],
    ]
    assert any(line.startswith("  Lost: legal in 0 of 1 cells, hrtimer-work in 1. On prove inval") for line in lines)
    assert any(line.startswith("  Won: ") for line in lines)


def test_the_default_has_every_context_and_workload(call: Call) -> None:
    result = call("compare", "--designs", "direct", "--kernels", "prove", "--jobs", "1", "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    (design,) = document["designs"]
    assert [cell["subject"] for cell in design["verdicts"]] == list(CONTEXTS)
    assert [cost["subject"] for cost in design["costs"]] == list(WORKLOADS)
    verdicts = {cell["subject"]: cell for cell in design["verdicts"]}
    assert verdicts["raw lock"]["verdict"] == "invalid-wait-context"
    assert verdicts["raw lock"]["dry"] is True
    assert document["runs_done"] == document["runs_wanted"] == len(CONTEXTS) + len(WORKLOADS)


@pytest.mark.parametrize("seeds", [(), ("--seeds", "2"), ("--seed", "7")], ids=["timed", "seeds", "seed"])
def test_any_number_of_processes_prints_the_same(call: Call, seeds: tuple[str, ...]) -> None:
    one, two = (call("compare", *SMALL, *seeds, "--jobs", jobs) for jobs in ("1", "2"))
    assert one.exit_code == two.exit_code == 0
    assert one.stdout_bytes == two.stdout_bytes
    assert one.stdout_bytes == call("compare", *SMALL, *seeds, "--jobs", "1").stdout_bytes


def test_seeds(call: Call) -> None:
    result = call("compare", *SMALL, "--seeds", "3", "--seed", "5", "--jobs", "1", "--json")
    document = json.loads(result.stdout)
    assert (document["strategy"], document["seeds"]) == ("random", [5, 6, 7])
    direct = document["designs"][0]["verdicts"][0]
    assert (direct["seeds"], direct["failed"]) == (3, 3)
    assert "seed 9 (" in call("compare", *SMALL, "--seed", "9", "--jobs", "1").stdout


def test_csv_and_html(call: Call, tmp_path: Path) -> None:
    table, page = tmp_path / "out.csv", tmp_path / "out.html"
    table.write_text("older", encoding="utf-8")
    plain = call("compare", *SMALL, "--jobs", "1")
    for option, path in (("--csv", table), ("--html", page)):
        assert call("compare", *SMALL, "--jobs", "1", option, str(path)).stdout == plain.stdout
    with table.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    reasons = [row["value"] for row in rows if row["table"] == "reason"]
    assert [reason.split()[0] for reason in reasons] == ["Lost:", "Won:"]
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert 'class="wrong"' in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "out.html"]


def test_a_design_of_ones_own(call: Call, design_file: Callable[[str], str]) -> None:
    mine = design_file("pass")
    result = call(
        "compare", "raw_lock_caller", "--designs", "direct", "--design", mine, "--kernels", "prove", "--jobs", "2"
    )
    assert result.exit_code == 0
    assert "\nmine\n prove  legal\n" in result.stdout
    assert "\nmine: a design of the tests\n" in result.stdout


def test_versions_are_rows_with_their_own_designs(call: Call) -> None:
    """v5.9 asks in the caller's context, under krcp->lock; v5.11 does not."""
    options = ("raw_lock_caller", "--kernels", "prove", "--jobs", "1")
    result = call("compare", *options, "--designs", "v5.9,v5.11")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "2 versions with their own design (prove), timed"
    assert [lines[lines.index(name) + 1].split() for name in ("v5.9", "v5.11")] == [
        ["prove", "wait-ctx"],
        ["prove", "legal"],
    ]
    designs = json.loads(call("compare", *options, "--designs", "direct", "--versions", "--json").stdout)["designs"]
    assert [(design["name"], design["version"]) for design in designs] == [
        ("direct", ""),
        *((version, version) for version in ERAS),
    ]
    beside = call("compare", *options, "--designs", "direct,v5.9").stdout.splitlines()
    assert beside[0] == "1 design on v5.11 (prove), 1 version with its own design, timed"


def test_the_head_line_names_each_version_with_its_builds(call: Call) -> None:
    result = call("compare", "raw_lock_caller", "--designs", "direct", "--kernels", "v5.9:rt,prove,v5.9:plain")
    assert result.stdout.splitlines()[0] == "1 design on v5.9 (rt, plain) and v5.11 (prove), timed"


def test_a_parameter_of_the_scenario(call: Call) -> None:
    result = call("compare", *SMALL, "--set", "objects=3", "--jobs", "1", "--json")
    assert json.loads(result.stdout)["settings"] == {"objects": "3"}
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--designs", "dirct"), "--designs dirct: did you mean direct? there are "),
        (("--designs", "direct,,"), "--designs direct,,: needs names with commas between them"),
        (("--design", "nope.py"), "design file nope.py: there is no such file"),
        (("--design", "direct"), "--design direct: needs the path of a file; the bundled design is --designs direct"),
        (("--kernels", "rtt"), "--kernels rtt: did you mean rt? there are plain, prove, rt"),
        (("no_such_scenario",), "scenario no_such_scenario: no such name or file;"),
        (("--set", "PREMPT=y"), "--set PREMPT: no such name; did you mean PREEMPT? "),
        (("--set", "PREEMPT=maybe"), "--set PREEMPT=maybe: needs y or n"),
        (("--set", "nr_cpus=1"), "--set nr_cpus=1: the comparison needs a machine with at least 2 CPUs"),
        (("--set", "objects=1"), "--set objects: no such name; "),
        (("raw_lock_caller", "--set", "objects=-1"), "--set objects=-1: needs a whole number"),
        (
            ("--designs", "v5.9", "--kernels", "v5.11:rt,v6.1.0:rt"),
            "--kernels v6.1.0:rt: v5.9 is compared with its own",
        ),
        (("--json", "--csv", "x"), "--json and --csv: only one of them"),
        (("--csv", "x", "--html", "y"), "--csv and --html: only one of them"),
        (("--html", "no/such/folder"), "--html no/such/folder: cannot be written: No such file or directory"),
        (("--csv", "."), "--csv .: is a directory; needs the name of a file"),
        (("--csv", "-"), "--csv -: needs the name of a file"),
        (("--seeds", "0"), "--seeds 0: needs a whole number from 1 to 10000"),
        (("--seed", "x"), "--seed x: needs a whole number from 0 to "),
        (("--jobs", "0"), "--jobs 0: needs a whole number from 1 to 256"),
        (("--nonsense",), "No such option"),
    ],
)
def test_bad_input(one_line: OneLine, args: tuple[str, ...], said: str) -> None:
    assert one_line("compare", *args).startswith(said)


def test_two_scenarios_of_one_name(call: Call, one_line: OneLine, tmp_path: Path) -> None:
    """Else they would be columns of one name with the results of both. The same one twice is one column."""
    path = tmp_path / "mine.py"
    path.write_text(
        "from rcuactors import Kernel, scenario\n@scenario()\nasync def raw_lock_caller(k: Kernel) -> None: ...\n",
        encoding="utf-8",
    )
    said = one_line("compare", "raw_lock_caller", str(path))
    assert said == f"scenario {path}: raw_lock_caller is a scenario of that name, too: raw_lock_caller"
    assert (
        call("compare", "raw_lock_caller", *SMALL, "--jobs", "1").stdout
        == call("compare", *SMALL, "--jobs", "1").stdout
    )


def test_a_full_disk_does_not_lose_the_tables(call: Call, one_line: OneLine) -> None:
    assert one_line("compare", *SMALL, "--csv", "/dev/full").endswith("cannot be written: No space left on device")
    shown = call("compare", *SMALL, "--csv", "/dev/full").stdout
    assert shown == call("compare", *SMALL).stdout
    assert "hrtimer-work: " in shown


def test_a_worker_that_dies(one_line: OneLine, design_file: Callable[[str], str]) -> None:
    mine = design_file("os._exit(9)")
    said = one_line("compare", "raw_lock_caller", "--designs", "direct", "--design", mine, "--jobs", "2")
    assert said.startswith("--jobs 2: a process that did a part of the work died")


@pytest.mark.one_in(2)
@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("body", ["pass", "while True: pass"], ids=["working", "hanging"])
def test_ctrl_c(
    spawn: Callable[..., subprocess.Popen[str]],
    design_file: Callable[[str], str],
    tmp_path: Path,
    jobs: str,
    body: str,
) -> None:
    mine = design_file(f"Path('begun').touch()\n        {body}")
    args = (
        "-m",
        "rcuactors",
        "compare",
        "--designs",
        "hrtimer-work",
        "--design",
        mine,
        "--kernels",
        "plain",
        "--seeds",
        "200",
        "--jobs",
        jobs,
    )
    with spawn(*args) as process:
        deadline = time.monotonic() + 60
        while not (tmp_path / "begun").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        try:
            out, said = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, said) == (130, "interrupted\n")
    assert "; interrupted, " in " ".join(out.split())
    assert "hrtimer-work: " in out


def test_progress_tells_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = find_kernels(["plain"], {})
    plan = Plan(designs=find_designs(["direct"], []), kernels=kernels, measured=(), scenarios=())
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    progress = Progress(list(tasks_of(plan)))
    assert progress.shown() == f"0 of {len(CONTEXTS)} runs"
    progress.answers[0] = progress.tasks[0].run()
    now[0] += 2.0
    assert progress.shown() == f"1 of {len(CONTEXTS)} runs, about {2 * (len(CONTEXTS) - 1)} seconds left"
    board = make_board(plan, progress.tasks, progress.answers)
    assert not board.complete
    assert list(board.cards[0].verdicts) == [("plain", "process")]


def test_seconds_of_each_design(call: Call) -> None:
    result = call("compare", *SMALL, "--jobs", "1", "-v")
    first, second, last = result.stderr.splitlines()
    assert first.startswith("direct: ")
    assert second.startswith("hrtimer-work: ")
    assert last.startswith("2 runs in ")


def test_a_design_that_some_machines_cannot_have_does_not_end_the_comparison(
    call: Call, design_file: Callable[[str], str]
) -> None:
    options = ("--designs", "direct", "--design", design_file(NOT_ON_RT), "--jobs", "1", "--json")
    result = call("compare", "raw_lock_caller", "--kernels", "plain,rt", *options)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "design file mine.py raised ValueError: not on RT (mine.py:" in result.stdout
    verdicts = {
        (design["name"], verdict["kernel"]): verdict["verdict"]
        for design in json.loads(result.stdout)["designs"]
        for verdict in design["verdicts"]
    }
    assert verdicts == {
        ("direct", "plain"): "legal",
        ("direct", "rt"): "sleeping-function",
        ("mine", "plain"): "legal",
        ("mine", "rt"): "raised",
    }
