"""Kernel console text, read into records: which reports there are, in which order, and what each of them names.

A real kernel's console (kernel/locking/lockdep.c, kernel/sched/core.c, kernel/panic.c, lib/debugobjects.c and the
others whose first lines stand below) and the model's own reports are read by the same rules, so that neither has an
advantage. Of a report is kept what two kernels can agree on: its kind, the lock it names with usage and wait types,
what the context allows, and the names on the held list. Offsets, addresses, PIDs and times are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import attrs

_STAMP: Final = re.compile(r"^(?:<\d+>)?\[ *\d+\.\d{6}\](?:\[[ TC\d]+\])? ?")
_SAID: Final = re.compile(r"^q: ")
_LOCK: Final = re.compile(r"^ ?[0-9a-f]{8,16} \((?P<name>.+)\)\{(?P<usage>[^}]*)\}-\{(?P<waits>\d+:\d+)\}")
_RELEASED: Final = re.compile(r"is trying to release lock \((?P<name>.+)\) at:$")
_CONTEXT: Final = re.compile(r"^context-\{(\d+:\d+)\}")
_HOLDER: Final = re.compile(r"^(?:\d+ locks? held by|no locks held by) (?P<who>.+?)[:.]$")
_HELD: Final = re.compile(r"^ #\d+: +[0-9a-f]+ \((?P<name>.+)\)\{(?P<usage>[^}]*)\}-\{(?P<waits>\d+:\d+)\}")
_BROKEN: Final = re.compile(r"^ #\d+: +[0-9a-f]{8,16}(?: \()?$")
"""The same cut in two: print_lock_name() is several printk(), and another CPU's came between."""
_CUT: Final = re.compile(r"^-+\[ cut here \]-+$")
_WARNING: Final = re.compile(
    r"^WARNING: (?:CPU: \d+ PID: \d+ at (?:[^ +]+:\d+ )?|(?:[^ +]+:\d+ )?at )(?P<function>[\w.]+)"
)
_CLONE: Final = re.compile(r"\.(?:part|constprop|isra|cold|localalias)\b.*$")
_ODEBUG: Final = re.compile(
    r"^ODEBUG: (?P<what>.+?) \(active state (?P<state>\d+)\) (?:object: \S+ )?object type: (?P<type>\w+)"
)
_ADDRESS: Final = re.compile(r"\(____ptrval____\)|\b(?:0x)?[0-9a-f]{8,16}\b")
_OFFSET: Final = re.compile(r"\+0x[0-9a-f]+/0x[0-9a-f]+| \[\w+\]")


@attrs.frozen
class LockNamed:
    """A lock as print_lock_name() shows it; `usage` and `waits` are empty where the report has only its name."""

    name: str
    usage: str = ""
    waits: str = ""

    def __str__(self) -> str:
        return f"({self.name}){{{self.usage}}}-{{{self.waits}}}" if self.waits else f"({self.name})"


@attrs.frozen(kw_only=True)
class ConsoleReport:
    """One report. `context` is what an invalid wait context's task may take; `held` are the reporting task's locks.

    `held` is None where the report does not list them.
    """

    kind: str
    title: str
    lock: LockNamed | None = None
    context: str = ""
    held: tuple[LockNamed, ...] | None = None
    fatal: bool = False


@attrs.frozen
class Said:
    """A line that the questions' module printed, and the held list that it asked for with it, if it did."""

    text: str
    held: tuple[LockNamed, ...] | None = None


Entry = ConsoleReport | Said


@attrs.frozen
class _Head:
    """A first line: what it looks like, its kind, and whether the kernel (or the thread) does not go on after it."""

    pattern: re.Pattern[str]
    kind: str | Callable[[re.Match[str]], str]
    fatal: bool = False


def _head(pattern: str, kind: str | Callable[[re.Match[str]], str], *, fatal: bool = False) -> _Head:
    return _Head(re.compile(pattern), kind, fatal)


_BUG_AT: Final = "kernel BUG at "

_HEADS: Final = (
    _head(r"^\[ BUG: Invalid wait context \]", "invalid wait context"),
    _head(r"^WARNING: possible circular locking dependency detected", "circular locking dependency"),
    _head(r"^WARNING: possible recursive locking detected", "recursive locking"),
    _head(r"^WARNING: possible irq lock inversion dependency detected", "irq lock inversion"),
    _head(r"^WARNING: inconsistent lock state", "inconsistent lock state"),
    _head(r"^WARNING: (\w+-safe -> \w+-unsafe) lock order detected", lambda found: f"{found[1]} lock order"),
    _head(r"^WARNING: bad unlock balance detected!", "bad unlock balance"),
    _head(r"^WARNING: Nested lock was not taken", "nested lock not taken"),
    _head(r"^WARNING: held lock freed!", "held lock freed"),
    _head(r"^WARNING: .+ still has locks held!", "still has locks held"),
    _head(r"^WARNING: suspicious RCU usage", "suspicious RCU usage"),
    _head(r"^BUG: sleeping function called from invalid context", "sleeping function"),
    _head(r"^BUG: scheduling while atomic", "scheduling while atomic"),
    _head(r"^BUG: workqueue leaked (?:lock or atomic|atomic, lock or RCU)", "workqueue leaked lock or atomic"),
    _head(r"^BUG: workqueue lockup", "workqueue lockup"),
    _head(r"^(?:watchdog: )?BUG: soft lockup", "soft lockup"),
    _head(r"^(?:NMI )?[Ww]atchdog: Watchdog detected hard LOCKUP on cpu", "hard lockup"),
    _head(r"^BUG: using (smp_processor_id|__this_cpu_\w+)\(\) in preemptible", "CPU number in preemptible code"),
    _head(r"^BUG: spinlock (bad magic|lockup suspected|recursion|wrong CPU|wrong owner|already unlocked)",
          lambda found: f"spinlock {found[1]}"),
    _head(r"^BUG: rwlock (bad magic|lockup|recursion|wrong CPU|wrong owner|cpu recursion)",
          lambda found: f"rwlock {found[1]}"),
    _head(r"^BUG: KASAN: ([\w-]+)", lambda found: f"KASAN: {found[1]}"),
    _head(r"^BUG [\w-]+ \(.*\): (.+)", lambda found: f"slab: {_ADDRESS.sub('ADDRESS', found[1])}"),
    _head(r"^BUG: unable to handle page fault", "page fault", fatal=True),
    _head(r"^BUG: kernel NULL pointer dereference", "NULL pointer dereference", fatal=True),
    _head(r"^(?:Oops: )?general protection fault", "general protection fault", fatal=True),
    _head(f"^{_BUG_AT}", "kernel BUG", fatal=True),
    _head(r"^INFO: task (?P<comm>.+):(?P<pid>\d+) blocked for more than", "hung task"),
    _head(r"^rcu: INFO: \w+ (?:self-)?detected (?:expedited )?stalls? on", "RCU stall"),
    _head(r"^rcu: INFO: \w+ detected expedited stalls", "RCU stall"),
    _head(r"^timer: \S+ preempt leak", "timer preempt leak"),
    _head(r"^softirq: huh, entered softirq \d+ (\w+)", lambda found: f"softirq {found[1]} preempt leak"),
    _head(r"^.+: page allocation failure: order:\d+, mode:0x[0-9a-f]+\(([^)]*)\)",
          lambda found: f"page allocation failure ({found[1]})"),
    _head(r"^.+ invoked oom-killer: gfp_mask=", "oom-killer"),
    _head(r"^Trying to vfree\(\) (nonexistent vm area|bad address)", lambda found: f"vfree() of a {found[1]}"),
)  # fmt: skip


_ANY_HEAD: Final = re.compile(r"^(?:BUG|WARNING|(?:rcu: )?INFO): (?!lockdep is turned off)")
"""What a report looks like of which nothing is known: it counts by its first line, and is not passed over."""


def _function(name: str) -> str:
    return _CLONE.sub("", name)


def _warning_kind(function: str, message: str) -> str:
    """A WARN()'s kind: its message without what changes from run to run, or the function that it stands in."""
    odebug = _ODEBUG.match(message)
    if odebug is not None:
        return f"ODEBUG: {odebug['what']} (state {odebug['state']}) {odebug['type']}"
    if message:
        return f"WARNING: {_ADDRESS.sub('ADDRESS', _OFFSET.sub('', message)).strip()}"
    return f"WARNING in {_function(function)}()"


@attrs.define
class _Reading:
    """What has been read of one report, or of what was said."""

    kind: str
    title: str
    fatal: bool = False
    who: str = ""
    said: bool = False
    lock: LockNamed | None = None
    context: str = ""
    held: list[LockNamed] | None = None
    _listing: bool = False

    def take(self, line: str) -> None:
        """The next line of it."""
        holder = _HOLDER.match(line)
        if holder is not None:
            self._listing = self.held is None and self._wanted(holder["who"])
            if self._listing:
                self.held = []
            return
        held = _HELD.match(line)
        if held is not None:
            if self._listing and self.held is not None:
                self.held.append(LockNamed(held["name"], held["usage"], held["waits"]))
            return
        if self.held is not None:
            self._listing = False
        self._take_names(line)

    def _wanted(self, who: str) -> bool:
        return not self.who or who == self.who

    def _take_names(self, line: str) -> None:
        if self.lock is None:
            named, released = _LOCK.match(line), _RELEASED.search(line)
            if named is not None:
                self.lock = LockNamed(named["name"], named["usage"], named["waits"])
            elif released is not None:
                self.lock = LockNamed(released["name"])
        context = _CONTEXT.match(line)
        if context is not None:
            self.context = context[1]

    def done(self) -> Entry:
        """As a record."""
        held = tuple(self.held) if self.held is not None else None
        if self.said:
            return Said(self.title, held)
        return ConsoleReport(
            kind=self.kind, title=self.title, lock=self.lock, context=self.context, held=held, fatal=self.fatal
        )


def _begun(line: str) -> _Reading | None:
    """The report that begins with this line."""
    for head in _HEADS:
        found = head.pattern.match(line)
        if found is not None:
            kind = head.kind if isinstance(head.kind, str) else head.kind(found)
            names = found.groupdict()
            who = f"{names['comm']}/{names['pid']}" if "comm" in names else ""
            return _Reading(kind, line, fatal=head.fatal, who=who)
    if _ANY_HEAD.match(line):
        return _Reading(re.sub(r"\d+", "#", _ADDRESS.sub("ADDRESS", line)), line)
    return None


def _unstamped(lines: Iterable[str]) -> Iterator[str]:
    """The lines without their times. What another CPU has said in the middle of a held lock comes behind the list."""
    broken, between = "", list[str]()
    for stamped in lines:
        line = _STAMP.sub("", stamped.rstrip("\r\n"))
        if _BROKEN.match(line):
            broken = line
        elif broken and _SAID.match(line):
            between.append(line)
        elif broken:
            yield broken + line
            broken = ""
        elif between and not _HELD.match(line):
            yield from between
            between = []
            yield line
        else:
            yield line
    yield from between


@attrs.define
class _Reader:
    """Reads line by line. `cut` are the lines since "cut here": what a WARN() says before it says that it is one."""

    entries: list[Entry] = attrs.field(factory=list)
    now: _Reading | None = None
    cut: list[str] | None = None

    def take(self, line: str) -> None:
        """The next line."""
        if _CUT.match(line):
            self.cut = []
            return
        begun = self._begin(line)
        if begun is not None:
            self.end()
            self.now, self.cut = begun, None
        elif self.cut is not None:
            self.cut += [line.strip()] if line.strip() else []
        elif self.now is not None:
            self.now.take(line)

    def _begin(self, line: str) -> _Reading | None:
        said, warned = _SAID.match(line), _WARNING.match(line)
        if said is not None:
            return _Reading("", line[said.end() :].strip(), said=True)
        if warned is not None:
            message = " ".join(self.cut or ())
            return _Reading(_warning_kind(warned["function"], message), message or line)
        return _begun(line) if self.cut is None or line.startswith(_BUG_AT) else None

    def end(self) -> None:
        """No more of what is being read."""
        if self.now is not None:
            self.entries.append(self.now.done())
        self.now = None


def read_console(lines: Iterable[str]) -> tuple[Entry, ...]:
    """What stands on a console, in its order. What is neither a report's nor the module's is passed over."""
    reader = _Reader()
    for line in _unstamped(lines):
        reader.take(line)
    reader.end()
    return tuple(reader.entries)


def reports_of(entries: Iterable[Entry]) -> tuple[ConsoleReport, ...]:
    """Only the reports."""
    return tuple(entry for entry in entries if isinstance(entry, ConsoleReport))


def is_kernels(text: str) -> bool:
    """Whether a text has what a kernel's report begins with."""
    return bool(reports_of(read_console(text.split("\n"))))
