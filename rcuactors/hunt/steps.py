"""A schedule step by step: what was decided, what happened since the decision before, and what each CPU's krcp held.

A run does not go backwards, but it is the same each time: so it is run once, and what there is to see at each decision
is kept. What did not change from one to the next is kept once.
"""

from __future__ import annotations

from typing import Final

import attrs

from ..engine.decision import HOLD_UP, NEXT_ACTOR, Decision, Duration
from ..engine.events import Event
from ..kvfree.words import krc_line
from ..machine import Machine
from ..report.units import duration
from .keep import Kept, replay_of

END: Final = "the end"


@attrs.frozen(kw_only=True)
class Step:
    """What there is to see at one decision, before what was decided happens; the last one is the end of the run.

    `number` counts decisions from 1, as the schedule's file does. `cpu` is -1 where it is nobody's. `departs`:
    something else was taken than the policy would have. `events` came since the step before; `krcps` has a line a CPU.
    """

    number: int
    time_ns: int
    cpu: int
    what: str
    departs: bool
    events: tuple[str, ...]
    krcps: tuple[str, ...]

    def lines(self, of: int) -> list[str]:
        """As text; `of` is the number of the last decision."""
        where = f", CPU {self.cpu}" if self.cpu >= 0 else ""
        mark = "  <-- departs" if self.departs else ""
        # What came before it stands above.
        head = f"step {self.number:,} of {of:,}, at {self.time_ns / 1e6:.6f} ms{where}: {self.what}{mark}"
        return [*(f"    {event}" for event in self.events), head, *(f"  {krcp}" for krcp in self.krcps)]


def decided(decision: Decision, picked: int) -> str:
    """What was decided, in words."""
    label = decision.label(picked)
    at = f", at {label}" if label else ""
    if isinstance(decision, Duration):
        whose = decision.option(0).rpartition(" for ")[0]
        if decision.kind is HOLD_UP:
            return f"{whose} is held up for {duration(picked)}{at}" if picked else f"{whose} is not held up{at}"
        return f"{decision.kind.name}: {whose}, {duration(picked)}"
    if decision.kind is NEXT_ACTOR:
        if picked == decision.time:
            return f"time passes, to {decision.option(picked)}{at}"
        others = f", one of {decision.count}" if decision.count > 1 else ""
        return f"{decision.option(picked)} goes on{others}{at}"
    return f"{decision.kind.name}: {decision.option(picked)}"


class _Looks:
    """Takes down what there is to see."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.machine: Machine | None = None
        self._events: list[str] = []
        self._krcps: dict[str, str] = {}

    def listen(self, machine: Machine) -> None:
        """To a machine from its beginning."""
        self.machine = machine
        self.steps, self._events = [], []
        machine.probes.engine.decision.listen(self._decided)

    def take(self, event: Event) -> None:
        """A sink."""
        self._events.append(event.line().strip())

    def _decided(self, decision: Decision, picked: int) -> None:
        self.look(decided(decision, picked), departs=bool(picked))

    def look(self, what: str, *, departs: bool = False) -> None:
        """Take a step down."""
        machine = self.machine
        assert machine is not None
        running = machine.conductor.running
        name = running.name.removeprefix("cpu") if running is not None else ""
        lines = [krc_line(krcp) for krcp in machine.kvfree.all_krcs()]
        step = Step(
            number=len(self.steps) + 1,
            time_ns=machine.conductor.now if running is None else running.clock,
            cpu=int(name) if name.isdigit() else -1,
            what=what,
            departs=departs,
            events=tuple(self._events),
            krcps=tuple(self._krcps.setdefault(line, line) for line in lines),
        )
        self._events = []
        self.steps.append(step)


def steps_of(kept: Kept) -> list[Step]:
    """All steps of a schedule, and its end."""
    looks = _Looks()
    _, raised = kept.attempt.run(replay_of(kept.schedule), kept.schedule.spec.seed, looks, listen=looks.listen)
    looks.look(f"{END}: {kept.schedule.shown.signature}" if raised is None else f"{END}: {kept.schedule.shown.title}")
    return looks.steps
