"""What the tutorial has the reader write passes strict type checkers, as the page says."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = "docs/first-scenario.md"
FILE = re.compile(r"^```python\n(# (\S+\.py)\n.*?)^```$", re.DOTALL | re.MULTILINE)
PYRIGHT = shutil.which("pyright") or shutil.which("basedpyright")


@pytest.fixture
def written(root: Path, tmp_path: Path) -> list[str]:
    """The files of the page, each as it is in the end."""
    files = {name: text for text, name in FILE.findall((root / PAGE).read_text(encoding="utf-8"))}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert {"my_driver.py", "test_my_driver.py", "test_mistake.py"} <= set(files)
    return list(files)


def checked(command: list[str], tmp_path: Path, root: Path) -> str:
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "MYPYPATH": str(root)}, capture_output=True, text=True, check=False
    )
    return "" if not done.returncode else done.stdout + done.stderr


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")
@pytest.mark.parametrize("wrong", [False, True])
def test_mypy(written: list[str], tmp_path: Path, root: Path, wrong: bool) -> None:
    if wrong:
        file = tmp_path / "my_driver.py"
        file.write_text(file.read_text() + "my_driver.nothing\n")
    said = checked([sys.executable, "-m", "mypy", "--strict", "--no-incremental", *written], tmp_path, root)
    assert ("has no attribute" in said) == wrong, said
    assert bool(said) == wrong, said


@pytest.mark.skipif(PYRIGHT is None, reason="pyright is not installed")
def test_pyright(written: list[str], tmp_path: Path, root: Path) -> None:
    assert PYRIGHT is not None
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "standard"}')
    (tmp_path / "rcuactors").symlink_to(root / "rcuactors")
    assert checked([PYRIGHT, "--pythonpath", sys.executable, *written], tmp_path, root) == ""
