"""The short table of figures, as (label, text) rows: the same for plain text and for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..engine.choice import Timed
from ..kvfree.figures import CallStatistics
from ..runs.counters import Counters
from ..runs.result import Result
from ..spelling import plural
from .units import duration, size

Row = tuple[str, str]

_SIZES_NAMED = 3

_LEFT_OPEN = (
    ("migrate", "migration", "moves no thread"),
    ("latitude", "latitude", "leaves nothing open"),
    ("hotplug", "hotplug", "takes no CPU away"),
    ("late_timers", "late timers", "has no timer be late"),
    ("waiters", "waiters", "keeps the order of run queues"),
    ("slow_workers", "slow workers", "puts no worker off"),
    ("spurious_irqs", "interrupts", "makes none up"),
    ("spurious_nmis", "NMIs", "makes none up"),
    ("reclaim_now", "reclaim now", "has nobody reclaim"),
)
"""Settings that a strategy in order of time is not asked about: a row's label, and what it does not do."""


def figure_rows(result: Result) -> list[Row]:
    """Return the rows. Things that did not happen are left out, except those that a reader looks for."""
    counters = result.counters
    rows = [
        *_call_rows(counters.calls),
        ("page cache", f"{plural(counters.cache_hits, 'hit')}, {_misses(counters.cache_misses)}"),
        ("refills", _refills(counters)),
        ("pages by callers", f"{counters.caller_pages:,}" if counters.caller_pages else ""),
        ("blocks", f"{counters.blocks:,}"),
        ("bulk frees", _bulk_frees(counters.bulk_frees, counters.bulk_objects)),
        ("freed otherwise", _otherwise(counters)),
        ("fallbacks", _fallbacks(counters)),
        ("grace periods", f"{counters.grace_periods:,}"),
        ("pages", _pages(counters)),
        ("reclaim", _reclaim(counters)),
        ("waste", ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in result.waste.items())),
        *_not_decided(result),
        ("peak outstanding", f"{plural(counters.peak_objects, 'object')}, {size(counters.peak_bytes)}"),
        ("call to free", _latencies(result.latency_ns)),
        (
            "virtual time",
            f"{duration(result.end_ns)}, {plural(result.steps, 'step')}, {plural(result.events, 'event')}",
        ),
        ("event digest", result.digest or ""),
    ]
    return [(label, text) for label, text in rows if text]


def _not_decided(result: Result) -> list[Row]:
    """What was asked for and nobody decides: or a clean run would seem to say something about it."""
    if result.strategy != Timed.name:
        return []
    return [
        (label, f"none: strategy {Timed.name} {does_not}, --strategy random does")
        for setting, label, does_not in _LEFT_OPEN
        if result.config[setting] == "y"
    ]


def _call_rows(calls: CallStatistics) -> list[Row]:
    two, one = calls.two_argument, calls.one_argument
    rows = [("calls", _by_context(two))] if two or not one else []
    return [*rows, ("one-argument calls", _by_context(one))] if one else rows


def _by_context(calls: Mapping[str, int]) -> str:
    total = sum(calls.values())
    if not total:
        return "0"
    ordered = sorted(calls.items(), key=lambda item: (-item[1], item[0]))
    return f"{total:,} ({', '.join(f'{context} {count:,}' for context, count in ordered)})"


def _misses(count: int) -> str:
    return plural(count, "miss", "misses")


def _refills(counters: Counters) -> str:
    if not counters.refills_asked and not counters.refills_done:
        return "none"
    refused = f", {counters.refill_pages_refused:,} refused" if counters.refill_pages_refused else ""
    done = f"{counters.refills_asked:,} asked, {counters.refills_done:,} done"
    return f"{done}, {plural(counters.refill_pages, 'page')}{refused}"


def _bulk_frees(sizes: Mapping[str, int], objects: int) -> str:
    """How many, of how much; the most frequent sizes by name, the others by their range."""
    if not sizes:
        return "none"
    ordered = sorted(((int(size_), count) for size_, count in sizes.items()), key=lambda item: (-item[1], -item[0]))
    named = [f"{count:,} of {size_}" for size_, count in ordered[:_SIZES_NAMED]]
    rest = ordered[_SIZES_NAMED:]
    if rest:
        low, high = min(size_ for size_, _ in rest), max(size_ for size_, _ in rest)
        named.append(f"{sum(count for _, count in rest):,} of {low}{f' to {high}' if high != low else ''}")
    return f"{plural(sum(sizes.values()), 'call')}, {plural(objects, 'object')} ({', '.join(named)})"


def _some(parts: Sequence[tuple[int, str] | tuple[int, str, str]]) -> str:
    """Those that happened: how many, and what one and several of them are called, where that differs."""
    return ", ".join(plural(count, what, (*several, what)[0]) for count, what, *several in parts if count)


def _otherwise(counters: Counters) -> str:
    return _some(
        [
            (counters.vmalloc_freed, "by vfree"),
            (counters.list_freed, "from the rcu_head list"),
            (counters.inline_freed, "by the caller after synchronize_rcu"),
        ]
    )


def _fallbacks(counters: Counters) -> str:
    parts = [
        (counters.fallbacks_list, "to the rcu_head list"),
        (counters.fallbacks_synchronize, "to synchronize_rcu"),
    ]
    return _some(parts) or "none"


def _pages(counters: Counters) -> str:
    failed = _some(
        [
            (counters.page_allocations_failed, "allocation failed", "allocations failed"),
            (counters.page_failures_injected, "of them injected"),
        ]
    )
    given_back = f"{counters.pages_freed:,} given back"
    used = f"{counters.pages_allocated:,} allocated, {given_back}, peak {counters.peak_pages:,}"
    return f"{used}; {failed}" if failed else used


def _reclaim(counters: Counters) -> str:
    return _some(
        [
            (counters.kswapd_wakeups, "kswapd wake-up", "kswapd wake-ups"),
            (counters.direct_reclaims, "direct reclaim", "direct reclaims"),
            (counters.oom_kills, "OOM kill", "OOM kills"),
        ]
    )


def _latencies(latency_ns: Mapping[str, int | None]) -> str:
    shown = [(name, latency_ns[name]) for name in ("p50", "p90", "p99", "max")]
    return ", ".join(f"{name} {duration(value)}" for name, value in shown if value is not None)
