"""What a design costs: one run of a workload, or of a scenario, on a watched machine, as a row of figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import attrs

from ..context.violation import KernelBug, ViolationKind
from ..engine.choice import Timed
from ..errors import DesignError, StepBoundExceeded
from ..explore import Random
from ..mm.objects import PAGE_SIZE
from ..runs import Result, Run, RunOptions
from ..scenario import Scenario
from ..userfiles.dropped import DroppedCoroutines
from .raised import FATAL, RAISED, UNFINISHED, raised_text, title_of
from .watch import Watch, watch

MAX_STEPS: Final = 10_000_000
"""As of a single run: a workload that is done after some 100,000 steps takes a hundred times as many at random."""

Number = int | float | None


class Unit:
    """How a figure is written."""

    PERCENT: Final = "%"
    COUNT: Final = ""
    NS: Final = "ns"
    BYTES: Final = "bytes"


@attrs.frozen
class Figure:
    """A column: `head` is above it, `words` follow a value in a sentence; less is better, unless `better` is 'more'."""

    name: str
    head: str
    unit: str
    words: str
    about: str
    better: str = "less"


FIGURES: Final[Mapping[str, Figure]] = MappingProxyType(
    {
        figure.name: figure
        for figure in (
            Figure(
                "found_percent",
                "found",
                Unit.PERCENT,
                "of the calls found a block",
                "calls of kvfree_rcu() that found a block, or got one",
                better="more",
            ),
            Figure("pages", "pages", Unit.COUNT, "pages were taken", "pages that were taken for kvfree_rcu()"),
            Figure("peak_pages", "held", Unit.COUNT, "pages were held at the peak", "the most of these at one time"),
            Figure(
                "fallbacks_list",
                "to list",
                Unit.COUNT,
                "objects went to the rcu_head list",
                "objects that found no block and were linked by their rcu_head",
            ),
            Figure(
                "fallbacks_synchronize",
                "to sync",
                Unit.COUNT,
                "callers waited for a grace period",
                "one-argument calls that found no block and waited for a grace period",
            ),
            Figure("latency_p50_ns", "p50", Unit.NS, "from call to free (median)", "from call to free: half of them"),
            Figure("latency_p99_ns", "p99", Unit.NS, "from call to free (99 %)", "from call to free: 99 % of them"),
            Figure("latency_max_ns", "max", Unit.NS, "from call to free (longest)", "from call to free: the longest"),
            Figure(
                "irqs_off_ns",
                "irqs off",
                Unit.NS,
                "with interrupts off",
                "longest time that kvfree_rcu(), its workers or the design kept interrupts off",
            ),
            Figure(
                "raw_held_ns",
                "raw held",
                Unit.NS,
                "with a raw lock held",
                "longest time that they held a raw spinlock",
            ),
            Figure(
                "zone_locks_own",
                "zone own",
                Unit.COUNT,
                "times zone->lock was taken for it",
                "times that zone->lock was taken for them",
            ),
            Figure(
                "zone_locks_others",
                "others",
                Unit.COUNT,
                "times other users of the page lists had to take zone->lock",
                "times that zone->lock was taken for others: the neighbours, slab, reclaim",
            ),
            Figure("call_ns", "a call", Unit.NS, "of CPU time a call", "CPU time of the caller in kvfree_rcu()"),
            Figure("peak_bytes", "memory", Unit.BYTES, "of memory at the peak", "most memory given out, to anybody"),
            Figure("oom", "OOM", Unit.COUNT, "times the OOM killer was invoked", "times the OOM killer was invoked"),
        )
    }
)


@attrs.frozen(kw_only=True)
class CostRun:
    """One run: its figures by name, and its outcome as `Result.outcome()` has it ('clean' if nothing was reported).

    `first` is the title of the first report, `fatal` the kind after which nothing went on.
    """

    figures: dict[str, Number]
    outcome: str
    first: str = ""
    fatal: str = ""


def measure(chosen: Scenario, options: RunOptions) -> CostRun:
    """Run it in virtual time, watched. Raises BadInput for what is wrong with the options.

    Durations mean something under strategy timed only; the seed decides there what happens at the same nanosecond.
    """
    return _run(chosen, attrs.evolve(options, strategy=Timed.name))


def explore(chosen: Scenario, options: RunOptions) -> CostRun:
    """Run it under strategy random, for its outcome: the figures are of no use."""
    return _run(chosen, attrs.evolve(options, strategy=Random.name))


def _run(chosen: Scenario, options: RunOptions) -> CostRun:
    try:
        run = Run(chosen, attrs.evolve(options, max_steps=MAX_STEPS, events=False))
        seen = watch(run.machine)
    except DesignError as error:  # there is no machine with this design
        return CostRun(figures=dict.fromkeys(FIGURES), outcome=RAISED, first=raised_text(error), fatal=RAISED)
    ended = said = ""
    dropped = DroppedCoroutines()
    with dropped.noticed(chosen.body):
        raised = run.attempt()
    if isinstance(raised, StepBoundExceeded):
        ended, said = UNFINISHED, f"the run took more than {MAX_STEPS:,} steps"
    elif raised is not None and not isinstance(raised, KernelBug):  # that one is among the violations
        ended, said = RAISED, raised_text(raised)
    if dropped.error is not None and not ended:
        ended, said = RAISED, raised_text(dropped.error)
    result = run.result()
    return CostRun(
        figures=_figures(result, seen),
        outcome=_outcome(result, ended),
        first=title_of(result.violations[0].title if result.violations else "", ended, said),
        fatal=next((violation.kind.value for violation in result.violations if violation.kind in FATAL), ended),
    )


def _outcome(result: Result, ended: str) -> str:
    if not ended:
        return result.outcome()
    return ended if result.clean else f"{result.outcome()}, {ended}"


def _figures(result: Result, seen: Watch) -> dict[str, Number]:
    counters, latency = result.counters, result.latency_ns
    # Those that came back: one in which the machine stood still has found nothing.
    calls = seen.calls
    fallbacks = counters["fallbacks_list"] + counters["fallbacks_synchronize"]
    return {
        "found_percent": round(100 * max(calls - fallbacks, 0) / calls, 2) if calls else None,
        "pages": seen.pages,
        "peak_pages": seen.peak_pages,
        "fallbacks_list": counters["fallbacks_list"],
        "fallbacks_synchronize": counters["fallbacks_synchronize"],
        "latency_p50_ns": latency["p50"],
        "latency_p99_ns": latency["p99"],
        "latency_max_ns": latency["max"],
        "irqs_off_ns": seen.irqs_off_ns,
        "raw_held_ns": seen.raw_held_ns,
        "zone_locks_own": seen.zone_locks_own,
        "zone_locks_others": seen.zone_locks_others,
        "call_ns": round(seen.caller_ns / seen.calls, 1) if seen.calls else None,
        "peak_bytes": counters["peak_pages"] * PAGE_SIZE,
        "oom": sum(violation.kind is ViolationKind.OUT_OF_MEMORY for violation in result.violations),
    }


# -- several seeds -----------------------------------------------------------------------------------------------------


@attrs.frozen
class Spread:
    """A figure over the seeds: the median, and what lies furthest apart."""

    median: Number
    low: Number
    high: Number


def spreads(runs: Sequence[CostRun]) -> dict[str, Spread]:
    """Each figure over the runs that have it."""
    return {name: _spread([run.figures[name] for run in runs]) for name in FIGURES}


def _spread(values: Sequence[Number]) -> Spread:
    known = sorted(value for value in values if value is not None)
    if not known:
        return Spread(None, None, None)
    # Of an even number the lower one in the middle: a value that was measured.
    return Spread(known[(len(known) - 1) // 2], known[0], known[-1])


def worst_outcome(runs: Sequence[CostRun]) -> tuple[str, int]:
    """The outcome of the first run that was not clean, and how many were not; 'clean' and 0 if all were."""
    dirty = [run for run in runs if run.outcome != "clean"]
    return (dirty[0].outcome if dirty else "clean", len(dirty))
