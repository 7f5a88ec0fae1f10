"""Results to be shown: one made by hand, since only its rendering is tested here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from rcuactors import Kernel, run
from rcuactors.context.violation import Violation, ViolationKind
from rcuactors.runs.result import Result


async def nothing(_k: Kernel) -> None:
    """A run of which there is nothing to show."""


def zero(value: Any) -> Any:
    """As if it had never been counted."""
    if isinstance(value, dict):
        # Numbers by name keep their names; a histogram has none.
        return {key: zero(inner) for key, inner in value.items() if not isinstance(inner, int) or key.isidentifier()}
    return 0 if isinstance(value, int) else type(value)()


RAN = run(nothing)
COUNTERS: dict[str, Any] = zero(RAN.counters) | {"calls": {"two_argument": {}, "one_argument": {}}}
EMPTY = attrs.evolve(
    RAN,
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
        return attrs.evolve(EMPTY, counters=COUNTERS | (counters or {}), **changes)

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
