"""What goes on in this process, and what is noted of each test: known without the model, which few tests need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from ..hunt.schedule import Schedule
    from .lab import KernelLog, Maker

    LogKey = pytest.StashKey[KernelLog]
    ScheduleKey = pytest.StashKey[Schedule]
else:
    LogKey = ScheduleKey = pytest.StashKey

EXPLORE: Final = "explore"
KERNELS: Final = "rcu_kernels"
"""The marks."""

LOG: Final = LogKey()
TOLD: Final = pytest.StashKey[str]()
"""What is told of a test's schedules."""

REPLAY: Final = ScheduleKey()


class Now:
    """The test that runs, and who makes its runs, if that is not the lab."""

    def __init__(self) -> None:
        self.item: pytest.Item | None = None
        self.maker: Maker | None = None


NOW: Final = Now()
"""Fixtures of a whole session, which Hypothesis wants, know by it whose they are."""


class _Given:
    """What stands for the kernel until a run has made one."""

    def __repr__(self) -> str:
        return "the kernel of each schedule"


KERNEL: Final = _Given()
