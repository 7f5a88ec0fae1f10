"""The grace-period machine (kernel/rcu/tree.c, rcu_gp_kthread()): an actor that collects quiescent states.

Every CPU must be seen outside of read-side sections once. Busy CPUs note a grace period at their next tick, and report
from the softirq of a later one (quiescent.py, callbacks.py); idle ones are found by forced-quiescent-state scans, at
times that the wheel rounds up. Readers switched out are waited for. rcu_gp_init(), _fqs() and _cleanup() are its steps.

The first and the last go through the nodes one by one, and through counters that are never all advanced at once:
rcu_state.gp_seq first at the start, last at the end. Those are points, between which others act, where somebody could
tell: who polls a counter, a CPU that comes or goes, a tree of several levels. Else all is one step. The kernel's
machine is a thread on some CPU; here it has a line of time of its own, and where it would have run hears of it. On
PREEMPT_RT it is a thread of the lowest real-time priority, which no idle CPU attracts: it stays where it was, and
begins when who runs there may be preempted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import attrs

from ..engine.device import Device
from ..engine.probe import Access, Probe
from ..kernel.time.wheel import wheel_expiry
from ..marks import machinery
from . import seq as gp_seq
from .data import RcuDatas
from .geometry import is_set_by_hand, rcu_init_geometry
from .gp_host import select_idle_sibling, select_task_rq_rt
from .gp_times import stall_timeout_jiffies, till_scan, till_sched_qs
from .messages import GpKthreadRan, GpKthreadWoken
from .nodes import RcuTree
from .sequences import PolledSequences

if TYPE_CHECKING:
    from ..engine.actor import Message
    from ..kernel.cpu import Cpu
    from ..kernel.system import System
    from ..kernel.thread import Thread
    from .data import RcuData
    from .nodes import RcuNode
    from .probes import RcuProbes
    from .sr_normal import SynchronizeRequests

_PID: Final = 14


@attrs.frozen(kw_only=True)
class GracePeriodStatistics:
    """The grace-period machine.

    * `gp_seq` (number): rcu_state.gp_seq, four to a grace period, its low two bits set while one is in progress.
    * `completed` (grace periods): that ended.
    * `in_progress` (yes or no): one has begun and not ended.
    * `cpus_waited_for` (CPUs): whose quiescent state it lacks.
    * `readers_waited_for` (threads): switched out in a section that keeps it from ending.
    * `scans` (scans): for idle CPUs, since boot (rcu_state.n_force_qs).
    """

    gp_seq: int
    completed: int
    in_progress: bool
    cpus_waited_for: int
    readers_waited_for: int
    scans: int


class GracePeriodMachine(Device):
    """struct rcu_state, and its kthread: begins a grace period that is asked for, ends it when all were quiescent."""

    def __init__(self, system: System, *, index: int, probes: RcuProbes, spawned: bool = True) -> None:
        """`spawned`: the kthread is there already, which in early boot it is not."""
        super().__init__(name="rcu_preempt" if system.config.preemptible_kernel else "rcu_sched", index=index)
        self._system = system
        self.probes = probes
        self._access = system.conductor.probes.access
        config = system.config
        geometry, offline = rcu_init_geometry(config), system.masks.offline()
        self.tree = RcuTree(geometry, system.cpus, self._wake, self._access, offline=offline)
        system.hooks.on_new_cpu.append(self.tree.cpu_is_touched)
        self.data = RcuDatas(system.masks, self.tree.mynode)
        self.gp_seq = gp_seq.INITIAL
        self.sequences = PolledSequences()
        self._watched = is_set_by_hand(config)
        """Somebody could tell the steps of a start or an end apart."""
        self._init_wanted = False
        """RCU_GP_FLAG_INIT."""
        self._spawned = spawned
        self.completed = 0
        self.n_force_qs = 0
        self.n_force_qs_gpstart = 0
        self.gp_start = 0
        """In jiffies."""
        self.till_first_fqs = till_scan(config.jiffies_till_first_fqs, system, at_least=0)
        self.till_next_fqs = till_scan(config.jiffies_till_next_fqs, system, at_least=1)
        self.till_sched_qs = till_sched_qs(self.till_first_fqs, self.till_next_fqs, system)
        """jiffies_to_sched_qs (adjust_jiffies_till_sched_qs())."""
        self.requests: SynchronizeRequests | None = None
        """Whom it wakes itself out of synchronize_rcu(), where it does."""
        self.on_end: list[Callable[[int], None]] = []
        """Who is to hear, with the time, that one has ended (rcu_nocb_gp_cleanup())."""
        self._next_scan: int | None = None
        self._host: Cpu | None = None
        self._real_time = config.PREEMPT_RT
        self._kept_off: Cpu | None = None
        """Where it was woken and cannot begin yet."""
        self._scan_then: int | None = None
        """When it would have scanned next, had it not been woken."""
        self._force = False
        if self._real_time:
            system.hooks.on_switch.append(self._switched)
        costs = system.costs
        self._till_runs_ns = (
            costs.irq_entry_ns + costs.tick_ns + costs.softirq_ns + costs.wake_up_ns + costs.context_switch_ns
        )
        """From a tick to the thread whose time-out that tick's timer softirq has found."""

    def statistics(self) -> GracePeriodStatistics:
        """Its figures, as they are now."""
        return GracePeriodStatistics(
            gp_seq=self.gp_seq,
            completed=self.completed,
            in_progress=self.in_progress,
            cpus_waited_for=len(self.tree.waited_for()),
            readers_waited_for=len(self.tree.readers_waited_for()),
            scans=self.n_force_qs,
        )

    @property
    def in_progress(self) -> bool:
        """rcu_gp_in_progress()."""
        return gp_seq.in_progress(self.gp_seq)

    @property
    def expedited_sequence(self) -> int:
        """rcu_state.expedited_sequence."""
        return self.sequences.expedited_sequence

    def expedited_endval(self) -> int:
        """rcu_exp_gp_seq_endval(): the counter's value when the present one has ended."""
        return gp_seq.end(self.sequences.expedited_sequence)

    def rcu_exp_gp_seq_start(self) -> None:
        """rcu_exp_gp_seq_start(): an expedited one begins."""
        self._written()
        self.sequences.expedited_begins()

    def rcu_exp_gp_seq_end(self) -> None:
        """rcu_exp_gp_seq_end()."""
        self._written()
        self.sequences.expedited_ends()

    def jiffies(self, clock: int) -> int:
        """What jiffies are at that time."""
        return clock // self._system.config.jiffy_ns

    @property
    def root(self) -> RcuNode:
        """rcu_get_root()."""
        return self.tree.root

    # -- what CPUs want of it ----------------------------------------------------------------------------------------

    @machinery
    def rcu_start_this_gp(self, cpu: Cpu, wanted: int) -> None:
        """rcu_start_this_gp(): ask for the grace period that ends at `wanted`; a present one begins it as it ends.

        From the CPU's leaf to the root, unless it has been asked for on the way, or its end will look there.
        """
        leaf = node = self.data[cpu.cpu_id].mynode
        while True:
            known = gp_seq.cmp_ge(node.gp_seq_needed, wanted) or gp_seq.started(node.gp_seq, wanted)
            if known or (node is not leaf and gp_seq.in_progress(node.gp_seq)):
                break
            node.gp_seq_needed = wanted
            self._written()
            if gp_seq.in_progress(node.gp_seq):
                break
            if node.parent is None:
                self._begin_wanted(cpu)
                break
            node = node.parent
        if not gp_seq.cmp_ge(wanted, node.gp_seq_needed):
            leaf.gp_seq_needed = node.gp_seq_needed

    def _begin_wanted(self, cpu: Cpu) -> None:
        if not self.in_progress:
            self._init_wanted = True
            if self._spawned:
                self._wake(cpu)

    @machinery
    def rcu_force_quiescent_state(self, cpu: Cpu) -> None:
        """rcu_force_quiescent_state(): scan now."""
        self._system.conductor.post(self, GpKthreadWoken(sender=cpu.name, time_ns=cpu.clock, cpu=cpu, force=True))

    def _wake(self, cpu: Cpu) -> None:
        """rcu_gp_kthread_wake()."""
        self._system.conductor.post(self, GpKthreadWoken(sender=cpu.name, time_ns=cpu.clock, cpu=cpu))

    def early_boot_grace_period(self) -> None:
        """synchronize_rcu() where its caller is a grace period (rcu_blocking_is_gp()): for those who poll it counts.

        rcu_scheduler_starting() has the other nodes follow; here they do at once.
        """
        self.sequences.normal_begins()
        self.sequences.normal_ends()
        self.gp_seq += gp_seq.PHASE_MASK + 1
        for node in self.tree.breadth_first():
            node.gp_seq = node.gp_seq_needed = self.gp_seq
        self.tree.all_begun(self.gp_seq)

    def early_boot_expedited(self) -> None:
        """The same of synchronize_rcu_expedited()."""
        self.sequences.expedited_begins()
        self.sequences.expedited_ends()

    def rcu_spawn_gp_kthread(self, cpu: Cpu) -> None:
        """rcu_spawn_gp_kthread(): early boot is over, and what was asked for meanwhile begins."""
        self._spawned = True
        if self._init_wanted:
            self._wake(cpu)

    # -- the kthread -------------------------------------------------------------------------------------------------

    @machinery
    async def main(self) -> None:
        """rcu_gp_kthread(): wait for requests, reports and the time of the next scan, for ever."""
        while True:
            message = await self._system.conductor.receive(self, self._next_scan)
            if self._wakes_for_nothing(message):
                continue
            if not self._real_time or self._gets_its_cpu(message):
                await self._run(message)

    def _wakes_for_nothing(self, message: Message | None) -> bool:
        """Whoever asked for this grace period woke it when it had begun by itself: swait_event() goes on sleeping."""
        if message is None or not self.in_progress or self.tree.all_quiescent():
            return False
        assert isinstance(message, GpKthreadWoken)
        return not message.force

    # -- on PREEMPT_RT -----------------------------------------------------------------------------------------------

    def _gets_its_cpu(self, message: Message | None) -> bool:
        """Whether it preempts what runs where it was put; if not, it waits for the scheduler there."""
        host = self._host
        if message is not None:
            assert isinstance(message, GpKthreadWoken)
            self._host = host = select_task_rq_rt(self._host or message.cpu, self._system.cpus, self.tree)
        if host is None or host.idle or host.ctx.preemptible():
            return True
        self._kept_off = host
        self._force |= message is None or message.force
        if self._next_scan is not None:
            self._scan_then, self._next_scan = self._next_scan, None
        host.resched_curr()
        host.kick()
        return False

    def _switched(self, cpu: Cpu, _leaving: Thread, _preempted: bool) -> None:
        """The CPU on which it waits calls the scheduler, which takes it first."""
        if cpu is self._kept_off:
            self._kept_off, force, self._force = None, self._force, False
            if not force:
                # What woke it is no reason to scan: it goes on waiting for the time of that.
                self._next_scan = self._scan_then
            self._scan_then = None
            woken = GpKthreadWoken(sender=cpu.name, time_ns=cpu.clock, cpu=cpu, force=force)
            self._system.conductor.post(self, woken)

    def leave_cpu(self, cpu: Cpu) -> None:
        """The CPU goes: a thread that was there, or waits for the scheduler there, is on another one from now on."""
        if cpu is self._host:
            self._host = None
        self._switched(cpu, cpu.current, False)

    # -- its steps ---------------------------------------------------------------------------------------------------

    async def _run(self, message: Message | None) -> None:
        tree, before = self.tree, self.gp_seq
        self._written()
        if message is not None:
            assert isinstance(message, GpKthreadWoken)
            if not self._real_time:
                self._host = select_idle_sibling(message.cpu, self._system.cpus, self.tree)
        # rcu_gp_fqs_loop(): a grace period that is over is not scanned for.
        if self.in_progress and not tree.all_quiescent() and (message is None or message.force):
            self._force_quiescent_states()
        if self.in_progress and tree.all_quiescent():
            await self._end()
        if not self.in_progress and self._init_wanted:
            await self._start()
        if self.gp_seq != before and self._host is not None:
            message = GpKthreadRan(sender=self.name, time_ns=self.clock)
            self._system.conductor.post(self._host, message)

    def _here(self) -> Cpu:
        return self._host or self._system.cpu(0)

    async def _start(self) -> None:
        """rcu_gp_init(): rcu_state's counter; which CPUs are there, leaf by leaf; whom to wait for, the root first."""
        tree = self.tree
        leaves = tree.leaves()
        each = self._spend(self._system.costs.gp_init_ns, 1 + len(leaves) + sum(map(len, tree.levels)))
        self._init_wanted = False
        again = self.requests is not None and self.requests.gp_init()
        self.gp_seq = gp_seq.start(self.gp_seq)
        self._emit("start")
        self.sequences.normal_begins()
        if again:
            self.rcu_start_this_gp(self._here(), gp_seq.snap(self.gp_seq))
        await self._step(0)
        for leaf in leaves:
            leaf.scan_hotplug()
            await self._step(each)
        for node in tree.breadth_first():
            tree.begin(node, self.gp_seq)
            await self._step(each)
        tree.all_begun(self.gp_seq)
        self.gp_start = self.jiffies(self.clock)
        self.n_force_qs_gpstart = self.n_force_qs
        for rdp in self.data.values():
            rdp.idle_entries_snap = None
        self._tell(self.probes.gp_started)
        self._scan_in(self.till_first_fqs)

    def _spend(self, ns: int, steps: int) -> int:
        """What takes so long in all begins; where it is one step all of it passes now. What each step takes, else."""
        each = ns // steps if self._watched else 0
        self.clock += each if self._watched else ns
        return each

    async def _step(self, ns: int) -> None:
        """Others may see what was done so far, where anybody could tell."""
        if self._watched:
            self.clock += ns
            await self._system.conductor.pause(self)
            self._written()

    def _scan_in(self, jiffies: int) -> None:
        """swait_event_idle_timeout_exclusive()."""
        now = self.jiffies(self.clock)
        if jiffies:
            self._next_scan = wheel_expiry(now, now + jiffies) * self._system.config.jiffy_ns + self._till_runs_ns
        else:
            self._next_scan = self.clock

    def _force_quiescent_states(self) -> None:
        """rcu_gp_fqs(): those that idle, or have idled since the first look, are quiescent; the others are urged."""
        tree = self.tree
        self.clock += self._system.costs.fqs_ns
        self.n_force_qs += 1
        self._emit("fqsstart")
        tree.untouched = False
        for cpu in tree.waited_for():
            rdp = self.data[cpu.cpu_id]
            first = rdp.idle_entries_snap is None
            if cpu.in_idle_loop or not (first or rdp.idle_entries == rdp.idle_entries_snap):
                # As rcu_disable_urgency_upon_qs() has it: nobody waits for it any more.
                rdp.rcu_urgent_qs = False
                tree.found_quiescent(rdp.mynode, cpu.cpu_id)
            elif first:
                rdp.idle_entries_snap = rdp.idle_entries
            else:
                self._urge(cpu, rdp)
        self._emit("fqsend")
        self._scan_in(self.till_next_fqs)

    def _urge(self, cpu: Cpu, rdp: RcuData) -> None:
        """The rest of rcu_implicit_dynticks_qs(): a CPU that keeps the grace period waiting for long."""
        now = self.jiffies(self.clock)
        if now > self.gp_start + self.till_sched_qs:
            rdp.rcu_urgent_qs = True
        halfway = self.gp_start + stall_timeout_jiffies(self._system) // 2
        if now > halfway and now > rdp.last_fqs_resched + self.till_sched_qs:
            rdp.last_fqs_resched = now
            cpu.resched_curr()
            cpu.kick()

    async def _end(self) -> None:
        """rcu_gp_cleanup(): each node's counter, the root's first; rcu_state's last."""
        tree, after = self.tree, gp_seq.end(self.gp_seq)
        each = self._spend(self._system.costs.gp_cleanup_ns, 1 + sum(map(len, tree.levels)))
        self._tell_step("cleanup")
        self.sequences.normal_ends()
        self._system.all_cpus_seen(self, self.root)
        await self._step(0)
        for node in tree.breadth_first():
            self._init_wanted |= tree.end(node, after)
            await self._step(each)
        tree.all_begun(after)
        self.gp_seq = after
        self._init_wanted |= not gp_seq.cmp_ge(after, self.root.gp_seq_needed)
        self.completed += 1
        for wake in self.on_end:
            wake(self.clock)
        if self.requests is not None:
            self.requests.gp_cleanup(self.clock, self._here())
        self._next_scan = None
        self._emit("end")
        self._tell(self.probes.gp_ended)

    def _tell(self, happened: Probe[[int, int]]) -> None:
        if happened.on:
            happened(self.gp_seq, self.clock)

    @machinery
    def looked_at(self) -> None:
        """A CPU reads what the kthread and others write (rcu_state.gp_seq, rcu_node)."""
        if self._access.on:
            self._access(self.root, Access.READ)

    def _written(self) -> None:
        if self._access.on:
            self._access(self.root, Access.WRITE)

    def watched(self) -> None:
        """Somebody reads a counter that others than the kthread's own are compared with, or CPUs come and go.

        From here on the steps of a start and of an end are points.
        """
        self._watched = True
        self.looked_at()

    def emit_at(self, cpu: Cpu, seq: int, what: str) -> None:
        """The same of what a CPU does to a grace period, or it to the CPU."""
        if self._system.events.on:
            self._system.emit(cpu, "rcu_grace_period", f"{self.name} {seq} {what}")

    def _tell_step(self, what: str) -> None:
        if self.probes.gp_step.on:
            self.probes.gp_step(self.gp_seq, what, self.clock)

    def _emit(self, what: str) -> None:
        self._tell_step(what)
        if self._system.events.on:
            text = f"{self.name} {self.gp_seq} {what}"
            self._system.emit_device(self.name, _PID, self.clock, "rcu_grace_period", text)
