"""A scenario that hangs on something else than its decisions: no search says of it that it has covered everything."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from rcuactors import Kernel, scenario
from rcuactors.hunt import Hunted, hunt
from tests.small import TWO

SEARCHES = ("delays:d=1", "dfs:preemptions=1,window=100", "dpor:window=100")

elsewhere: Iterator[int] = itertools.repeat(0)
"""What the scenario asks, and no strategy decides."""


@scenario(settings=TWO)
async def strays(k: Kernel) -> None:
    """Two threads take a lock, one of them as often as somebody else says."""
    lock = k.raw_spinlock("a")

    async def takes(times: int) -> None:
        for _ in range(times):
            await k.raw_spin_lock(lock)
            await k.raw_spin_unlock(lock)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(takes, 1, cpu=1)
        await takes(1 + next(elsewhere))


def through(strategy: str) -> Hunted:
    return hunt(strays, kernel="v6.12", strategies=(strategy,), schedules=3_000)


@pytest.mark.parametrize("strategy", SEARCHES)
def test_it_is_told(strategy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "elsewhere", itertools.cycle((0, 1, 1)))
    hunted = through(strategy)
    assert hunted.tally.progress.astray
    assert not hunted.covered
    assert any(line.startswith("covered ") and "did not begin as it should" in line for line in hunted.lines())


@pytest.mark.parametrize("strategy", SEARCHES)
def test_where_nothing_else_decides_all_is_covered(strategy: str) -> None:
    hunted = through(strategy)
    assert not hunted.tally.progress.astray
    assert hunted.covered
