"""A forked process is the command as `python -m rcuactors` is: what it prints and how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forking.server import ForkingServer

REAL = f"{sys.executable} -m rcuactors"


@pytest.fixture(scope="module")
def forked(tmp_path_factory: pytest.TempPathFactory, package: Path) -> Iterator[str]:
    environment = {**os.environ, "PYTHONPATH": str(package.parent)}
    with ForkingServer(tmp_path_factory.mktemp("f"), environment) as server:
        yield server.command()


def shell(command: str, folder: Path, package: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(package.parent), "COLUMNS": "70"}
    return subprocess.run(
        ["bash", "-c", command], check=False, cwd=folder, env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    "command",
    [
        "{} run here.py --set objects=3; echo $?",
        "{} run raw_lock_caler",
        # More than a pipe holds: less may be written before the reader goes, or after.
        "{} docs docs/api.md | head -n 2; echo ${{PIPESTATUS[0]}}",
        "cd ..; echo | {} check --help >&2",
    ],
)
def test_it_is_the_command(command: str, forked: str, tmp_path: Path, package: Path) -> None:
    (tmp_path / "here.py").write_text(
        "from rcuactors import Kernel, scenario\n"
        "@scenario()\n"
        "async def here(k: Kernel, objects: int = 1) -> None:\n"
        "    for _ in range(objects):\n"
        "        p = await k.kmalloc(64)\n"
        "    await k.kfree(p)\n"
        "    await k.kfree(p)\n",
        encoding="utf-8",
    )
    real, ours = (shell(command.format(words), tmp_path, package) for words in (REAL, forked))
    assert (ours.stdout, ours.stderr, ours.returncode) == (real.stdout, real.stderr, real.returncode)
    assert ours.stdout + ours.stderr


def test_each_command_is_a_process_of_its_own(forked: str, tmp_path: Path, package: Path) -> None:
    (tmp_path / "who.py").write_text("import os\nimport sys\nprint(os.getpid())\nsys.exit(0)\n", encoding="utf-8")
    first, second = (shell(f"{forked} run who.py | head -1", tmp_path, package) for _ in range(2))
    assert first.stdout.strip().isdigit()
    assert first.stdout != second.stdout


def test_one_that_is_killed_has_not_ended_well(forked: str, tmp_path: Path, package: Path) -> None:
    (tmp_path / "dies.py").write_text("import os\nos.abort()\n", encoding="utf-8")
    assert shell(f"{forked} run dies.py", tmp_path, package).returncode == 255
