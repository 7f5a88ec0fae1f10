"""What goes on in this process while tests run, and by which names the plugin finds what belongs to a test.

Everybody's pytest loads it: it imports no more than pytest has loaded itself, and what says what the names stand for is
imported by the first test that needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import attrs
import pytest

if TYPE_CHECKING:
    from ..hunt.schedule import Schedule
    from ..runs import Run, RunOptions
    from ..runs.run import Script
    from .lab import KernelLog

EXPLORE: Final = "explore"
KERNELS: Final = "rcu_kernels"
"""The marks."""

LOG: Final[pytest.StashKey[KernelLog]] = pytest.StashKey()
"""What the kernels of a test's runs have reported."""
TOLD: Final[pytest.StashKey[str]] = pytest.StashKey()
"""What is told of a test's schedules."""
REPLAY: Final[pytest.StashKey[Schedule]] = pytest.StashKey()
"""Of the configuration: the schedule that is to be run again."""


class _Given:
    """What stands for the kernel until a run has made one."""

    def __repr__(self) -> str:
        return "the kernel of each schedule"


KERNEL: Final = _Given()


class Maker(Protocol):
    """Who makes a test's runs instead, while the test is tried under a schedule."""

    def prepare(self, script: Script, options: RunOptions | None, words: dict[str, object]) -> Run:
        """Make the run."""
        ...


@attrs.define
class Now:
    """What goes on in this process: the test that runs, and who makes its runs, if that is not the lab."""

    item: pytest.Item | None = None
    maker: Maker | None = None


NOW: Final = Now()
"""Fixtures of a whole session, which Hypothesis wants, know by it whose they are."""
