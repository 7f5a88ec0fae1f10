"""A trace, as the elements of a picture: lanes, spans and marks as far as its lines tell.

It may be a real kernel's or a run's own (`--events`). Every line is a mark where it says that it was written. What is
told of a beginning and of an end is a span as well: who runs, if sched_switch was recorded; interrupts and softirqs;
timers, works, functions with probes on entry and return; grace periods. What the trace does not tell is not made up:
`notes()` name it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Final

import attrs

from ..spelling import plural
from ..traces.events import (
    Broken,
    Event,
    Gap,
    Item,
    Mark,
    Missing,
    Other,
    Statement,
    Unknown,
)
from ..traces.lines import Columns, parse_any
from ..traces.trace import Trace
from .board import Board, Nest
from .drawing import Drawing
from .elements import ArrowKind, LaneKind, MarkKind, Span, SpanKind, Told
from .places import group_of
from .traced_objects import TracedObjects
from .traced_works import TracedWorks

_CONTEXTS: Final = {"nmi": LaneKind.NMI, "hardirq": LaneKind.HARDIRQ, "softirq": LaneKind.SOFTIRQ}
_SWITCH: Final = re.compile(
    r"prev_comm=(.*) prev_pid=(\d+) prev_prio=-?\d+ prev_state=(\S+) ==> next_comm=(.*) next_pid=(\d+) .*", re.ASCII
)
_WOKEN: Final = re.compile(r"(?:comm=.* pid=|.*:)(\d+) .*", re.ASCII)
"""The second is trace-cmd's way."""
_BEGINS: Final = {
    "irq_handler_entry": ("irq_handler_exit", LaneKind.HARDIRQ, SpanKind.HARDIRQ, re.compile(r".*\bname=(\S+).*")),
    "softirq_entry": ("softirq_exit", LaneKind.SOFTIRQ, SpanKind.SOFTIRQ, re.compile(r".*\baction=(\w+).*")),
}
_ENDS: Final = {ends: begins for begins, (ends, *_) in _BEGINS.items()}
_LONGEST_LABEL: Final = 120
_REPORT: Final = re.compile(
    r"\b(?:BUG|WARNING|INFO|DEADLOCK|ODEBUG|Oops)\b|watchdog: |allocation failure|general protection fault", re.ASCII
)
"""What the first line of a report has, the kernel's own and the model's."""


@attrs.define(eq=False)
class Traced:
    """Tells a drawing of a trace. `shift_ns` is added to its times; what lies before 0 then is left out, and named.

    `reports` counts the first lines of reports in it.
    """

    trace: Trace
    drawing: Drawing
    shift_ns: int = 0
    reports: int = attrs.field(default=0, init=False)
    _board: Board = attrs.field(init=False)
    _columns: Columns = attrs.field(factory=Columns)
    _nests: dict[int, Nest] = attrs.field(factory=dict)
    _handlers: dict[tuple[int, str], list[tuple[Nest, Span]]] = attrs.field(factory=dict)
    """By CPU and the event that began them."""
    _running: dict[int, Span] = attrs.field(factory=dict)
    _woken: dict[int, tuple[int, int]] = attrs.field(factory=dict)
    _objects: TracedObjects = attrs.field(init=False)
    _works: TracedWorks = attrs.field(init=False)
    _missing: Counter[Missing] = attrs.field(factory=Counter)
    _lost: int = 0
    _not_understood: int = 0
    _early: int = 0
    _flags: bool = True
    _seen: set[str] = attrs.field(factory=set)
    """Names of events that a note looks for."""

    def __attrs_post_init__(self) -> None:
        self._board = Board(self.drawing)
        self._objects = TracedObjects(self._board)
        self._works = TracedWorks(self._board, self.trace)

    def tell(self, watch: Callable[[int], bool] | None = None) -> None:
        """All of it. `watch` is told the number of each line, and says whether to read on."""
        for item, text in self.trace.with_text():
            self._take(item, text)
            if watch is not None and not watch(item.number):
                break
        self._board.end(self._board.latest_ns)

    def _take(self, item: Item, text: str) -> None:
        if isinstance(item, Gap):
            self._gap(item)
        elif isinstance(item, Unknown | Broken):
            self._not_known(item)
        elif item.time_ns + self.shift_ns < 0:
            self._early += 1
        else:
            self._event(attrs.evolve(item, time_ns=item.time_ns + self.shift_ns), text)

    def _gap(self, gap: Gap) -> None:
        self._missing[gap.missing] += 1
        self._lost += gap.events or 0
        group = group_of(gap.cpu) if gap.cpu is not None else "the trace"
        lane = self._board.lane(group, LaneKind.THREADS.value, LaneKind.THREADS, gap.cpu if gap.cpu is not None else -1)
        many = (("events lost", f"{gap.events}"),) if gap.events else ()
        self._board.mark(lane, self._board.latest_ns, MarkKind.GAP, gap.missing.value, detail=many)

    def _not_known(self, item: Unknown | Broken) -> None:
        """A line that says nothing here is shown where it was written, if it says where."""
        found = parse_any(item.text)
        if found is None or isinstance(item, Broken):
            self._not_understood += 1
        if found is not None and found[0].time_ns + self.shift_ns >= 0:
            line = found[0]
            lane = self._of_cpu(line.cpu, _CONTEXTS.get(self._columns.context_of(line.flags), LaneKind.THREADS))
            wrong = (("wrong", item.wrong),) if isinstance(item, Broken) else ()
            detail = (("", line.text), ("line", f"{item.number}"), *wrong)
            who, time_ns = f"{line.comm}/{line.pid}", line.time_ns + self.shift_ns
            self._board.mark(lane, time_ns, MarkKind.EVENT, line.event, who=who, detail=detail)

    def _of_cpu(self, cpu: int, kind: LaneKind = LaneKind.THREADS) -> int:
        return self._board.lane(group_of(cpu), kind.value, kind, cpu)

    def _event(self, event: Event, text: str) -> None:
        line = parse_any(text)
        name, said = (line[0].event, line[0].text) if line is not None else (type(event).__name__, text)
        self._flags &= bool(event.flags)
        context = self._columns.context_of(event.flags)
        lane = self._of_cpu(event.cpu, _CONTEXTS.get(context, LaneKind.THREADS))
        label = name
        if isinstance(event, Statement):
            label = " ".join(("ends:" if event.ends else "begins:", *event.words))[:_LONGEST_LABEL]
        elif isinstance(event, Mark):
            label = event.text[:_LONGEST_LABEL]
        who = f"{event.comm}/{event.pid}"
        detail = (("", said), *((("context", context),) if event.flags else ()), ("line", f"{event.number}"))
        self._board.mark(lane, event.time_ns, MarkKind.EVENT, label, who=who, detail=detail)
        if isinstance(event, Other):
            self._other(event)
        else:
            self._works.take(event)
            self._objects.take(event, lane, context)

    # -- who runs, and what interrupts it ----------------------------------------------------------------------------

    def _other(self, event: Other) -> None:
        name = event.event
        if name == "sched_switch":
            self._switched(event)
        elif name in ("sched_wakeup", "sched_waking", "sched_wakeup_new"):
            if (match := _WOKEN.fullmatch(event.text)) is not None:
                self._woken.setdefault(int(match[1]), (self._of_cpu(event.cpu), event.time_ns))
        elif name in _BEGINS:
            self._begins(event)
        elif name in _ENDS:
            self._ends(event)
        elif name == "console":
            self._printed(event)
        else:
            return
        self._seen.add(name)

    def _switched(self, event: Other) -> None:
        match = _SWITCH.fullmatch(event.text)
        if match is None:
            self._not_understood += 1
            return
        lane, now = self._of_cpu(event.cpu), event.time_ns
        begun = self._running.pop(event.cpu, None)
        if begun is not None:
            self._board.close(begun, now, (("leaves", f"in state {match[3]}"),))
        pid = int(match[5])
        kind = SpanKind.RUNS if pid else SpanKind.IDLE
        begun = self._board.begin(lane, now, kind, match[4], f"{match[4]}/{pid}")
        self._running[event.cpu] = begun
        woken = self._woken.pop(pid, None)
        if woken is not None and pid:
            self._board.arrow(ArrowKind.WAKE_UP, woken, (lane, now), f"wakes {match[4]}", begun.who)

    def _begins(self, event: Other) -> None:
        _, kind, span, named = _BEGINS[event.event]
        lane = self._of_cpu(event.cpu, kind)
        nest = self._nests.setdefault(lane, Nest(self._board, lane))
        match = named.fullmatch(event.text)
        begun = nest.open(event.time_ns, span, match[1] if match is not None else event.text, who=event.comm)
        self._handlers.setdefault((event.cpu, event.event), []).append((nest, begun))

    def _ends(self, event: Other) -> None:
        open_ones = self._handlers.get((event.cpu, _ENDS[event.event]))
        if open_ones:
            nest, begun = open_ones.pop()
            nest.close(begun, event.time_ns)

    def _printed(self, event: Other) -> None:
        """A line of the kernel's log: of a report that is the first, and all that a trace has of it."""
        if _REPORT.search(event.text):
            lane = self._of_cpu(event.cpu)
            self.reports += 1
            self._board.mark(lane, event.time_ns, MarkKind.VIOLATION, event.text, detail=(("kind", "console"),))
            self._board.drawing.told(Told(lane, event.time_ns, "console", event.text, event.text))

    # -- what it does not tell ---------------------------------------------------------------------------------------

    def notes(self) -> tuple[str, ...]:
        """What is missing in the trace, and what it does not say, one line each; after `tell()`."""
        said = [f"{missing.value} ({plural(count, 'place')})" for missing, count in self._missing.items()]
        if self._lost:
            said.append(f"{plural(self._lost, 'event')} lost, by the trace's own count")
        if self._not_understood:
            said.append(f"{plural(self._not_understood, 'line')} not understood")
        if self._early:
            said.append(f"{plural(self._early, 'line')} before the first moment shown left out")
        if not self._flags:
            said.append("in which context a line was written: it has no flags, and stands on the threads' lane")
        if "sched_switch" not in self._seen:
            said.append("who runs between two lines: sched_switch was not recorded")
        if "irq_handler_entry" not in self._seen:
            said.append("when an interrupt begins and ends: irq_handler_entry was not recorded")
        if "softirq_entry" not in self._seen:
            said.append("when a softirq begins and ends: softirq_entry was not recorded")
        if "console" not in self._seen:
            said.append("whether anything was reported: no line of the kernel's log is in it")
        elif self.reports:
            said.append("more of a report than its first line")
        said.append("locks, readers, and sections with interrupts or preemption off: a trace has no such lines")
        return (*said, *self._works.notes(), *self._objects.notes())
