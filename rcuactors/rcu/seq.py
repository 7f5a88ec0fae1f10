"""Grace-period sequence numbers (kernel/rcu/rcu.h): the low two bits are the phase, the rest counts.

A snapshot taken while the machine is idle names the end of the next grace period; taken while one runs, the end of
the one after it, since the running one may have begun before the caller's last store.
"""

from __future__ import annotations

from typing import Final

PHASE_MASK: Final = 3
INITIAL: Final = (0 - 300) * (PHASE_MASK + 1)
"""rcu_state.gp_seq at boot: the counter wraps 300 grace periods later, on purpose (RCU_INIT.

(0UL - 300UL) << RCU_SEQ_CTR_SHIFT).
"""


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


def ctr(seq: int) -> int:
    """rcu_seq_ctr(): the number of the grace period."""
    return seq >> 2


def done(seq: int, snapshot: int) -> bool:
    """rcu_seq_done(), without the wrap-around of 64-bit counters, which no run reaches."""
    return seq >= snapshot
