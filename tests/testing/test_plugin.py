"""The pytest plugin: what its fixtures promise, and its registration with and without the package installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from rcuactors import BadInput, Kernel, KernelBug, Result, VirtualClock, scenario
from rcuactors.engine.choice import Timed
from rcuactors.engine.events import ListSink
from rcuactors.testing import AsyncRun, RcuLab


async def sleeper(k: Kernel, milliseconds: int = 2, report: bool = False) -> None:
    await trio.sleep(milliseconds / 1000)
    k.preempt_disable()
    if report:
        await k.mutex_lock(k.mutex("m"))
    await k.preempt_enable()


def test_the_lab_runs_a_plain_function_and_a_scenario_alike(rcu_lab: RcuLab) -> None:
    plain, made = rcu_lab.run(sleeper, milliseconds=7), rcu_lab.run(scenario()(sleeper), milliseconds=7)
    assert isinstance(plain, Result)
    assert plain.outcome() == made.outcome() == "clean"
    assert plain.digest == made.digest
    assert plain.end_ns >= 7_000_000


def test_options_reach_the_run(rcu_lab: RcuLab) -> None:
    sink = ListSink()
    result = rcu_lab.run(
        sleeper, kernel="v5.9", design="direct", seed=5, strategy=Timed(), sinks=(sink,), HZ=1000, report=True
    )
    assert (result.kernel, result.design, result.seed, result.strategy) == ("v5.9", "direct", 5, "timed")
    assert result.config["HZ"] == "1000"
    assert result.parameters == {"milliseconds": 2, "report": True}
    assert len(sink.events) == result.events


def test_a_strategy_is_taken_by_name(rcu_lab: RcuLab) -> None:
    assert rcu_lab.run(sleeper, strategy="random").strategy == "random"
    with pytest.raises(BadInput, match="strategy rndom"):
        rcu_lab.run(sleeper, strategy="rndom")


def test_truth_values_are_y_and_n(rcu_lab: RcuLab) -> None:
    with pytest.raises(KernelBug):
        rcu_lab.run(sleeper, report=True, DEBUG_ATOMIC_SLEEP=True, panic_on_warn=True)


def test_prepare_gives_the_machine(rcu_lab: RcuLab) -> None:
    prepared = rcu_lab.prepare(sleeper, nr_cpus=3)
    assert prepared.machine.setup.config.nr_cpus == 3
    assert prepared.run().clean


async def test_rcu_run_runs_beside_the_tests_tasks(rcu_run: AsyncRun, virtual_clock: VirtualClock) -> None:
    told = trio.Event()

    async def waits(k: Kernel) -> None:
        await told.wait()

    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def tell() -> None:
            await trio.sleep(3)
            told.set()

        result = await rcu_run(waits)
    assert result.clean
    assert trio.lowlevel.current_clock() is virtual_clock
    assert virtual_clock.current_time() >= 3


async def test_rcu_run_takes_the_same_options(rcu_run: AsyncRun, rcu_lab: RcuLab, virtual_clock: VirtualClock) -> None:
    result = await rcu_run(sleeper, kernel="v5.9", seed=3, milliseconds=4, PREEMPT_RT=True)
    assert (result.kernel, result.seed, result.config["PREEMPT_RT"]) == ("v5.9", 3, "y")
    assert result.parameters["milliseconds"] == 4


@pytest.mark.trio
async def test_several_runs_on_one_clock_are_made_one_after_the_other(
    rcu_run: AsyncRun, virtual_clock: VirtualClock
) -> None:
    """Each begins when the one before it has ended, and is what it would be alone."""
    alone = await rcu_run(sleeper, milliseconds=3)
    results: list[Result] = []

    async def one() -> None:
        results.append(await rcu_run(sleeper, milliseconds=3))

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(one)
    assert [result.digest for result in results] == [alone.digest] * 3
    assert virtual_clock.current_time() == pytest.approx(4 * alone.end_ns / 1e9)
    # One that is not wanted any more, while it waits for its turn, keeps nobody.
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one)
        with trio.move_on_after(0) as scope:
            await rcu_run(sleeper, milliseconds=3)
    assert scope.cancelled_caught
    assert len(results) == 4
    assert (await rcu_run(sleeper, milliseconds=3)).digest == alone.digest


@pytest.mark.trio
async def test_a_run_inside_of_one_on_the_same_clock_is_refused(rcu_run: AsyncRun, virtual_clock: VirtualClock) -> None:
    """It would wait for itself."""

    async def inner(k: Kernel) -> None:
        await rcu_run(sleeper)

    with pytest.raises(RuntimeError, match="would run inside of it"):
        await rcu_run(inner)


async def wrong_midway(k: Kernel) -> None:
    k.preempt_disable()
    await k.usleep_range(1, 1)
    await k.usleep_range(2, 1)


def test_the_lab_loses_no_report_in_an_error(rcu_lab: RcuLab) -> None:
    with pytest.raises(BadInput, match="usleep_range") as caught:
        rcu_lab.run(wrong_midway)
    assert "BUG: scheduling while atomic: wrong_midway/" in caught.value.__notes__[0]


async def test_rcu_run_loses_none_either(rcu_run: AsyncRun, virtual_clock: VirtualClock) -> None:
    with pytest.raises(BadInput, match="usleep_range") as caught:
        await rcu_run(wrong_midway)
    assert "BUG: scheduling while atomic: wrong_midway/" in caught.value.__notes__[0]


PROBE = """
def test_fixtures(virtual_clock, rcu_lab, rcu_run):
    assert rcu_lab.run is not None
"""


@pytest.mark.parametrize("installed", [False, True])
def test_the_plugin_registers_once(tmp_path: Path, root: Path, package: Path, installed: bool) -> None:
    """A stand-in for an installed package: its metadata with the entry point of pyproject.toml beside the package."""
    (tmp_path / "test_probe.py").write_text(PROBE)
    (tmp_path / "conftest.py").write_text((root / "tests" / "conftest.py").read_text())
    paths = [str(package.parent)]
    if installed:
        metadata = tmp_path / "site" / "rcuactors-0.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: rcuactors\nVersion: 0\n")
        (metadata / "entry_points.txt").write_text("[pytest11]\nrcuactors = rcuactors.testing\n")
        paths.append(str(metadata.parent))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


FAILS = """
import pytest

async def twice(k):
    p = await k.kmalloc(64)
    await k.kfree(p)
    await k.kfree(p)

def test_fails(rcu_lab):
    rcu_lab.run(twice, kernel="v5.9")
    assert rcu_lab.run(twice, seed=3).clean

def test_passes(rcu_lab):
    assert not rcu_lab.run(twice, seed=4).clean

def test_fails_late(rcu_lab):
    for seed in range(9):
        rcu_lab.run(twice, seed=seed)
        rcu_lab.prepare(twice, seed=seed).run()
    raise LookupError

@pytest.fixture
def broken(rcu_lab):
    yield
    raise LookupError

def test_fails_in_its_teardown(rcu_lab, broken):
    rcu_lab.run(twice, seed=7)
"""


def test_a_test_that_fails_shows_what_the_kernels_reported(tmp_path: Path, root: Path, package: Path) -> None:
    (tmp_path / "test_probe.py").write_text(FAILS)
    (tmp_path / "conftest.py").write_text((root / "tests" / "conftest.py").read_text())
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(package.parent)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    parts = re.split(r"^_+ (.*) _+$", done.stdout, flags=re.MULTILINE)
    shown = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert set(shown) == {"test_fails", "test_fails_late", "ERROR at teardown of test_fails_in_its_teardown"}
    assert all(text.count("Captured kernel log ") == 1 for text in shown.values())

    first = shown["test_fails"]
    assert "<Result of twice on v6.12, design hrtimer-work, seed 3: 1 reported: double-free>.clean" in first
    assert first.index("\ntwice on v5.9, seed 0:\n[    0.00") < first.index("\ntwice on v6.12, seed 3:\n[    0.00")
    assert first.count("BUG: double free") == 2
    assert "  at fault: test_probe.py:7" in first.splitlines()
    late = shown["test_fails_late"]
    assert "... 8 reports before these\ntwice on v6.12, seed 4:\n" in late
    assert late.count("BUG: double free") == 10
    assert "twice on v6.12, seed 7:" in shown["ERROR at teardown of test_fails_in_its_teardown"]


def test_the_plugin_imports_the_model_only_for_tests_that_want_it() -> None:
    """It is loaded by everybody's pytest."""
    code = "import sys, rcuactors.testing; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"trio", "rich", "rcuactors.machine", "rcuactors.kapi", "rcuactors.runs", "rcuactors.hunt"}


def test_an_async_test_without_pytest_trio_fails_and_says_what_is_missing(tmp_path: Path, package: Path) -> None:
    (tmp_path / "test_async.py").write_text("async def test_nobody_awaits(rcu_run): ...\n")
    plugins = ["-p", "no:trio", "-p", "no:cacheprovider", "-p", "rcuactors.testing"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugins, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(package.parent), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("test_nobody_awaits")]
    said = "an async test with rcu_run needs pytest-trio: pip install 'rcuactors[test]'"
    assert lines == [f"test_nobody_awaits: {said}"]
