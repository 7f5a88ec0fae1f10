"""The table of figures."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rcuactors.kvfree.figures import CallStatistics
from rcuactors.report.figures import figure_rows
from rcuactors.runs.result import Result

Made = Callable[..., Result]

TWO_FORMS = CallStatistics(two_argument={"hardirq": 7, "process": 4000}, one_argument={})
ONE_FORM = CallStatistics(two_argument={}, one_argument={"process": 3})


def test_a_run_in_which_nothing_happened(made: Made) -> None:
    assert figure_rows(made()) == [
        ("calls", "0"),
        ("page cache", "0 hits, 0 misses"),
        ("refills", "none"),
        ("blocks", "0"),
        ("bulk frees", "none"),
        ("fallbacks", "none"),
        ("grace periods", "0"),
        ("pages", "0 allocated, 0 given back, peak 0"),
        ("peak outstanding", "0 objects, 0 bytes"),
        ("virtual time", "0 ns, 0 steps, 0 events"),
    ]


@pytest.mark.parametrize(
    ("counters", "label", "text"),
    [
        ({"calls": TWO_FORMS}, "calls", "4,007 (process 4,000, hardirq 7)"),
        (
            {"calls": ONE_FORM},
            "one-argument calls",
            "3 (process 3)",
        ),
        ({"cache_hits": 1, "cache_misses": 1}, "page cache", "1 hit, 1 miss"),
        ({"refills_asked": 2, "refills_done": 1, "refill_pages": 5}, "refills", "2 asked, 1 done, 5 pages"),
        (
            {"refills_asked": 1, "refills_done": 1, "refill_pages": 1, "refill_pages_refused": 4},
            "refills",
            "1 asked, 1 done, 1 page, 4 refused",
        ),
        ({"caller_pages": 3}, "pages by callers", "3"),
        (
            {"bulk_frees": {"510": 9, "408": 1}, "bulk_objects": 4998},
            "bulk frees",
            "10 calls, 4,998 objects (9 of 510, 1 of 408)",
        ),
        (
            {"bulk_frees": {"510": 9, "5": 2, "7": 3, "1": 1, "90": 1}, "bulk_objects": 4712},
            "bulk frees",
            "16 calls, 4,712 objects (9 of 510, 3 of 7, 2 of 5, 2 of 1 to 90)",
        ),
        (
            {"bulk_frees": {"4": 1, "3": 1, "2": 1, "1": 1}, "bulk_objects": 10},
            "bulk frees",
            "4 calls, 10 objects (1 of 4, 1 of 3, 1 of 2, 1 of 1)",
        ),
        ({"vmalloc_freed": 2, "list_freed": 5}, "freed otherwise", "2 by vfree, 5 from the rcu_head list"),
        ({"inline_freed": 1}, "freed otherwise", "1 by the caller after synchronize_rcu"),
        (
            {"fallbacks_list": 2, "fallbacks_synchronize": 1},
            "fallbacks",
            "2 to the rcu_head list, 1 to synchronize_rcu",
        ),
        (
            {
                "pages_allocated": 9,
                "pages_freed": 4,
                "peak_pages": 6,
                "page_allocations_failed": 2,
                "page_failures_injected": 1,
            },
            "pages",
            "9 allocated, 4 given back, peak 6; 2 allocations failed, 1 of them injected",
        ),
        ({"kswapd_wakeups": 1, "oom_kills": 2}, "reclaim", "1 kswapd wake-up, 2 OOM kills"),
        ({"peak_objects": 1, "peak_bytes": 4096}, "peak outstanding", "1 object, 4.00 KiB"),
    ],
)
def test_rows(made: Made, counters: dict[str, object], label: str, text: str) -> None:
    assert dict(figure_rows(made(counters=counters)))[label] == text


def test_calls_of_one_form_only_are_no_calls_of_the_other(made: Made) -> None:
    assert "calls" not in dict(figure_rows(made(counters={"calls": ONE_FORM})))


def test_latencies_time_and_digest(made: Made) -> None:
    latency_ns = {"count": 4, "p50": 900, "p90": 35_700_000, "p99": 36_000_000, "max": 36_000_001}
    rows = dict(figure_rows(made(latency_ns=latency_ns, end_ns=1_000_000, steps=1, events=2000, digest="abc")))
    assert rows["call to free"] == "p50 900 ns, p90 35.7 ms, p99 36.0 ms, max 36.0 ms"
    assert rows["virtual time"] == "1.00 ms, 1 step, 2,000 events"
    assert rows["event digest"] == "abc"
