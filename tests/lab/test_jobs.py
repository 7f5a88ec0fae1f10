"""lab/jobs.py: work over processes, each answer with its number, and processes that die."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import rcuactors
from rcuactors.lab.jobs import WorkerDied, do_all, in_order, in_this_process

ITEMS = [3, 1, 4, 1, 5]


def squared(item: int) -> tuple[int, int]:
    return item * item, os.getpid()


def dies(item: int) -> int:
    if item == 4:
        os._exit(1)
    return item


def raises(item: int) -> int:
    raise LookupError(f"no {item}")


@pytest.mark.parametrize("jobs", [1, 2])
def test_each_answer_has_the_number_of_its_item(jobs: int) -> None:
    answers = dict(do_all(squared, ITEMS, jobs))
    assert {number: answer for number, (answer, _) in answers.items()} == dict(enumerate([9, 1, 16, 1, 25]))
    elsewhere = {process for _, process in answers.values()} - {os.getpid()}
    assert bool(elsewhere) == (jobs > 1)


def test_one_job_or_one_item_needs_no_other_process() -> None:
    assert in_this_process(ITEMS, 1)
    assert in_this_process([1], 8)
    assert not in_this_process(ITEMS, 2)


def test_a_process_that_dies_is_said_so() -> None:
    with pytest.raises(WorkerDied, match="--jobs 2: a process that did a part of the work died"):
        list(do_all(dies, ITEMS, 2))


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_the_work_raises_is_raised(jobs: int) -> None:
    with pytest.raises(LookupError, match="no "):
        list(do_all(raises, ITEMS, jobs))


@pytest.mark.parametrize("jobs", [1, 2])
def test_it_can_be_ended_early(jobs: int) -> None:
    answers = do_all(squared, ITEMS * 20, jobs)
    next(answers)
    answers.close()
    assert list(answers) == []


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_answers_in_order_of_whom_this_process_is_one(jobs: int) -> None:
    items = ITEMS * 8
    answers = list(in_order(squared, items, jobs))
    assert [answer for answer, _ in answers] == [item * item for item in items]
    assert os.getpid() in {process for _, process in answers}
    # How much the others get done before this one has done the rest is a matter of time.
    assert len({process for _, process in answers}) <= jobs
    assert not list(in_order(squared, [], jobs))


@pytest.mark.parametrize("work", [dies, raises])
def test_in_order_what_goes_wrong_with_others_is_raised(work: Callable[[int], int]) -> None:
    """The first of them are given to the others: here nothing dies."""
    with pytest.raises((WorkerDied, LookupError)):
        list(in_order(work, [4, 4, *[3] * 50], 2))


ORPHANS = """
import os, sys, time
from pathlib import Path
import rcuactors
from rcuactors.lab.jobs import do_all

def lasts(folder: str) -> None:
    Path(folder, str(os.getpid())).touch()
    time.sleep(60)

if __name__ == "__main__":
    list(do_all(lasts, [sys.argv[1]] * 2, 2))
"""


def is_alive(pid: int) -> bool:
    """A zombie, which its new parent has not looked at yet, is none."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_worker_outlives_the_first_process(tmp_path: Path, how: signal.Signals) -> None:
    """`compare --jobs 2`, killed, left its workers for ever."""
    program, pids = tmp_path / "orphans.py", tmp_path / "pids"
    program.write_text(ORPHANS)
    pids.mkdir()
    with subprocess.Popen([sys.executable, str(program), str(pids)]) as first:
        while len(list(pids.iterdir())) < 2:
            assert first.poll() is None
            time.sleep(0.05)
        first.send_signal(how)
    workers = [int(path.name) for path in pids.iterdir()]
    given = time.monotonic() + 20
    while any(map(is_alive, workers)) and time.monotonic() < given:
        time.sleep(0.05)
    assert not any(map(is_alive, workers))


def test_nobody_else_starts_a_process() -> None:
    """So that what is said here holds for every command that works over processes."""
    package = Path(rcuactors.__file__).parent
    starts = re.compile(r"^ *(?:import|from) (?:multiprocessing|subprocess|concurrent)\b", re.MULTILINE)
    files = [file for file in package.rglob("*.py") if starts.search(file.read_text("utf-8"))]
    assert [file.relative_to(package).as_posix() for file in files] == ["lab/jobs.py"]
