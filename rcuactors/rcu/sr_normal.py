"""synchronize_rcu() whose callers the grace-period kthread wakes itself (kernel/rcu/tree.c, rcu_normal_wake_from_gp).

Until v6.10 each of them queued a callback (synchronize_rcu.py), so that its grace period began, and it heard of the
end, when its CPU got to that. Here it puts itself on one list of all (`srs_next`), the latest first, and asks for a
grace period. Whose that is to be is told by wait heads, five of them, which are put on the list among the callers: one
in front when a grace period begins (`srs_wait_tail`); all that is behind it has come before. At its end the kthread
completes the first five of these, and a work on sync_wq the others, if there are more, and gives wait heads back, all
but the one in front (`srs_done_tail`), which comes off a round later. When no wait head is left, the callers wait for
another grace period. From some version on so many callers at once are too many, and later ones queue callbacks again,
until all of these have been woken ("Latch normal synchronize_rcu() path on flood").

The kthread has no CPU here (gp.py): it wakes without the lock of a completion, and has the CPU on which it would have
run queue the work.
"""

from __future__ import annotations

import sys
from functools import cached_property
from typing import TYPE_CHECKING, Final

import attrs

from ..context.violation import ViolationKind
from ..kernel.completion import Completion, complete, complete_from_device, wait_for_completion
from ..kernel.messages import HardIrq, WakeUp
from ..kernel.workqueue import Work, WqFlags
from ..marks import machinery
from . import seq as gp_seq
from .data import RcuHead
from .polled import start_poll_synchronize_rcu_common

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..kernel.cpu import Cpu
    from ..kernel.system import System
    from ..kernel.thread import Thread
    from ..kernel.workqueue import Workqueue, Workqueues
    from .gp import GracePeriodMachine
    from .polled import PolledGracePeriods
    from .rules import RcuRules

WAIT_HEADS: Final = 5
"""SR_NORMAL_GP_WAIT_HEAD_MAX."""
WOKEN_BY_KTHREAD: Final = 5
"""SR_MAX_USERS_WAKE_FROM_GP."""
EVERY_MACHINE: Final = sys.maxsize
"""RcuRules.wakes_from_gp_up_to of a version where it is so by itself however many CPUs there are."""


@attrs.define(eq=False)
class _Node:
    """struct llist_node."""

    next: _Node | None = None


@attrs.define(eq=False)
class WaitHead(_Node):
    """struct sr_wait_node."""

    inuse: bool = False


@attrs.define(eq=False)
class Request(_Node):
    """struct rcu_synchronize, on its caller's stack.

    `wrong` is what PROVE_RCU asks: what is to be said if no full grace period has passed, as its cookie has it.
    """

    completion: Completion = attrs.field(kw_only=True)
    wrong: Callable[[], str | None] | None = attrs.field(kw_only=True)


def wakes_from_gp(system: System, rules: RcuRules) -> bool:
    """Whether the kthread does it in this machine: as was said at boot, else by the number of CPUs."""
    upto, said = rules.wakes_from_gp_up_to, system.config.rcu_normal_wake_from_gp
    return upto is not None and (said == 1 or (said < 0 and system.config.nr_cpus <= upto))


class SynchronizeRequests:
    """rcu_state.srs_next and what belongs to it, for one machine."""

    def __init__(self, polled: PolledGracePeriods, workqueues: Workqueues) -> None:
        self._polled, self._workqueues = polled, workqueues
        self._machine: GracePeriodMachine = polled.machine
        self._system = workqueues.system
        self._rules = polled.rules
        self._heads = tuple(WaitHead() for _ in range(WAIT_HEADS))
        self._srs_next: _Node | None = None
        self._srs_wait_tail: WaitHead | None = None
        self._srs_done_tail: WaitHead | None = None
        self._srs_cleanups_pending = 0
        self._in_flight = 0
        self._latched = False
        self._srs_cleanup_work = Work("rcu_sr_normal_gp_cleanup_work", self._rcu_sr_normal_gp_cleanup_work)

    @cached_property
    def _sync_wq(self) -> Workqueue:
        """alloc_workqueue("sync_wq", ...)."""
        return self._workqueues.alloc_workqueue("sync_wq", WqFlags.MEM_RECLAIM | self._rules.sync_wq)

    @property
    def latched(self) -> bool:
        """rcu_sr_normal_latched: there are too many, and who comes now queues a callback."""
        return self._latched

    @property
    def in_flight(self) -> int:
        """rcu_sr_normal_count: who is on the list and has not been woken."""
        return self._in_flight

    @property
    def heads_in_use(self) -> int:
        """How many wait heads are on the list."""
        return sum(head.inuse for head in self._heads)

    # -- who asks ----------------------------------------------------------------------------------------------------

    async def wait(self, thread: Thread) -> None:
        """synchronize_rcu_normal(), that way."""
        system, cpu = self._system, thread.cpu
        system.debug_objects.init_on_stack(cpu, RcuHead)
        done = system.new_completion("synchronize_rcu()")
        self._add_req(Request(completion=done, wrong=self._proof() if system.config.lockdep else None))
        start_poll_synchronize_rcu_common(self._machine, self._rules, cpu)
        await wait_for_completion(system, thread, done)

    def _proof(self) -> Callable[[], str | None]:
        """A cookie of now, of the form that the version takes."""
        polled, said = self._polled, "A full grace period is not passed yet"
        if self._rules.full_cookies_prove_synchronize_rcu:
            full = polled.get_state_synchronize_rcu_full()
            return lambda: None if polled.poll_state_synchronize_rcu_full(full) else f"{said}!"
        one = polled.get_state_synchronize_rcu()

        def wrong() -> str | None:
            if polled.poll_state_synchronize_rcu(one):
                return None
            return f"{said}: {gp_seq.diff(polled.get_state_synchronize_rcu(), one)}"

        return wrong

    @machinery
    def _add_req(self, request: Request) -> None:
        """rcu_sr_normal_add_req()."""
        self._in_flight += 1
        if self._in_flight == self._rules.synchronize_rcu_flood:
            self._latched = True
        request.next, self._srs_next = self._srs_next, request

    # -- the grace-period kthread ------------------------------------------------------------------------------------

    def gp_init(self) -> bool:
        """rcu_sr_normal_gp_init(): a wait head in front. True where none was left, so that another one is wanted."""
        first = self._srs_next
        if first is None or isinstance(first, WaitHead):
            return False
        head = next((each for each in self._heads if not each.inuse), None)
        if head is None:
            return True
        head.inuse = True
        head.next, self._srs_next = first, head
        self._srs_wait_tail = head
        return False

    def gp_cleanup(self, clock: int, host: Cpu) -> None:
        """rcu_sr_normal_gp_cleanup(): the first five are woken, and the rest is left to the work."""
        tail, self._srs_wait_tail = self._srs_wait_tail, None
        if tail is None:
            return
        for _ in range(WOKEN_BY_KTHREAD):
            request = tail.next
            if not isinstance(request, Request):
                break
            tail.next = request.next
            self._wake(request, clock, host)
        left = tail.next
        if isinstance(left, WaitHead) and left.next is None and not self._srs_cleanups_pending:
            left.inuse, tail.next = False, None
        self._srs_done_tail = tail
        if tail.next is not None:
            self._srs_cleanups_pending += 1
            line = "rcu_sr_normal_gp_cleanup"
            irq = HardIrq(sender=self._machine.name, time_ns=clock, line=line, handler=self._queue_cleanup)
            self._system.conductor.post(host, irq)

    async def _queue_cleanup(self, cpu: Cpu) -> None:
        """Its queue_work()."""
        if not await self._workqueues.queue_work(cpu, self._sync_wq, self._srs_cleanup_work):
            self._srs_cleanups_pending -= 1

    def _wake(self, request: Request, clock: int, host: Cpu) -> None:
        """complete(), by the kthread."""
        self._check(request, host)
        thread = complete_from_device(request.completion)
        if thread is not None:
            message = WakeUp(sender=self._machine.name, time_ns=clock, thread=thread, sleep=thread.sleeps)
            self._system.conductor.post(thread.cpu, message)
        self._completed()

    # -- completing --------------------------------------------------------------------------------------------------

    @machinery
    async def _rcu_sr_normal_gp_cleanup_work(self, cpu: Cpu) -> None:
        """rcu_sr_normal_gp_cleanup_work(): whoever is behind the last wait head but that one, and other wait heads."""
        thread, done = cpu.current, self._srs_done_tail
        assert done is not None
        node, done.next = done.next, None
        while node is not None:
            behind = node.next
            if isinstance(node, WaitHead):
                node.inuse = False
            elif isinstance(node, Request):
                self._check(node, thread.cpu)
                await complete(self._system, thread.cpu, node.completion)
                self._completed()
            node = behind
        self._srs_cleanups_pending -= 1

    def _check(self, request: Request, cpu: Cpu) -> None:
        """WARN_ONCE() of rcu_sr_normal_complete()."""
        message = request.wrong() if request.wrong is not None else None
        if message is not None:
            function = "rcu_sr_normal_complete"
            cpu.judge.warn_once(cpu, ViolationKind.BAD_CONTEXT, message, function, place="a full grace period")

    def _completed(self) -> None:
        self._in_flight -= 1
        if not self._in_flight:
            self._latched = False


def take_requests(polled: PolledGracePeriods, workqueues: Workqueues) -> None:
    """The machine's kthread wakes the callers from now on, where it does that."""
    if wakes_from_gp(workqueues.system, polled.rules):
        polled.machine.requests = SynchronizeRequests(polled, workqueues)
