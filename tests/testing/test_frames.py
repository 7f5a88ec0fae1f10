"""What a test that fails is shown by: its own lines, and no frame of the engine."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

FAILS = """
from rcuactors import Kernel


def helper():
    raise LookupError("mine")


async def body(k: Kernel) -> None:
    await k.udelay(1)
    helper()


def test_within(rcu_lab):
    rcu_lab.run(body)


async def wrong(k: Kernel) -> None:
    await k.udelay(-1)


def test_called_wrongly(rcu_lab):
    rcu_lab.run(wrong)


def test_outside(rcu_lab):
    rcu_lab.run(body, nosuch=1)
"""


def shown(tmp_path: Path, package: Path, *options: str) -> str:
    (tmp_path / "test_it.py").write_text(FAILS)
    named = any(entry.name == "rcuactors" for entry in entry_points(group="pytest11"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *([] if named else ["-p", "rcuactors.testing"]), *options],
        env={**os.environ, "PYTHONPATH": str(package.parent)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "3 failed" in done.stdout
    return done.stdout


def test_the_engine_is_left_out(tmp_path: Path, package: Path) -> None:
    text = shown(tmp_path, package, "--tb=short")
    places = [line.split(":")[0] for line in text.splitlines() if ": in " in line]
    assert set(places) == {"test_it.py"}
    for line in ("in helper", "in body", "in test_within", "in test_called_wrongly", "in test_outside"):
        assert line in text
    assert "LookupError: mine" in text
    assert "udelay(-1): needs a whole number" in text


def test_all_of_it_if_that_is_asked_for(tmp_path: Path, package: Path) -> None:
    assert f"{Path('runs', 'run.py')}:" in shown(tmp_path, package, "--full-trace")
