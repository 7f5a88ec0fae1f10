"""`@pytest.mark.explore`: tests under many schedules, as somebody meets them who writes one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rcuactors import Kernel
from rcuactors.testing import AsyncRun, RcuLab

Pytest = Callable[..., "subprocess.CompletedProcess[str]"]

PRELUDE = '''
import pytest
import trio
from hypothesis import given, settings, strategies as st

async def adds_twice(k, pause=40):
    """An update is lost where one is overtaken between its look and its write."""
    count = 0
    async def adds():
        nonlocal count
        seen = count
        await k.udelay(1)
        count = seen + 1
    async with k.open_nursery() as nursery:
        await nursery.start_soon(adds, cpu=1)
        await k.udelay(pause)
        await adds()
    assert count == 2, "an update was lost"

async def fine(k):
    await k.kvfree_rcu(await k.kmalloc(64), "rcu")
'''


@pytest.fixture
def pytest_run(tmp_path: Path, package: Path) -> Pytest:
    """Run pytest on a file of tests, in an empty directory."""
    named = any(entry.value == "rcuactors.testing" for entry in entry_points(group="pytest11"))
    plugin = [] if named else ["-p", "rcuactors.testing"]
    (tmp_path / "pytest.ini").write_text("[pytest]\ntrio_mode = true\n")

    def run(text: str, *args: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "test_it.py").write_text(PRELUDE + text)
        return subprocess.run(
            [sys.executable, "-m", "pytest", *plugin, *args],
            env={**os.environ, "PYTHONPATH": str(package.parent)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


LOSES = """
@pytest.mark.explore(strategy="holds", nr_cpus=2)
async def test_loses(k):
    await adds_twice(k)
"""


def test_one_that_fails_is_cut_down_kept_and_run_again(pytest_run: Pytest, tmp_path: Path) -> None:
    done = pytest_run(LOSES, "-q", "--rcu-out", "found")
    assert done.returncode == 1, done.stdout + done.stderr
    said = done.stdout
    assert "ScheduleFailure: error in AssertionError, test_it.py:" in said
    assert "AssertionError: an update was lost" in said
    assert "HELD UP for" in said
    assert "none of them can be left out" in said
    again = "pytest test_it.py::test_loses --rcu-replay found/test_it.py-test_loses.json"
    assert f"again: {again}" in said

    file = tmp_path / "found" / "test_it.py-test_loses.json"
    document = json.loads(file.read_text())
    assert document["minimal"]
    assert document["run"]["settings"] == {"nr_cpus": "2"}
    repeated = pytest_run(LOSES, *again.split()[1:])
    assert repeated.returncode == 1, repeated.stdout + repeated.stderr
    assert "AssertionError: an update was lost" in repeated.stdout
    # Strictly: taken back, what it shows is not shown; and the file may not have changed.
    document["departures"] = []
    file.write_text(json.dumps(document))
    assert "the recording has " in pytest_run(LOSES, *again.split()[1:]).stdout
    assert "test_it.py was changed since" in pytest_run(LOSES + "\n", *again.split()[1:]).stdout


def test_the_program_says_whose_schedule_it_is(pytest_run: Pytest, tmp_path: Path, package: Path) -> None:
    pytest_run(LOSES, "-q", "--rcu-out", "found")
    done = subprocess.run(
        [sys.executable, "-m", "rcuactors", "replay-schedule", "found/test_it.py-test_loses.json"],
        env={**os.environ, "PYTHONPATH": str(package.parent)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "is a schedule of the test test_it.py::test_loses: run it by pytest, with --rcu-replay" in done.stderr


MANY = """
@pytest.mark.explore(strategy="holds", schedules=200)
def test_by_the_lab(rcu_lab):
    rcu_lab.run(adds_twice, nr_cpus=2)

@pytest.mark.explore(strategy="holds", schedules=200)
async def test_on_trio(rcu_run, virtual_clock):
    await trio.sleep(1)
    await rcu_run(adds_twice, nr_cpus=2)

@pytest.mark.explore(strategy="holds", schedules=200, nr_cpus=2)
@pytest.mark.parametrize("pause", [40, 900_000])
async def test_of_each(k, pause):
    await adds_twice(k, pause)

@pytest.mark.explore(schedules=5, kernel="v5.11")
async def test_is_fine(k):
    await fine(k)

class TestInAClass:
    @pytest.mark.explore(schedules=5)
    async def test_is_fine(self, k):
        await fine(k)

@pytest.mark.explore(schedules=5)
async def test_reports(k):
    p = await k.kmalloc(64)
    await k.kfree(p)
    await k.kfree(p)

@pytest.mark.explore(strategy="holds", schedules=20, nr_cpus=2)
@given(pause=st.integers(1, 50))
@settings(deadline=None, max_examples=3, database=None)
async def test_with_data(k, pause):
    await adds_twice(k, pause)

@pytest.mark.explore
async def test_skips(k):
    pytest.skip("not today")
"""


def outcomes(said: str) -> dict[str, str]:
    return {line.split()[1].partition("::")[2]: line.split()[0] for line in said.split("\n") if "test_it.py::" in line}


def test_every_form_of_test_is_explored(pytest_run: Pytest) -> None:
    done = pytest_run(MANY, "-q", "-rA")
    assert done.returncode == 1, done.stdout + done.stderr
    found = outcomes(done.stdout[done.stdout.index("short test summary") :])
    assert found == {
        "test_by_the_lab": "FAILED",
        "test_on_trio": "FAILED",
        "test_of_each[40]": "FAILED",
        "test_of_each[900000]": "PASSED",
        "test_is_fine": "PASSED",
        "TestInAClass::test_is_fine": "PASSED",
        "test_reports": "FAILED",
        "test_with_data": "FAILED",
    }
    assert "1 skipped" in done.stdout
    assert "double-free in kfree, test_it.py:" in done.stdout
    assert "no departure is needed: it goes wrong by itself" in done.stdout
    assert "test_with_data(" in done.stdout
    assert "pause=1," in done.stdout
    # What passes says what was tried, and what that cannot show.
    assert "schedules         5 (timed 1, holds:" in done.stdout
    assert "weak memory ordering" in done.stdout


def test_processes_share_them(pytest_run: Pytest, tmp_path: Path) -> None:
    done = pytest_run(MANY, "-q", "-n", "2", "-k", "lab or reports or fine", "--rcu-out", "found")
    assert "2 failed, 2 passed" in done.stdout
    assert {path.name for path in (tmp_path / "found").iterdir()} == {
        "test_it.py-test_by_the_lab.json",
        "test_it.py-test_reports.json",
    }


def test_data_do_not_disturb_a_schedule_that_is_run_again(pytest_run: Pytest) -> None:
    text = MANY[
        MANY.index('@pytest.mark.explore(strategy="holds", schedules=20') : MANY.index("@pytest.mark.explore\n")
    ]
    assert pytest_run(text, "-q", "--rcu-out", "found").returncode == 1
    again = pytest_run(text, "-q", "test_it.py", "--rcu-replay", "found/test_it.py-test_with_data.json")
    assert again.returncode == 1
    assert "an update was lost" in again.stdout


WRONG = {
    "@pytest.mark.explore(schedules=0)\nasync def test_it(k): await fine(k)": "explore(schedules=0): needs a whole",
    "@pytest.mark.explore(strategy='luck')\nasync def test_it(k): await fine(k)": "strategy luck: there",
    "@pytest.mark.explore(knernel='v5.9')\nasync def test_it(k): await fine(k)": "knernel",
    "@pytest.mark.explore('holds')\nasync def test_it(k): await fine(k)": "explore('holds'): needs arguments by name",
    "@pytest.mark.explore\ndef test_it(): pass": "makes no run, so it has no schedules",
    "@pytest.mark.explore\ndef test_it(rcu_lab):\n    for _ in 'ab':\n        rcu_lab.run(fine)": "more than one run",
    "@pytest.mark.explore\ndef test_it(rcu_lab): rcu_lab.run(fine, seed=3)": "seed=3: a test that is explored leaves",
    "@pytest.mark.explore(max_steps=5)\nasync def test_it(k): await fine(k)": "needs a larger max_steps",
    "def test_it(k): pass": "takes the kernel (k), which @pytest.mark.explore gives",
}


def test_what_is_wrong_with_a_test_is_said_in_a_line(pytest_run: Pytest) -> None:
    """All of them in one file, each in a class of its own."""
    text = ""
    for number, wrong in enumerate(WRONG):
        text += wrong.replace("test_it", f"test_{number}") + "\n"
    done = pytest_run(text, "-q", "--tb=short")
    assert done.returncode == 1, done.stdout + done.stderr
    for said in WRONG.values():
        assert said in done.stdout
    assert f"{len(WRONG)} failed" in done.stdout
    assert "INTERNALERROR" not in done.stdout


def test_what_makes_a_green_test_worth_little_is_a_warning(pytest_run: Pytest) -> None:
    text = """
@pytest.mark.explore(strategy="walk", schedules=12, max_steps=60)
async def test_is_cut_short(k):
    async def waits():
        for _ in range(12):
            await k.udelay(1)
    async with k.open_nursery() as nursery:
        await nursery.start_soon(waits, cpu=1)
        await waits()
"""
    done = pytest_run(text, "-q")
    assert "test_is_cut_short: the bound of steps ended " in done.stdout, done.stdout
    assert "of 12 schedules; what would come then was not seen" in done.stdout
    assert "1 passed, 1 warning" in done.stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--rcu-schedules", "0"), "--rcu-schedules 0: needs a whole number from 1"),
        (("--rcu-seed", "x"), "--rcu-seed x: needs a whole number from 0"),
        (("--rcu-replay", "none.json"), "schedule none.json: cannot be read"),
    ],
)
def test_options_that_are_wrong(pytest_run: Pytest, args: tuple[str, ...], said: str) -> None:
    done = pytest_run(LOSES, *args)
    assert done.returncode == 4
    assert said in done.stderr


def test_options_win_over_the_mark(pytest_run: Pytest) -> None:
    done = pytest_run(MANY, "-q", "-rA", "-k", "test_is_fine and not Class", "--rcu-schedules", "3", "--rcu-seed", "9")
    assert done.returncode == 0, done.stdout
    assert "schedules         3 (timed 1, holds:" in done.stdout


# -- ours --------------------------------------------------------------------------------------------------------------


@pytest.mark.explore(strategy=("holds", "random"), schedules=30, kernel="v6.12", nr_cpus=2)
@pytest.mark.parametrize("form", ["kvfree_rcu", "call_rcu"])
async def test_a_reader_keeps_what_it_looks_at(k: Kernel, form: str) -> None:
    """The least that RCU promises, under any schedule."""
    p = await k.kmalloc(64)

    async def reads() -> None:
        k.rcu_read_lock()
        seen = k.rcu_dereference(p)
        await k.udelay(5)
        k.deref(seen)
        k.rcu_read_unlock()

    async def frees() -> None:
        if form == "kvfree_rcu":
            await k.kvfree_rcu(p, "rcu")
        else:
            await k.synchronize_rcu()
            await k.kfree(p)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(reads, cpu=1)
        await frees()


@pytest.mark.explore(schedules=6)
@given(count=st.integers(1, 20))
@settings(deadline=None, max_examples=4, derandomize=True)
def test_any_number_of_objects_is_freed(rcu_lab: RcuLab, count: int) -> None:
    async def retires(k: Kernel) -> None:
        for _ in range(count):
            await k.kvfree_rcu(await k.kmalloc(32), "rcu")
        await k.kvfree_rcu_barrier()

    assert rcu_lab.run(retires).clean


@pytest.mark.explore(schedules=6)
async def test_an_async_test_makes_its_run_by_the_fixture(rcu_run: AsyncRun) -> None:
    async def waits(k: Kernel) -> None:
        await k.synchronize_rcu()

    assert (await rcu_run(waits)).clean
