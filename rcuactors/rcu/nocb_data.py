"""What RCU knows of a CPU whose callbacks are offloaded (kernel/rcu/tree.h, the nocb part of struct rcu_data)."""

from __future__ import annotations

import enum
from collections import deque
from typing import TYPE_CHECKING

import attrs

from ..context.locks import Lock
from .data import CallbackList, RcuHead

if TYPE_CHECKING:
    from ..kernel.thread import Thread
    from ..kernel.time.timer import Timer


class Wake(enum.IntEnum):
    """RCU_NOCB_WAKE_NOT and its kin: how urgently a group's thread is to be woken by its timer."""

    NOT = 0
    BYPASS = 1
    LAZY = 2
    WAKE = 3
    FORCE = 4


@attrs.define(eq=False)
class NocbGroup:
    """CPUs that share a thread, rcuog/N, which has their callbacks wait for grace periods."""

    leader: int
    lock: Lock
    timer: Timer = attrs.field(init=False)
    members: list[NocbData] = attrs.field(factory=list)
    thread: Thread | None = None
    sleeps: bool = True
    """nocb_gp_sleep: until somebody sets it to False."""
    deferred: Wake = Wake.NOT
    """nocb_defer_wakeup."""


@attrs.define(eq=False)
class NocbData:
    """One CPU's. Its list is a list of its own here, so that what the softirq looks at stays empty."""

    cpu_id: int
    group: NocbGroup
    lock: Lock
    cblist: CallbackList = attrs.field(factory=CallbackList)
    bypass: deque[RcuHead] = attrs.field(factory=deque)
    """nocb_bypass: what came in a flood, or can wait."""
    lazy_len: int = 0
    """How many of these can wait."""
    bypass_first: int = 0
    """When the first of them came, in jiffies."""
    nobypass_last: int = 0
    nobypass_count: int = 0
    qlen_last_fqs_check: int = 0
    thread: Thread | None = None
    """rcuop/N, which invokes them."""
    cb_sleeps: bool = True
    """nocb_cb_sleep."""
    should_park: bool = False
    parked: bool = False
    offloaded: bool = True
    """SEGCBLIST_OFFLOADED."""

    def n_cbs(self) -> int:
        """rcu_segcblist_n_cbs(): those in the bypass included."""
        return self.cblist.n_cbs() + len(self.bypass)

    def all_done(self) -> bool:
        """!rcu_segcblist_pend_cbs(): nobody waits for a grace period outside of the bypass."""
        heads = self.cblist.heads
        return not heads or (not self.cblist.unassigned and self.cblist.all_ready())

    def flush(self, head: RcuHead | None = None) -> None:
        """rcu_nocb_do_flush_bypass(): the bypass goes to the end of the list, and behind it the head."""
        for one in (*self.bypass, *((head,) if head is not None else ())):
            self.cblist.enqueue(one)
        self.bypass.clear()
        self.lazy_len = 0
