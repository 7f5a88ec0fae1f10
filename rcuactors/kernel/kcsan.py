"""KCSAN (kernel/kcsan/core.c, report.c): plain accesses to one field by two CPUs that nothing orders, one a write.

The kernel watches a sample of plain accesses for some microseconds each, and reports what another CPU does to that
memory meanwhile. The model looks at every one, and asks whether anything had to keep the two apart: happens-before, by
vector clocks (Flanagan and Freund, "FastTrack", PLDI 2009). A clock is a CPU's or a device's, as KCSAN's watchpoints
are for other CPUs (they are set up with interrupts off). What orders is what those who look on are told of
(`EngineProbes.access`): a lock is let go of and taken; a message is sent and received; a thread is woken; grace periods
are asked for and end; ordered atomics; and of fields what was published, with smp_store_release() or
rcu_assign_pointer(), and is read by smp_load_acquire(), through a pointer, or by READ_ONCE() before smp_rmb().

As Kconfig has it by default (lib/Kconfig.kcsan), aligned plain writes count as atomic, so that one of the two has to be
a read (KCSAN_ASSUME_PLAIN_WRITES_ATOMIC), and a write that changes nothing is no race (KCSAN_REPORT_VALUE_CHANGE_ONLY).
KCSAN_STRICT turns both off. Within a writer of a sequence count, and in its reader until it asks whether to retry, all
accesses count as marked. A pair of places is told once in 3 s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs

from ..context import preempt
from ..context.trace import KeptTrace, keep_trace
from ..context.violation import ViolationKind
from ..engine.actor import Mailbox, PlainMailbox
from ..engine.device import Device
from ..engine.probe import Access
from ..marks import MACHINERY
from .atomic import Number, Order
from .list import Linked

__trace__ = MACHINERY

if TYPE_CHECKING:
    from ..engine.actor import Actor
    from .cpu import Cpu
    from .system import System


class Addressed(Protocol):
    """What has fields: an object, the head of a list."""

    @property
    def address(self) -> int:
        """Where it is."""
        ...


Clock = dict["Actor", int]
"""How far one is, and how far what it knows of others goes."""

_ONCE_IN_NS: Final = 3_000_000_000
"""CONFIG_KCSAN_REPORT_ONCE_IN_MS."""
SEQLOCK_REGION_MAX: Final = 1000
"""KCSAN_SEQLOCK_REGION_MAX: accesses of a reader that does not ask whether to retry."""
_BYTES: Final = 8


def _join(clock: Clock, other: Clock) -> None:
    for actor, time in other.items():
        if clock.get(actor, 0) < time:
            clock[actor] = time


@attrs.frozen
class _Access:
    """The last plain access of one CPU, of a kind. `changed`: it has written something else than what was there."""

    cpu: Cpu
    who: str
    time: int
    trace: KeptTrace
    changed: bool = True


@attrs.define(eq=False)
class _Field:
    """One field: who wrote and read it last, plainly; and what is known to who reads what was published there."""

    reads: dict[Actor, _Access] = attrs.field(factory=dict)
    writes: dict[Actor, _Access] = attrs.field(factory=dict)
    released: Clock = attrs.field(factory=dict)


@attrs.define(eq=False)
class _Object:
    """One object. `memory` keeps its id(). `first`: who used it first.

    `taken_over` is how far that was when another CPU first dereferenced it, by a pointer that came from no field.
    """

    memory: object
    first: Actor
    fields: dict[str, _Field] = attrs.field(factory=dict)
    taken_over: Clock | None = None


class Kcsan:
    """One machine's."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._strict = system.config.KCSAN_STRICT
        self._clocks: dict[Actor, Clock] = {}
        self._things: dict[int, tuple[object, Clock]] = {}
        self._objects: dict[int, _Object] = {}
        self._before_fence: dict[Actor, Clock] = {}
        """What was known at the last smp_wmb(): a marked write publishes it."""
        self._seen: dict[Actor, Clock] = {}
        """What marked reads have found published: known from the next smp_rmb() on."""
        self._nested: dict[object, int] = {}
        self._next: dict[object, int] = {}
        self._told: dict[tuple[str, str], int] = {}
        system.conductor.probes.access.listen(self._used)

    # -- what orders ---------------------------------------------------------------------------------------------------

    def _clock(self, actor: Actor) -> Clock:
        clock = self._clocks.get(actor)
        if clock is None:
            clock = self._clocks[actor] = {actor: 1}
        return clock

    def _used(self, what: object, access: Access) -> None:
        actor = self._system.conductor.running
        if actor is None or hasattr(what, "history") or isinstance(what, Linked):
            return  # memory: its fields are told one by one
        if isinstance(actor, Device) and not actor.passes_on:
            return
        if access is not Access.ACQUIRE and access is not Access.RELEASE and isinstance(what, Number):
            return
        if access is Access.WRITE and isinstance(what, Mailbox | PlainMailbox):
            access = Access.RELEASE  # who sends learns nothing from who has sent before
        _, known = self._things.setdefault(id(what), (what, {}))
        if access is not Access.RELEASE:
            _join(self._clock(actor), known)
        if access in (Access.RELEASE, Access.WRITE):
            self._release(actor, known)

    def releases(self, cpu: Cpu, thing: object) -> None:
        """What this CPU has done is known to who finds that it has."""
        self._release(cpu, self._things.setdefault(id(thing), (thing, {}))[1])

    def acquires(self, cpu: Cpu, thing: object) -> None:
        """This one has found it."""
        _join(self._clock(cpu), self._things.get(id(thing), (thing, {}))[1])

    def knows_all(self, by: Actor, thing: object) -> None:
        """What all have done until now is known to `by`, and to who finds that: a grace period has passed."""
        for actor in list(self._clocks):
            if actor is not by:
                self._release(actor, self._clock(by))
        self._release(by, self._things.setdefault(id(thing), (thing, {}))[1])

    def _release(self, actor: Actor, known: Clock) -> None:
        clock = self._clock(actor)
        _join(known, clock)
        clock[actor] += 1

    def fence(self, cpu: Cpu, *, before: bool, after: bool) -> None:
        """A barrier: smp_wmb() for what is `before` it, smp_rmb() for what is `after`."""
        clock = self._clock(cpu)
        if after:
            _join(clock, self._seen.pop(cpu, {}))
        if before:
            self._before_fence[cpu] = dict(clock)
            clock[cpu] += 1

    def dereferenced(self, cpu: Cpu, memory: object) -> None:
        """A pointer is followed that came from no field: what its owner had done to the object is known by then."""
        found = self._objects.get(id(memory))
        if found is None or found.first is cpu:
            return
        if found.taken_over is None:
            found.taken_over = {}
            self._release(found.first, found.taken_over)
        _join(self._clock(cpu), found.taken_over)

    # -- regions in which everything counts as marked ------------------------------------------------------------------

    def nestable_atomic(self, cpu: Cpu, change: int) -> None:
        """kcsan_nestable_atomic_begin() (+1) and _end() (-1)."""
        self._nested[cpu.current] = self._nested.get(cpu.current, 0) + change

    def atomic_next(self, cpu: Cpu, count: int) -> None:
        """kcsan_atomic_next()."""
        self._next[cpu.current] = count

    def _is_atomic(self, cpu: Cpu) -> bool:
        left = self._next.get(cpu.current, 0)
        if left:
            self._next[cpu.current] = left - 1
        return bool(left) or self._nested.get(cpu.current, 0) > 0

    # -- accesses ------------------------------------------------------------------------------------------------------

    def read(self, cpu: Cpu, memory: Addressed, field: str, value: Any, order: Order | None) -> None:
        """A field is read: plainly, without an order, or marked."""
        found = self._field(cpu, memory, field)
        if order is Order.ACQUIRE or hasattr(value, "history"):
            _join(self._clock(cpu), found.released)  # or what is reached through the pointer depends on it
        elif order is not None:
            _join(self._seen.setdefault(cpu, {}), found.released)
        if order is None and not self._is_atomic(cpu):
            access = self._new(cpu)
            for other in self._unordered(cpu, found.writes):
                self._report(memory, field, access, other, "read", "write")
            found.reads[cpu] = access

    def wrote(self, cpu: Cpu, memory: Addressed, field: str, values: tuple[Any, Any], order: Order | None) -> None:
        """It is written: the old value, and the new one."""
        found = self._field(cpu, memory, field)
        if order is Order.RELEASE:
            found.released = {}
            self._release(cpu, found.released)
        else:
            # What was published there is so no longer; what the last barrier has ordered is, by a marked write.
            found.released = dict(self._before_fence.get(cpu, {})) if order is not None else {}
        if order is None and not self._is_atomic(cpu):
            changed = self._strict or (values[0] is not values[1] and values[0] != values[1])
            access = self._new(cpu, changed=changed)
            for other in self._unordered(cpu, found.reads) if changed else ():
                self._report(memory, field, access, other, "write", "read", values)
            for other in self._unordered(cpu, found.writes) if self._strict else ():
                self._report(memory, field, access, other, "write", "write", values)
            found.writes[cpu] = access

    def _field(self, cpu: Cpu, memory: Addressed, field: str) -> _Field:
        found = self._objects.get(id(memory))
        if found is None:
            found = self._objects[id(memory)] = _Object(memory, cpu)
        return found.fields.setdefault(field, _Field())

    def _new(self, cpu: Cpu, *, changed: bool = True) -> _Access:
        who = f"task {cpu.ctx.pid}" if preempt.in_task(cpu.ctx.preempt_count) else "interrupt"
        return _Access(cpu, who, self._clock(cpu)[cpu], keep_trace(), changed)

    def _unordered(self, cpu: Cpu, accesses: dict[Actor, _Access]) -> list[_Access]:
        clock = self._clock(cpu)
        return [
            access
            for actor, access in accesses.items()
            if actor is not cpu and access.changed and access.time > clock.get(actor, 0)
        ]

    # -- reports -------------------------------------------------------------------------------------------------------

    def _report(
        self,
        memory: Addressed,
        field: str,
        access: _Access,
        other: _Access,
        kind: str,
        other_kind: str,
        values: tuple[Any, Any] | None = None,
    ) -> None:
        """print_report(): the one who has come to the watchpoint first, then the one who has set it up."""
        here, there = access.trace.lines(), other.trace.lines()
        cpu = access.cpu
        places = (min(here[0], there[0]), max(here[0], there[0]))
        if cpu.clock < self._told.get(places, -_ONCE_IN_NS) + _ONCE_IN_NS:
            return
        self._told[places] = cpu.clock
        names = list(memory.values) if hasattr(memory, "values") else [field]
        address = memory.address + _BYTES * names.index(field)
        lines = ["=" * 66, f"BUG: KCSAN: data-race in {places[0]} / {places[1]}"]
        for how, one, trace in ((kind, access, here), (other_kind, other, there)):
            where = f"{how} to {address:#018x} of {_BYTES} bytes by {one.who} on cpu {one.cpu.cpu_id}:"
            lines += ["", where, *(f" {line}" for line in trace)]
        if values is not None and values[0] != values[1]:
            lines += ["", f"value changed: {values[0]} -> {values[1]}"]
        stack = cpu.judge.stack(cpu, [])
        lines += ["", "Reported by Kernel Concurrency Sanitizer on:", *stack[: stack.index("Call Trace:")], "=" * 66]
        cpu.judge.report(cpu, ViolationKind.DATA_RACE, lines[1], "\n".join(lines), trace=here)
