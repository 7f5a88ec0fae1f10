"""What interrupts a CPU, and what it keeps away: hardirqs, NMIs, softirqs; interrupts off, preemption off.

Of sections that lie in each other the outermost is shown: that is how long it was off. What a handler that sleeps has
left open on a thread's stack goes on when the thread does.
"""

from __future__ import annotations

import attrs

from ..kernel.cpu import Cpu
from ..kernel.irq.softirq import Softirq
from ..kernel.messages import HardIrq, Nmi
from ..machine import MachineProbes
from .board import Board, Nest
from .elements import ArrowKind, LaneKind, Span, SpanKind
from .places import CpuLanes, Places


@attrs.define(eq=False)
class Handlers:
    """The lanes of handlers, and of sections."""

    board: Board
    places: Places
    _nests: dict[int, Nest] = attrs.field(factory=dict)
    """By lane."""
    _served: dict[int, list[tuple[Nest, Span]]] = attrs.field(factory=dict)
    """By the id of the context on whose stack they are, which lives as long as they do."""
    _sections: dict[int, Span] = attrs.field(factory=dict)
    """By lane."""
    _irqs: CpuLanes = attrs.field(init=False)
    _preemption: CpuLanes = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._irqs = self.places.lanes(LaneKind.IRQS_OFF)
        self._preemption = self.places.lanes(LaneKind.PREEMPTION_OFF)

    def listen(self, probes: MachineProbes) -> None:
        """From now on."""
        told = probes.kernel
        told.handler_entered.listen(self._enters)
        told.handler_left.listen(self._leaves)
        told.softirq_entered.listen(self._softirq_enters)
        told.softirq_left.listen(self._softirq_leaves)
        told.irqs_off.listen(self._irqs_off)
        told.irqs_on.listen(self._irqs_on)
        told.preemption_off.listen(self._preemption_off)
        told.preemption_on.listen(self._preemption_on)

    def _nest(self, cpu: Cpu, kind: LaneKind) -> Nest:
        lane = self.places.of_cpu(cpu.cpu_id, kind)
        return self._nests.setdefault(lane, Nest(self.board, lane))

    def _enters(self, cpu: Cpu, message: HardIrq | Nmi) -> None:
        on = (("on the stack of", str(cpu.current)),)
        if isinstance(message, Nmi):
            label, nest, kind = _name_of(message.handler), self._nest(cpu, LaneKind.NMI), SpanKind.NMI
            # An NMI lies in no mailbox: this is where it arrives.
            begin = self.places.of_actor(message.sender), message.time_ns
            self.board.arrow(ArrowKind.MESSAGE, begin, (nest.lane, cpu.clock), f"Nmi {label}")
            begun = nest.open(cpu.clock, kind, label, who=str(cpu.current), detail=on)
        else:
            nest = self._nest(cpu, LaneKind.HARDIRQ)
            detail = (*on, ("handler", _name_of(message.handler)), ("entry", message.entry))
            begun = nest.open(cpu.clock, SpanKind.HARDIRQ, message.line, who=str(cpu.current), detail=detail)
        self._served.setdefault(id(cpu.ctx), []).append((nest, begun))

    def _leaves(self, cpu: Cpu) -> None:
        served = self._served.get(id(cpu.ctx))
        if served:
            nest, begun = served.pop()
            nest.close(begun, cpu.clock)
            if not served:
                del self._served[id(cpu.ctx)]

    def _softirq_enters(self, cpu: Cpu, vector: int) -> None:
        nest = self._nest(cpu, LaneKind.SOFTIRQ)
        begun = nest.open(
            cpu.clock,
            SpanKind.SOFTIRQ,
            Softirq(vector).name,
            who=str(cpu.current),
            detail=(("on the stack of", str(cpu.current)),),
        )
        self._served.setdefault(id(cpu.ctx), []).append((nest, begun))

    def _softirq_leaves(self, cpu: Cpu, _vector: int) -> None:
        self._leaves(cpu)

    # -- sections ----------------------------------------------------------------------------------------------------

    def _off(self, cpu: Cpu, lane: int, kind: SpanKind, site: str) -> None:
        if lane in self._sections:
            self._on(cpu, lane)
        self._sections[lane] = self.board.begin(lane, cpu.clock, kind, site, str(cpu.current))

    def _on(self, cpu: Cpu, lane: int) -> None:
        begun = self._sections.pop(lane, None)
        if begun is not None:
            self.board.close(begun, cpu.clock)

    def _irqs_off(self, cpu: Cpu, nested: bool) -> None:
        if not nested:
            self._off(cpu, self._irqs[cpu.cpu_id], SpanKind.IRQS_OFF, cpu.ctx.irqs_disabled_at)

    def _irqs_on(self, cpu: Cpu, nested: bool, _off_ns: int) -> None:
        if not nested:
            self._on(cpu, self._irqs[cpu.cpu_id])

    def _preemption_off(self, cpu: Cpu) -> None:
        lane = self._preemption[cpu.cpu_id]
        self._off(cpu, lane, SpanKind.PREEMPTION_OFF, cpu.ctx.preempt_disabled_at)

    def _preemption_on(self, cpu: Cpu, _off_ns: int) -> None:
        self._on(cpu, self._preemption[cpu.cpu_id])


def _name_of(handler: object) -> str:
    return getattr(handler, "__name__", type(handler).__name__)
