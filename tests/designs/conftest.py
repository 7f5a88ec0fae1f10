"""The designs that do not take zone->lock in the caller's context, or forbid themselves to (D8 to D17), and D12."""

from __future__ import annotations

import pytest


@pytest.fixture(
    params=[
        "reserve",
        "growing-reserve",
        "preemptible-guard",
        "unlocked",
        "softirq-alloc",
        "hrtimer-work",
        "work-directly",
        "kmalloc-nolock",
        "sheaves",
        "nolock-sheaves",
    ]
)
def design(request: pytest.FixtureRequest) -> str:
    """Each of them in turn."""
    name: str = request.param
    return name
