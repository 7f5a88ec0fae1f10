"""Figures in constant memory (rcuactors/describe/figures.py), against those over all values."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from rcuactors.describe.figures import Distribution, Level


def nearest_rank(values: list[int], share: float) -> int:
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=200), st.sampled_from([0.5, 0.99, 1.0]))
def test_few_values_are_exact(values: list[int], share: float) -> None:
    spread = Distribution()
    for value in values:
        spread.add(value)
    assert (spread.count, spread.total, spread.least, spread.most) == (
        len(values),
        sum(values),
        min(values),
        max(values),
    )
    assert spread.quantile(share) == nearest_rank(values, share)


def test_many_values_are_within_one_percent() -> None:
    spread = Distribution()
    values = [(number * 7919) % 100_003 + number**2 for number in range(20_000)]
    for value in values:
        spread.add(value)
    for share in (0.1, 0.5, 0.9, 0.99):
        exact = nearest_rank(values, share)
        assert abs(spread.quantile(share) - exact) <= exact / 100
    assert spread.quantile(1.0) == max(values)


@given(st.lists(st.tuples(st.integers(0, 10**13), st.integers(-5, 9)), max_size=60))
def test_a_level_knows_its_peak(changes: list[tuple[int, int]]) -> None:
    level, now, peak = Level(), 0, 0
    for time_ns, by in sorted(changes):
        level.change(time_ns, by)
        now = max(now + by, 0)
        peak = max(peak, now)
    over_time = list(level.over_time(60))
    assert (level.now, level.peak) == (now, peak)
    assert max((value for _, value in over_time), default=0) == peak
    assert len(over_time) <= 60
