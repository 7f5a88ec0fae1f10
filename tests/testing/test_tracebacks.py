"""Of a failing test the test and the scenario are shown, and none of the model's frames (testing/tracebacks.py).

And what it costs a session whose tests do not use the plugin.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROBE = """
import importlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

async def scripted(k, n=3):
    await k.kmalloc(64)
    assert n == 4

async def slip(k):
    await k.kmallok(64)

async def twice(k):
    p = await k.kmalloc(64)
    await k.kfree(p)
    await k.kfree(p)

def test_asserts(rcu_lab):
    rcu_lab.run(scripted)

def test_slips(rcu_lab):
    rcu_lab.run(slip)

def test_misspelt(rcu_lab):
    rcu_lab.run(scripted, kernal="v5.9")

def test_panics(rcu_lab):
    rcu_lab.run(twice, panic_on_warn=True)

@pytest.mark.trio
async def test_in_trio(rcu_run):
    await rcu_run(scripted)

def test_a_mistake_of_the_packages_own(rcu_lab, monkeypatch):
    module = importlib.import_module("rcuactors.runs.run")
    monkeypatch.setattr(module, "collect", None)
    monkeypatch.setattr(module.Run, "go", lambda *_: None)
    rcu_lab.run(scripted)

@settings(max_examples=3)
@given(n=st.integers(4, 4))
def test_given(rcu_lab, n):
    rcu_lab.run(scripted, n=n)
"""


def tried(tmp_path: Path, package: Path, *options: str) -> dict[str, str]:
    """What is shown of each test that failed."""
    (tmp_path / "test_probe.py").write_text(PROBE)
    (tmp_path / "conftest.py").write_text((package.parent / "tests" / "conftest.py").read_text())
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(package.parent)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "6 failed, 1 passed" in done.stdout, done.stdout
    parts = re.split(r"^_+ (test_\w+) _+$", done.stdout, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_models_frames_are_left_out(tmp_path: Path, package: Path) -> None:
    shown = tried(tmp_path, package)
    own = shown.pop("test_a_mistake_of_the_packages_own")
    assert "rcuactors/runs/run.py" in own, "what is our mistake says where"
    for name, text in shown.items():
        assert not re.search(r"rcuactors/(runs|engine|kernel|kapi|testing)/", text), name
    assert ">       assert n == 4" in shown["test_asserts"]
    assert "assert n == 4" in shown["test_in_trio"]
    assert ">       await k.kfree(p)" in shown["test_panics"]
    assert "double free" in shown["test_panics"]


def test_names_are_told_as_on_the_command_line(tmp_path: Path, package: Path) -> None:
    shown = tried(tmp_path, package)
    assert "E       did you mean kmalloc?" in shown["test_slips"].splitlines()
    assert "kernal: no such name; did you mean kernel?" in shown["test_misspelt"]


def test_all_of_them_are_there_for_who_asks(tmp_path: Path, package: Path) -> None:
    shown = tried(tmp_path, package, "--full-trace")
    assert all("rcuactors/testing/lab.py" in text for name, text in shown.items() if name != "test_given")


@pytest.mark.parametrize("module", ["rcuactors.testing"])
def test_the_plugin_imports_nothing_of_the_model(module: str, package: Path) -> None:
    """Everybody's pytest loads it."""
    code = (
        f"import sys, {module}; "
        "print(*sorted(name.split('.')[1] for name in sys.modules if name.startswith('rcuactors.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(package.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    heavy = {"kapi", "kernel", "kvfree", "rcu", "mm", "explore", "hunt", "runs", "eras", "machine", "report"}
    assert not heavy & set(done.stdout.split())
    assert "testing" in done.stdout.split()
