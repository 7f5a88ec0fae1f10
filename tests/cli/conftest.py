"""What the tests of the command line share: calls in this process and in one of their own, and scenario files."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rcuactors.cli import cli

BODIES = {
    "tidy": """
    for _ in range(objects):
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")
""",
    "twice": """
    p = await k.kmalloc(64)
    await k.kfree(p)
    await k.kfree(p)
    await k.kfree(p)
""",
    "midway": """
    p = await k.kmalloc(64)
    await k.kfree(p)
    await k.kfree(p)
    await k.udelay(-1)
""",
    "endless": """
    while True:
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")
""",
    "stuck": """
    while True:
        pass
""",
    "chatty": """
    print("a line of the scenario's own")
    await k.kvfree_rcu(await k.kmalloc(64), "rcu")
""",
    "raises": """
    await k.kvfree_rcu(await k.kmalloc(64), "rcu")
    1 / 0
""",
    "asserts": """
    assert not objects
""",
    "exits": """
    raise SystemExit(7)
""",
    "slow": """
    import time
    for _ in range(5):
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")
        time.sleep(0.3)
""",
}


@pytest.fixture
def scenario_file(tmp_path: Path) -> Callable[[str], str]:
    """Write one of the scenarios above to a file of its name; returns the path."""

    def write(name: str) -> str:
        path = tmp_path / f"{name}.py"
        path.write_text(
            f'"""{name}: for the tests."""\n'
            "from rcuactors import Kernel, scenario, script\n"
            "@scenario()\n"
            f'async def {name}(k: Kernel, objects: int = 20, careful: bool = True, text: str = "x") -> None:'
            f"{BODIES[name]}\n"
            'if __name__ == "__main__":\n'
            f"    script({name})\n",
            encoding="utf-8",
        )
        return str(path)

    return write


def call_cli(*args: str) -> Result:
    """Call the command line in this process; stdout and stderr are kept apart on every version of Click."""
    extra: dict[str, Any] = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}
    return CliRunner(**extra).invoke(cli, list(args), prog_name="rcuactors")


@pytest.fixture
def call() -> Callable[..., Result]:
    """Call the command line in this process."""
    return call_cli


def environment(package: Path) -> dict[str, str]:
    """The environment of a process that shall find the package, and leave nothing beside it."""
    return {**os.environ, "PYTHONPATH": str(package.parent)}


class Spawned(subprocess.Popen[str]):
    """A process that a test is done with has ended, whatever becomes of the test."""

    def __exit__(self, *failure: object) -> None:
        if self.poll() is None:
            self.kill()
        super().__exit__(*failure)


@pytest.fixture
def spawn(package: Path, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start Python with some arguments, in an empty directory."""

    def start(*args: str, **options: Any) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": tmp_path, "env": environment(package)}
        return Spawned([sys.executable, *args], text=True, **{**pipes, **options})

    return start


@pytest.fixture
def command(spawn: Callable[..., subprocess.Popen[str]]) -> Callable[..., tuple[int, str, str]]:
    """Run `python -m rcuactors` to its end; returns exit code, stdout and stderr."""

    def run(*args: str, **options: Any) -> tuple[int, str, str]:
        with spawn("-m", "rcuactors", *args, **options) as process:
            out, err = process.communicate(timeout=60)
        return process.returncode, out or "", err or ""

    return run


@pytest.fixture
def one_line(call: Callable[..., Result]) -> Callable[..., str]:
    """Call with something bad: exit code 2 and exactly one line on stderr, which is returned without its line end."""

    def check(*args: str) -> str:
        result = call(*args)
        assert result.exit_code == 2, result.output
        assert "Traceback" not in result.output
        assert result.stderr.endswith("\n")
        assert result.stderr.count("\n") == 1, result.stderr
        assert result.stderr.startswith("rcuactors: ")
        return result.stderr[len("rcuactors: ") : -1]

    return check
