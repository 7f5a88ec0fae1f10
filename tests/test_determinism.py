"""A run is a pure function of its inputs: byte-identical event streams whatever it runs on."""

from __future__ import annotations

import importlib.util
import io
import os
import random
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import outcome
import pytest
import trio

from rcuactors import VirtualClock

PROGRAM = Path(__file__).parent / "data" / "determinism" / "everything_at_once.py"
STRATEGIES = ("timed", "random")
CASES = [pytest.param(seed, strategy, id=f"{strategy}-{seed}") for strategy in STRATEGIES for seed in (0, 1)]
VERSIONS = ("3.11", "3.12", "3.13")


@cache
def program() -> ModuleType:
    """The scenario's file as a module."""
    spec = importlib.util.spec_from_file_location("everything_at_once", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def expected(seed: int, strategy: str) -> str:
    """The transcript of a run in this process, in our own runner."""
    out = io.StringIO()
    run = program().prepared(seed, strategy, out)
    run.run()
    return str(program().transcript(run, out))


def import_path(package: Path) -> str:
    """Where the package and its dependencies, which are all pure Python, can be imported from by any interpreter."""
    places = [package.parent, *(Path(str(module.__file__)).parent.parent for module in (trio, attrs, outcome))]
    return os.pathsep.join(dict.fromkeys(map(str, places)))


def in_a_process(
    package: Path, seed: int, strategy: str, *, python: str = sys.executable, first: str = "", **env: str
) -> str:
    """The same run in a process of its own, after another statement."""
    arguments = [str(PROGRAM), str(seed), strategy]
    code = f"{first}\nimport runpy, sys\nsys.argv[:] = {arguments!r}\nrunpy.run_path(sys.argv[0], run_name='__main__')"
    done = subprocess.run(
        [python, "-c", code],
        env={"PYTHONPATH": import_path(package), "PATH": os.environ["PATH"], **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.removesuffix("\n")


def test_the_scenario_has_everything_in_it() -> None:
    """Or the other tests would compare too little."""
    text = expected(0, "timed")
    events = (
        "rcu_grace_period",
        "hrtimer_start",
        "workqueue_execute_start",
        "console: callback",
        "console: received 1",
    )
    for part in (*events, "[000]", "[001]", "[002]", "[003]", "h1.", ".s", "invalid-wait-context"):
        assert part in text, part
    assert re.search("'page_failures_injected': [1-9]", text)
    assert len(text.splitlines()) > 1000


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_seeds_matter(strategy: str) -> None:
    assert len({expected(seed, strategy) for seed in range(4)}) == 4


def test_strategies_matter() -> None:
    assert expected(0, "timed") != expected(0, "random")


@pytest.mark.parametrize(("seed", "strategy"), CASES)
def test_twice_in_one_process(seed: int, strategy: str) -> None:
    random.seed()
    out = io.StringIO()
    run = program().prepared(seed, strategy, out)
    run.run()
    assert program().transcript(run, out) == expected(seed, strategy)


@pytest.mark.parametrize("hash_seed", ["0", "12345"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_whatever_the_hash_seed(package: Path, strategy: str, hash_seed: str) -> None:
    assert in_a_process(package, 1, strategy, PYTHONHASHSEED=hash_seed) == expected(1, strategy)


@pytest.mark.parametrize(
    "first",
    [
        "import trio._core._run as r\nassert not r._ALLOW_DETERMINISTIC_SCHEDULING",
        "import hypothesis\nimport trio._core._run as r\nassert r._ALLOW_DETERMINISTIC_SCHEDULING",
    ],
    ids=["without", "with"],
)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_with_and_without_hypothesis(package: Path, strategy: str, first: str) -> None:
    """Importing Hypothesis switches Trio's scheduler to another way of choosing; it has nothing to choose here."""
    assert in_a_process(package, 0, strategy, first=first) == expected(0, strategy)


@pytest.fixture
def reference(seed: int, strategy: str) -> str:
    """What is expected, found out before the test's own `trio.run` begins."""
    return expected(seed, strategy)


@pytest.mark.parametrize(("seed", "strategy"), CASES)
async def test_inside_pytest_trios_run(seed: int, strategy: str, reference: str, virtual_clock: VirtualClock) -> None:
    """Beside other tasks, and not at the beginning of time."""
    await trio.sleep(seed + 1 / 3)
    out = io.StringIO()
    run = program().prepared(seed, strategy, out)
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(spins_the_loop)
        await run.arun()
    assert program().transcript(run, out) == reference


async def spins_the_loop() -> None:
    for _ in range(5000):
        await trio.lowlevel.checkpoint()


def interpreters(version: str) -> list[str]:
    """Where a Python of that version may be."""
    name = f"python{version}"
    found = [sys.executable] if sys.version_info[:2] == tuple(map(int, version.split("."))) else []
    found += [path for place in os.environ["PATH"].split(os.pathsep) if (path := shutil.which(name, path=place))]
    roots = [Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"]
    found += [str(path) for root in roots for path in sorted(root.glob(f"{version}.*/bin/{name}"))]
    return found


def usable(python: str, version: str, path: str) -> bool:
    """It starts, is what its name says, and can import what the package needs."""
    probe = f"import sys, trio, attrs, outcome; assert sys.version.startswith('{version}.')"
    env = {**os.environ, "PYTHONPATH": path}
    done: Any = subprocess.run([python, "-c", probe], env=env, capture_output=True, check=False, timeout=60)
    return bool(done.returncode == 0)


@pytest.mark.parametrize("version", VERSIONS)
def test_on_every_python_that_is_here(package: Path, version: str) -> None:
    path = import_path(package)
    python = next((one for one in interpreters(version) if usable(one, version, path)), None)
    if python is None:
        pytest.skip(f"no Python {version} here that can import Trio")
    for strategy in STRATEGIES:
        assert in_a_process(package, 1, strategy, python=python) == expected(1, strategy)
