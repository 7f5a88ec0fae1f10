"""The contexts in which a design has to give its answer: the columns of the verdict table.

The ways in are the laboratory's, entered from a thread on CPU 0, and the body runs there. The verdict of an NMI depends
on what it interrupts: for two of its ways the probe has a thread do that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import attrs

from ..lab import contexts as lab
from ..lab.elsewhere import nmi_when_held
from ..lab.sections import Body

if TYPE_CHECKING:
    from .probe import Probe


@attrs.frozen
class Way:
    """One way into a context. `needs_other_cpu`: CPU 1 watches for the instant, and has no time to be a neighbour."""

    name: str
    enter: Callable[[Probe, Body], Awaitable[None]]
    needs_other_cpu: bool = False


def _lab(name: str) -> tuple[Way]:
    context = lab.CONTEXTS[name]
    return (Way(name, lambda probe, body: context.enter(probe.k, body)),)


def _nmi_in_kvfree_rcu(probe: Probe, body: Body) -> Awaitable[None]:
    """An NMI that finds its CPU inside kvfree_rcu(), with krcp->lock held."""
    return nmi_when_held(probe.k, body, probe.krcp_lock(), probe.free_some)


def _nmi_in_allocator(probe: Probe, body: Body) -> Awaitable[None]:
    """An NMI that finds its CPU inside the page allocator, with zone->lock held."""
    return nmi_when_held(probe.k, body, probe.k.zone_lock(), probe.use_pages)


@attrs.frozen
class ProbedContext:
    """A column of the verdict table. It has several `ways` when what is interrupted makes a difference.

    `mainline`: callers of mainline's kvfree_rcu() may be there. It takes krcp->lock (kernel/rcu/tree.c, v5.11,
    krc_this_cpu_lock()), which an NMI may find held; with interrupts off nobody else does.
    """

    name: str
    about: str
    ways: tuple[Way, ...]
    mainline: bool = True


CONTEXTS: Final[Mapping[str, ProbedContext]] = MappingProxyType(
    {
        context.name: context
        for context in (
            ProbedContext("process", "a thread that may be preempted", _lab("process")),
            ProbedContext("preempt off", "preempt_disable()", _lab("preempt_disable")),
            ProbedContext("irqs off", "local_irq_save()", _lab("irq_disable")),
            ProbedContext("raw lock", "a raw_spinlock_t of the caller's own is held", _lab("raw_spin_irqsave")),
            ProbedContext("hardirq", "a device's interrupt handler", _lab("hardirq")),
            ProbedContext("softirq", "a tasklet", _lab("softirq_tasklet")),
            ProbedContext(
                "NMI",
                "a non-maskable interrupt: of a thread, of kvfree_rcu() and of the page allocator",
                (
                    *_lab("nmi"),
                    Way("nmi_in_kvfree_rcu", _nmi_in_kvfree_rcu, needs_other_cpu=True),
                    Way("nmi_in_allocator", _nmi_in_allocator, needs_other_cpu=True),
                ),
                mainline=False,
            ),
            ProbedContext("zone->lock", "the caller holds the page allocator's zone->lock", _lab("zone_lock")),
            ProbedContext("rq->lock", "the caller holds its CPU's &rq->lock", _lab("rq_lock")),
        )
    }
)
