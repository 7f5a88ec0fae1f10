"""A description as text, with small bars on a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from textwrap import wrap
from typing import Any, Final

from ..report.units import duration
from ..spelling import plural
from ..traces.freers import Freer
from .description import Description, by, form
from .figures import Distribution
from .flight import Sort
from .work import CHANNELS

_EIGHTHS: Final = "▁▂▃▄▅▆▇█"
_BAR: Final = 20
_ROWS: Final = 10
_COLUMNS: Final = 60
_INDENT: Final = " " * 17
_CHANNELS: Final = {
    "slab_blocks": "slab blocks",
    "vmalloc_blocks": "vmalloc blocks",
    "list": "the list",
    "in_line": "by the caller",
}
_FREERS: Final = {
    Freer.WORK: "kfree_rcu_work",
    Freer.MONITOR: "the monitor",
    Freer.SHRINKER: "the shrinker",
}


def description_lines(description: Description, *, bars: bool) -> Iterator[str]:
    """All of it, line by line."""
    yield from _what_was_read(description)
    if description.found.callers.total:
        yield ""
        yield from _calls(description, bars=bars)
    yield ""
    yield from _frees(description, bars=bars)
    yield ""
    yield from _pages(description)
    yield ""
    yield from _backlog(description, bars=bars)
    yield from _waits(description)
    yield from _list("cannot tell", description.cannot_tell())
    yield from _list("wrong", description.problems)


def _row(title: str, text: str) -> str:
    return f"{title:<16} {text}".rstrip()


def _list(title: str, sentences: list[str]) -> Iterator[str]:
    if sentences:
        yield ""
    for number, sentence in enumerate(sentences):
        yield from wrap(
            sentence, 110, initial_indent=f"{'' if number else title:<16} ", subsequent_indent=_INDENT + "  "
        )


def _what_was_read(description: Description) -> Iterator[str]:
    trace, found = description.trace, description.found
    header = trace.header
    yield _row("recording", trace.name)
    yield _row("kernel", header.kernel or "not said")
    if header.script:
        yield _row("script", header.script)
    span = duration(found.end_ns - (found.begin_ns or 0))
    addresses = f", addresses {header.addresses.value}" if header.addresses.value != "unknown" else ""
    yield _row("read", f"{plural(found.lines, 'line')} of {header.text_format} text, {span}{addresses}")
    if description.interrupted:
        yield _row("", "interrupted: all that follows is of these lines")
    if found.calls_before_begin:
        yield _row("", f"{plural(found.calls_before_begin, 'call')} before its BEGIN mark left out")
    for gap in found.odd.gaps:
        where = "" if gap.cpu is None else f" on CPU {gap.cpu}"
        many = "" if gap.events is None else f" ({plural(gap.events, 'event')})"
        yield _row("", f"line {gap.number}: {gap.missing.value}{where}{many}")
    if found.odd.gap_count > len(found.odd.gaps):
        yield _row("", f"{found.odd.gap_count - len(found.odd.gaps)} more of these")
    if description.unknown:
        names = ", ".join(f"{name or 'no event'} {number:,}" for name, number in description.unknown.most_common(_ROWS))
        yield from wrap(f"not understood: {names}", 110, initial_indent=_INDENT, subsequent_indent=_INDENT + "  ")


def _calls(description: Description, *, bars: bool) -> Iterator[str]:
    found = description.found
    callers = found.callers
    took = duration(callers.last_ns - (callers.first_ns or 0))
    kinds = ", ".join(f"{kind} {number:,}" for kind, number in callers.kinds.most_common())
    yield _row("calls", f"{callers.total:,} in {took} ({kinds})")
    yield from _counted("  by form", by(callers.sorts, form), bars=bars)
    yield from _counted("  by context", by(callers.sorts, lambda sort: sort.context), bars=bars)
    yield from _counted("  by CPU", by(callers.sorts, lambda sort: sort.cpu), bars=bars)
    yield from _counted("  by caller", by(callers.sorts, lambda sort: sort.caller or "not told"), bars=bars)
    sizes = callers.sizes
    yield _row(
        "bursts",
        f"{sizes.count:,} (no call more than 1 ms after the one before), median {sizes.quantile(0.5):,} calls",
    )
    if (largest := callers.largest) is not None:
        lasted = duration(largest.last_ns - largest.first_ns)
        yield _row("  largest", f"{largest.calls:,} on CPU {largest.cpu} in {lasted}, from line {largest.first_line}")
    if callers.pauses.count:
        yield _row("  pauses", f"shortest {duration(callers.pauses.least)}, {_spread(callers.pauses)}")


def _frees(description: Description, *, bars: bool) -> Iterator[str]:
    found = description.found
    work, total = found.work, sum(found.work.freed.values())
    yield _row("freed", f"{total:,}" + ("" if found.whole else ", as far as is recorded"))
    for channel in CHANNELS:
        number = work.freed[channel]
        if number:
            share = number / total
            drawn = f"  {_bar(share)}" if bars else ""
            yield _row(f"  {_CHANNELS[channel]}", f"{number:>10,}  {share:6.1%}{drawn}")
    yield from _fell_back(found.fell_back)
    if work.bulk_sizes.count:
        sizes = work.bulk_sizes
        yield _row("  bulk frees", f"{sizes.count:,}, median {sizes.quantile(0.5):,} objects, most {sizes.most:,}")
    freers = ", ".join(f"{_FREERS[freer]} {work.freed_by[freer]:,}" for freer in Freer if work.freed_by[freer])
    if freers:
        yield _row("  by", freers)
    shrinker = f" ({work.monitor_by_shrinker:,} called by the shrinker)" if work.monitor_by_shrinker else ""
    yield _row("monitor", f"{plural(work.monitor_runs, 'run')}{shrinker}, {plural(work.work_runs, 'batch', 'batches')}")
    if work.periods.count:
        yield _row(
            "grace periods",
            f"{work.periods_ended:,} from the first call to the last free; all {work.periods.count:,}: "
            f"{_spread(work.periods)}",
        )
    if work.shrinker_counts or work.shrinker_scans:
        yield _row(
            "shrinker",
            f"counted {work.shrinker_counts:,} times, scanned {work.shrinker_scans:,} times, "
            f"told {work.shrinker_freed:,} freed",
        )
    if work.barriers.count:
        yield _row("barriers", f"{work.barriers.count:,}: {_spread(work.barriers)}")


def _fell_back(fell: Counter[Sort | None]) -> Iterator[str]:
    rows = [(sort, number) for sort, number in fell.most_common() if number]
    for number, (sort, objects) in enumerate(rows[:_ROWS]):
        who = (
            "not known whose"
            if sort is None
            else f"{sort.caller or 'caller not told'}, {sort.context}, CPU {sort.cpu}, {_readable(form(sort))}"
        )
        yield _row("" if number else "  fell back", f"{objects:>10,}  {who}")
    if len(rows) > _ROWS:
        yield _row("", f"{len(rows) - _ROWS} more kinds of call")


def _pages(description: Description) -> Iterator[str]:
    refills, pages = description.found.refills, description.found.pages
    delayed = f", {refills.delayed:,} as a delayed work" if refills.delayed else ""
    yield _row("refills", f"{refills.timers:,} asked by the hrtimer{delayed}, {plural(refills.runs, 'run')}")
    if refills.waits.count:
        yield _row("  wait", f"{_spread(refills.waits)}, from asking to the end of the refill")
    if not pages.got and not pages.refused:
        yield _row("pages", f"{pages.asked:,} asked for, by anybody" if pages.asked else "none seen")
        return
    by_callers = f", {pages.by_callers:,} of them by one-argument callers" if pages.by_callers else ""
    yield _row("pages", f"{pages.got:,} got{by_callers}, {pages.refused:,} refused, {pages.given_back:,} given back")
    yield _row("  held", f"at most {pages.held.peak:,}, {pages.held.now:,} at the end, of those taken in the trace")


def _backlog(description: Description, *, bars: bool) -> Iterator[str]:
    found = description.found
    level, latency = found.flight.backlog, found.flight.latency
    if not found.callers.total or not sum(found.work.freed.values()):
        return
    after = duration(max(level.peak_ns - (found.begin_ns or 0), 0))
    yield _row("backlog", f"at most {level.peak:,} objects, {after} after the start; {level.now:,} at the end")
    if bars and level.peak:
        yield _row("", "".join(_eighth(value, level.peak) for _, value in level.over_time(_COLUMNS)))
    if latency.count and found.whole:
        yield _row("call to free", _spread(latency))
        yield _row("", f"{found.flight.by_name:,} by the object, {found.flight.by_order:,} by the order of calls")
    if found.flight.unmatched:
        yield _row("", f"{found.flight.unmatched:,} frees of calls that are not in the trace")


def _waits(description: Description) -> Iterator[str]:
    waits = description.found.waits
    if not description.found.callers.total or not any(sort.one_argument for sort in description.found.callers.sorts):
        return
    if not waits.waited.count and not waits.unfinished:
        yield _row("one argument", "nobody was seen to wait for a grace period")
        return
    yield _row("one argument", f"{waits.waited.count:,} waited for a grace period: {_spread(waits.waited)}")
    if waits.waited.count:
        yield _row("", f"the longest from line {waits.longest_line}")
    if waits.unfinished:
        yield _row("", f"{waits.unfinished:,} still waiting at the end")


def _counted(title: str, counts: Mapping[Any, int], *, bars: bool) -> Iterator[str]:
    total = sum(counts.values())
    rows = list(counts.items())
    for number, (name, calls) in enumerate(rows[:_ROWS]):
        drawn = f"  {_bar(calls / total)}" if bars else ""
        yield _row("" if number else title, f"{calls:>10,}  {_readable(name)}{drawn}")
    if len(rows) > _ROWS:
        rest = sum(calls for _, calls in rows[_ROWS:])
        yield _row("", f"{rest:>10,}  {len(rows) - _ROWS} others")


def _spread(values: Distribution) -> str:
    median, late = duration(values.quantile(0.5)), duration(values.quantile(0.99))
    return f"median {median}, p99 {late}, max {duration(values.most)}"


def _readable(name: object) -> str:
    return str(name).replace("_argument", "-argument")


def _bar(share: float) -> str:
    return "█" * max(round(share * _BAR), 1 if share else 0)


def _eighth(value: int, peak: int) -> str:
    return " " if not value else _EIGHTHS[min(value * len(_EIGHTHS) // (peak + 1), len(_EIGHTHS) - 1)]
