"""A schedule that went wrong, told: what happened on each CPU, and why it was not enough.

The schedule is run once more, with listeners. Shown is what bears on the problem: the departures; readers that were
there when it came, or that lasted; the object's way; grace periods, monitor and work. Each CPU has a column, and there
is one for everything else: timers, grace periods.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from typing import Final

import attrs

from ..engine.decision import HOLD_UP, NEXT_ACTOR, Decision, Duration
from ..engine.events import Event
from ..machine import Machine
from ..rcu.oracle import Reader, Tracked
from ..report.units import duration
from ..spelling import plural
from .finding import Shown
from .follow import Departure
from .keep import Kept, replay_of

_ADDRESS: Final = re.compile(r"\bffff[0-9a-f]{12}\b")
_LASTS_NS: Final = 1_000_000
"""A reader that lasts so long keeps others waiting."""

_MOST_ROWS: Final = 40
_WIDTH: Final = 27
_PROSE: Final = 100
_WORKS: Final = ("kfree_rcu_monitor", "kfree_rcu_work")


@attrs.define
class _Read:
    """One reader: who, where it entered, and when it left, if it did."""

    who: str
    site: str
    cpu: int
    entered_ns: int
    left_ns: int | None = None
    held: tuple[int, ...] = ()


@attrs.frozen
class _Period:
    """One grace period; `ended_ns` is None while it goes on."""

    number: int
    started_ns: int
    ended_ns: int | None


@attrs.frozen
class _Row:
    """One line of the story. `cpu` -1 is nobody's CPU; a departure is never left out; `objects`: the object's way."""

    time_ns: int
    cpu: int
    text: str
    departs: bool = False
    objects: bool = False


class _Listener:
    """What is heard of one run."""

    def __init__(self, machine: Machine, shown: Shown) -> None:
        self.rows: list[_Row] = []
        self.periods: list[_Period] = []
        self.reads: dict[int, _Read] = {}
        self.retired_ns: int | None = None
        self.over = False
        self._machine = machine
        self._shown = shown
        found = _ADDRESS.search(shown.title)
        self._address = int(found[0], 16) if found else None
        probes = machine.probes
        probes.engine.decision.listen(self._decided)
        probes.rcu.reader_entered.listen(self._entered)
        probes.rcu.reader_left.listen(self._left)
        probes.rcu.object_retired.listen(self._retired)
        probes.rcu.object_freed.listen(self._freed)
        probes.rcu.gp_started.listen(self._gp_started)
        probes.rcu.gp_ended.listen(self._gp_ended)

    def _here(self) -> tuple[int, int]:
        """(virtual time, CPU) of who runs."""
        running = self._machine.conductor.running
        if running is None:
            return self._machine.conductor.now, -1
        number = running.name.removeprefix("cpu")
        return running.clock, int(number) if number.isdigit() else -1

    def _add(self, text: str, *, departs: bool = False, objects: bool = False) -> None:
        now, cpu = self._here()
        if not self.over:
            self.rows.append(_Row(now, cpu, text, departs, objects))

    def take(self, event: Event) -> None:
        """A sink: works that begin, and the report itself."""
        if event.name == "workqueue_execute_start" and event.text.rsplit(" ", 1)[-1] in _WORKS:
            self.rows.append(_Row(event.time_ns, event.cpu, f"{event.text.rsplit(' ', 1)[-1]}()"))
        elif event.name == "console" and event.time_ns >= self._shown.time_ns and self._shown.title in event.text:
            self.over = True

    def _decided(self, decision: Decision, picked: int) -> None:
        if not picked:
            return
        named = decision.option(picked)
        label = decision.label(picked)
        at = f", at {label}" if label else ""
        if decision.kind is HOLD_UP:
            self._add(f"HELD UP for {duration(picked)}{at}", departs=True)
        elif isinstance(decision, Duration):
            self._add(f"LATE: {named}", departs=True)
        elif decision.kind is NEXT_ACTOR:
            what = "TIME PASSES first, to" if picked == decision.time else "PASSED OVER by"
            self._add(f"{what} {named}{at}", departs=True)
        else:
            self._add(f"{decision.kind.name.upper()}: {named}", departs=True)

    def _entered(self, reader: Reader) -> None:
        now, cpu = self._here()
        self.reads[reader.serial] = _Read(reader.who, reader.site, cpu, now)

    def _left(self, reader: Reader) -> None:
        now, _ = self._here()
        read = self.reads[reader.serial]
        read.left_ns, read.held = now, tuple(reader.held)

    def _retired(self, item: Tracked, _now: int) -> None:
        if item.address == self._address and not self.over:
            # What had that address before is nobody's concern.
            self.rows = [row for row in self.rows if not row.objects]
            self.retired_ns = self._here()[0]
            self._add(f"{item} is given to kvfree_rcu()", objects=True)

    def _freed(self, item: Tracked, how: str) -> None:
        if item.address == self._address and not self.over:
            self._add(f"{item} is freed by {how}()", objects=True)

    def _gp_started(self, number: int, _now: int) -> None:
        now = self._here()[0]
        self.periods.append(_Period(number, now, None))
        self.rows.append(_Row(now, -1, f"grace period {number} begins"))

    def _gp_ended(self, _number: int, _now: int) -> None:
        now = self._here()[0]
        self.periods[-1] = attrs.evolve(self.periods[-1], ended_ns=now)
        self.rows.append(_Row(now, -1, f"grace period {self.periods[-1].number} ends"))


def story_lines(kept: Kept) -> list[str]:
    """The story of a schedule, as text."""
    schedule, shown = kept.schedule, kept.schedule.shown
    lines = _shrunk_lines(kept)
    if shown.known:
        lines += textwrap.wrap(f"a known bug of {schedule.spec.kernel}, {shown.known}", _PROSE)
    return [*lines, "", *told_lines(kept)]


def happened_lines(kept: Kept) -> list[str]:
    """What happened, and to whom, until it was said; and why: without the report."""
    heard, shown = _heard(kept), kept.schedule.shown
    reasons = [line for reason in _reasons(heard, shown) for line in ["", *textwrap.wrap(reason, _PROSE)]]
    return [*_happened(heard, shown), *reasons]


def _happened(heard: _Listener, shown: Shown) -> list[str]:
    rows = _rows_of(heard, shown)
    return _table(rows, _cpus(rows))


def told_lines(kept: Kept) -> list[str]:
    """What happened, what was said of it, and why."""
    schedule, shown = kept.schedule, kept.schedule.shown
    heard = _heard(kept)
    lines = [*_happened(heard, shown), "", *(f"  {line}" for line in shown.text.split("\n"))]
    for reason in _reasons(heard, shown):
        lines += ["", *textwrap.wrap(reason, _PROSE)]
    if kept.shrunk is not None and kept.shrunk.needed is not None:
        lines.append(f"without one departure it passes: {departure_text(kept.shrunk.needed)}")
    if not schedule.decisions.taken:
        lines.append("no departure is needed: it goes wrong by itself")
    return lines


def departure_text(one: Departure) -> str:
    """A departure in words."""
    times = f"decision {one.nth + 1} of {one.whose or 'whoever comes'}, at {duration(one.at_ns)}"
    what = f"{duration(one.ns)}" if one.ns else one.option
    return f"{one.kind}: {what} ({times})"


def _shrunk_lines(kept: Kept) -> list[str]:
    left = plural(len(kept.departures), "departure")
    if kept.shrunk is None:
        word = "none of them can be left out" if kept.schedule.minimal else "not cut down"
        return [f"{left} from the policy {kept.schedule.policy!r}: {word}"]
    word = "none of them can be left out" if kept.shrunk.minimal else "not down to the least: no replay was left"
    after = f"after {plural(kept.shrunk.replays, 'replay')}"
    smaller = [f"{name}={now} (was {before})" for name, (before, now) in kept.shrunk.smaller.items()]
    made = [f"in a smaller run: {', '.join(smaller)}"] if smaller else []
    return [f"cut down to {left} from the policy {kept.schedule.policy!r}, {after}; {word}", *made]


def _heard(kept: Kept) -> _Listener:
    """Run it once more, and listen. What ends it is told already."""
    heard: _Listener | None = None

    class _Passes:
        def take(self, event: Event) -> None:
            if heard is not None:
                heard.take(event)

    def listen(machine: Machine) -> None:
        nonlocal heard
        heard = _Listener(machine, kept.schedule.shown)

    kept.attempt.run(replay_of(kept.schedule), kept.schedule.spec.seed, _Passes(), listen=listen)
    assert heard is not None
    return heard


def _rows_of(heard: _Listener, shown: Shown) -> list[_Row]:
    """What bears on it, in order of time, with the readers that were there."""
    rows = list(heard.rows)
    for read in heard.reads.values():
        lasted = (read.left_ns or shown.time_ns) - read.entered_ns
        there = read.entered_ns <= shown.time_ns and (read.left_ns is None or read.left_ns >= shown.time_ns)
        if lasted >= _LASTS_NS or (there and f"reader {read.who} entered" in shown.text):
            rows.append(_Row(read.entered_ns, read.cpu, f"reader {read.who} enters"))
            if read.left_ns is not None:
                rows.append(_Row(read.left_ns, read.cpu, f"reader {read.who} leaves"))
    rows.append(_Row(shown.time_ns, shown.cpu, shown.signature.kind.upper(), departs=True))
    rows = sorted((row for row in rows if row.time_ns <= shown.time_ns or row.departs), key=lambda row: row.time_ns)
    begins = min((row.time_ns for row in rows if row.departs), default=0)
    if heard.retired_ns is not None:
        begins = min(begins, heard.retired_ns)
    rows = [row for row in rows if row.departs or row.time_ns >= begins - 1_000_000 or "enters" in row.text]
    spare = len(rows) - _MOST_ROWS
    for row in [row for row in rows if not row.departs][: max(spare, 0)]:
        rows.remove(row)
    return rows


def _cpus(rows: Iterable[_Row]) -> list[int]:
    return [*sorted({row.cpu for row in rows if row.cpu >= 0}), -1]


def _table(rows: list[_Row], cpus: list[int]) -> list[str]:
    heads = [f"CPU {cpu}" if cpu >= 0 else "timers, grace periods" for cpu in cpus]
    lines = [f"{'':>10}  " + "  ".join(f"{head:<{_WIDTH}}" for head in heads).rstrip()]
    for row in rows:
        cells = _wrapped(row.text)
        at = cpus.index(row.cpu)
        for number, cell in enumerate(cells):
            stamp = f"{row.time_ns / 1e6:>7.3f} ms" if not number else ""
            before = "".join(f"{'':<{_WIDTH}}  " for _ in range(at))
            lines.append(f"{stamp:>10}  {before}{cell}".rstrip())
    return lines


def _wrapped(text: str) -> list[str]:
    """The text in lines that fit a column; a word that is longer stands by itself."""
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= _WIDTH:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _reasons(heard: _Listener, shown: Shown) -> list[str]:
    """Which grace period a free relied on, and why that was not enough."""
    if shown.signature.kind != "use-after-free" or heard.retired_ns is None:
        return []
    retired = heard.retired_ns
    ended = [period for period in heard.periods if period.ended_ns is not None and period.ended_ns <= shown.time_ns]
    said = f"the object was given to kvfree_rcu() at {_ms(retired)} and freed at {_ms(shown.time_ns)}"
    since = [period for period in ended if period.ended_ns is not None and period.ended_ns >= retired]
    if not since:
        return [f"{said}; no grace period ended in between."]
    last = since[-1]
    assert last.ended_ns is not None
    between = f"grace period {last.number} ended in between, at {_ms(last.ended_ns)}"
    if last.started_ns >= retired:
        return [f"{said}; {between}, and began after that, at {_ms(last.started_ns)}."]
    return [
        f"{said}; {between}. It began at {_ms(last.started_ns)}, before the object was given away, so it waits for no "
        f"reader that began since. {_since(heard, shown, last)}".rstrip()
    ]


def _since(heard: _Listener, shown: Shown, period: _Period) -> str:
    """The reader that began since."""
    for read in heard.reads.values():
        there = read.left_ns is None or read.left_ns >= shown.time_ns
        if period.started_ns <= read.entered_ns <= shown.time_ns and there and f"reader {read.who} " in shown.text:
            return f"Reader {read.who} entered at {_ms(read.entered_ns)}."
    return ""


def _ms(ns: int) -> str:
    return f"{ns / 1e6:.3f} ms"
