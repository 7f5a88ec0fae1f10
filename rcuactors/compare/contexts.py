"""The contexts in which a design has to give its answer: how each is entered, from a thread on CPU 0.

Each is an async function that is given the probe and the body, and runs the body once in that context, on CPU 0.
Those that run elsewhere (an interrupt, a softirq) come back when the body is done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import attrs

from ..marks import machinery

if TYPE_CHECKING:
    from .probe import Probe

Body = Callable[[], Awaitable[None]]
Enter = Callable[["Probe", Body], Awaitable[None]]


async def process(_probe: Probe, body: Body) -> None:
    """A thread that holds nothing back."""
    await body()


async def preempt_off(probe: Probe, body: Body) -> None:
    """preempt_disable()."""
    probe.k.preempt_disable()
    await body()
    await probe.k.preempt_enable()


async def irqs_off(probe: Probe, body: Body) -> None:
    """local_irq_save()."""
    flags = probe.k.local_irq_save()
    await body()
    await probe.k.local_irq_restore(flags)


async def raw_lock(probe: Probe, body: Body) -> None:
    """raw_spin_lock_irqsave() of a lock of the caller's own."""
    lock = probe.k.raw_spinlock("some_lock")
    flags = await probe.k.raw_spin_lock_irqsave(lock)
    await body()
    await probe.k.raw_spin_unlock_irqrestore(lock, flags)


@machinery
async def hardirq(probe: Probe, body: Body) -> None:
    """A device's interrupt, whose handler PREEMPT_RT would not thread."""
    done = probe.k.completion("the interrupt")

    async def handler() -> None:
        await body()
        await probe.k.complete(done)

    await probe.k.raise_irq(handler)
    await probe.k.wait_for_completion(done)


async def softirq(probe: Probe, body: Body) -> None:
    """A tasklet."""
    done = probe.k.completion("the tasklet")

    async def function() -> None:
        await body()
        await probe.k.complete(done)

    await probe.k.tasklet_schedule(function)
    await probe.k.wait_for_completion(done)


async def zone_lock(probe: Probe, body: Body) -> None:
    """spin_lock_irqsave() of zone->lock, as a caller inside the page allocator has it."""
    flags = await probe.k.zone_lock_irqsave()
    await body()
    await probe.k.zone_unlock_irqrestore(flags)


async def rq_lock(probe: Probe, body: Body) -> None:
    """raw_spin_lock_irqsave() of this CPU's &rq->lock, as a caller inside the scheduler has it."""
    lock = probe.k.this_rq_lock()
    flags = await probe.k.raw_spin_lock_irqsave(lock)
    await body()
    await probe.k.raw_spin_unlock_irqrestore(lock, flags)


# -- NMI: its verdict depends on what it interrupts --------------------------------------------------------------------


async def nmi(probe: Probe, body: Body) -> None:
    """An NMI that finds a thread which holds nothing."""
    await probe.k.raise_nmi(body)
    await probe.k.ndelay(1)


async def nmi_in_kvfree_rcu(probe: Probe, body: Body) -> None:
    """An NMI that finds its CPU inside kvfree_rcu(), with krcp->lock held."""
    await probe.interrupt_when_held(probe.krcp_lock(), probe.free_some, body)


async def nmi_in_allocator(probe: Probe, body: Body) -> None:
    """An NMI that finds its CPU inside the page allocator, with zone->lock held."""
    await probe.interrupt_when_held(probe.k.zone_lock(), probe.use_pages, body)


@attrs.frozen
class ProbedContext:
    """A column of the verdict table. It has several `ways` when what is interrupted makes a difference."""

    name: str
    about: str
    ways: tuple[Enter, ...]


CONTEXTS: Final[Mapping[str, ProbedContext]] = MappingProxyType(
    {
        context.name: context
        for context in (
            ProbedContext("process", "a thread that may be preempted", (process,)),
            ProbedContext("preempt off", "preempt_disable()", (preempt_off,)),
            ProbedContext("irqs off", "local_irq_save()", (irqs_off,)),
            ProbedContext("raw lock", "a raw_spinlock_t of the caller's own is held", (raw_lock,)),
            ProbedContext("hardirq", "a device's interrupt handler", (hardirq,)),
            ProbedContext("softirq", "a tasklet", (softirq,)),
            ProbedContext(
                "NMI",
                "a non-maskable interrupt: of a thread, of kvfree_rcu() and of the page allocator",
                (nmi, nmi_in_kvfree_rcu, nmi_in_allocator),
            ),
            ProbedContext("zone->lock", "the caller holds the page allocator's zone->lock", (zone_lock,)),
            ProbedContext("rq->lock", "the caller holds its CPU's &rq->lock", (rq_lock,)),
        )
    }
)
