"""What to do instead: how what was reported is mended, in the words of its page. A test holds the two together."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

from ..context.violation import ViolationKind
from .calls import Form, Worst


@attrs.frozen
class Advice:
    """Words of a page in docs/, and where they stand."""

    text: str
    page: str


_CONTEXTS: Final = "reports-contexts.md"
_LOCKS: Final = "reports-locks.md"
_READERS: Final = "reports-grace-periods.md"
_MEMORY: Final = "reports-memory.md"

_SAID: Final[Mapping[ViolationKind, tuple[str, str]]] = {
    ViolationKind.INVALID_WAIT_CONTEXT: (
        _CONTEXTS,
        (
            "Take the lock that may sleep before the one that may not, or not at all in there; hand the work on to "
            "somebody who may (a work, an irq_work)."
        ),
    ),
    ViolationKind.SCHEDULING_WHILE_ATOMIC: (
        _CONTEXTS,
        "Do not sleep there: wait by spinning if it is for microseconds, else let go first, or do it elsewhere.",
    ),
    ViolationKind.SLEEPING_FUNCTION: (
        _CONTEXTS,
        (
            "Allocate with GFP_ATOMIC (and look whether there was anything), or before the lock is taken; take a mutex "
            "before the spinlock and not under it."
        ),
    ),
    ViolationKind.PREEMPTIBLE_CPU_ID: (
        _CONTEXTS,
        (
            "Disable preemption (or migration) around it, use `get_cpu()` and `put_cpu()`, or an operation that is one "
            "instruction, such as `this_cpu_add()`."
        ),
    ),
    ViolationKind.CIRCULAR_LOCKING: (
        _LOCKS,
        "Choose one order and keep it everywhere; or let go of the one before the other is taken.",
    ),
    ViolationKind.INCONSISTENT_LOCK_STATE: (
        _LOCKS,
        (
            "Who shares a lock with an interrupt takes it with that kind of interrupt off: `spin_lock_irqsave()`, for "
            "softirqs and timers `spin_lock_bh()`."
        ),
    ),
    ViolationKind.UNSAFE_LOCK_ORDER: (
        _LOCKS,
        (
            "What is taken under a lock of an interrupt is as much of that interrupt: take it with interrupts off "
            "everywhere."
        ),
    ),
    ViolationKind.RTMUTEX_DEADLOCK: (
        _LOCKS,
        (
            "A function that is called with the lock must not take it: usually there are two of them, one for callers "
            "who hold it."
        ),
    ),
    ViolationKind.VOLUNTARY_SWITCH: (
        _READERS,
        "Take a reference and leave the section before sleeping, or use SRCU, whose readers may.",
    ),
    ViolationKind.RCU_STALL: (
        _READERS,
        "Make the section short: leave it from time to time, and call `cond_resched()` outside of it.",
    ),
    ViolationKind.PAGE_ALLOCATION_FAILURE: (
        _MEMORY,
        "A caller that copes with NULL says `__GFP_NOWARN`. One that does not must allocate where it may wait.",
    ),
}

ADVICE: Final[Mapping[str, Advice]] = MappingProxyType(
    {kind.value: Advice(text, f"docs/{page}#{kind.value}") for kind, (page, text) in _SAID.items()}
)
"""By kind of report; of those that have no words here, only that page can be named (docs/reports.md)."""

_SLEEPING_SPINLOCKS: Final = ("rt_spin_lock", "rt_read_lock", "rt_write_lock")
_CAN_DO_OTHERWISE: Final = (Worst.TAKES, Worst.LOCK)
"""Of what might sleep, what can be asked not to, or be done before."""


def advice_for(kind: str, innermost: str, form: Form) -> Advice | None:
    """What to do instead of a call that was reported so, at that function; None where there are no words for it."""
    if innermost.startswith(_SLEEPING_SPINLOCKS):
        # A spinlock_t of PREEMPT_RT that sleeps is what lockdep warns of elsewhere.
        kind = ViolationKind.INVALID_WAIT_CONTEXT.value
    elif kind == ViolationKind.SLEEPING_FUNCTION.value and form.worst not in _CAN_DO_OTHERWISE:
        kind = ViolationKind.SCHEDULING_WHILE_ATOMIC.value
    return ADVICE.get(kind)
