"""What a whole run is told by: a machine's probes and tracepoints, as rows.

Told is what bears on a run: which thread runs, calls of kvfree_rcu() and where each object was put, readers, locks that
were waited for, timers, works, grace periods, frees, departures, reports. Of what comes many times in a row only one
row is kept, so that a run of many calls costs little.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

import attrs

from ..context.locks import Lock
from ..context.violation import Violation
from ..engine.decision import HOLD_UP, NEXT_ACTOR, Decision
from ..engine.events import Event
from ..kernel.cpu import Cpu
from ..kernel.thread import Thread
from ..kernel.time.timer import Timer
from ..kvfree.krc import Krc
from ..machine import Machine
from ..mm.objects import KObject
from ..rcu.oracle import Reader
from ..report.units import duration
from ..spelling import plural
from .rows import LASTS_NS, NOBODY, Level, Row
from .words import SLEEPS, TOLD, Said, departure_said

_WAITS_NS: Final = 1_000
"""A lock that was waited for less is not worth a line."""

_MOST: Final = 200_000
"""Rows that are kept; of what comes later only landmarks are, the others are counted."""


@attrs.define
class _Read:
    """A reader that goes on."""

    who: str
    cpu: int
    entered_ns: int
    bears: bool = False
    """A report was made meanwhile."""

    def enters(self) -> Row:
        """That it began."""
        return Row(time_ns=self.entered_ns, cpu=self.cpu, name="reader", text=f"reader {self.who} enters")


class Teller:
    """Listens to a machine that has not run yet. `rows` are in the order in which they came to be known.

    `asked` are parts of names of events that are to be told though a story has no words for them. `unkept` counts, by
    name, what came when there were too many rows.
    """

    def __init__(self, machine: Machine, asked: tuple[str, ...] = ()) -> None:
        self.unkept: Counter[str] = Counter()
        self._rows: list[Row] = []
        self._last: dict[int, int] = {}
        """By CPU: where its last row is, if nothing has come that parts it from the next."""
        self._machine, self._asked = machine, asked
        self._readers: dict[int, _Read] = {}
        self._entered: dict[int, list[int]] = {}
        """By thread: when the calls began that it is in."""
        self._reports = 0
        self._number = 0
        """The grace period's that began last: what it ends with is another."""
        self._listen()

    def _listen(self) -> None:
        probes = self._machine.probes
        probes.event.listen(self._event)
        probes.violation.listen(self._violation)
        probes.engine.decision.listen(self._decided)
        probes.kernel.switched.listen(self._switched)
        probes.kernel.timer_started.listen(self._timer_started)
        probes.kernel.lock_taken.listen(self._lock_taken)
        probes.rcu.reader_entered.listen(self._reader_entered)
        probes.rcu.reader_left.listen(self._reader_left)
        probes.rcu.gp_started.listen(self._gp_started)
        probes.rcu.gp_ended.listen(self._gp_ended)
        probes.kvfree.call_entered.listen(self._call_entered)
        probes.kvfree.call_left.listen(self._call_left)

    def rows(self) -> list[Row]:
        """All, with the readers that have not left, in order of time."""
        there = [read.enters() for read in self._readers.values()]
        return sorted([*self._rows, *there], key=lambda row: row.time_ns)

    # -- keeping -------------------------------------------------------------------------------------------------------

    def _add(self, row: Row) -> None:
        """Keep it, within the row before if that is the same."""
        if row.level is Level.LANDMARK:
            self._last.clear()
        elif (at := self._last.get(row.cpu)) is not None and self._rows[at].key == row.key:
            self._rows[at] = self._rows[at].and_once_more(row)
            return
        elif len(self._rows) >= _MOST:
            self.unkept[row.name] += 1
            return
        else:
            self._last[row.cpu] = len(self._rows)
        self._rows.append(row)

    def _say(self, name: str, time_ns: int, cpu: int, said: Said) -> None:
        self._add(
            Row(
                time_ns=time_ns,
                cpu=cpu,
                name=name,
                text=said.text,
                same=said.same or said.text,
                level=said.level,
                amount=said.amount,
                unit=said.unit,
            )
        )

    def _here(self) -> tuple[int, int]:
        """(virtual time, CPU) of who runs."""
        running = self._machine.conductor.running
        if running is None:
            return self._machine.conductor.now, NOBODY
        return running.clock, running.cpu_id if isinstance(running, Cpu) else NOBODY

    # -- hearing -------------------------------------------------------------------------------------------------------

    def _event(self, event: Event) -> None:
        in_words = TOLD.get(event.name)
        said = in_words(event) if in_words is not None else None
        if said is None and in_words is None and any(word in event.name for word in self._asked):
            said = Said(text=f"{event.name}: {event.text}", same=event.name)
        if said is not None:
            self._say(event.name, event.time_ns, event.cpu, said)

    def _violation(self, violation: Violation) -> None:
        for read in self._readers.values():
            read.bears = True
        self._reports += 1
        text = f"REPORT {self._reports}: {violation.title}"
        self._add(
            Row(
                time_ns=violation.time_ns,
                cpu=violation.cpu,
                name="report",
                text=text,
                level=Level.LANDMARK,
                report=violation,
            )
        )

    def _decided(self, decision: Decision, picked: int) -> None:
        """Who comes next shows in the columns; all else that is unusual is told."""
        if decision.kind is NEXT_ACTOR or not picked:
            return
        short = decision.kind is HOLD_UP and picked < LASTS_NS
        said = Said(text=departure_said(decision, picked), same=f"{decision.kind.name}", level=_bears(not short))
        self._say("departure", *self._here(), said)

    def _switched(self, cpu: Cpu, leaving: Thread, following: Thread, preempted: bool) -> None:
        runs = "idle" if following is cpu.idle_thread else f"{following.comm} runs"
        text = f"{leaving.comm} is preempted, {runs}" if preempted else runs
        self._say("sched_switch", cpu.clock, cpu.cpu_id, Said(text=text, level=Level.DETAIL))

    def _lock_taken(self, cpu: Cpu, lock: Lock, waited_ns: int) -> None:
        if waited_ns >= _WAITS_NS:
            who = f"waited for {lock.name}"
            said = Said(text=f"{who}, {duration(waited_ns)}", same=who, level=_bears(waited_ns >= LASTS_NS))
            self._say("lock", cpu.clock, cpu.cpu_id, said)

    def _timer_started(self, timer: Timer, delay_jiffies: int) -> None:
        """The timer of a delayed work is told as the work's, where that is kvfree_rcu()'s own."""
        krcs = self._machine.kvfree.all_krcs()
        works = (work for krcp in krcs for work in (krcp.monitor_work, krcp.page_work) if work.timer is timer)
        work = next(works, None)
        armed = f"timer armed: {work.work.name if work is not None else timer.name}"
        text = f"{armed}, for {plural(delay_jiffies, 'jiffy', 'jiffies')}"
        said = Said(text=text, same=armed, level=_bears(timer.name not in SLEEPS))
        self._say("timer_start", *self._here(), said)

    def _reader_entered(self, reader: Reader) -> None:
        now, cpu = self._here()
        self._readers[reader.serial] = _Read(reader.who, cpu, now)

    def _reader_left(self, reader: Reader) -> None:
        now, _ = self._here()
        read = self._readers.pop(reader.serial, None)
        if read is None:
            return
        lasted = now - read.entered_ns
        if read.bears or lasted >= LASTS_NS:
            self._add(read.enters())
            self._say("reader", now, read.cpu, Said(text=f"reader {reader.who} leaves, after {duration(lasted)}"))
        else:
            who = f"reader {reader.who}"
            said = Said(text=f"{who}, for {duration(lasted)}", same=who, level=Level.DETAIL)
            self._say("reader", read.entered_ns, read.cpu, said)

    def _gp_started(self, number: int, _now: int) -> None:
        self._number = number
        self._period(f"grace period {number} begins")

    def _gp_ended(self, _number: int, _now: int) -> None:
        self._period(f"grace period {self._number} ends")

    def _period(self, text: str) -> None:
        now = self._here()[0]
        self._add(Row(time_ns=now, cpu=NOBODY, name="rcu_grace_period", text=text, level=Level.LANDMARK))

    def _call_entered(self, thread: Thread, _item: KObject, _head: bool) -> None:
        self._entered.setdefault(id(thread), []).append(thread.cpu.clock)

    def _call_left(self, thread: Thread, item: KObject, head: bool) -> None:
        began = self._entered[id(thread)].pop()
        cpu = thread.cpu.cpu_id
        kind = thread.ctx.kind()
        where = f" in {kind}" if kind in ("nmi", "hardirq", "softirq") else ""
        krcp = next((krcp for krcp in self._machine.kvfree.all_krcs() if krcp.cpu_id == cpu), None)
        came_of_it = _put(krcp, item) if krcp is not None else ""
        text = f"{'kvfree_rcu()' if head else 'kvfree_rcu(ptr)'}{where}{came_of_it}"
        self._say("kvfree_call_rcu", began, cpu, Said(text=text))


def _bears(bears: bool) -> Level:
    return Level.STEP if bears else Level.DETAIL


def _put(krcp: Krc, item: KObject) -> str:
    """Where the object has come to lie; '' in the block that is being filled."""
    if krcp.head and krcp.head[-1] is item:
        return " -> rcu_head list"
    blocks = krcp.blocks[item.is_vmalloc]
    if blocks and blocks[-1].records and blocks[-1].records[-1] is item:
        return " -> new block" if len(blocks[-1].records) == 1 else ""
    return ", not kept in a block"
