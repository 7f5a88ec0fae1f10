"""A schedule that went wrong, told: what happened on each CPU, and why it was not enough.

The schedule is run once more, with listeners. Shown is what bears on the problem: the departures; readers that were
there when it came, or that lasted; the object's way; grace periods, monitor and work. Each CPU has a column, and there
is one for everything else: timers, grace periods.
"""

from __future__ import annotations

import re
import textwrap
from typing import Final

import attrs

from ..engine.decision import Decision
from ..engine.events import Event
from ..machine import Machine
from ..rcu.oracle import Reader, Tracked
from ..report.styled import plain
from ..report.units import duration
from ..spelling import plural
from ..story.columns import columns
from ..story.folding import folded
from ..story.rows import LASTS_NS, NOBODY, Level, Row
from ..story.words import departure_said
from .finding import Shown
from .follow import Departure
from .keep import Kept, replay_of

_ADDRESS: Final = re.compile(r"\bffff[0-9a-f]{12}\b")
_MOST_ROWS: Final = 40
_PROSE: Final = 100
_OBJECT: Final = "object"
"""The name of what is the object's way."""
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


class _Listener:
    """What is heard of one run."""

    def __init__(self, machine: Machine, shown: Shown) -> None:
        self.rows: list[Row] = []
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

    def _add(self, name: str, text: str, *, departs: bool = False) -> None:
        now, cpu = self._here()
        if not self.over:
            level = Level.LANDMARK if departs else Level.STEP
            self.rows.append(Row(time_ns=now, cpu=cpu, name=name, text=text, level=level))

    def take(self, event: Event) -> None:
        """A sink: works that begin, and the report itself."""
        if event.name == "workqueue_execute_start" and event.text.rsplit(" ", 1)[-1] in _WORKS:
            text = f"{event.text.rsplit(' ', 1)[-1]}()"
            self.rows.append(Row(time_ns=event.time_ns, cpu=event.cpu, name=event.name, text=text))
        elif event.name == "console" and event.time_ns >= self._shown.time_ns and self._shown.title in event.text:
            self.over = True

    def _decided(self, decision: Decision, picked: int) -> None:
        if picked:
            self._add("departure", departure_said(decision, picked), departs=True)

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
            self.rows = [row for row in self.rows if row.name != _OBJECT]
            self.retired_ns = self._here()[0]
            self._add(_OBJECT, f"{item} is given to kvfree_rcu()")

    def _freed(self, item: Tracked, how: str) -> None:
        if item.address == self._address and not self.over:
            self._add(_OBJECT, f"{item} is freed by {how}()")

    def _gp_started(self, number: int, _now: int) -> None:
        now = self._here()[0]
        self.periods.append(_Period(number, now, None))
        self._period(now, f"grace period {number} begins")

    def _gp_ended(self, _number: int, _now: int) -> None:
        now = self._here()[0]
        self.periods[-1] = attrs.evolve(self.periods[-1], ended_ns=now)
        self._period(now, f"grace period {self.periods[-1].number} ends")

    def _period(self, now: int, text: str) -> None:
        self.rows.append(Row(time_ns=now, cpu=NOBODY, name="rcu_grace_period", text=text))


def story_lines(kept: Kept, width: int | None = None) -> list[str]:
    """The story of a schedule, as text, for a page that is so wide."""
    schedule, shown = kept.schedule, kept.schedule.shown
    lines = _shrunk_lines(kept)
    if shown.known:
        lines += textwrap.wrap(f"a known bug of {schedule.spec.kernel}, {shown.known}", _PROSE)
    return [*lines, "", *told_lines(kept, width)]


def happened_lines(kept: Kept, width: int | None = None) -> list[str]:
    """What happened, and to whom, until it was said; and why: without the report."""
    heard, shown = _heard(kept), kept.schedule.shown
    reasons = [line for reason in _reasons(heard, shown) for line in ["", *textwrap.wrap(reason, _PROSE)]]
    return [*_happened(heard, shown, width), *reasons]


def _happened(heard: _Listener, shown: Shown, width: int | None) -> list[str]:
    return [plain(line) for line in columns(_rows_of(heard, shown), width=width)]


def told_lines(kept: Kept, width: int | None = None) -> list[str]:
    """What happened, what was said of it, and why."""
    schedule, shown = kept.schedule, kept.schedule.shown
    heard = _heard(kept)
    lines = [*_happened(heard, shown, width), "", *(f"  {line}" for line in shown.text.split("\n"))]
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
    made += textwrap.wrap(kept.shrunk.anew, _PROSE)
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


def _rows_of(heard: _Listener, shown: Shown) -> list[Row]:
    """What bears on it, in order of time, with the readers that were there."""
    rows = list(heard.rows)
    for read in heard.reads.values():
        lasted = (read.left_ns or shown.time_ns) - read.entered_ns
        there = read.entered_ns <= shown.time_ns and (read.left_ns is None or read.left_ns >= shown.time_ns)
        if lasted >= LASTS_NS or (there and f"reader {read.who} entered" in shown.text):
            rows.append(_read_row(read, read.entered_ns, "enters"))
            if read.left_ns is not None:
                rows.append(_read_row(read, read.left_ns, "leaves"))
    kind = shown.signature.kind.upper()
    rows.append(Row(time_ns=shown.time_ns, cpu=shown.cpu, name="report", text=kind, level=Level.LANDMARK))
    rows = sorted((row for row in rows if row.time_ns <= shown.time_ns or _departs(row)), key=lambda row: row.time_ns)
    begins = min((row.time_ns for row in rows if _departs(row)), default=0)
    if heard.retired_ns is not None:
        begins = min(begins, heard.retired_ns)
    near = begins - LASTS_NS
    rows = folded(row for row in rows if _departs(row) or row.time_ns >= near or "enters" in row.text)
    spare = len(rows) - _MOST_ROWS
    for row in [row for row in rows if not _departs(row)][: max(spare, 0)]:
        rows.remove(row)
    return rows


def _departs(row: Row) -> bool:
    """It is a departure, or the report: never left out."""
    return row.level is Level.LANDMARK


def _read_row(read: _Read, time_ns: int, what: str) -> Row:
    return Row(time_ns=time_ns, cpu=read.cpu, name="reader", text=f"reader {read.who} {what}")


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
