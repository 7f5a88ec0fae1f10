"""What RCU knows of each CPU: struct rcu_data (kernel/rcu/tree.h), and its list of callbacks (rcu_segcblist.c).

A CPU learns of grace periods from its own ticks: `gp_seq` is the last one that it has taken note of. From then on
`cpu_no_qs` says that it has not passed through a quiescent state, `core_needs_qs` that the report of one is missing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import TYPE_CHECKING, Final

import attrs

from ..context.memory import Memory
from ..kernel.percpu import PerCpu
from . import seq as gp_seq

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kernel.irq.irq_work import IrqWork
    from ..kernel.percpu import CpuMasks
    from .nodes import RcuNode

BLIMIT: Final = 10
"""DEFAULT_RCU_BLIMIT: callbacks invoked in one go, unless the queue is long."""

Callback = Callable[["Cpu"], Awaitable[None]]


@attrs.define(eq=False)
class RcuHead:
    """struct rcu_head: a callback that waits, and from when on it may run (None: not known yet).

    `queued` is what debug objects know of it: given to call_rcu(), and not invoked.
    """

    function: Callback
    name: str
    seq: int | None = None
    queued: bool = False
    queued_ns: int = 0
    inside: Memory | None = None
    known: bool = False
    """Debug objects track it."""

    def lies_in(self, memory: Memory) -> None:
        """What it is inside of is known only now."""
        self.inside = memory


async def rcu_leak_callback(_cpu: Cpu) -> None:
    """rcu_leak_callback(): does nothing; stands in for a callback that was queued twice."""


@attrs.define(eq=False)
class CallbackList:
    """struct rcu_segcblist of one CPU: the heads in order; those with `seq` None have no grace period yet.

    `done_seq` is the last grace period whose end the CPU has noted: what waited for it is ready.
    """

    heads: deque[RcuHead] = attrs.field(factory=deque)
    unassigned: int = 0
    done_seq: int = gp_seq.INITIAL
    being_invoked: int = 0
    """Those of rcu_do_batch(), which has taken them from the list: rcu_barrier() has to wait for them, too."""
    lost: int = 0
    """Counted, and not in the list any more, since an rcu_head was queued twice."""
    looped: RcuHead | None = None
    """The last one, which was queued once more, and whose `next` is itself."""
    stale: bool = False
    """That one is still the list's first, though it was invoked."""

    def n_cbs(self) -> int:
        """rcu_segcblist_n_cbs()."""
        return len(self.heads) + self.being_invoked + self.lost

    def empty(self) -> bool:
        """rcu_segcblist_empty()."""
        return not self.heads and not self.stale

    def enqueue(self, head: RcuHead) -> None:
        """rcu_segcblist_enqueue(): without a grace period of its own so far."""
        self.heads.append(head)
        self.unassigned += 1
        self.stale = False

    def enqueue_again(self, head: RcuHead) -> None:
        """The same of one that is in this list: its `next` is set to NULL, and so the list ends with it.

        What was behind it is lost. If that is nothing, the end of the list points to itself.
        """
        last = self.heads[-1]
        if last is head:
            self.looped = head
        while self.heads[-1] is not head:
            self.lost += 1
            self.unassigned -= self.heads.pop().seq is None
        self.lost += 1

    def entrain(self, head: RcuHead) -> None:
        """rcu_segcblist_entrain(): right behind the last callback, with the same grace period."""
        if not self.heads:
            head.seq = self.done_seq
        elif self.heads[-1].seq is not None:
            head.seq = self.heads[-1].seq
        else:
            self.unassigned += 1
        self.heads.append(head)

    def ready(self) -> bool:
        """rcu_segcblist_ready_cbs()."""
        return bool(self.heads) and self.heads[0].seq is not None and gp_seq.done(self.done_seq, self.heads[0].seq)

    def first_waited_for(self) -> int | None:
        """rcu_segcblist_nextgp(): the grace period that the first of those wait for which are not ready."""
        waiting = (head.seq for head in self.heads if head.seq is not None and not gp_seq.done(self.done_seq, head.seq))
        return next(waiting, None)

    def all_ready(self) -> bool:
        """None of them waits for a grace period any more."""
        return not self.heads or (self.heads[-1].seq is not None and gp_seq.done(self.done_seq, self.heads[-1].seq))

    def accelerate(self, wanted: int) -> bool:
        """rcu_segcblist_accelerate(): those without a grace period get one; whether there were any."""
        found = self.unassigned
        for head in islice(reversed(self.heads), found):
            head.seq = wanted
        self.unassigned = 0
        return bool(found)

    def extract_done(self) -> deque[RcuHead]:
        """rcu_segcblist_extract_done_cbs()."""
        done: deque[RcuHead] = deque()
        while self.ready():
            done.append(self.heads.popleft())
        self.being_invoked += len(done)
        if self.looped is not None and self.looped in done:
            self.looped, self.stale = None, not self.heads
        return done

    def merge(self, others: CallbackList) -> None:
        """rcu_segcblist_merge(): what is ready before all that is here, the rest behind it, without a grace period."""
        ready: deque[RcuHead] = deque()
        while others.ready():
            ready.append(others.heads.popleft())
        self.heads.extendleft(reversed(ready))
        for head in others.heads:
            head.seq = None
            self.enqueue(head)
        self.lost += others.lost
        self.stale = self.stale and not self.heads
        others.heads.clear()
        others.unassigned = others.lost = 0

    def insert_done(self, extracted: int, rest: deque[RcuHead]) -> None:
        """rcu_segcblist_insert_done_cbs(), if the batch was cut short; the others do not count any more."""
        self.being_invoked -= extracted
        self.heads.extendleft(reversed(rest))


@attrs.frozen(kw_only=True)
class CallbackStatistics:
    """The callback lists of all CPUs.

    * `waiting` (callbacks): queued and not invoked.
    * `unassigned` (callbacks): of these, without a grace period of their own so far.
    * `invoked` (callbacks): since boot, those of queue_rcu_work() and synchronize_rcu() included.
    """

    waiting: int
    unassigned: int
    invoked: int


@attrs.define(eq=False)
class RcuData:
    """struct rcu_data of one CPU."""

    mynode: RcuNode
    """The leaf that serves this CPU."""
    cblist: CallbackList = attrs.field(factory=CallbackList)
    blimit: int = BLIMIT
    qlen_last_fqs_check: int = 0
    n_force_qs_snap: int = 0
    gp_seq: int = gp_seq.INITIAL
    cpu_no_qs: bool = False
    exp_no_qs: bool = False
    """cpu_no_qs.b.exp: an expedited grace period has asked, and is not answered."""
    core_needs_qs: bool = False
    rcu_urgent_qs: bool = False
    """It has been waited for so long that a tick is to reschedule, and cond_resched() to count."""
    idle_entries: int = 0
    """dynticks: how often it began to be watched by nobody."""
    idle_entries_snap: int | None = None
    """dynticks_snap: what that was when the grace period first looked; None: it has not yet."""
    ticks_this_gp: int = 0
    softirqs: int = 0
    """kstat_softirqs_cpu(RCU_SOFTIRQ)."""
    softirq_snap: int = 0
    last_fqs_resched: int = 0
    gp_kthread_ran: bool = False
    """The kthread was here, and the CPU has not gone idle again since."""
    defer_qs_iw: IrqWork | None = None
    defer_qs_iw_pending: bool = False


class RcuDatas(PerCpu[RcuData]):
    """DEFINE_PER_CPU(struct rcu_data, rcu_data)."""

    def __init__(self, masks: CpuMasks, mynode: Callable[[int], RcuNode]) -> None:
        super().__init__(lambda cpu_id: RcuData(mynode(cpu_id)), masks)

    def total_cbs(self) -> int:
        """Callbacks of all CPUs (rcu_get_n_cbs_cpu())."""
        return sum(rdp.cblist.n_cbs() for rdp in self.values())
