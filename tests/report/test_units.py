"""Numbers as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcuactors.report.units import duration, size


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1_000, "1.00 us"),
        (9_994, "9.99 us"),
        (9_996, "10.0 us"),
        (99_940, "99.9 us"),
        (99_960, "100 us"),
        (35_700_000, "35.7 ms"),
        (1_500_000_000, "1.50 s"),
        (12_345_000_000_000, "12,345 s"),
    ],
)
def test_durations(ns: int, text: str) -> None:
    assert duration(ns) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.00 KiB"), (320_000, "312 KiB"), (5 << 30, "5.00 GiB")],
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


@given(st.integers(0, 10**18))
def test_a_duration_is_right_to_its_last_digit(ns: int) -> None:
    number, unit = duration(ns).replace(",", "").split()
    factor = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9}[unit]
    assert abs(float(number) * factor - ns) <= max(factor, ns * 0.006)
