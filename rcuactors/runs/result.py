"""What a run leaves: violations, counters, latencies and the digest of its events.

As frozen data, and as dictionaries ready for JSON.
"""

from __future__ import annotations

from typing import Any

import attrs

from ..context.context import Context
from ..context.violation import Violation, ViolationKind, outcome_of
from ..machine import Machine


@attrs.frozen(kw_only=True, repr=False)
class Result:
    """One run. Times are virtual nanoseconds; `counters` and `latency_ns` are described in docs/results.md.

    `cut_short`: somebody cancelled it from outside, so that more might have come.
    """

    scenario: str
    kernel: str
    design: str
    config: dict[str, str]
    strategy: str
    seed: int
    parameters: dict[str, Any]
    costs: dict[str, int]
    violations: tuple[Violation, ...]
    violation_count: int
    counters: dict[str, Any]
    latency_ns: dict[str, int | None]
    end_ns: int
    cut_short: bool
    steps: int
    events: int
    digest: str | None

    def __repr__(self) -> str:
        # What a test that fails shows: its verdict, and not a page of figures.
        found = "clean" if self.clean else f"{self.violation_count} reported: {self.outcome()}"
        return f"<Result of {self.scenario} on {self.kernel}, design {self.design}, seed {self.seed}: {found}>"

    @property
    def kinds(self) -> frozenset[ViolationKind]:
        """The kinds of violation found."""
        return frozenset(violation.kind for violation in self.violations)

    @property
    def clean(self) -> bool:
        """Nothing was reported."""
        return not self.violation_count

    def outcome(self) -> str:
        """'clean', or the kinds in the order of their first report."""
        return outcome_of(self.violations)

    def as_json(self) -> dict[str, Any]:
        """The result as plain data, the same for the same run on every machine."""
        data = attrs.asdict(self, recurse=False)
        data["violations"] = [
            {**attrs.asdict(violation), "kind": violation.kind.value} for violation in self.violations
        ]
        return data


def _calls_by_context(machine: Machine) -> dict[str, dict[str, int]]:
    table: dict[str, dict[str, int]] = {"two_argument": {}, "one_argument": {}}
    for key, calls in sorted(machine.kvfree.figures.calls.items()):
        ctx = Context(comm="", pid=0, preempt_count=key >> 3, irqs_disabled=bool(key & 4), softirq_thread=bool(key & 2))
        row = table["one_argument" if key & 1 else "two_argument"]
        row[ctx.kind()] = row.get(ctx.kind(), 0) + calls
    return table


def _counters(machine: Machine) -> dict[str, Any]:
    machine.oracle.note_peak()
    figures, zone, reclaim = machine.kvfree.figures, machine.pages.zone, machine.pages.reclaim
    return {
        "calls": _calls_by_context(machine),
        "cache_hits": figures.cache_hits,
        "cache_misses": figures.cache_misses,
        "refills_asked": figures.refills_asked,
        "refills_done": figures.refills_done,
        "refill_pages": figures.refill_pages,
        "refill_pages_refused": figures.refill_pages_refused,
        "caller_pages": figures.caller_pages,
        "blocks": figures.blocks,
        "bulk_frees": {str(size): count for size, count in sorted(figures.bulk_frees.items())},
        "bulk_sizes_in_order": list(figures.bulk_sizes),
        "bulk_objects": figures.bulk_objects,
        "vmalloc_freed": figures.vmalloc_freed,
        "list_freed": figures.list_freed,
        "inline_freed": figures.inline_freed,
        "fallbacks_list": figures.fallbacks_list,
        "fallbacks_synchronize": figures.fallbacks_synchronize,
        "monitor_runs": figures.monitor_runs,
        "work_runs": figures.work_runs,
        "grace_periods": machine.gp.completed,
        "callbacks_invoked": machine.callbacks.invoked,
        "pages_allocated": zone.allocated,
        "pages_freed": zone.freed,
        "peak_pages": zone.peak_in_use,
        "page_allocations_failed": machine.pages.failed,
        "page_failures_injected": machine.pages.injected,
        "pcplist_refills": zone.refills,
        "pcplist_drains": zone.drains,
        "kswapd_wakeups": reclaim.kswapd_wakeups,
        "direct_reclaims": reclaim.direct_reclaims,
        "oom_kills": reclaim.oom_kills,
        "peak_objects": machine.oracle.peak_objects,
        "peak_bytes": machine.oracle.peak_bytes,
    }


def collect(machine: Machine, *, scenario: str, parameters: dict[str, Any], events: int, digest: str | None) -> Result:
    """Read everything off a machine whose run is over."""
    setup, latencies = machine.setup, machine.kvfree.figures.latencies
    config = setup.config.as_settings()
    config["rcu_min_cached_objs"] = str(machine.kvfree.min_cached_objs)
    return Result(
        scenario=scenario,
        kernel=setup.era.name,
        design=machine.kvfree.source.name,
        config=config,
        strategy=setup.strategy.name,
        seed=setup.seed,
        parameters=parameters,
        costs=setup.costs.changed(),
        violations=tuple(machine.reporter.violations),
        violation_count=machine.reporter.count,
        counters=_counters(machine),
        latency_ns={
            "count": latencies.count,
            "p50": latencies.percentile(50),
            "p90": latencies.percentile(90),
            "p99": latencies.percentile(99),
            "max": latencies.maximum if latencies.count else None,
        },
        end_ns=machine.end_ns,
        cut_short=machine.conductor.cut_short,
        steps=machine.conductor.steps,
        events=events,
        digest=digest,
    )
