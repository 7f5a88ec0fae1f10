"""What kvfree_rcu() counts about itself, and the distribution of latencies from call to free.

The histogram has buckets of at most one part in 64, so that a run of any length takes little memory; an array of
objects in the order of their calls is added with a few bisections instead of one step an object.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import attrs

T = TypeVar("T")

_PRECISION_BITS: Final = 6
_SIZES_KEPT: Final = 1000


def _bucket(value: int) -> int:
    """The smallest value of the bucket that `value` falls in."""
    shift = max(value.bit_length() - _PRECISION_BITS - 1, 0)
    return value >> shift << shift


class Latencies:
    """A histogram of virtual nanoseconds."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self.count = 0
        self.maximum = 0

    def add(self, latency_ns: int) -> None:
        """One latency."""
        self._buckets[_bucket(latency_ns)] += 1
        self.count += 1
        self.maximum = max(self.maximum, latency_ns)

    def add_sorted(self, now: int, items: Sequence[T], start_of: Callable[[T], int]) -> None:
        """The latencies `now - start_of(item)` of items in the order of their start."""
        self.count += len(items)
        index, end = 0, len(items)
        while index < end:
            latency = now - start_of(items[index])
            self.maximum = max(self.maximum, latency)
            low = _bucket(latency)
            after = bisect_right(items, now - low, lo=index, key=start_of)
            after = max(after, index + 1)
            self._buckets[low] += after - index
            index = after

    def percentile(self, percent: float) -> int | None:
        """The latency that so many percent do not exceed, to one part in 64; None without any."""
        if not self.count:
            return None
        wanted = self.count * percent / 100
        seen = 0
        for low in sorted(self._buckets):
            seen += self._buckets[low]
            if seen >= wanted:
                return min(low, self.maximum)
        return self.maximum


@attrs.define(eq=False)
class Figures:
    """Counters of one run.

    Calls are counted by preempt_count << 3 | interrupts off << 2 | softirq thread << 1 | one-argument.
    """

    calls: defaultdict[int, int] = attrs.field(factory=lambda: defaultdict(int))
    cache_hits: int = 0
    cache_misses: int = 0
    refills_asked: int = 0
    refills_done: int = 0
    refill_pages: int = 0
    refill_pages_refused: int = 0
    caller_pages: int = 0
    blocks: int = 0
    bulk_frees: Counter[int] = attrs.field(factory=Counter)
    bulk_sizes: list[int] = attrs.field(factory=list)
    bulk_objects: int = 0
    vmalloc_freed: int = 0
    list_freed: int = 0
    inline_freed: int = 0
    fallbacks_list: int = 0
    fallbacks_synchronize: int = 0
    monitor_runs: int = 0
    work_runs: int = 0
    latencies: Latencies = attrs.field(factory=Latencies)

    def note_bulk(self, size: int) -> None:
        """A kfree_bulk() of so many objects."""
        self.bulk_frees[size] += 1
        self.bulk_objects += size
        if len(self.bulk_sizes) < _SIZES_KEPT:
            self.bulk_sizes.append(size)
