"""Numbers as people read them."""

from __future__ import annotations

from typing import Final

_TIMES: Final = ((1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us"))
_SIZES: Final = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def _scaled(value: int, units: tuple[tuple[int, str], ...], smallest: str) -> str:
    for factor, unit in units:
        if value >= factor:
            return f"{_three_digits(value / factor)} {unit}"
    return f"{value} {smallest}"


def _three_digits(value: float) -> str:
    decimals = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:,.{decimals}f}"


def duration(ns: int) -> str:
    """Nanoseconds in the unit that leaves three digits: `28.1 ms`."""
    return _scaled(ns, _TIMES, "ns")


def size(count: int) -> str:
    """Bytes likewise: `312 KiB`."""
    return _scaled(count, _SIZES, "bytes")
