"""Grace-period sequence numbers (kernel/rcu/rcu.h): the low two bits are the phase, the rest counts.

A snapshot taken while the machine is idle names the end of the next grace period; taken while one runs, the end of
the one after it, since the running one may have begun before the caller's last store.

In C they are unsigned longs that wrap; tracepoints print them as signed ones, and as such they are kept here. What is
compared is their difference in 64 bits, so it does not matter which of the two a value is, nor that it has wrapped.
"""

from __future__ import annotations

from typing import Final

PHASE_MASK: Final = 3
"""RCU_SEQ_STATE_MASK."""
INITIAL: Final = (0 - 300) * (PHASE_MASK + 1)
"""rcu_state.gp_seq at boot: the counter wraps 300 grace periods later, on purpose (RCU_INIT.

(0UL - 300UL) << RCU_SEQ_CTR_SHIFT).
"""
GET_STATE_COMPLETED: Final = 1
"""RCU_GET_STATE_COMPLETED: a cookie of the polled functions whose grace period is over, whenever it is asked."""

_ULONG_MAX: Final = (1 << 64) - 1


def ulong(value: int) -> int:
    """The value as an unsigned long of 64 bits."""
    return value & _ULONG_MAX


def cmp_ge(a: int, b: int) -> bool:
    """ULONG_CMP_GE(): a is not before b, by the shorter way round."""
    return a - b & _ULONG_MAX <= _ULONG_MAX >> 1


def in_progress(seq: int) -> bool:
    """A grace period runs."""
    return bool(seq & PHASE_MASK)


def start(seq: int) -> int:
    """rcu_seq_start()."""
    return seq + 1


def end(seq: int) -> int:
    """rcu_seq_end()."""
    return (seq | PHASE_MASK) + 1


def snap(seq: int) -> int:
    """rcu_seq_snap(): the value at which a full grace period will have passed."""
    return (seq + 2 * PHASE_MASK + 1) & ~PHASE_MASK


def started(seq: int, snapshot: int) -> bool:
    """rcu_seq_started(): the grace period that the snapshot names the end of has begun, if it is not over."""
    return not cmp_ge((snapshot - 1) & ~PHASE_MASK, seq)


def ctr(seq: int) -> int:
    """rcu_seq_ctr(): the number of the grace period."""
    return seq >> 2


def done(seq: int, snapshot: int) -> bool:
    """rcu_seq_done(): it is over, unless the snapshot is older than half of all numbers."""
    return cmp_ge(seq, snapshot)


def done_exact(seq: int, snapshot: int, guard: int) -> bool:
    """rcu_seq_done_exact(): it is over, or the counter is so far behind the snapshot that it must have wrapped since.

    How far, `guard`, is what the counter may lag behind the one that the snapshot was taken of.
    """
    return cmp_ge(seq, snapshot) or not cmp_ge(seq, snapshot - guard)


def completed_gp(old: int, new: int) -> bool:
    """rcu_seq_completed_gp(): a grace period has ended between the two."""
    return not cmp_ge(old, new & ~PHASE_MASK)


def new_gp(old: int, new: int) -> bool:
    """rcu_seq_new_gp(): one has begun between the two."""
    return not cmp_ge((old + PHASE_MASK) & ~PHASE_MASK, new)


def diff(new: int, old: int) -> int:
    """rcu_seq_diff(): how many grace periods lie between the two, roughly; 1 where none has passed."""
    if old == new:
        return 0
    rounded = (new & ~PHASE_MASK) - ((old + PHASE_MASK) & ~PHASE_MASK) + bool((new | old) & PHASE_MASK)
    if cmp_ge(PHASE_MASK, rounded):
        return 1
    return (ulong(rounded - PHASE_MASK - 1) >> 2) + 2
