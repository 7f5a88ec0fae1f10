"""Every context that something can be tried in, by name: the way in, and what is off in there.

The names are the kernel's words, as the module that took the recordings has them. What is off is what the kernel itself
answers there, in one that is preemptible (PREEMPT or PREEMPT_RT), when a thread with everything on enters: a test asks
it.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Mapping
from types import MappingProxyType
from typing import Final, Protocol

import attrs

from ..kapi import Kernel
from . import elsewhere, sections
from .sections import Body


class Where(enum.Enum):
    """What runs there (in_nmi(), in_hardirq(), in_serving_softirq(), or none of them)."""

    TASK = "task"
    SOFTIRQ = "softirq"
    HARDIRQ = "hardirq"
    NMI = "NMI"


class Off(enum.Flag):
    """What is off there."""

    NOTHING = 0
    PREEMPTION = enum.auto()
    """in_atomic(): a preempt_count other than 0."""
    BH = enum.auto()
    """in_interrupt(): no softirq is served on top of it."""
    IRQS = enum.auto()
    """irqs_disabled()."""


class Enter(Protocol):
    """Runs the body once in the context, and comes back when that is done."""

    def __call__(self, k: Kernel, body: Body, /) -> Awaitable[None]:
        """Called by a thread that may sleep."""


class EnterLater(Protocol):
    """The same where that takes its time: `beforehand` is awaited shortly before the body runs."""

    def __call__(self, k: Kernel, body: Body, beforehand: Body, /) -> Awaitable[None]:
        """Called by a thread that may sleep."""


@attrs.frozen
class State:
    """What the body finds."""

    where: Where
    off: Off


@attrs.frozen
class Context:
    """One of them. `on_rt` is what the body finds on PREEMPT_RT, where that is something else.

    `enter_later` is the way in for those whose body comes much later than they are entered.
    """

    name: str
    about: str
    enter: Enter
    found: State
    on_rt: State | None = None
    enter_later: EnterLater | None = None

    def state(self, *, rt: bool) -> State:
        """What the body finds."""
        return self.on_rt if rt and self.on_rt is not None else self.found


_ATOMIC: Final = Off.PREEMPTION | Off.BH
_ALL: Final = _ATOMIC | Off.IRQS

_NOTHING_OFF: Final = State(Where.TASK, Off.NOTHING)
_NO_PREEMPTION: Final = State(Where.TASK, Off.PREEMPTION)
_NO_IRQS: Final = State(Where.TASK, Off.IRQS)
_NEITHER: Final = State(Where.TASK, Off.PREEMPTION | Off.IRQS)
_BH_OFF: Final = State(Where.TASK, _ATOMIC)
_BH_OFF_RT: Final = State(Where.TASK, Off.BH)
_SOFTIRQ: Final = State(Where.SOFTIRQ, _ATOMIC)
_SOFTIRQ_RT: Final = State(Where.SOFTIRQ, Off.BH)
_HARDIRQ: Final = State(Where.HARDIRQ, _ALL)
_NMI: Final = State(Where.NMI, _ALL)


def _entered_by_a_thread() -> tuple[Context, ...]:
    s = sections
    return (
        Context("process", "a thread that may be preempted", s.process, _NOTHING_OFF),
        Context("preempt_disable", "preempt_disable()", s.preempt_disable, _NO_PREEMPTION),
        Context("irq_disable", "local_irq_save()", s.irq_disable, _NO_IRQS),
        Context("bh_disable", "local_bh_disable()", s.bh_disable, _BH_OFF, _BH_OFF_RT),
        Context("migrate_disable", "migrate_disable()", s.migrate_disable, _NOTHING_OFF),
        Context("rcu_read", "rcu_read_lock()", s.rcu_read, _NOTHING_OFF),
        Context("rcu_read_bh", "rcu_read_lock_bh()", s.rcu_read_bh, _BH_OFF, _BH_OFF_RT),
        Context("rcu_read_sched", "rcu_read_lock_sched()", s.rcu_read_sched, _NO_PREEMPTION),
        Context("srcu_read", "srcu_read_lock()", s.srcu_read, _NOTHING_OFF),
        Context("mutex", "a mutex is held", s.mutex, _NOTHING_OFF),
        Context("down_read", "a rw_semaphore is held for reading", s.down_read, _NOTHING_OFF),
        Context("down_write", "a rw_semaphore is held for writing", s.down_write, _NOTHING_OFF),
        Context("local_lock", "a local_lock_t is held", s.local_lock, _NO_PREEMPTION, _NOTHING_OFF),
        Context("read_lock", "a rwlock_t is held for reading", s.read_lock, _NO_PREEMPTION, _NOTHING_OFF),
        Context("write_lock", "a rwlock_t is held for writing", s.write_lock, _NO_PREEMPTION, _NOTHING_OFF),
        Context("spin", "a spinlock_t is held", s.spin, _NO_PREEMPTION, _NOTHING_OFF),
        Context("spin_irqsave", "a spinlock_t is held, by ..._irqsave()", s.spin_irqsave, _NEITHER, _NOTHING_OFF),
        Context("raw_spin", "a raw_spinlock_t is held", s.raw_spin, _NO_PREEMPTION),
        Context("raw_spin_irqsave", "a raw_spinlock_t is held, by ..._irqsave()", s.raw_spin_irqsave, _NEITHER),
        Context("rq_lock", "this CPU's &rq->lock is held, by raw_spin_lock_irqsave()", s.rq_lock, _NEITHER),
        Context("zone_lock", "zone->lock is held, by spin_lock_irqsave()", s.zone_lock, _NEITHER, _NOTHING_OFF),
    )


def _entered_by_others() -> tuple[Context, ...]:
    e = elsewhere
    return (
        Context("softirq_tasklet", "a tasklet in ksoftirqd", e.softirq_tasklet, _SOFTIRQ, _SOFTIRQ_RT),
        Context(
            "softirq_irq_exit", "a tasklet on the way out of an interrupt", e.softirq_irq_exit, _SOFTIRQ, _SOFTIRQ_RT
        ),
        Context("softirq_bh_enable", "a tasklet in local_bh_enable()", e.softirq_bh_enable, _SOFTIRQ, _SOFTIRQ_RT),
        Context(
            "softirq_timer",
            "a timer of the wheel",
            e.softirq_timer,
            _SOFTIRQ,
            _SOFTIRQ_RT,
            enter_later=e.softirq_timer,
        ),
        Context("hrtimer_soft", "an hrtimer of mode SOFT", e.hrtimer_soft, _SOFTIRQ, _SOFTIRQ_RT),
        Context("hrtimer", "an hrtimer of no mode", e.hrtimer, _HARDIRQ, _SOFTIRQ_RT),
        Context("irqwork_nonhard", "an irq_work", e.irqwork_nonhard, _HARDIRQ, _NOTHING_OFF),
        Context("hardirq_irqwork", "an irq_work with IRQ_WORK_HARD_IRQ", e.hardirq_irqwork, _HARDIRQ),
        Context("hardirq_hrtimer", "an hrtimer of mode HARD", e.hardirq_hrtimer, _HARDIRQ),
        Context("hardirq_smpcall", "smp_call_function_single() to another CPU", e.hardirq_smpcall, _HARDIRQ),
        Context("hardirq", "a device's interrupt handler that PREEMPT_RT does not thread", e.hardirq, _HARDIRQ),
        Context("hardirq_threadable", "one that PREEMPT_RT threads", e.hardirq_threadable, _HARDIRQ, _BH_OFF_RT),
        Context("hardirq_remote", "a device's interrupt handler, on another CPU", e.hardirq_remote, _HARDIRQ),
        Context("rcu_callback", "a callback of call_rcu()", e.rcu_callback, _SOFTIRQ, _BH_OFF_RT),
        Context("workqueue", "a work on system_wq", e.workqueue, _NOTHING_OFF),
        Context("nmi", "an NMI, in a thread that holds nothing", e.nmi, _NMI),
        Context("nmi_raw_spin", "an NMI, with a raw_spinlock_t held and interrupts off", e.nmi_raw_spin, _NMI),
    )


CONTEXTS: Final[Mapping[str, Context]] = MappingProxyType(
    {context.name: context for context in (*_entered_by_a_thread(), *_entered_by_others())}
)
