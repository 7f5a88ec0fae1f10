"""Results to be shown: one made by hand, since only its rendering is tested here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from rcuactors import Kernel, run
from rcuactors.context.violation import Violation, ViolationKind
from rcuactors.kvfree.figures import CallStatistics
from rcuactors.runs.counters import Counters
from rcuactors.runs.result import Result

_NOTHING: dict[str, Any] = {
    "calls": CallStatistics(two_argument={}, one_argument={}),
    "bulk_frees": {},
    "bulk_sizes_in_order": (),
}
COUNTERS = Counters(**{field.name: _NOTHING.get(field.name, 0) for field in attrs.fields(Counters)})


async def nothing(_k: Kernel) -> None:
    """A run of which there is nothing to show."""


EMPTY = attrs.evolve(
    run(nothing),
    scenario="made_up",
    counters=COUNTERS,
    latency_ns={"count": 0, "p50": None, "p90": None, "p99": None, "max": None},
    end_ns=0,
    steps=0,
    events=0,
    digest=None,
)


@pytest.fixture
def made() -> Callable[..., Result]:
    """Make a result: counters by `counters=`, the rest by name."""

    def make(*, counters: dict[str, Any] | None = None, **changes: Any) -> Result:
        return attrs.evolve(EMPTY, counters=attrs.evolve(COUNTERS, **(counters or {})), **changes)

    return make


@pytest.fixture
def violation() -> Violation:
    """A short report."""
    return Violation(
        kind=ViolationKind.DOUBLE_FREE,
        title="BUG: double free of an object",
        time_ns=2_000_123_999,
        cpu=1,
        context="process",
        text="\nBUG: double free of an object\n first freed at one (file.py:3)",
    )
