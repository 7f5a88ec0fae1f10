"""The context-tracking nursery: every child is a kernel thread with a context, and each of its suspensions is seen.

A child that suspends by the engine's primitive has been judged where it did so (schedule(), a sleeping lock). Any
other suspension, `trio.sleep`, an `Event`, a channel, reaches `judge_foreign`: in an atomic context it is "scheduling
while atomic", raised at that very await under panic_on_warn. A Trio nursery cannot be subclassed, so this is an object
in front of the run's own; children asked for before it is open start when it opens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.strand import Body, Gate, Strand
from .trace import suspended_trace
from .violation import KernelBug

if TYPE_CHECKING:
    from ..engine.conductor import Conductor
    from .context import Context
    from .processor import Processor


class ContextNursery:
    """The threads of one machine, wherever they run."""

    def __init__(self, conductor: Conductor) -> None:
        self._conductor = conductor
        self._opened = False
        self._early: list[tuple[Strand, Body, Gate]] = []

    def open(self) -> None:
        """The run has begun, and with it the Trio nursery of the conductor: start who waits for it."""
        self._opened = True
        early, self._early = self._early, []
        for strand, body, gate in early:
            self._conductor.spawn(strand, body, gate)

    def start_soon(self, strand: Strand, body: Body, gate: Gate) -> None:
        """Start a child; it moves when its strand is first granted the baton."""
        if self._opened:
            self._conductor.spawn(strand, body, gate)
        else:
            self._early.append((strand, body, gate))


def judge_foreign(cpu: Processor, ctx: Context, strand: Strand) -> KernelBug | None:
    """A child suspends outside the model: legal only where the kernel may schedule."""
    if not ctx.preempt_count and not ctx.irqs_disabled:
        return None
    return cpu.judge.scheduling_while_atomic(cpu, ctx, suspended_trace(strand.coroutine))
