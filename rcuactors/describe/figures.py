"""Figures over a stream of unknown length, in constant memory: how values are distributed, and a level over time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import attrs

_EXACT: Final = 4096
"""So many different values are kept as they are; then each is rounded to seven binary digits, less than 1 % off."""
_DIGITS: Final = 7
_BUCKETS: Final = 240


@attrs.define
class Distribution:
    """Values and how often each was seen. Exact while they are few, quantiles within 1 % when they are many."""

    count: int = 0
    total: int = 0
    least: int = 0
    most: int = 0
    _seen: dict[int, int] = attrs.field(factory=dict)
    _rounded: bool = False

    def add(self, value: int, times: int = 1) -> None:
        """Take in a value, so many times."""
        self.least = min(self.least, value) if self.count else value
        self.most = max(self.most, value) if self.count else value
        self.count += times
        self.total += value * times
        key = _round(value) if self._rounded else value
        self._seen[key] = self._seen.get(key, 0) + times
        if not self._rounded and len(self._seen) > _EXACT:
            self._rounded = True
            seen, self._seen = self._seen, {}
            for old, number in seen.items():
                key = _round(old)
                self._seen[key] = self._seen.get(key, 0) + number

    def quantile(self, share: float) -> int:
        """The least value that so large a share of all does not exceed; 0 of none."""
        left = share * self.count
        for value in sorted(self._seen):
            left -= self._seen[value]
            if left <= 0:
                return min(max(value, self.least), self.most)
        return self.most

    def as_json(self) -> dict[str, Any]:
        """Count, least, median, p99, most; None of what there is none of."""
        if not self.count:
            return {"count": 0, "min": None, "median": None, "p99": None, "max": None}
        return {
            "count": self.count,
            "min": self.least,
            "median": self.quantile(0.5),
            "p99": self.quantile(0.99),
            "max": self.most,
        }


def _round(value: int) -> int:
    shift = max(abs(value).bit_length() - _DIGITS, 0)
    return (value >> shift << shift) + (1 << shift >> 1)


@attrs.define
class Level:
    """A level over time: its highest in each of some hundred stretches of time, which get longer as time goes on."""

    peak: int = 0
    peak_ns: int = 0
    now: int = 0
    _begin_ns: int | None = None
    _width_ns: int = 1_000_000
    _highest: list[int] = attrs.field(factory=list)

    def change(self, time_ns: int, by: int) -> None:
        """It rises or falls; never below nothing, since what came before the trace is not known."""
        if self._begin_ns is None:
            self._begin_ns = time_ns
        at = max(time_ns - self._begin_ns, 0) // self._width_ns
        while at >= _BUCKETS:
            self._highest = [max(self._highest[i : i + 2]) for i in range(0, len(self._highest), 2)]
            self._width_ns *= 2
            at = max(time_ns - self._begin_ns, 0) // self._width_ns
        highest = self._highest
        while len(highest) <= at:
            highest.append(self.now)
        self.now = max(self.now + by, 0)
        highest[-1] = max(highest[-1], self.now)
        if self.now > self.peak:
            self.peak, self.peak_ns = self.now, time_ns

    def over_time(self, columns: int) -> Iterator[tuple[int, int]]:
        """At most so many (time in ns, highest until the next)."""
        if self._begin_ns is None:
            return
        each = -(-len(self._highest) // columns)
        for first in range(0, len(self._highest), each):
            yield self._begin_ns + first * self._width_ns, max(self._highest[first : first + each])
