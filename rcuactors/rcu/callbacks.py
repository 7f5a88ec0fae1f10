"""RCU callbacks (kernel/rcu/tree.c): call_rcu(), and the softirq that invokes them: rcu_core(), rcu_do_batch().

A CPU's callbacks first wait without a grace period of their own; the next tick that finds none in progress raises
RCU_SOFTIRQ, which gives them the number of the one that will do (rcu_accelerate_cbs()) and asks the machine for it; so
does whatever takes note of another's beginning or end. The tick after its end has them invoked, up to a limit. The same
softirq reports the CPU's quiescent states. What waits for callbacks has a file each: synchronize_rcu.py,
rcu_barrier.py, and rcu_work.py for queue_rcu_work().
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ..context import preempt, splat
from ..context.locks import RECURSIVE_READ, MapSpec
from ..context.memory import RETIRED, Memory
from ..context.trace import call_trace
from ..context.violation import KERNEL, ORACLE, ViolationKind
from ..context.waittype import WaitType
from ..kernel.debugobjects import Descr, Member, Unnamed
from ..kernel.irq.softirq import Softirq
from ..kernel.locking import contention, poison
from . import seq as gp_seq
from .data import BLIMIT, Callback, CallbackList, CallbackStatistics, RcuHead, rcu_leak_callback
from .messages import GpKthreadRan

if TYPE_CHECKING:
    from ..engine.actor import Message
    from ..kernel.cpu import Cpu
    from ..kernel.system import System
    from ..kernel.thread import Thread
    from .data import RcuData
    from .expedited import ExpeditedGracePeriods
    from .gp import GracePeriodMachine
    from .quiescent import QuiescentStates
    from .readers import ReadSide
    from .rules import RcuRules
    from .stall import StallDetector

QHIMARK: Final = 10_000
"""DEFAULT_RCU_QHIMARK: a queue that has grown by so many is hurried."""
QLOWMARK: Final = 100
"""DEFAULT_RCU_QLOMARK: a queue that has shrunk to so many is not any more."""
MAX_BLIMIT: Final = 10_000
"""DEFAULT_MAX_RCU_BLIMIT: the limit meanwhile, which the time decides before."""
_DIVISOR: Final = 7
"""rcu_divisor: a long queue is invoked an eighth of a thousandth at a time: 1 of 128."""
_LONG_BATCH: Final = 100
RESCHED_NS: Final = 3_000_000
"""DEFAULT_RCU_RESCHED_NS: more than a hundred at a time end after three milliseconds, looked at every 32."""

RCU_CALLBACK_MAP: Final = MapSpec("rcu_callback", WaitType.INV)
"""rcu_callback_map (kernel/rcu/update.c): held while a callback runs, or kvfree_rcu() frees, to be seen in reports."""


class SchedulerActive(enum.IntEnum):
    """rcu_scheduler_active: how much of the kernel is up."""

    INACTIVE = 0
    INIT = 1
    RUNNING = 2


async def _no_function(cpu: Cpu) -> None:
    """What is called instead of a callback's function when kvfree_rcu() has left the rcu_head's offset there."""
    cpu.judge.null_dereference(cpu, 0, call=True)
    await contention.give_up(cpu)


def _rcu_head(active: Callable[[Any], bool]) -> Descr:
    """rcuhead_debug_descr."""
    option = lambda config: config.DEBUG_OBJECTS_RCU_HEAD  # noqa: E731
    return Descr(name="rcu_head", option=option, active=active, active_state=1, static=True)


class Callbacks:
    """The callback lists of all CPUs."""

    def __init__(
        self,
        system: System,
        machine: GracePeriodMachine,
        readers: ReadSide,
        stalls: StallDetector,
        expedited: ExpeditedGracePeriods,
        *,
        rules: RcuRules,
        scheduler_active: SchedulerActive,
    ) -> None:
        self.system = system
        self.rules = rules
        self._quiescent: QuiescentStates = readers.quiescent
        self._stalls = stalls
        self.readers = readers
        self.data = machine.data
        self.machine = machine
        self.expedited = expedited
        self.scheduler_active = scheduler_active
        self.callback_map = system.lock_factory.make_map(RCU_CALLBACK_MAP)
        self.invoked = 0
        self._in_softirq = not system.config.PREEMPT_RT
        self.descr = _rcu_head(active=lambda head: head.queued)
        system.debug_objects.register(RcuHead, self.descr)
        system.debug_objects.register(Unnamed, _rcu_head(active=lambda _: False))
        self._tracks = system.config.DEBUG_OBJECTS_RCU_HEAD
        hooks = system.hooks
        hooks.on_tick.append(self.rcu_sched_clock_irq)
        hooks.keep_tick_if(self._needs_tick)
        if self._in_softirq:
            hooks.softirqs[Softirq.RCU] = self.rcu_core
        else:
            system.softirqs.serve_in_own_thread("rcuc", (Softirq.RCU,), self.rcu_cpu_kthread)
        hooks.on_message[GpKthreadRan] = self._gp_kthread_ran

    def statistics(self) -> CallbackStatistics:
        """Their figures, as they are now."""
        lists = [rdp.cblist for rdp in self.data.values()]
        return CallbackStatistics(
            waiting=sum(mine.n_cbs() for mine in lists),
            unassigned=sum(mine.unassigned for mine in lists),
            invoked=self.invoked,
        )

    @property
    def flavour(self) -> str:
        """rcu_state.name, as tracepoints print it."""
        return self.machine.name

    def rcu_set_runtime_mode(self, cpu: Cpu) -> None:
        """rcu_set_runtime_mode(): the end of early boot, and here of all of it (kernel/rcu/update.c)."""
        self.scheduler_active = SchedulerActive.RUNNING
        self.machine.rcu_spawn_gp_kthread(cpu)
        self.expedited.rcu_end_inkernel_boot()

    # -- what a CPU learns of grace periods --------------------------------------------------------------------------

    def _gp_kthread_ran(self, cpu: Cpu, _message: Message) -> None:
        """The kthread takes note for the CPU on which it runs, in rcu_gp_init() and rcu_gp_cleanup()."""
        self.machine.looked_at()
        self._note_gp_changes(cpu, self.data[cpu.cpu_id])
        self._quiescent.gp_kthread_ran(cpu)

    def _note_gp_changes(self, cpu: Cpu, rdp: RcuData) -> None:
        """note_gp_changes(): the end of one that was in progress, the beginning of a new one."""
        node, before = rdp.mynode, rdp.gp_seq
        now = node.gp_seq
        if before == now:
            return
        if gp_seq.completed_gp(before, now):
            self.system.taken_over(cpu, self.machine.root)
            rdp.cblist.done_seq = now
            rdp.core_needs_qs = False
        self._accelerate(cpu, rdp)
        if gp_seq.new_gp(before, now):
            rdp.cpu_no_qs = rdp.core_needs_qs = cpu.cpu_id in node.qsmask
            rdp.ticks_this_gp, rdp.softirq_snap = 0, rdp.softirqs
        rdp.gp_seq = now

    def _accelerate(self, cpu: Cpu, rdp: RcuData) -> None:
        """rcu_accelerate_cbs()."""
        wanted = gp_seq.snap(self.machine.gp_seq)
        if rdp.cblist.accelerate(wanted):
            self.machine.rcu_start_this_gp(cpu, wanted)

    def migrate(self, cpu: Cpu, dead: int) -> None:
        """What rcutree_migrate_callbacks() does to the lists: what is ready stays so, the rest begins to wait anew."""
        rdp, theirs = self.data[cpu.cpu_id], self.data[dead].cblist
        if not theirs.n_cbs():
            return
        rdp.cblist.done_seq = theirs.done_seq = rdp.mynode.gp_seq
        rdp.cblist.merge(theirs)
        self._accelerate(cpu, rdp)

    def _needs_tick(self, cpu: Cpu) -> bool:
        """rcu_needs_cpu(): an idle CPU with callbacks keeps its tick."""
        found = self.data.get(cpu.cpu_id)
        return found is not None and bool(found.cblist.heads)

    def rcu_sched_clock_irq(self, cpu: Cpu) -> None:
        """rcu_sched_clock_irq(): raise the softirq if there is something for it to do (rcu_pending())."""
        self._quiescent.tick(cpu)
        self._stalls.check_cpu_stall(cpu)
        machine, rdp = self.machine, self.data[cpu.cpu_id]
        machine.looked_at()
        in_progress = machine.in_progress
        if (
            rdp.gp_seq != rdp.mynode.gp_seq
            or (in_progress and rdp.core_needs_qs and not rdp.cpu_no_qs)
            or (not in_progress and rdp.cblist.unassigned)
            or rdp.cblist.ready()
        ):
            self.system.softirqs.raise_irqoff(cpu, Softirq.RCU)

    # -- call_rcu ----------------------------------------------------------------------------------------------------

    async def call_rcu(self, cpu: Cpu, function: Callback, name: str, head: RcuHead | None = None) -> None:
        """call_rcu(): queue a callback: interrupts off for a moment, no lock. Legal in any context but NMI."""
        where = None
        if head is not None and self._tracks:
            thread = cpu.current
            await self.system.debug_objects.activates(thread, head)
            cpu = thread.cpu
        if head is None:
            head = RcuHead(function, name)
        elif self._debug_rcu_head_queue(cpu, head):
            return
        else:
            where = self._list_of(head) if head.queued else None
            head.function, head.name, head.queued_ns = function, name, cpu.clock
        head.queued = True
        flags = cpu.local_irq_save()
        if self.system.hooks.saves_stack is not None:
            await self.system.hooks.saves_stack(cpu.current, head.inside)
        rdp = self.data[cpu.cpu_id]
        mine = rdp.cblist
        if where is mine:
            mine.enqueue_again(head)
        else:
            head.seq = None
            mine.enqueue(head)
        cpu.clock += self.system.costs.call_rcu_ns
        if self.system.events.on:
            self.system.emit(cpu, "rcu_callback", f"{self.machine.name} rhp={name} func={name} {mine.n_cbs()}")
        # Where interrupts were off, nothing is hurried.
        if not flags and mine.n_cbs() > rdp.qlen_last_fqs_check + QHIMARK:
            self._hurry(cpu, rdp)
        if cpu.idle:
            # The tick was stopped when the CPU went idle: an interrupt handler's callback needs it again.
            self.system.ticks.stop(cpu)
        await cpu.local_irq_restore(flags)

    call_rcu_hurry = call_rcu
    """call_rcu_hurry(): the same, of one that may not wait; where there are lazy ones, see nocb.py."""

    async def entrain_offloaded(self, _thread: Thread, _head: Callable[[], RcuHead]) -> int:
        """What rcu_barrier() does about offloaded callbacks: how many it has to wait for."""
        return 0

    def _hurry(self, cpu: Cpu, rdp: RcuData) -> None:
        """__call_rcu_core(): the queue has grown long: begin a grace period, or hurry the one in progress."""
        machine = self.machine
        machine.looked_at()
        self._note_gp_changes(cpu, rdp)
        if not machine.in_progress:
            self._accelerate(cpu, rdp)
            return
        rdp.blimit = MAX_BLIMIT
        if machine.n_force_qs == rdp.n_force_qs_snap and len(rdp.cblist.heads) > 1:
            machine.rcu_force_quiescent_state(cpu)
        rdp.n_force_qs_snap = machine.n_force_qs
        rdp.qlen_last_fqs_check = rdp.cblist.n_cbs()

    def _debug_rcu_head_queue(self, cpu: Cpu, head: RcuHead) -> bool:
        """debug_rcu_head_queue() and what call_rcu() does when it fails: whether the head is queued already.

        With DEBUG_OBJECTS_RCU_HEAD the second call is dropped, and the callback of the first is never invoked
        (rcu_leak_callback()). Without it the head is put behind all others, and the list is not what it was.
        """
        retired = head.inside is not None and head.inside.state == RETIRED
        if not retired:
            self.system.debug_objects.used(cpu, head)
        poison.written(cpu, head.inside)
        if not head.queued and head.inside is not None:
            self.system.debug_objects.activate_static(cpu, head)
        if not head.queued and not retired:
            return False
        if self.queued_twice(
            cpu,
            head,
            f"{self.rules.double_freed_cb}: Double-freed CB {head.name}!!!",
            warns=self.rules.double_freed_cb_warns,
        ):
            head.function = rcu_leak_callback
            return True
        return False

    def _list_of(self, head: RcuHead) -> CallbackList | None:
        """The list that a queued one is in."""
        return next((rdp.cblist for rdp in self.data.values() if head in rdp.cblist.heads), None)

    def queued_twice(self, cpu: Cpu, head: RcuHead, message: str, *, seen: bool = True, warns: bool = True) -> bool:
        """An rcu_head is queued that is queued already: told as debug objects do, with what the caller then says.

        Whether they watch, and have `seen` it; if not, only the model knows. `warns`: what the caller says is a WARN().
        """
        debug_objects, judge = self.system.debug_objects, cpu.judge
        watched = seen and debug_objects.watches(self.descr)
        if watched:
            debug_objects.print_object(cpu, self.descr, head, "activate", "active")
            debug_objects.print_object(cpu, self.descr, head, "active_state", "active")
        text = splat.warning(judge.scene(cpu), message, message.partition("()")[0].split()[-1], call_trace())
        if head.inside is not None:
            text += "\n" + "\n".join(head.inside.history())
        warns &= watched
        title = f"WARNING: {message}" if warns else f"BUG: double free: {message}"
        judge.report(cpu, ViolationKind.DOUBLE_FREE, title, text, KERNEL if warns else ORACLE)
        return watched

    @staticmethod
    def overwrite(members: list[Member]) -> None:
        """kvfree_rcu() puts an object on its list, by its rcu_head: whose that was, it is not any more."""
        for head in members:
            if isinstance(head, RcuHead) and head.queued:
                head.function = _no_function

    async def freed_while_queued(self, thread: Thread, memory: Memory) -> None:
        """An object is freed that kvfree_rcu() has not freed yet: its rcu_head is active, until that has freed it."""
        head = RcuHead(rcu_leak_callback, "rcu_head", inside=memory)
        debug_objects = self.system.debug_objects
        debug_objects.print_object(thread.cpu, self.descr, head, "free", "active", free=True)
        await debug_objects.repeat(thread, self.descr, head, lambda: memory.state != RETIRED)

    # -- the softirq -------------------------------------------------------------------------------------------------

    async def rcu_cpu_kthread(self, cpu: Cpu) -> None:
        """rcu_cpu_kthread(), PREEMPT_RT's rcuc/N: one round of it."""
        softirqs = self.system.softirqs
        await softirqs.local_bh_disable(cpu.current)
        softirqs.take_over(cpu, Softirq.RCU)
        await self.rcu_core(cpu)
        await softirqs.local_bh_enable(cpu)

    async def rcu_core(self, cpu: Cpu) -> None:
        """rcu_core(), the softirq: report quiescent states, give callbacks their grace period, invoke those ready."""
        rdp, quiescent = self.data[cpu.cpu_id], self._quiescent
        self.machine.looked_at()
        rdp.softirqs += 1
        if not cpu.ctx.preempt_count & preempt.PREEMPT_MASK:
            quiescent.deferred_qs(cpu, cpu.current)
        elif quiescent.need_deferred_qs(cpu, cpu.current):
            cpu.resched_curr()
        self._check_quiescent_state(cpu, rdp)
        if not self.machine.in_progress:
            self._accelerate(cpu, rdp)
        if rdp.cblist.ready():
            await self._rcu_do_batch(cpu, rdp)
            if rdp.cblist.ready():
                self.system.softirqs.raise_irqoff(cpu, Softirq.RCU)

    def _check_quiescent_state(self, cpu: Cpu, rdp: RcuData) -> None:
        """rcu_check_quiescent_state(): note what grace periods did; report, if there was a quiescent state since."""
        self._note_gp_changes(cpu, rdp)
        if rdp.core_needs_qs and not rdp.cpu_no_qs:
            rdp.core_needs_qs = False
            self.machine.tree.report_qs(rdp.mynode, cpu)

    async def _rcu_do_batch(self, cpu: Cpu, rdp: RcuData) -> None:
        """rcu_do_batch()."""
        system, mine = self.system, rdp.cblist
        limit = max(rdp.blimit, mine.n_cbs() >> _DIVISOR)
        until = cpu.clock + RESCHED_NS if self._in_softirq and limit > _LONG_BATCH else None
        between = self._between_in_thread if self.rules.bh_between_callbacks and not self._in_softirq else None
        done = mine.extract_done()
        count, extracted = 0, len(done)
        while done:
            head = done.popleft()
            count += 1
            cpu.clock += system.costs.callback_ns
            if head.inside is not None and not await self._may_be_invoked(cpu, head):
                continue
            await self._invoke(cpu, head)
            if between is not None:
                await between(cpu)
            if cpu.clock >= system.conductor.horizon:
                await cpu.point()
            if self._in_softirq and not cpu.ctx.preempt_count & preempt.SOFTIRQ_OFFSET:
                await self._let_softirqs_in(cpu)
            elif self._is_enough(cpu, count, limit, until):
                break
        mine.insert_done(extracted, done)
        self.invoked += count
        if system.events.on:
            system.emit(cpu, "rcu_batch_end", f"{self.machine.name} CBs-invoked={count} idle=....")
        self._worked_down(rdp)
        if len(mine.heads) != mine.n_cbs() or mine.stale:
            self._check_counts(cpu, mine)

    async def _invoke(self, cpu: Cpu, head: RcuHead) -> None:
        lockdep = self.system.lockdep
        head.queued = False
        if lockdep.on:
            lockdep.acquire(cpu, self.callback_map, read=RECURSIVE_READ, site="rcu_do_batch")
        await head.function(cpu)
        if lockdep.on:
            lockdep.release(cpu, self.callback_map)

    async def _let_softirqs_in(self, cpu: Cpu) -> None:
        """What rcu_do_batch() does after each callback when it is in no softirq.

        It is in one here; but a callback that has slept has lost that (schedule_debug()), and bottom halves are enabled
        that nobody has disabled.
        """
        softirqs = self.system.softirqs
        await softirqs.local_bh_enable(cpu)
        await softirqs.local_bh_disable(cpu.current)

    async def _may_be_invoked(self, cpu: Cpu, head: RcuHead) -> bool:
        """The head of an object is looked at; in one that is free there may be something else in its place."""
        memory = head.inside
        self.system.debug_objects.used(cpu, head)
        if memory is not None and memory.is_overwritten(head, head.queued_ns):
            cpu.judge.general_protection_fault(cpu, memory, f"the function of {head.name}")
            await contention.give_up(cpu)
        return True

    def _check_counts(self, cpu: Cpu, mine: CallbackList) -> None:
        """The end of rcu_do_batch(): what is counted must be there, or an rcu_head was queued twice.

        A batch that has interrupted another one counts what that one has not finished.
        """
        count, empty = mine.n_cbs(), mine.empty()
        segments = len(mine.heads)
        wrong = [(not count and not empty, "count == 0 && !empty"), (bool(count) and empty, "count != 0 && empty")]
        if self.rules.segments_are_counted:
            wrong.append((not empty and not segments, "!empty && rcu_segcblist_n_segment_cbs(&rdp->cblist) == 0"))
        for found, condition in wrong:
            if found:
                cpu.judge.warn_on_once(cpu, ViolationKind.DOUBLE_FREE, condition, "rcu_core")

    async def _between_in_thread(self, cpu: Cpu) -> None:
        """Between two callbacks of rcuc/N bottom halves are on: cond_resched() asks whether it may sleep."""
        softirqs = self.system.softirqs
        await softirqs.local_bh_enable(cpu)
        cpu.judge.might_sleep(cpu)
        await softirqs.local_bh_disable(cpu.current)

    def _is_enough(self, cpu: Cpu, count: int, limit: int, until: int | None) -> bool:
        """The limit counts where somebody else wants the CPU. A thread (PREEMPT_RT) goes on, and may be preempted."""
        if not self._in_softirq:
            return False
        if count >= limit and (cpu.need_resched or not cpu.idle):
            return True
        return until is not None and not count & 31 and cpu.clock >= until

    @staticmethod
    def _worked_down(rdp: RcuData) -> None:
        """The end of rcu_do_batch(): back to the usual limit, and to the usual patience."""
        left = rdp.cblist.n_cbs()
        if rdp.blimit >= MAX_BLIMIT and left <= QLOWMARK:
            rdp.blimit = BLIMIT
        if not left:
            rdp.qlen_last_fqs_check = 0
        elif left < rdp.qlen_last_fqs_check - QHIMARK:
            rdp.qlen_last_fqs_check = left
