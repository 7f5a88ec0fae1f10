"""Offloaded and lazy callbacks (kernel/rcu/tree_nocb.h): threads have them wait, and invoke them.

With rcu_nocbs=all no softirq invokes callbacks. A group of CPUs shares a thread, rcuog/N, that gives their callbacks
grace periods, sleeps until these have ended, and wakes each CPU's rcuop/N, which invokes what is ready. call_rcu()
wakes rcuog where the list was empty, by a timer if interrupts are off. Callbacks that come in a flood go to a second
list, the bypass, which is looked at two jiffies later. So do lazy ones (CONFIG_RCU_LAZY), for ten seconds, unless one
comes that is not: call_rcu_hurry(), as synchronize_rcu() and queue_rcu_work() have it, or rcu_barrier(), which empties
the bypass.

nocb_bypass_lock is not modelled: the bypass is under nocb_lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import isqrt
from typing import TYPE_CHECKING, Final

from ..context.locks import LockKind
from ..context.violation import ViolationKind
from ..kernel.messages import WakeUp
from ..kernel.thread import ThreadState
from ..kernel.time.timeouts import msleep
from ..kernel.time.timer import Timer
from . import seq as gp_seq
from .callbacks import QHIMARK, Callbacks, SchedulerActive
from .data import Callback, CallbackStatistics, RcuHead
from .nocb_data import NocbData, NocbGroup, Wake
from .rcu_barrier import rcu_barrier

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kernel.system import System
    from ..kernel.thread import Thread

_NOBYPASS_MS: Final = 16
"""nocb_nobypass_lim_per_jiffy: so many a millisecond go to the list itself."""
LAZY_FLUSH_S: Final = 10
"""LAZY_FLUSH_JIFFIES, in seconds."""
EINVAL: Final = -22


class OffloadedCallbacks(Callbacks):
    """The callback lists of all CPUs, of which those that are offloaded are here."""

    _cpus: dict[int, NocbData]
    _groups: dict[int, NocbGroup]

    def boot(self) -> None:
        """rcu_init_nohz(): all CPUs are offloaded, in groups of the square root of their number."""
        self._cpus, self._groups = {}, {}
        self._stride = max(1, isqrt(self.system.config.nr_cpus))
        self.machine.on_end.append(self._grace_period_ended)

    def nocb(self, cpu_id: int) -> NocbData:
        """The CPU's, made when it is first wanted."""
        found = self._cpus.get(cpu_id)
        if found is None:
            leader = cpu_id - cpu_id % self._stride
            group = self._groups.get(leader)
            if group is None:
                group = self._groups[leader] = self._new_group(leader)
            lock = self.system.lock_factory.make("&rdp->nocb_lock", LockKind.RAW_SPINLOCK)
            found = self._cpus[cpu_id] = NocbData(cpu_id, group, lock)
            group.members.append(found)
        return found

    def _new_group(self, leader: int) -> NocbGroup:
        group = NocbGroup(leader, self.system.lock_factory.make("&rdp->nocb_gp_lock", LockKind.RAW_SPINLOCK))

        async def do_nocb_deferred_wakeup_timer(on: Cpu) -> None:
            await self._wake_gp(on, group, force=group.deferred is Wake.FORCE)

        group.timer = Timer("do_nocb_deferred_wakeup_timer", do_nocb_deferred_wakeup_timer)
        return group

    def statistics(self) -> CallbackStatistics:
        """Their figures, as they are now."""
        base, lists = super().statistics(), self._cpus.values()
        return CallbackStatistics(
            waiting=base.waiting + sum(nocb.n_cbs() for nocb in lists),
            unassigned=base.unassigned + sum(nocb.cblist.unassigned + len(nocb.bypass) for nocb in lists),
            invoked=base.invoked,
        )

    def _jiffies(self, cpu: Cpu) -> int:
        return self.machine.jiffies(cpu.clock)

    # -- call_rcu ----------------------------------------------------------------------------------------------------

    async def call_rcu(self, cpu: Cpu, function: Callback, name: str, head: RcuHead | None = None) -> None:
        """call_rcu(): lazy where the kernel has that."""
        await self._call(cpu, function, name, head, lazy=self.rules.lazy_callbacks and self.system.config.RCU_LAZY)

    async def call_rcu_hurry(self, cpu: Cpu, function: Callback, name: str, head: RcuHead | None = None) -> None:
        """call_rcu_hurry(): never lazy."""
        await self._call(cpu, function, name, head, lazy=False)

    async def _call(self, cpu: Cpu, function: Callback, name: str, head: RcuHead | None, *, lazy: bool) -> None:
        """__call_rcu_common()."""
        nocb = self.nocb(cpu.cpu_id)
        if not nocb.offloaded:
            await super().call_rcu(cpu, function, name, head)
            return
        if head is None:
            head = RcuHead(function, name)
        elif self._debug_rcu_head_queue(cpu, head) or head.queued:
            return
        head.function, head.name, head.queued_ns = function, name, cpu.clock
        head.queued, head.seq = True, None
        flags = cpu.local_irq_save()
        if self.system.hooks.saves_stack is not None:
            await self.system.hooks.saves_stack(cpu.current, head.inside)
        cpu.clock += self.system.costs.call_rcu_ns
        if self.system.events.on:
            self.system.emit(cpu, "rcu_callback", f"{self.machine.name} rhp={name} func={name} {nocb.n_cbs() + 1}")
        lazy = lazy and self.scheduler_active is SchedulerActive.RUNNING
        await self._call_rcu_nocb(cpu, nocb, head, flags=flags, lazy=lazy)
        await cpu.local_irq_restore(flags)

    async def _call_rcu_nocb(self, cpu: Cpu, nocb: NocbData, head: RcuHead, *, flags: bool, lazy: bool) -> None:
        """call_rcu_nocb(), rcu_nocb_try_bypass(): to the list, or to the bypass; and wake who sees to it."""
        await self.system.locks.raw_spin_lock(cpu, nocb.lock)
        was_all_done, now = nocb.all_done(), self._jiffies(cpu)
        wake = was_all_done
        if not self._is_flood(nocb, now) and not lazy:
            nocb.flush(head)
        elif nocb.bypass and self._is_old(nocb, now, after=0):
            nocb.bypass_first = now
            nocb.flush(head)
        else:
            only_lazy = len(nocb.bypass) == nocb.lazy_len
            wake = was_all_done and (not nocb.bypass or (only_lazy and not lazy))
            if not nocb.bypass:
                nocb.bypass_first = now
            nocb.bypass.append(head)
            nocb.lazy_len += lazy
        await self.system.locks.raw_spin_unlock(cpu, nocb.lock)
        await self._call_rcu_nocb_wake(cpu, nocb, was_all_done=wake, flags=flags)

    def _is_flood(self, nocb: NocbData, now: int) -> bool:
        """That so many came within this jiffy that the bypass is to be used."""
        limit = _NOBYPASS_MS * 1000 // self.system.config.HZ
        if now == nocb.nobypass_last:
            nocb.nobypass_count += 1
        else:
            nocb.nobypass_last = now
            nocb.nobypass_count = min(max(nocb.nobypass_count - limit, 0), limit)
        return nocb.nobypass_count >= limit and self.scheduler_active is SchedulerActive.RUNNING

    def _is_old(self, nocb: NocbData, now: int, *, after: int) -> bool:
        """The bypass has been used for longer than that many jiffies, or as long as lazy ones may wait; or is full."""
        if len(nocb.bypass) == nocb.lazy_len:
            after = LAZY_FLUSH_S * self.system.config.HZ
        return now > nocb.bypass_first + after or len(nocb.bypass) >= (QHIMARK if not after else 2 * QHIMARK)

    async def _call_rcu_nocb_wake(self, cpu: Cpu, nocb: NocbData, *, was_all_done: bool, flags: bool) -> None:
        """__call_rcu_nocb_wake()."""
        group, length = nocb.group, nocb.n_cbs()
        if was_all_done:
            nocb.qlen_last_fqs_check = length
            if nocb.lazy_len and len(nocb.bypass) == nocb.lazy_len:
                await self._defer(cpu, group, Wake.LAZY)
            elif not flags:
                await self._wake_gp(cpu, group)
            else:
                await self._defer(cpu, group, Wake.WAKE)
        elif length > nocb.qlen_last_fqs_check + QHIMARK:
            nocb.qlen_last_fqs_check = length
            if not group.timer.pending:
                await self._defer(cpu, group, Wake.FORCE)

    async def _defer(self, cpu: Cpu, group: NocbGroup, wake: Wake) -> None:
        """wake_nocb_gp_defer(): the group's timer wakes its thread, when that is safe or time."""
        locks, timers = self.system.locks, self.system.timers
        flags = cpu.local_irq_save()
        await locks.raw_spin_lock(cpu, group.lock)
        if wake is Wake.LAZY:
            if group.deferred is Wake.NOT:
                await timers.mod_timer(cpu, group.timer, LAZY_FLUSH_S * self.system.config.HZ)
                group.deferred = wake
        elif wake is Wake.BYPASS:
            await timers.mod_timer(cpu, group.timer, 2)
            group.deferred = wake
        else:
            if group.deferred < Wake.WAKE:
                await timers.mod_timer(cpu, group.timer, 1)
            group.deferred = max(group.deferred, wake)
        await locks.raw_spin_unlock(cpu, group.lock)
        await cpu.local_irq_restore(flags)

    async def _wake_gp(self, cpu: Cpu, group: NocbGroup, *, force: bool = False) -> None:
        """wake_nocb_gp()."""
        locks = self.system.locks
        flags = cpu.local_irq_save()
        await locks.raw_spin_lock(cpu, group.lock)
        if group.deferred is not Wake.NOT:
            group.deferred = Wake.NOT
            await self.system.timers.timer_delete(cpu, group.timer)
        wake = force or group.sleeps
        group.sleeps = False
        await locks.raw_spin_unlock(cpu, group.lock)
        await cpu.local_irq_restore(flags)
        if wake:
            await self._wake(cpu, self._gp_thread(cpu, group))

    @staticmethod
    async def _wake(cpu: Cpu, thread: Thread) -> None:
        if thread.state is ThreadState.SLEEPING:
            await cpu.wake_up_process(thread)

    # -- rcuog -------------------------------------------------------------------------------------------------------

    def _gp_thread(self, cpu: Cpu, group: NocbGroup) -> Thread:
        """It has slept since boot."""
        if group.thread is None:

            async def rcu_nocb_gp_kthread() -> None:
                while True:
                    await self._nocb_gp_wait(group)

            group.thread = self._spawn(cpu, f"rcuog/{group.leader}", rcu_nocb_gp_kthread)
        return group.thread

    def _spawn(self, cpu: Cpu, comm: str, body: Callable[[], object]) -> Thread:
        system: System = self.system
        return system.create_thread(cpu, comm, body, service=True, bound=False)  # type: ignore[arg-type]  # a coroutine function

    def _grace_period_ended(self, clock: int) -> None:
        """rcu_nocb_gp_cleanup(): the grace-period kthread wakes whoever has waited for that."""
        for group in self._groups.values():
            thread = group.thread
            if thread is not None and thread.state is ThreadState.SLEEPING:
                message = WakeUp(sender=self.machine.name, time_ns=clock, thread=thread, sleep=thread.sleeps)
                self.system.conductor.post(thread.cpu, message)

    async def _nocb_gp_wait(self, group: NocbGroup) -> None:
        """nocb_gp_wait(): see to each CPU's, then sleep until a grace period has ended or somebody wakes it."""
        thread = group.thread
        assert thread is not None
        wanted: int | None = None
        deferred = Wake.NOT
        for nocb in list(group.members):
            seq, more = await self._see_to(thread, nocb)
            if seq is not None and (wanted is None or seq < wanted):
                wanted = seq
            # A bypass that cannot wait goes before one that can.
            deferred = more if more is Wake.BYPASS or deferred is Wake.NOT else deferred
        if deferred is not Wake.NOT:
            await self._defer(thread.cpu, group, deferred)

        def woken() -> bool:
            return not group.sleeps or (wanted is not None and gp_seq.done(self.machine.root.gp_seq, wanted))

        await _sleep_until(thread, woken, "callbacks to see to")
        cpu, flags = thread.local_irq_save()
        await self.system.locks.raw_spin_lock(cpu, group.lock)
        if group.deferred is not Wake.NOT:
            group.deferred = Wake.NOT
            await self.system.timers.timer_delete(cpu, group.timer)
        group.sleeps = True
        await self.system.locks.raw_spin_unlock(cpu, group.lock)
        await cpu.local_irq_restore(flags)

    async def _see_to(self, thread: Thread, nocb: NocbData) -> tuple[int | None, Wake]:
        """One CPU's: which grace period they wait for, if for any, and whether its bypass is to be looked at again."""
        machine, locks = self.machine, self.system.locks
        if not nocb.offloaded:
            return None, Wake.NOT
        cpu, flags = thread.local_irq_save()
        await locks.raw_spin_lock(cpu, nocb.lock)
        now = self._jiffies(cpu)
        if nocb.bypass and self._is_old(nocb, now, after=1):
            nocb.flush()
        more = Wake.NOT
        if nocb.bypass:
            more = Wake.LAZY if len(nocb.bypass) == nocb.lazy_len else Wake.BYPASS
        mine = nocb.cblist
        mine.done_seq = machine.root.gp_seq & ~gp_seq.PHASE_MASK
        wanted = gp_seq.snap(machine.gp_seq)
        if mine.accelerate(wanted):
            machine.rcu_start_this_gp(cpu, wanted)
        seq = None if mine.all_ready() else mine.first_waited_for()
        wake = mine.ready() and nocb.cb_sleeps
        nocb.cb_sleeps = nocb.cb_sleeps and not wake
        await locks.raw_spin_unlock(cpu, nocb.lock)
        await cpu.local_irq_restore(flags)
        if wake:
            await self._wake(thread.cpu, self._cb_thread(thread.cpu, nocb))
        return seq, more

    # -- rcuop -------------------------------------------------------------------------------------------------------

    def _cb_thread(self, cpu: Cpu, nocb: NocbData) -> Thread:
        if nocb.thread is None:

            async def rcu_nocb_cb_kthread() -> None:
                while True:
                    await self._nocb_cb_wait(nocb)

            abbreviation = self.machine.name[4]
            nocb.thread = self._spawn(cpu, f"rcuo{abbreviation}/{nocb.cpu_id}", rcu_nocb_cb_kthread)
        return nocb.thread

    async def _nocb_cb_wait(self, nocb: NocbData) -> None:
        """nocb_cb_wait(): invoke what is ready, then wait for more."""
        thread = nocb.thread
        assert thread is not None
        await _sleep_until(thread, lambda: not nocb.cb_sleeps or nocb.should_park, "callbacks that are ready")
        if nocb.should_park and (nocb.cb_sleeps or self.rules.nocb_parks_with_callbacks):
            nocb.parked = True
            await _sleep_until(thread, lambda: not nocb.should_park, "to be unparked")
            nocb.parked = False
        await self._do_batch(thread, nocb)
        cpu, flags = thread.local_irq_save()
        await self.system.locks.raw_spin_lock(cpu, nocb.lock)
        nocb.cb_sleeps = not nocb.cblist.ready()
        await self.system.locks.raw_spin_unlock(cpu, nocb.lock)
        await cpu.local_irq_restore(flags)

    async def _do_batch(self, thread: Thread, nocb: NocbData) -> None:
        """rcu_do_batch() in such a thread: bottom halves are on between two callbacks, and it may give way."""
        system, softirqs = self.system, self.system.softirqs
        cpu = await softirqs.local_bh_disable(thread)
        done = nocb.cblist.extract_done()
        count = len(done)
        for head in done:
            cpu.clock += system.costs.callback_ns
            if head.inside is None or await self._may_be_invoked(cpu, head):
                await self._invoke(cpu, head)
            await softirqs.local_bh_enable(cpu)
            await thread.cond_resched()
            cpu = await softirqs.local_bh_disable(thread)
        nocb.cblist.insert_done(count, deque())
        self.invoked += count
        if count and system.events.on:
            system.emit(cpu, "rcu_batch_end", f"{self.machine.name} CBs-invoked={count} idle=....")
        await softirqs.local_bh_enable(cpu)

    # -- who waits for them ------------------------------------------------------------------------------------------

    async def entrain_offloaded(self, thread: Thread, head: Callable[[], RcuHead]) -> int:
        """rcu_barrier_entrain(): behind what each CPU has, the bypass included; who has slept over it is woken."""
        count = 0
        for _, nocb in sorted(self._cpus.items()):
            if not nocb.n_cbs():
                continue
            cpu, flags = thread.local_irq_save()
            await self.system.locks.raw_spin_lock(cpu, nocb.lock)
            was_all_done = nocb.all_done()
            nocb.flush()
            wake = was_all_done and not nocb.all_done() and self.rules.lazy_callbacks
            nocb.cblist.entrain(head())
            count += 1
            await self.system.locks.raw_spin_unlock(cpu, nocb.lock)
            if wake:
                # With interrupts off, as under rcu_state.barrier_lock: the caller may not come to another CPU.
                await self._wake_gp(cpu, nocb.group)
            await cpu.local_irq_restore(flags)
        return count

    async def rcu_nocb_cpu_deoffload(self, thread: Thread, cpu_id: int) -> int:
        """rcu_nocb_cpu_deoffload(): its callbacks are the softirq's from now on; -EINVAL while the CPU is online.

        Might sleep, and says so: for cpus_read_lock(), and for a mutex that nobody else has here.
        """
        thread.cpu.judge.might_sleep(thread.cpu)
        nocb = self.nocb(cpu_id)
        if not nocb.offloaded:
            return 0
        if cpu_id in self.system.masks.online():
            return EINVAL
        await rcu_barrier(self, thread)
        await self._park(thread, nocb)
        if nocb.n_cbs():
            cpu, kind = thread.cpu, ViolationKind.BAD_CONTEXT
            cpu.judge.warn_on_once(cpu, kind, "rcu_segcblist_n_cbs(&rdp->cblist)", "rcu_nocb_rdp_deoffload")
        nocb.offloaded = False
        return 0

    async def rcu_nocb_cpu_offload(self, thread: Thread, cpu_id: int) -> int:
        """rcu_nocb_cpu_offload(): the way back. Might sleep, too."""
        thread.cpu.judge.might_sleep(thread.cpu)
        nocb = self.nocb(cpu_id)
        if nocb.offloaded:
            return 0
        if cpu_id in self.system.masks.online():
            return EINVAL
        nocb.offloaded, nocb.should_park = True, False
        if nocb.thread is not None:
            await self._wake(thread.cpu, nocb.thread)
        return 0

    async def _park(self, thread: Thread, nocb: NocbData) -> None:
        """kthread_park(): until it is parked."""
        nocb.should_park = True
        while nocb.thread is not None and not nocb.parked:
            await self._wake(thread.cpu, nocb.thread)
            await msleep(self.system, thread, 1)


async def _sleep_until(thread: Thread, come: Callable[[], bool], reason: str) -> None:
    """swait_event_interruptible_exclusive()."""
    while not come():
        thread.prepare_to_sleep()
        if come():
            thread.set_running()
            return
        await thread.sleep(reason)
