"""struct srcu_struct (include/linux/srcutree.h): its counters of readers, its callbacks, and what lockdep knows of it.

A reader counts itself in and out, on the CPU where it happens to be, under the index of the time: `srcu_idx`. A grace
period waits until all that went in under the other index have come out, flips the index, and waits for the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from ..context.locks import Lock
from ..kernel.percpu import PerCpu
from . import seq as gp_seq
from .data import CallbackList

if TYPE_CHECKING:
    from ..kernel.completion import Completion
    from ..kernel.irq.irq_work import IrqWork
    from ..kernel.workqueue import DelayedWork

INITIAL: Final = 0
"""SRCU_GP_SEQ_INITIAL_VAL; some versions begin a hundred grace periods before the counter wraps."""
IDLE: Final = 0
SCAN1: Final = 1
SCAN2: Final = 2
"""rcu_seq_state() of srcu_gp_seq: which index is being waited for."""


@attrs.define(eq=False)
class SrcuData:
    """struct srcu_data of one CPU."""

    cpu_id: int
    lock: Lock
    work: DelayedWork
    """srcu_invoke_callbacks(), and delay_work, the timer that queues it."""
    locks: list[int] = attrs.field(factory=lambda: [0, 0])
    unlocks: list[int] = attrs.field(factory=lambda: [0, 0])
    cblist: CallbackList = attrs.field(factory=lambda: CallbackList(done_seq=INITIAL))
    gp_seq_needed: int = INITIAL
    gp_seq_needed_exp: int = INITIAL
    invoking: bool = False


@attrs.define(eq=False)
class SrcuStruct:
    """struct srcu_struct, with struct srcu_usage."""

    name: str
    dep_map: Lock
    lock: Lock
    gp_mutex: Lock
    cb_mutex: Lock
    barrier_mutex: Lock
    work: DelayedWork = attrs.field(init=False)
    """process_srcu()."""
    irq_work: IrqWork = attrs.field(init=False)
    """srcu_irq_work(), which queues that, where the version has it."""
    sda: PerCpu[SrcuData] = attrs.field(init=False)
    idx: int = 0
    gp_seq: int = INITIAL
    gp_seq_needed: int = INITIAL
    gp_seq_needed_exp: int = INITIAL
    gp_start: int = 0
    """In jiffies."""
    last_gp_end_ns: int = 0
    barrier_seq: int = 0
    barriers: int = 0
    """srcu_barrier_cpu_cnt."""
    barrier_done: Completion | None = None
    gone: bool = False
    """cleanup_srcu_struct() has been."""

    @property
    def state(self) -> int:
        """rcu_seq_state(srcu_gp_seq)."""
        return self.gp_seq & gp_seq.PHASE_MASK

    def set_state(self, state: int) -> None:
        """rcu_seq_set_state()."""
        self.gp_seq = self.gp_seq & ~gp_seq.PHASE_MASK | state

    def readers_active(self, *indices: int) -> bool:
        """srcu_readers_active_idx_check(), srcu_readers_active(): somebody has gone in and not come out."""
        data = self.sda.values()
        return any(sum(sdp.locks[idx] - sdp.unlocks[idx] for sdp in data) for idx in indices)

    def __str__(self) -> str:
        return self.name
