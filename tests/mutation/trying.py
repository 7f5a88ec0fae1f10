"""Trying a mutant: in a child of this process, in which pytest is there already and the program not yet.

So a try costs the import of the program and of the chosen tests, and what they take. A child that takes far longer than
its tests did is ended, and counts as found: a loop that never ends is seen by whoever waits for the suite.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import CodeType
from typing import Final

import attrs
import hypothesis  # imported once, before the children are made  # noqa: F401
import pytest
import trio  # noqa: F401

from tests.mutation.covered import Finder
from tests.mutation.mutants import Mutant, compiled

_PATIENCE: Final = 12.0
"""How many times its tests' own seconds a try may take."""
_AT_LEAST_S: Final = 60.0
_CRASHED: Final = 70
PASSED: Final = 0
FAILED: Final = 1
_USAGE: Final = 4


@attrs.define
class _Mutating(Finder):
    changed: CodeType

    def code(self, path: str) -> CodeType:
        """The mutant."""
        del path
        return self.changed


@attrs.define
class Chosen:
    """Of what was collected only these tests run, in this order."""

    tests: Sequence[str]

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Those, in that order."""
        place = {test: number for number, test in enumerate(self.tests)}
        items[:] = sorted((item for item in items if item.nodeid in place), key=lambda item: place[item.nodeid])


@attrs.define
class Try:
    """A child that runs some tests on a mutant."""

    pid: int
    until: float
    log: Path

    @classmethod
    def begin(cls, root: Path, mutant: Mutant | None, tests: Sequence[str], seconds: float, log: Path) -> Try:
        """Make the child. No mutant: the program as it is."""
        code = None if mutant is None else compiled(root, mutant)
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            _child(root, mutant, code, tests, log)
        return cls(pid, time.monotonic() + _AT_LEAST_S + _PATIENCE * seconds, log)

    def ended(self) -> str | None:
        """ "passed", or how it was found ("failed", "crashed", "too long"); None while it runs."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid == 0:
            if time.monotonic() < self.until:
                return None
            os.killpg(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            return "too long"
        code = os.waitstatus_to_exitcode(status)
        if code == _USAGE:
            raise RuntimeError(f"the tests could not be run: see {self.log}")
        return {PASSED: "passed", FAILED: "failed"}.get(code, "crashed")

    def kill(self) -> None:
        """End it, if it has not ended by itself."""
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.killpg(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


def _child(root: Path, mutant: Mutant | None, code: CodeType | None, tests: Sequence[str], log: Path) -> None:
    said = _CRASHED
    try:
        os.setsid()
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(file, 1)
        os.dup2(file, 2)
        os.chdir(root)
        sys.path.insert(0, str(root))
        if mutant is not None and code is not None:
            sys.meta_path.insert(0, _Mutating(root, {mutant.module: mutant.path}, code))
        files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
        quiet = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
        args = [*quiet, "-x", "-q", "--no-header", "--tb=line", "-p", "no:cacheprovider", "-p", "no:xdist", *files]
        said = int(pytest.main(args, plugins=[Chosen(tests)]))
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(said)
