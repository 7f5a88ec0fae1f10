"""A trace: its lines as a stream of items, in constant memory.

Comments at the top say what was run (the rig's, or the kernel's own drawing of the columns); then come the events in
the order of time. What is missing is told where it is missing: lost events, a buffer that was overwritten, a cut file,
time that goes back. A file that holds two runs is refused where the second begins: nothing that is counted over both is
true of either.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from typing import Final

import attrs

from .calls import CallReader
from .events import Event, Gap, Header, Item, Mark, Missing, Unknown
from .forms import BY_OFFSET, Form, form_of
from .lines import Columns, is_stack, parse_any
from .source import CutShort, bad, read_lines
from .telling import Teller

_HEADER: Final = re.compile(r"# (run|script|pre|kernel|params): (.*)")
_WORKLOAD: Final = re.compile(r"# realistic recording ([^\s:]+)")
_BUFFER: Final = re.compile(r"# entries-in-buffer/entries-written: ([0-9]{1,18})/([0-9]{1,18}) +#P:([0-9]{1,5})")
_LOST: Final = re.compile(r"CPU: ?(\d{1,5}) \[(?:LOST )?(?:(\d{1,18}) )?EVENTS(?: DROPPED)?\]", re.ASCII)
_PERF_LOST: Final = re.compile(r".*\bPERF_RECORD_LOST(?:_SAMPLES)?\b\D*(\d{1,18})?.*", re.ASCII)
_STARTED: Final = re.compile(r"##### CPU (\d{1,5}) buffer started ####", re.ASCII)
_CPUS: Final = re.compile(r"cpus=(\d{1,5})", re.ASCII)
_TRACE_CMD: Final = re.compile(r"(?:CPU \d+ is empty|version = \d+|trace-cmd version .*)", re.ASCII)

_HOPELESS: Final = 20_000
"""So many lines without a single event are no trace."""

Progress = Callable[[int, int], None]
"""Told now and then of the lines and the bytes of the file that were read."""


def read_parameters(text: str) -> dict[str, str]:
    """Boot parameters by name. Given twice, the last one counts, as for the kernel."""
    return {name: value for name, _, value in (word.partition("=") for word in text.split())}


@attrs.define
class Trace:
    """A trace in a file, plain or gzipped. Iterating reads it from its start, each time anew.

    `probe` is the name of the probe on kvfree_call_rcu() where neither the text nor the name tells; `kernel`, a release
    such as "6.12", is believed of a file that neither says which kernel it is of nor shows it.
    """

    path: str | os.PathLike[str]
    probe: str = ""
    kernel: str = ""
    progress: Progress | None = None
    as_ftrace: Callable[[str], str] | None = None
    """What makes a line of ftrace text of one that the file has."""
    _header: Header | None = attrs.field(default=None, init=False)
    _form: Form | None = attrs.field(default=None, init=False)

    @property
    def header(self) -> Header:
        """What the comments say: of the last reading, as far as it has come; else reads up to the first event."""
        if self._header is None:
            for item in self:
                if isinstance(item, Event):
                    break
        assert self._header is not None
        return self._header

    @property
    def form(self) -> Form:
        """How calls are read, as far as it was read."""
        return self._form or form_of(self.kernel) or BY_OFFSET

    @property
    def name(self) -> str:
        """The run's name, or else the file's."""
        return self.header.name or PurePath(os.fsdecode(self.path)).name.removesuffix(".gz").removesuffix(".txt")

    @property
    def resolved(self) -> str:
        """The file's path from the root."""
        return str(Path(os.fsdecode(self.path)).resolve())

    def __iter__(self) -> Iterator[Item]:
        for item, _ in self.with_text():
            yield item

    def with_text(self) -> Iterator[tuple[Item, str]]:
        """The same, each item with the text of its line."""
        reader = _Reader(self.path, CallReader(form_of(self.kernel) or BY_OFFSET), _event_of(self.probe))
        self._header = reader.header
        rest: str | None = None
        try:
            lines = read_lines(self.path, self.progress)
            for number, line in enumerate(map(self.as_ftrace, lines) if self.as_ftrace else lines, start=1):
                for item in reader.feed(number, line):
                    yield item, line
                self._form = reader.calls.form
        except CutShort as cut:
            rest = str(cut)
        for item in reader.end(rest):
            yield item, rest or ""


@attrs.define
class _Reader:
    """The state between two lines of one file."""

    path: str | os.PathLike[str]
    calls: CallReader
    probe: str
    header: Header = attrs.field(factory=Header)
    _columns: Columns = attrs.field(factory=Columns)
    _teller: Teller = attrs.field(init=False)
    _number: int = 0
    _last_ns: int = -1
    _cpu_of_last: int = 0
    _begun: bool = False
    """An event was read."""
    _run_begun: bool = False
    """The rig's BEGIN was read."""
    _cut: bool = False

    def __attrs_post_init__(self) -> None:
        self._teller = Teller(self.header, self.calls, self._columns, self.probe)

    def feed(self, number: int, line: str) -> Iterator[Item]:
        """Take in one line."""
        self._number = number
        found = parse_any(line) if not line.startswith("#") else None
        if found is None:
            yield from self._no_event(number, line)
            return
        event, by_perf = found
        if not self._begun:
            self._first(by_perf=by_perf, flags=event.flags)
        if event.time_ns < self._last_ns:
            text = f"from {_seconds(self._last_ns)} to {_seconds(event.time_ns)}"
            yield Gap(number, Missing.BACKWARDS, text=text, to_ns=event.time_ns)
        self._last_ns = event.time_ns
        if event.cpu >= self.header.nr_cpus:
            self.header.nr_cpus = event.cpu + 1
        told = self._teller.tell(event, number)
        if isinstance(told, Event):
            if isinstance(told, Mark):
                self._mark(told)
            yield told
        elif _PERF_LOST.fullmatch(line) is not None:
            yield _perf_lost(number, line, event.cpu)
        else:
            yield attrs.evolve(told, text=line)

    def end(self, rest: str | None) -> Iterator[Item]:
        """What the end of the file tells. `rest` is what there is of a line that it ends in, if it ends in one."""
        if not self._begun:
            raise self._not_a_trace()
        if rest is not None and not self._cut:
            yield Gap(self._number + 1, Missing.CUT, text=rest)

    def _not_a_trace(self) -> Exception:
        """The error for a file that is something else."""
        return bad(
            self.path,
            "holds no line of ftrace text (COMM-PID [CPU] FLAGS TIME: EVENT: TEXT), "
            "nor of trace-cmd report or perf script",
        )

    def _two_runs(self, number: int) -> Exception:
        return bad(self.path, f"line {number}: another run begins; two runs in one file cannot be told apart")

    def _first(self, *, by_perf: bool, flags: str) -> None:
        self._begun = True
        if by_perf:
            self.header.text_format = "perf"
        elif not self.header.text_format:
            self.header.text_format = "ftrace" if flags else "trace-cmd"

    def _mark(self, mark: Mark) -> None:
        if mark.text.startswith("BEGIN"):
            if self._run_begun:
                raise bad(
                    self.path, f"line {mark.number}: another run begins: two runs in one file cannot be told apart"
                )
            self._run_begun = True

    def _no_event(self, number: int, line: str) -> Iterator[Item]:
        if line.startswith("#"):  # a task called "#..." would stand behind spaces
            yield from self._comment(number, line)
            return
        if not line.strip() or is_stack(line):
            return
        if (match := _LOST.match(line)) is not None:
            yield Gap(number, Missing.LOST, int(match[1]), None if match[2] is None else int(match[2]), line)
        elif (match := _PERF_LOST.fullmatch(line)) is not None:
            yield _perf_lost(number, line, None)
        elif not self._begun and (match := _CPUS.fullmatch(line.strip())) is not None:
            self.header.text_format, self.header.nr_cpus = "trace-cmd", int(match[1])
        elif self._begun or _TRACE_CMD.fullmatch(line.strip()) is None:
            yield Unknown(number, "", line)
            if not self._begun and number > _HOPELESS:
                raise self._not_a_trace()

    def _comment(self, number: int, line: str) -> Iterator[Item]:
        if (match := _STARTED.fullmatch(line)) is not None:
            yield Gap(number, Missing.OVERWRITTEN, int(match[1]), None, line)
            return
        if line.startswith("# TRUNCATED"):
            self._cut = True
            yield Gap(number, Missing.CUT, text=line)
            return
        if self._begun and line.startswith(("# run:", "# tracer:", "# realistic recording")):
            raise self._two_runs(number)
        self._columns.comment(line)
        yield from self._header(number, line)

    def _header(self, number: int, line: str) -> Iterator[Item]:
        header = self.header
        if (match := _HEADER.fullmatch(line)) is not None:
            what, text = match[1], match[2]
            if what == "params":
                header.params = read_parameters(text)
            elif what == "kernel":
                self._kernel(text)
            else:
                setattr(header, "name" if what == "run" else what, text)
        elif (match := _WORKLOAD.match(line)) is not None:
            header.name = match[1]
        elif line.startswith("# Linux "):  # what `uname -a` says, in workload files
            self._kernel(line.removeprefix("# "))
        elif line.startswith("# console="):  # and their kernel command line
            header.params = read_parameters(line.removeprefix("# "))
        elif (match := _BUFFER.match(line)) is not None:
            header.buffered = held, written = int(match[1]), int(match[2])
            header.nr_cpus = max(header.nr_cpus, int(match[3]))
            if held != written:
                yield Gap(number, Missing.OVERWRITTEN, None, written - held, line)

    def _kernel(self, text: str) -> None:
        self.header.kernel = text
        self.calls.form = form_of(text)


def _event_of(probe: str) -> str:
    """The event of a probe that may be named with its group, as in kprobes/NAME or probe:NAME."""
    return probe.replace(":", "/").rpartition("/")[2]


def _perf_lost(number: int, line: str, cpu: int | None) -> Gap:
    match = _PERF_LOST.fullmatch(line)
    lost = None if match is None or match[1] is None else int(match[1])
    return Gap(number, Missing.LOST, cpu, lost, line)


def _seconds(time_ns: int) -> str:
    return f"{time_ns // 1_000_000_000}.{time_ns % 1_000_000_000 // 1000:06d} s"
