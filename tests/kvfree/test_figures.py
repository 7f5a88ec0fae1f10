"""The histogram of latencies against sorted lists (rcuactors/kvfree/figures.py)."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcuactors.kvfree.figures import Figures, Latencies

latencies = st.integers(0, 1 << 40)


def exact(values: list[int], percent: float) -> int:
    """The smallest value that so many percent of the values do not exceed."""
    return sorted(values)[max(math.ceil(len(values) * percent / 100), 1) - 1]


@given(st.lists(latencies, min_size=1), st.sampled_from([1, 10, 50, 90, 99, 100]))
def test_a_percentile_is_right_to_one_part_in_64(values: list[int], percent: int) -> None:
    histogram = Latencies()
    for value in values:
        histogram.add(value)
    found = histogram.percentile(percent)
    true = exact(values, percent)
    assert true - true // 64 <= found <= true
    assert histogram.count == len(values)
    assert histogram.maximum == max(values)


@given(st.lists(latencies), st.integers(0, 1 << 41))
def test_a_sorted_array_at_once_is_the_same_as_one_by_one(starts: list[int], later: int) -> None:
    now = (max(starts) if starts else 0) + later
    at_once, one_by_one = Latencies(), Latencies()
    at_once.add_sorted(now, sorted(starts), lambda start: start)
    for start in starts:
        one_by_one.add(now - start)
    assert at_once.buckets == one_by_one.buckets
    assert (at_once.count, at_once.maximum) == (one_by_one.count, one_by_one.maximum)


@given(st.lists(latencies, min_size=1))
def test_percentiles_rise(values: list[int]) -> None:
    histogram = Latencies()
    for value in values:
        histogram.add(value)
    found = [histogram.percentile(percent) for percent in (0, 10, 50, 90, 99, 100)]
    assert found == sorted(found)


def test_nothing_has_no_percentile() -> None:
    assert Latencies().percentile(50) is None


def test_memory_does_not_grow_with_the_count() -> None:
    histogram = Latencies()
    histogram.add_sorted(10_000_000, range(0, 10_000_000, 7), lambda start: start)
    assert histogram.count > 1_000_000
    assert len(histogram.buckets) < 64 * 24


@pytest.mark.parametrize("sizes", [[510] * 3 + [7], [1] * 2500])
def test_bulk_sizes_are_counted_all_and_kept_up_to_a_bound(sizes: list[int]) -> None:
    figures = Figures()
    for size in sizes:
        figures.note_bulk(size)
    assert figures.bulk_objects == sum(sizes)
    assert figures.bulk_sizes == sizes[:1000]
    assert sum(figures.bulk_frees.values()) == len(sizes)
