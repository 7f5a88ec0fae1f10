"""An operation: a function of kvfree_rcu() that somebody is in the middle of, driven by hand between its lines.

Python cannot copy a coroutine. Where one state becomes two, the operations that are under way in the copy are made
again when they are needed: run from their beginning, each step on the state that it was run on, with the same answers.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import attrs

from .asks import HIDDEN, Ask, Kind
from .expected import Expected, Expecter
from .lines import Ctx
from .place import Complaint, Place
from .registers import Registers, Saved, held_by
from .standins import SOMETIME

Begin = Callable[[], Coroutine[Any, Any, Any]]

_QUICK = frozenset({"call", "work", "timer"})
"""Between their lines these do not let go of a lock and take it again: where it is let go of, they go on."""

_BLIND = frozenset({"work"})
"""Between its locks it looks at nothing. A call and a timer do: at pending bits, which are cleared without the lock."""

_ABOUT_ONE = frozenset({Kind.LOCK, Kind.GOES_ON, Kind.FINISHED})
"""Asks that may say which CPU's state it goes on with."""

WAITS_FOR = "waits for a work"


@attrs.define(eq=False)
class Step:
    """One step: what was answered, on which state (None: on what the step before left), where and when."""

    answer: Any
    saved: Saved | None
    cpu_id: int
    clock: int


@attrs.define(eq=False)
class Operation:
    """One. `at` is the last of its lines, `expects` the lines that come before it can go on."""

    kind: str
    ctx: Ctx
    begin: Begin
    at: int
    cpu_id: int
    irqs_off: bool = False
    ends_with: tuple[Expected, ...] = ()
    """Lines after its end."""
    work: tuple[int, str] | None = None
    """Whose work it is, if it is one's run."""
    whose: int = -1
    """The CPU whose state it is about, -1 for all."""
    keeps: bool = True
    """It may have to be made again from a step that has looked at the state: so what that was is kept."""
    expects: tuple[Expected, ...] = ()
    ask: Ask | None = None
    answer: Any = None
    over: bool = False
    """Its function has come back."""
    returned: Any = None
    promised: int | None = None
    """What the script says later that it has returned."""
    heedless: bool = False
    """A shrinker's function that tells nobody how much it has found, and goes to all CPUs whatever that is."""
    item: Any = None
    """The object of a call of which later lines say whether it was linked to the list."""
    alike: Any = None
    """Of two calls that are alike and have no line left, which is first makes no difference: it is the earlier."""
    holds: int = -1
    """The CPU whose lock it has."""
    steps: list[Step] = attrs.field(factory=list)
    coroutine: Any = None
    held: tuple[Any, ...] | None = None

    def copy(self) -> Operation:
        """The same in another state."""
        return attrs.evolve(self, steps=list(self.steps), coroutine=None)

    @property
    def done(self) -> bool:
        """Over, with all its lines."""
        return self.over and not self.expects

    @property
    def hidden(self) -> bool:
        """What it does next leaves no line, or it waits for nothing that is one."""
        return not self.over and not self.expects

    def touches(self) -> int:
        """The CPU whose state its next step is about; -1 for any."""
        if self.ask is not None and self.ask.kind in _ABOUT_ONE and self.ask.cpu_id >= 0:
            return self.ask.cpu_id
        return self.whose

    @property
    def next_kind(self) -> str:
        """What sort of step its next one is: its kind, or that it looks at one work only."""
        ask = self.ask
        if ask is None or ask.kind is Kind.LOCK:
            return self.kind
        if ask.kind is Kind.FINISHED:
            return WAITS_FOR
        return str(ask.told[0]) if ask.kind is Kind.GOES_ON and ask.told else self.kind

    @property
    def looks_at_nothing(self) -> bool:
        """A call or a monitor, up to its first lock."""
        if self.kind == "monitor":
            return self.ask is None or (self.ask.kind is Kind.ENTER and len(self.steps) == 1)
        return self.ask is None and self.kind == "call"

    @property
    def is_open(self) -> bool:
        """What it holds has to be looked at before it can be compared: it is further than its first lock."""
        return not self.over and self.held is None and len(self.steps) > (self.kind == "call")

    def key(self) -> tuple[Any, ...]:
        """To compare it with its like in another state."""
        if self.over:
            return (self.kind, self.at, True, self.expects, self.returned)
        if self.is_open:
            self.held = held_by(self.coroutine)
        return (self.kind, self.at, self.whose, bool(self.steps), self.expects, self.answer, self.holds, self.held)


class Driver:
    """Makes steps, in one place."""

    def __init__(self, place: Place, registers: Registers, expecter: Expecter) -> None:
        self.place, self.registers, self._expecter = place, registers, expecter
        self.steps = 0
        """Hidden ones that were made, each in every order that was tried."""

    def step(self, op: Operation, cpu_id: int, clock: int) -> str:
        """One step of an operation, on the state that is loaded. What it complains of, or ""."""
        place = self.place
        if op.coroutine is None:
            self.make_again(op)
        self.registers.looks.heedless = op.heedless
        blind = op.looks_at_nothing
        looks = not blind and (op.kind not in _BLIND or (op.ask is not None and op.ask.kind is Kind.LOCK))
        kept = self.registers.save() if op.keeps and looks else None
        touched = op.touches()
        first = True
        self.steps += op.ask is not None and op.ask.kind in HIDDEN
        while True:
            place.emitted.clear()
            place.batched.clear()
            place.held, place.at = op.holds, op.at
            place.thread.cpu = place.cpus[cpu_id]
            place.thread.cpu.clock = clock
            op.steps.append(Step(op.answer, kept if first else None, cpu_id, clock))
            first = False
            if not blind:
                self.registers.touch(touched)
            try:
                op.ask = op.coroutine.send(op.answer)
            except StopIteration as stop:
                op.over, op.returned, op.ask, op.coroutine = True, stop.value, None, None
                op.expects, op.answer, op.holds, op.held = (*self._emitted(), *op.ends_with), None, -1, None
                return ""
            except Complaint as complaint:
                return str(complaint)
            op.holds, op.answer, op.held = place.held, None, None
            assert op.ask is not None
            emitted = self._emitted()
            op.expects = (*emitted, *self._expecter.of_ask(op.ask, op.kind, op.at, len(emitted)))
            if op.ask.kind is Kind.TIMER and not op.expects:
                self._starts_unseen(op)
            if op.expects or op.ask.kind is Kind.LOCK or op.ask.kind in (Kind.GRACE_PERIOD, Kind.FINISHED):
                return ""
            if op.ask.kind in HIDDEN and op.kind not in _QUICK:
                return ""

    def _starts_unseen(self, op: Operation) -> None:
        """A timer's start that is no line. A CPU that is not idle keeps what it starts (get_nohz_timer_target())."""
        assert op.ask is not None
        op.answer = SOMETIME
        work = self.place.works[op.ask.cpu_id][op.ask.told[0]]
        work.base = op.cpu_id if self._expecter.is_busy(op.at) else -1

    def _emitted(self) -> tuple[Expected, ...]:
        return tuple(
            self._expecter.of_event(name, text) for name, text in self.place.emitted if self._expecter.shows(name)
        )

    def make_again(self, op: Operation) -> None:
        """Run it again, as far as it has come."""
        self.registers.looks.heedless = op.heedless
        op.coroutine = op.begin()
        place, now = self.place, None
        for step in op.steps:
            if step.saved is not None:
                now = now if now is not None else self.registers.save()
                self.registers.load(step.saved)
            place.thread.cpu = place.cpus[step.cpu_id]
            place.thread.cpu.clock = step.clock
            if now is not None:
                self.registers.touch(-1)
            op.coroutine.send(step.answer)
        if now is not None:
            self.registers.load(now)
