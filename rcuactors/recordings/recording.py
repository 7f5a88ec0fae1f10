"""A whole recording: what was run, on what, who called kvfree_call_rcu(), and what came of it.

Comment lines at the top say what was run. Then come the events, in the order of time. The rig writes `BEGIN`
once the machine is prepared (page caches emptied): what comes before belongs to the preparation, and
everything counts from there. Recordings of real workloads have no such mark, and count from their first line.
A reader must live with lines that it does not know, with a last line cut in two, and with being handed
something else altogether.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

import attrs

from ..traces.events import (
    AddressesTold,
    Broken,
    Call,
    Entered,
    Event,
    Gap,
    Item,
    Mark,
    Missing,
    Statement,
    StateTold,
    Unknown,
)
from ..traces.forms import BY_OFFSET, Form
from ..traces.krc import KrcAddresses, KrcState
from ..traces.source import bad
from ..traces.trace import Progress, Trace
from .calls import Deed, Statements, settle_kinds
from .observed import Observed, Tally
from .scripted import calls_are_scripted, frees, scripted_calls

MOST_CALLS: Final = 300_000
"""So many calls are held in memory, and replayed, of a recording that has more: some 100 MB."""

_EXAMPLES: Final = 5
_EXAMPLE_LENGTH: Final = 120


@attrs.frozen
class UnknownLine:
    """A line that is no event, or no event that recordings have: its number from 1, and its beginning."""

    number: int
    text: str


@attrs.frozen
class Recording:
    """One run of a real kernel, ready to be replayed.

    `script`, `pre` (commands before the run, such as fault injection) and `params` are the rig's; they are
    empty for workloads, but for `params`, which then are the whole kernel command line. A parameter without a
    value is ''. Times are the kernel's, in nanoseconds since its boot: `begin_ns` is the BEGIN mark or else
    the first line, `end_ns` the last line. `truncated`: the text was cut, or the kernel's buffer overran;
    then `observed` tells only a part.
    """

    name: str
    script: str
    pre: str
    params: dict[str, str]
    kernel: str
    nr_cpus: int
    begin_ns: int
    end_ns: int
    calls: tuple[Call, ...]
    calls_before_begin: int
    observed: Observed
    unknown_lines: int
    unknown_examples: tuple[UnknownLine, ...]
    truncated: bool
    problems: tuple[str, ...] = attrs.field(default=(), eq=False)
    """What is wrong with it, so that a replay would not be of what was recorded: one line each, the first of them."""
    path: str = attrs.field(default="", eq=False)
    """Where it was read, from the root; '' if it does not come out of a file."""
    probe: str = attrs.field(default="", eq=False)
    """The name of the probe on kvfree_call_rcu(), where it was said."""
    form: Form = BY_OFFSET
    """How its calls were read."""
    deeds: tuple[Deed, ...] = ()
    """What the script did beside freeing, from BEGIN on."""
    addresses: dict[int, KrcAddresses] = attrs.field(factory=dict)
    """Where each CPU's timers and works are, in recordings with real addresses."""
    states: tuple[KrcState, ...] = ()
    """Snapshots of struct kfree_rcu_cpu, from BEGIN on, in the order of time."""
    cached_pages: dict[int, int] = attrs.field(factory=dict)
    """How many pages each CPU's cache had, where a snapshot tells it from before the first call."""


def read_recording(
    path: str | os.PathLike[str],
    kernel: str = "",
    probe: str = "",
    progress: Progress | None = None,
    watch: Callable[[int], bool] | None = None,
) -> Recording:
    """Read a recording, plain or gzipped. BadInput if there is nothing in it that could be replayed.

    `kernel`, a release such as "6.12", is believed of a file that neither says which kernel it is of nor shows it;
    `probe` is the name of the probe on kvfree_call_rcu(), where the file does not show that; `watch` is told the number
    of each line, and says whether to read on: what comes later is taken for cut off; so is what is behind MOST_CALLS.
    """
    trace = Trace(path, probe=probe, kernel=kernel, progress=progress)
    reader = _Reader(trace)
    for item in trace:
        reader.take(item)
        if len(reader.calls) >= MOST_CALLS or (watch is not None and not watch(item.number)):
            reader.cut()
            break
    if not reader.calls and not reader.deeds:
        reader.settle()
        if reader.problems:
            raise bad(path, f"{reader.problems[0]}: nothing to replay")
        where = " after the BEGIN mark" if reader.calls_before_begin else ""
        raise bad(path, f"holds no kvfree_call_rcu line{where}: nothing to replay")
    return reader.recording()


@attrs.define
class _Reader:
    """The state between two items of one trace."""

    _trace: Trace
    _statements: Statements = attrs.field(factory=Statements)
    _addresses: dict[int, KrcAddresses] = attrs.field(factory=dict)
    _states: list[KrcState] = attrs.field(factory=list)
    _cached_pages: dict[int, int] = attrs.field(factory=dict)
    _begun: dict[int, Event] = attrs.field(factory=dict)
    """The last note of each task's script, where that has to tell of the calls."""
    deeds: list[Deed] = attrs.field(factory=list)
    _tally: Tally = attrs.field(init=False)
    calls: list[Call] = attrs.field(factory=list)
    calls_before_begin: int = 0
    _first_ns: int | None = None
    _begin_ns: int | None = None
    _last_ns: int = 0
    _unknown_lines: int = 0
    _unknown: list[UnknownLine] = attrs.field(factory=list)
    _truncated: bool = False
    problems: list[str] = attrs.field(factory=list)
    _doubtful: str = ""
    """What is wrong with the last line, unless the file is cut in it."""

    def __attrs_post_init__(self) -> None:
        self._tally = Tally(self._addresses)

    def take(self, item: Item) -> None:
        """Take in one item."""
        if isinstance(item, Gap):
            if item.missing is Missing.CUT:
                self._doubtful = ""
            self._truncated |= item.missing is not Missing.BACKWARDS
            self.settle()
            if item.missing is Missing.BACKWARDS:
                self._problem(
                    f"line {item.number}: time goes back, {item.text}: lines are out of order, or of two runs"
                )
            return
        self.settle()
        if isinstance(item, Broken):
            self._doubtful = f"line {item.number}: {item.event}: {item.wrong}"
        if isinstance(item, (Unknown, Broken)):
            self._unknown_lines += 1
            if len(self._unknown) < _EXAMPLES:
                self._unknown.append(UnknownLine(item.number, item.text[:_EXAMPLE_LENGTH]))
            return
        if self._first_ns is None:
            self._first_ns = item.time_ns
        self._last_ns = max(self._last_ns, item.time_ns)
        self._event(item)

    def cut(self) -> None:
        """There is more, which is not looked at."""
        self._truncated = True

    def settle(self) -> None:
        """What was wrong with the last line is so, since the file is not cut in it."""
        if self._doubtful:
            self._problem(self._doubtful)
        self._doubtful = ""

    def _problem(self, said: str) -> None:
        if len(self.problems) < _EXAMPLES:
            self.problems.append(said)

    def recording(self) -> Recording:
        """Everything that was read."""
        self.settle()
        trace, header = self._trace, self._trace.header
        scripted = calls_are_scripted(header.pre)
        return Recording(
            name=trace.name,
            script=header.script,
            pre=header.pre.removeprefix("-"),  # a lone dash stands for nothing
            params=header.params,
            kernel=header.kernel,
            nr_cpus=header.nr_cpus,
            begin_ns=next((time for time in (self._begin_ns, self._first_ns) if time is not None), 0),
            end_ns=self._last_ns,
            calls=tuple(self.calls) if scripted else settle_kinds(self.calls),
            calls_before_begin=self.calls_before_begin,
            observed=self._tally.total(objects_visible=not scripted),
            unknown_lines=self._unknown_lines,
            unknown_examples=tuple(self._unknown),
            truncated=self._truncated,
            problems=tuple(self.problems),
            path=trace.resolved,
            probe=trace.probe,
            form=trace.form,
            deeds=tuple(self.deeds),
            addresses=self._addresses,
            states=tuple(self._states),
            cached_pages=dict(self._cached_pages),
        )

    def _event(self, event: Event) -> None:
        match event:
            case Call():
                self.calls.append(event)
                self._tally.queued(event)
            case Statement():
                self._statement(event)
            case Mark():
                if event.text.startswith("BEGIN"):
                    self._begin(event)
            case AddressesTold():
                self._addresses[event.addresses.cpu] = event.addresses
            case StateTold():
                self._states.append(event.state)
                if not self.calls:
                    self._cached_pages.setdefault(event.state.cpu, event.state.cached)
            case _:
                if isinstance(event, Entered):
                    self._done(self._statements.called(event))
                self._tally.count(event)

    def _statement(self, statement: Statement) -> None:
        scripted = calls_are_scripted(self._trace.header.pre)
        if scripted:
            self._scripted(statement)
        self._done(self._statements.note(statement))
        if scripted and frees(self._statements.of(statement.pid)):
            self._tally.begun()

    def _scripted(self, end: Statement) -> None:
        """The calls of a statement that ends here; they were not recorded one by one."""
        if self._statements.ends(end) and (begin := self._begun.get(end.pid)) is not None:
            words = self._statements.of(end.pid)
            for call in scripted_calls(begin, end.time_ns, words, len(self.calls)):
                self.calls.append(call)
                self._tally.queued(call)
        self._begun[end.pid] = end

    def _done(self, deed: Deed | None) -> None:
        if deed is not None:
            self.deeds.append(deed)

    def _begin(self, mark: Mark) -> None:
        """Forget what the preparation did. There is one mark in a file."""
        self._begin_ns = mark.time_ns
        self.calls_before_begin = len(self.calls)
        self.calls.clear()
        self.deeds.clear()
        self._states.clear()
        self._cached_pages.clear()
        self._tally = Tally(self._addresses)
