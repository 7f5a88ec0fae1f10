"""Interrupts that nobody wants (kernel/irq/spurious.c), and NMIs: at any point of a CPU's code, if that is asked for.

Whether one comes at a point is a decision, and option 0 is that none does. Its handler does nothing (IRQ_NONE); what
belongs to every interrupt happens: the code that runs is interrupted there, softirqs that are pending run on the way
out, and whoever is to take over does. The kernel counts those that nobody wants, and complains of 99,900 in 100,000
(note_interrupt()): a run has fewer. They are not of the sort that PREEMPT_RT has threads for.
Where interrupts are off none is asked for: it would come where they go on again, and that is a point. Runs that obey
time never ask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...context import preempt
from ...engine.decision import Alternatives, DecisionKind
from ..messages import HardIrq, Nmi

if TYPE_CHECKING:
    from ..cpu import Cpu
    from ..system import System

SPURIOUS_IRQ: Final = DecisionKind("an interrupt comes")
SPURIOUS_NMI: Final = DecisionKind("an NMI comes")

_NONE: Final = 63
"""Nature's weight of none, against 1."""


async def _nothing(_cpu: Cpu) -> None:
    """IRQ_NONE, NMI_DONE."""


class SpuriousInterrupts:
    """Those of one machine. `came`: how many there were."""

    def __init__(self, system: System, *, irqs: bool, nmis: bool) -> None:
        self._system = system
        self._irqs, self._nmis = irqs, nmis
        self.enabled = irqs or nmis
        self.came = 0
        self._decisions: dict[tuple[DecisionKind, str], Alternatives] = {}

    def at_point(self, cpu: Cpu) -> None:
        """The CPU is at a point: now, perhaps."""
        system, ctx = self._system, cpu.ctx
        if system.judge.booting or system.conductor.over:
            return
        if self._irqs and not ctx.irqs_disabled and self._comes(SPURIOUS_IRQ, cpu):
            irq = HardIrq(sender=cpu.name, time_ns=cpu.clock, line="spurious", handler=_nothing)
            system.conductor.post(cpu, irq)
        if self._nmis and not preempt.in_nmi(ctx.preempt_count) and self._comes(SPURIOUS_NMI, cpu):
            cpu.post_nmi(Nmi(sender=cpu.name, time_ns=cpu.clock, handler=_nothing))

    def _comes(self, kind: DecisionKind, cpu: Cpu) -> bool:
        decision = self._decisions.get((kind, cpu.name))
        if decision is None:
            options = ("none", f"one on {cpu.name}")
            decision = self._decisions[kind, cpu.name] = Alternatives(kind, options, (_NONE, 1), cpu.name)
        comes = bool(self._system.conductor.choose(decision))
        self.came += comes
        return comes
