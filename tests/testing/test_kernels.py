"""`@pytest.mark.rcu_kernels` and `rcu_lab.check()`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from rcuactors import BadInput, Kernel, RunOptions
from rcuactors.builds import BUILDS
from rcuactors.eras import ERAS
from rcuactors.testing import RcuLab

SEEN: list[str] = []


async def tidy(k: Kernel) -> None:
    await k.kvfree_rcu(await k.kmalloc(64), "rcu")


@pytest.mark.rcu_kernels(versions=["v5.9", "v6.12"], builds="rt")
def test_each_kernel_is_the_options_of_a_run(rcu_lab: RcuLab, rcu_kernel: RunOptions) -> None:
    result = rcu_lab.run(tidy, rcu_kernel)
    SEEN.append(result.kernel)
    assert result.config["PREEMPT_RT"] == "y"
    assert ["v5.9", "v6.12"][: len(SEEN)] == SEEN


Collected = Callable[[str], subprocess.CompletedProcess[str]]


@pytest.fixture
def collected(tmp_path: Path, package: Path) -> Collected:
    """A test file, collected by a pytest of its own, with the plugin loaded as it is for everybody."""
    named = any(entry.name == "rcuactors" for entry in entry_points(group="pytest11"))

    def collect(text: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "test_it.py").write_text(f"import pytest\n{text}")
        return subprocess.run(
            [sys.executable, "-m", "pytest", "--collect-only", "-q", *([] if named else ["-p", "rcuactors.testing"])],
            env={**os.environ, "PYTHONPATH": str(package.parent)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return collect


def marked(mark: str, argument: str = "rcu_kernel") -> str:
    return f"@pytest.mark.rcu_kernels({mark})\ndef test_it({argument}):\n    pass\n"


def test_without_arguments_it_is_every_kernel(collected: Collected) -> None:
    lines = [line for line in collected(marked("")).stdout.splitlines() if "::" in line]
    assert len(lines) == len(ERAS) * len(BUILDS)
    assert lines[0].endswith("test_it[v5.9-plain]")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (marked("versions='v5.1'"), "did you mean v5.11?"),
        (marked("'v5.9'"), "rcu_kernels('v5.9'): needs arguments by name"),
        (marked("kernels='v5.9'"), "rcu_kernels(kernels=): needs versions=... or builds=..."),
        (marked("", "tmp_path"), "the test has no argument rcu_kernel"),
    ],
)
def test_what_is_wrong_with_the_mark_is_said(collected: Collected, text: str, said: str) -> None:
    done = collected(text)
    assert done.returncode == pytest.ExitCode.INTERRUPTED
    assert said in done.stdout
    assert "Traceback" not in done.stdout


def test_the_lab_checks(rcu_lab: RcuLab) -> None:
    checked = rcu_lab.check(tidy, kernels=["v6.12"], builds=["plain"], schedules=8)
    assert checked.clean
    assert checked.schedules == 8


def test_a_scenario_in_a_function_cannot_be_checked(rcu_lab: RcuLab) -> None:
    async def within(k: Kernel) -> None:
        pass

    with pytest.raises(BadInput, match="must stand at the top"):
        rcu_lab.check(within)
