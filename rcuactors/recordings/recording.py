"""A whole recording: what was run, on what, who called kvfree_call_rcu(), and what came of it.

Comment lines at the top say what was run. Then come the events, in the order of time. The rig writes `BEGIN`
once the machine is prepared (page caches emptied): what comes before belongs to the preparation, and
everything counts from there. Recordings of real workloads have no such mark, and count from their first line.
A reader must live with lines that it does not know, with a last line cut in two, and with being handed
something else altogether.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePath
from typing import Final

import attrs

from ..traces.forms import BY_OFFSET, Form, form_of, form_of_call
from ..traces.krc import KrcAddresses, KrcState, parse_addresses, parse_state
from ..traces.lines import TraceLine, parse_line
from ..traces.source import bad, read_lines
from .calls import Call, Deed, Statements, arguments_of, parse_call, settle_kinds
from .observed import Observed, Tally
from .scripted import calls_are_scripted, frees, scripted_calls

_EXAMPLES: Final = 5
_EXAMPLE_LENGTH: Final = 120

_KNOWN_EVENTS: Final = frozenset(
    {
        "fill_page_cache",
        "fill_page_cache_func",
        "free_pages",
        "get_free_pages",
        "kfree_rcu_monitor",
        "kfree_rcu_work",
        "kmem_cache_free_bulk",
        "kvfree",
        "kvfree_call_rcu",
        "kvfree_rcu_barrier",
        "kvfree_rcu_bulk",
        "kvfree_rcu_list",
        "kvfree_rcu_queue_batch",
        "kvt_write",
        "runp",
        "schedule_page_work_fn",
        "shrink_count",
        "shrink_scan",
        "state",
        "synchronize_rcu",
        "synchronize_rcu_expedited",
        "tracing_mark_write",
        "vfree",
    }
)
"""Kprobes and marks of the rig, without the `_ret` of those that have one."""

_KNOWN_FAMILIES: Final = (
    "rcu_",
    "hrtimer_",
    "timer_",
    "workqueue_",
    "sched_",
    "mm_page_",
    "irq_",
    "softirq_",
)
"""Whole families of the kernel's tracepoints; most say nothing here, but none of them is a surprise."""

_HEADER: Final = re.compile(r"# (run|script|pre|kernel|params): (.*)")
_WORKLOAD: Final = re.compile(r"# realistic recording ([^\s:]+)")
_BUFFER: Final = re.compile(r"# entries-in-buffer/entries-written: ([0-9]{1,18})/([0-9]{1,18}) +#P:([0-9]{1,5})")
_LOST: Final = re.compile(r"CPU:\d+ \[LOST \d+ EVENTS\]", re.ASCII)


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
    path: str = attrs.field(default="", eq=False)
    """Where it was read, from the root; '' if it does not come out of a file."""
    form: Form = BY_OFFSET
    """How its calls were read."""
    deeds: tuple[Deed, ...] = ()
    """What the script did beside freeing, from BEGIN on."""
    addresses: dict[int, KrcAddresses] = attrs.field(factory=dict)
    """Where each CPU's timers and works are, in recordings with real addresses."""
    states: tuple[KrcState, ...] = ()
    """Snapshots of struct kfree_rcu_cpu, from BEGIN on, in the order of time."""


def read_recording(path: str | os.PathLike[str], kernel: str = "") -> Recording:
    """Read a recording, plain or gzipped. BadInput if there is nothing in it that could be replayed.

    `kernel`, a release such as "6.12", is believed of a file that neither says which kernel it is of nor shows it.
    """
    reader = _Reader(form_of(kernel) or BY_OFFSET)
    for number, line in enumerate(read_lines(path), start=1):
        reader.feed(number, line)
    if reader.first_ns is None:
        raise bad(path, "holds no line of ftrace text (COMM-PID [CPU] FLAGS TIME: EVENT: TEXT)")
    if not reader.calls and not reader.deeds:
        where = " after the BEGIN mark" if reader.calls_before_begin else ""
        raise bad(path, f"holds no kvfree_call_rcu line{where}: nothing to replay")
    return attrs.evolve(reader.recording(PurePath(os.fsdecode(path)).name), path=str(Path(os.fsdecode(path)).resolve()))


@attrs.define
class _Reader:
    """The state between two lines of one file. `default` is the form of a file that does not show one."""

    _default: Form
    _form: Form | None = None
    _header: dict[str, str] = attrs.field(factory=dict)
    _params: dict[str, str] = attrs.field(factory=dict)
    _statements: Statements = attrs.field(factory=Statements)
    _addresses: dict[int, KrcAddresses] = attrs.field(factory=dict)
    _states: list[KrcState] = attrs.field(factory=list)
    _begun: dict[int, TraceLine] = attrs.field(factory=dict)
    """The last mark of each task's script, where that has to tell of the calls."""
    deeds: list[Deed] = attrs.field(factory=list)
    _tally: Tally = attrs.field(init=False)
    calls: list[Call] = attrs.field(factory=list)
    calls_before_begin: int = 0
    first_ns: int | None = None
    _begin_ns: int | None = None
    _last_ns: int = 0
    _nr_cpus: int = 0
    _unknown_lines: int = 0
    _unknown: list[UnknownLine] = attrs.field(factory=list)
    _truncated: bool = False

    def __attrs_post_init__(self) -> None:
        self._tally = Tally(self._addresses)

    def feed(self, number: int, line: str) -> None:
        """Take in one line."""
        if line.startswith("#"):  # a task called "#..." would stand behind spaces
            self._comment(line)
            return
        if not line.strip():
            return
        if _LOST.match(line):
            self._truncated = True
            return
        event = parse_line(line)
        if event is None or not self._event(event):
            self._unknown_lines += 1
            if len(self._unknown) < _EXAMPLES:
                self._unknown.append(UnknownLine(number, line[:_EXAMPLE_LENGTH]))

    def recording(self, file_name: str) -> Recording:
        """Everything that was read."""
        scripted = calls_are_scripted(self._header.get("pre", ""))
        return Recording(
            name=self._header.get("run") or file_name.removesuffix(".gz").removesuffix(".txt"),
            script=self._header.get("script", ""),
            pre=self._header.get("pre", "").removeprefix("-"),  # a lone dash stands for nothing
            params=self._params,
            kernel=self._header.get("kernel", ""),
            nr_cpus=self._nr_cpus,
            begin_ns=next((time for time in (self._begin_ns, self.first_ns) if time is not None), 0),
            end_ns=self._last_ns,
            calls=tuple(self.calls) if scripted else settle_kinds(self.calls),
            calls_before_begin=self.calls_before_begin,
            observed=self._tally.total(objects_visible=not scripted),
            unknown_lines=self._unknown_lines,
            unknown_examples=tuple(self._unknown),
            truncated=self._truncated,
            form=self._form or self._default,
            deeds=tuple(self.deeds),
            addresses=self._addresses,
            states=tuple(self._states),
        )

    def _comment(self, line: str) -> None:
        if (match := _HEADER.fullmatch(line)) is not None:
            self._header[match[1]] = match[2]
            if match[1] == "params":
                self._params = _parameters(match[2])
            elif match[1] == "kernel":
                self._form = form_of(match[2])
        elif (match := _WORKLOAD.match(line)) is not None:
            self._header["run"] = match[1]
        elif line.startswith("# Linux "):  # what `uname -a` says, in workload files
            self._header["kernel"] = line.removeprefix("# ")
            self._form = form_of(line)
        elif line.startswith("# console="):  # and their kernel command line
            self._params = _parameters(line.removeprefix("# "))
        elif (match := _BUFFER.match(line)) is not None:
            self._truncated |= match[1] != match[2]
            self._nr_cpus = max(self._nr_cpus, int(match[3]))
        elif line.startswith("# TRUNCATED"):
            self._truncated = True

    def _event(self, line: TraceLine) -> bool:
        """Take in one event; False if it is not one that recordings have, or broken."""
        if self.first_ns is None:
            self.first_ns = line.time_ns
        self._last_ns = max(self._last_ns, line.time_ns)
        self._nr_cpus = max(self._nr_cpus, line.cpu + 1)
        if line.event == "kvfree_call_rcu":
            return self._call(line)
        if not _is_known(line.event):
            return False
        if line.event == "runp":
            scripted = calls_are_scripted(self._header.get("pre", ""))
            if scripted:
                self._scripted(line)
            self._done(self._statements.note(line))
            if scripted and frees(self._statements.of(line.pid)):
                self._tally.begun()
        elif line.event == "kvt_write":
            return self._mark(line)
        elif line.event == "state":
            return self._state(line)
        else:
            if line.event == "synchronize_rcu":
                self._done(self._statements.waited(line))
            self._tally.count(line)
        return True

    def _scripted(self, line: TraceLine) -> None:
        """The calls of a statement that ends here; they were not recorded one by one."""
        if self._statements.ends(line) and (begin := self._begun.get(line.pid)) is not None:
            statement = self._statements.of(line.pid)
            for call in scripted_calls(begin, line.time_ns, statement, len(self.calls)):
                self.calls.append(call)
                self._tally.queued(call)
        self._begun[line.pid] = line

    def _done(self, deed: Deed | None) -> None:
        if deed is not None:
            self.deeds.append(deed)

    def _mark(self, line: TraceLine) -> bool:
        if line.text.startswith("BEGIN"):
            self._begin(line)
        elif line.text.startswith("KRCADDR"):
            addresses = parse_addresses(line.text)
            if addresses is None:
                return False
            self._addresses[addresses.cpu] = addresses
        return True

    def _state(self, line: TraceLine) -> bool:
        """A snapshot; other texts there are the rig's own."""
        if not line.text.startswith("KRC "):
            return True
        state = parse_state(line)
        if state is not None:
            self._states.append(state)
        return state is not None

    def _call(self, line: TraceLine) -> bool:
        if self._form is None and (arguments := arguments_of(line)) is not None:
            self._form = form_of_call(*arguments)
        call = parse_call(line, self._statements.of(line.pid), self._form or self._default)
        if call is None:
            return False
        self.calls.append(call)
        self._tally.queued(call)
        return True

    def _begin(self, line: TraceLine) -> None:
        """Forget what the preparation did. Only the first mark counts: there is one run in a file."""
        if self._begin_ns is None:
            self._begin_ns = line.time_ns
            self.calls_before_begin = len(self.calls)
            self.calls.clear()
            self.deeds.clear()
            self._states.clear()
            self._tally = Tally(self._addresses)


def _is_known(event: str) -> bool:
    return event.startswith(_KNOWN_FAMILIES) or event.removesuffix("_ret") in _KNOWN_EVENTS


def _parameters(text: str) -> dict[str, str]:
    """Boot parameters by name. Given twice, the last one counts, as for the kernel."""
    return {name: value for name, _, value in (word.partition("=") for word in text.split())}
