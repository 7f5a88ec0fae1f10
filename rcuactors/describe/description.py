"""A trace described: what is asked first when somebody has a problem.

`describe` reads a trace once and returns a `Description`: figures, in plain data (`as_json`, whose keys stay) and as
text (`lines`). It needs no model and no machine, and says what the trace cannot tell.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

import attrs

from ..spelling import plural
from ..traces.events import (
    Addresses,
    Call,
    Event,
    Gap,
    Missing,
    PageAsked,
    PageGot,
    StateTold,
)
from ..traces.forms import release_of
from ..traces.source import bad
from ..traces.trace import Progress, Trace
from .describer import Describer
from .flight import Sort

_COLUMNS: Final = 60


@attrs.define
class Description:
    """What a trace tells. `interrupted`: reading was ended by Ctrl-C, so that all figures are of its beginning."""

    trace: Trace
    found: Describer
    interrupted: bool = False

    @property
    def problems(self) -> list[str]:
        """What is wrong with the trace, so that its figures cannot be trusted: one line each."""
        odd = self.found.odd
        said = []
        if not self.found.callers.total:
            before = " after the BEGIN mark" if self.found.calls_before_begin else ""
            named = self.trace.probe or "kvfree_call_rcu"
            hint = not self.trace.probe and not odd.broken_count
            other = " (--probe NAME says which event is the probe on it)" if hint else ""
            said.append(f"holds no {named} line{before}: nobody's calls can be described{other}")
        said += [
            f"line {gap.number}: time goes back, {gap.text}: lines are out of order, or of two runs"
            for gap in odd.gaps
            if gap.missing is Missing.BACKWARDS
        ]
        said += [f"line {one.number}: {one.event}: {one.wrong}" for one in odd.broken]
        if odd.broken_count > len(odd.broken):
            said.append(f"{odd.broken_count - len(odd.broken)} more lines say what no such line can say")
        return said

    @property
    def unknown(self) -> Counter[str]:
        """Lines that are not understood, by the event's name."""
        return self.found.odd.unknown

    def cannot_tell(self) -> list[str]:
        """What the trace cannot tell, one sentence each."""
        return list(_cannot_tell(self.trace, self.found))

    def as_json(self) -> dict[str, Any]:
        """All of it as plain data; times in nanoseconds."""
        found, header = self.found, self.trace.header
        return {
            "recording": self.trace.name,
            "kernel": header.kernel,
            "script": header.script,
            "format": header.text_format,
            "addresses": header.addresses.value,
            "nr_cpus": header.nr_cpus,
            "lines": found.lines,
            "begin_ns": found.begin_ns,
            "end_ns": found.end_ns,
            "interrupted": self.interrupted,
            "gaps": [_gap_json(gap) for gap in found.odd.gaps],
            "gap_count": found.odd.gap_count,
            "lost_events": found.odd.lost,
            "not_understood": dict(sorted(self.unknown.items())),
            "problems": self.problems,
            "calls": _calls_json(found),
            "bursts": _bursts_json(found),
            "one_argument": found.waits.as_json(),
            **found.work.as_json(),
            "refills": found.refills.as_json(),
            "pages": found.pages.as_json(),
            "backlog": {
                "peak": found.flight.backlog.peak,
                "peak_ns": found.flight.backlog.peak_ns,
                "at_the_end": found.flight.backlog.now,
                "over_time": [list(pair) for pair in found.flight.backlog.over_time(_COLUMNS)],
            },
            "call_to_free_ns": {
                **found.flight.latency.as_json(),
                "by_name": found.flight.by_name,
                "by_order": found.flight.by_order,
                "unmatched": found.flight.unmatched,
                "not_followed": found.flight.not_followed,
            },
            "cannot_tell": self.cannot_tell(),
        }

    def lines(self, *, bars: bool = False) -> list[str]:
        """The description as text; with small bars where they can be seen."""
        from .text import description_lines  # noqa: PLC0415 - it knows descriptions

        return list(description_lines(self, bars=bars))


def describe(
    path: str | os.PathLike[str],
    *,
    probe: str = "",
    kernel: str = "",
    progress: Progress | None = None,
    wanted: Callable[[], bool] = lambda: True,
) -> Description:
    """Read a trace and describe it. Raises BadInput where it is none, or holds two runs.

    `probe` and `kernel` are those of `Trace`; `wanted` is asked after each line whether to read on.
    """
    trace = Trace(path, probe=probe, kernel=kernel, progress=progress)
    found = Describer()
    claimed = release_of(kernel)
    for item in trace:
        if claimed is not None and isinstance(item, Event):
            recorded = release_of(trace.header.kernel) or claimed
            if claimed != recorded:
                raise bad(path, f"is of a kernel {recorded[0]}.{recorded[1]}, not {claimed[0]}.{claimed[1]}")
            claimed = None
        found.take(item)
        if not wanted():
            found.end()
            return Description(trace, found, interrupted=True)
    found.end()
    return Description(trace, found)


def by(sorts: Counter[Sort], of: Callable[[Sort], Any]) -> Counter[Any]:
    """Calls by one of the things that they have in common, the most first."""
    counted: Counter[Any] = Counter()
    for sort, number in sorts.items():
        counted[of(sort)] += number
    return Counter(dict(counted.most_common()))


def form(sort: Sort) -> str:
    """How many arguments, as a word."""
    return "one_argument" if sort.one_argument else "two_argument"


def _calls_json(found: Describer) -> dict[str, Any]:
    callers, fell = found.callers, found.fell_back
    return {
        "count": callers.total,
        "before_begin": found.calls_before_begin,
        "by_form": dict(by(callers.sorts, form)),
        "by_context": dict(by(callers.sorts, lambda sort: sort.context)),
        "by_cpu": {str(cpu): number for cpu, number in sorted(by(callers.sorts, lambda sort: sort.cpu).items())},
        "by_caller": dict(by(callers.sorts, lambda sort: sort.caller or "unknown")),
        "by_kind": dict(callers.kinds.most_common()),
        "by_sort": [
            {**attrs.asdict(sort), "calls": number, "fell_back": fell[sort]}
            for sort, number in callers.sorts.most_common()
        ],
        "fell_back_unknown": fell[None],
    }


def _bursts_json(found: Describer) -> dict[str, Any]:
    largest = found.callers.largest
    return {
        "sizes": found.callers.sizes.as_json(),
        "pauses_ns": found.callers.pauses.as_json(),
        "largest": None
        if largest is None
        else {
            "calls": largest.calls,
            "cpu": largest.cpu,
            "line": largest.first_line,
            "begin_ns": largest.first_ns,
            "took_ns": largest.last_ns - largest.first_ns,
        },
    }


def _gap_json(gap: Gap) -> dict[str, Any]:
    return {"line": gap.number, "missing": gap.missing.name.lower(), "cpu": gap.cpu, "events": gap.events}


def _cannot_tell(trace: Trace, found: Describer) -> Iterator[str]:
    header, events, callers = trace.header, found.events, found.callers
    yield from _of_the_trace(found)
    if not events[Call]:
        yield "who calls, when, and how long objects wait: the probe on kvfree_call_rcu() is off or missing"
        return
    if all(not sort.caller for sort in callers.sorts):
        yield "which function calls: the probe has no caller= argument"
    if all(sort.context == "unknown" for sort in callers.sorts):
        yield "in which context: this tool prints no flags"
    if not sum(found.work.freed.values()):
        yield "when objects are freed, and so the backlog: no event tells of a free"
    elif not found.whole:
        yield (
            "objects of the list and of vmalloc blocks: their frees are not recorded, so the backlog keeps them, and "
            "the time from call to free is not known"
        )
    if found.work.freed["list"] and found.fell_back[None]:
        why = "pointers are hidden" if header.addresses is Addresses.HIDDEN else "their calls are not in the trace"
        yield f"whose calls {plural(found.fell_back[None], 'object')} of the list were: {why}"
    if found.flight.not_followed:
        yield f"how long {plural(found.flight.not_followed, 'object')} took: too many waited at a time"
    if not events[PageGot]:
        asked = "whether pages were got" if events[PageAsked] else "which pages were taken"
        yield f"{asked}, and who waits for lack of one: no probe on the return of __get_free_pages()"
    if not events[StateTold]:
        yield "how many pages were cached at the start: there is no snapshot of struct kfree_rcu_cpu"


def _of_the_trace(found: Describer) -> Iterator[str]:
    missing = found.odd.missing
    if missing[Missing.CUT]:
        yield "what came after the cut: what waits then was not necessarily left over"
    if missing[Missing.OVERWRITTEN]:
        yield "what came before its first line: the buffer had overwritten it"
    if missing[Missing.LOST]:
        yield f"{plural(found.odd.lost, 'event')} that were lost: calls and frees among them are in no figure"
