"""High-resolution timers and the device behind them (kernel/time/hrtimer.c): hrtimer_start(), hrtimer_interrupt().

Each CPU has a queue under a raw lock; starting a timer only enqueues it and programs the clock event device, which is
why it is legal under the scheduler's locks. The device is an actor: it is told the next expiry of each CPU and
interrupts it then. Handlers run in hardirq; those marked SOFT, and on PREEMPT_RT all that are not marked HARD, run in
the HRTIMER softirq instead (__hrtimer_init()). In hardirq a handler not marked HARD may take spinlock_t
(lockdep_hrtimer_enter()).
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from heapq import heappop, heappush
from typing import TYPE_CHECKING, ClassVar

import attrs

from ...context.locks import Lock, LockKind
from ...context.memory import Memory
from ...context.violation import ViolationKind
from ...engine.device import Device
from ...marks import machinery, stands_for
from ..debugobjects import Descr
from ..hotplug.states import CpuhpState
from ..irq.softirq import Softirq
from ..locking import contention
from ..messages import HardIrq, HrtimerArmed, HrtimerCancelled
from ..percpu import PerCpu

if TYPE_CHECKING:
    from ...engine.conductor import Conductor
    from ..cpu import Cpu
    from ..system import System
    from ..thread import Thread

Function = Callable[["Cpu"], Awaitable[int | None]]
"""A timer's handler. It returns the virtual time of its next expiry, or None (HRTIMER_NORESTART)."""


@attrs.define(eq=False)
class Hrtimer:
    """struct hrtimer. `hard` is HRTIMER_MODE_HARD, `soft` HRTIMER_MODE_SOFT."""

    name: str
    function: Function
    hard: bool = False
    soft: bool = False
    ticket: int = 0
    expires_ns: int = 0
    inside: Memory | None = None
    known: bool = True
    """Debug objects track it."""
    cpu_id: int = -1

    def identity(self) -> str:
        """For decisions: by its name."""
        return self.name


@attrs.define(eq=False)
class _Base:
    """struct hrtimer_cpu_base: one CPU's queue. `programmed` is what the device was told.

    `softirq_expiry_lock` is PREEMPT_RT's: held while the softirq runs timers, so that one can wait for them.
    """

    lock: Lock
    softirq_expiry_lock: Lock | None
    queue: list[tuple[int, int, Hrtimer]] = attrs.field(factory=list)
    expired_soft: list[Hrtimer] = attrs.field(factory=list)
    programmed: int | None = None
    online: bool = True
    """Its CPU's clock event device works."""
    running: list[Hrtimer] = attrs.field(factory=list)
    """Those whose handler has been called and has not returned: one in hardirq, one in the softirq."""
    waiters: list[Thread] = attrs.field(factory=list)
    """Who spins until one of these has ended (hrtimer_cancel())."""

    def queued(self) -> int:
        return sum(timer.ticket == ticket for _, ticket, timer in self.queue) + len(self.expired_soft)

    def next_expiry(self) -> int | None:
        while self.queue and self.queue[0][2].ticket != self.queue[0][1]:
            heappop(self.queue)
        return self.queue[0][0] if self.queue else None


@attrs.frozen(kw_only=True)
class HrtimerStatistics:
    """The high-resolution timers of all CPUs.

    * `queued` (timers): that will expire, the ticks of busy CPUs included.
    * `started` (times): hrtimer_start() was called.
    * `expired` (times): a handler was called, the ticks' included.
    """

    queued: int
    started: int
    expired: int


class Hrtimers:
    """The timers of all CPUs, and the device actor."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._bases = PerCpu(self._new_base, system.masks)
        self._tickets = itertools.count(1)
        self.device = ClockEventDevice(system.conductor, self, index=system.next_actor_index())
        self.started = 0
        self.expired = 0
        system.debug_objects.register(
            Hrtimer,
            Descr(
                name="hrtimer",
                option=lambda config: config.DEBUG_OBJECTS_TIMERS,
                active=self._active,
                hint=lambda timer: timer.name,
                stop=self._hrtimer_fixup_free,
            ),
        )
        system.hotplug.sets_up(self._set_up)

    def _set_up(self) -> None:
        setup_state, dying = self._system.hotplug.setup_state, self._system.rules.hrtimers_leave_dying_cpus
        setup_state(
            CpuhpState.HRTIMERS_PREPARE,
            "hrtimers:prepare",
            startup=self.hrtimers_prepare_cpu,
            teardown=None if dying else self.hrtimers_dead_cpu,
        )
        if dying:
            setup_state(CpuhpState.AP_HRTIMERS_DYING, "hrtimers:dying", teardown=self.hrtimers_cpu_dying)

    def _active(self, timer: Hrtimer) -> bool:
        return bool(timer.ticket) or any(timer in base.expired_soft for base in self._bases.values())

    async def _hrtimer_fixup_free(self, thread: Thread, timer: Hrtimer) -> None:
        """hrtimer_fixup_free(): hrtimer_cancel()."""
        await self.hrtimer_cancel(thread, timer)

    def _new_base(self, _cpu_id: int) -> _Base:
        make, rt = self._system.lock_factory.make, self._system.config.PREEMPT_RT
        lock = make("hrtimer_bases.lock", LockKind.RAW_SPINLOCK)
        return _Base(lock, make("&base->softirq_expiry_lock", LockKind.SPINLOCK) if rt else None)

    def statistics(self) -> HrtimerStatistics:
        """Their figures, as they are now."""
        queued = sum(base.queued() for base in self._bases.values())
        return HrtimerStatistics(queued=queued, started=self.started, expired=self.expired)

    def base(self, cpu: Cpu) -> _Base:
        """The CPU's timer base."""
        return self._bases[cpu.cpu_id]

    async def hrtimer_start(self, cpu: Cpu, timer: Hrtimer, delay_ns: int) -> None:
        """hrtimer_start(HRTIMER_MODE_REL) on this CPU; a timer that is queued moves."""
        system, base = self._system, self.base(cpu)
        if timer.inside is not None:
            system.debug_objects.used(cpu, timer, "activate")
        if not base.online:
            await self._start_on_dying_cpu(cpu, timer, delay_ns)
            return
        flags = cpu.local_irq_save()
        await system.locks.raw_spin_lock(cpu, base.lock)
        self.enqueue(cpu, timer, cpu.clock + delay_ns, late_ns=system.lateness.late_by(timer))
        cpu.clock += system.costs.hrtimer_start_ns
        self.started += 1
        if system.events.on:
            mode = "REL|HARD" if timer.hard else "REL|SOFT" if timer.soft else "REL"
            system.emit(
                cpu,
                "hrtimer_start",
                f"hrtimer={timer.name} function={timer.name} expires={timer.expires_ns} "
                f"softexpires={timer.expires_ns} mode={mode}",
            )
        await system.locks.raw_spin_unlock(cpu, base.lock)
        await cpu.local_irq_restore(flags)

    @stands_for("enqueue_hrtimer")
    async def _start_on_dying_cpu(self, cpu: Cpu, timer: Hrtimer, delay_ns: int) -> None:
        """The same on a CPU that is not online any more: what happens to the timer is the version's matter."""
        system, rules = self._system, self._system.rules
        target = self._first_active() if rules.offline_hrtimers_move else cpu
        base = self.base(target)
        flags = cpu.local_irq_save()
        await system.locks.raw_spin_lock(cpu, base.lock)
        if rules.offline_hrtimers_are_told and target is cpu:
            cpu.judge.warn_on_once(cpu, ViolationKind.BAD_CONTEXT, "!base->cpu_base->online", "enqueue_hrtimer")
        timer.expires_ns, timer.ticket, timer.cpu_id = cpu.clock + delay_ns, next(self._tickets), target.cpu_id
        heappush(base.queue, (timer.expires_ns, timer.ticket, timer))
        if system.probes.hrtimer_started.on:
            system.probes.hrtimer_started(cpu, timer)
        if target is not cpu:
            self._reprogram(cpu, target)
        self.started += 1
        await system.locks.raw_spin_unlock(cpu, base.lock)
        await cpu.local_irq_restore(flags)

    def _first_active(self) -> Cpu:
        """cpumask_any_and(cpu_active_mask, ...)."""
        return self._system.cpu(min(self._system.masks.active))

    def enqueue(self, cpu: Cpu, timer: Hrtimer, expires_ns: int, *, late_ns: int = 0) -> None:
        """Queue a timer, without the lock: for the tick, which only its own CPU touches with interrupts off."""
        base = self.base(cpu)
        timer.expires_ns, timer.ticket, timer.cpu_id = expires_ns, next(self._tickets), cpu.cpu_id
        heappush(base.queue, (expires_ns + late_ns if late_ns else expires_ns, timer.ticket, timer))
        if self._system.probes.hrtimer_started.on:
            self._system.probes.hrtimer_started(cpu, timer)
        self._program(cpu, base)

    def cancel(self, cpu: Cpu, timer: Hrtimer) -> None:
        """Take a timer off this CPU's queue."""
        if timer.ticket:
            self._tell_left(cpu, timer, expired=False)
        timer.ticket = 0
        self._program(cpu, self.base(cpu))

    async def hrtimer_try_to_cancel(self, cpu: Cpu, timer: Hrtimer) -> int:
        """hrtimer_try_to_cancel(): 1 if it was queued, 0 if it was not active, -1 while its handler runs."""
        if timer.inside is not None:
            self._system.debug_objects.used(cpu, timer)
        base = self._bases.get(timer.cpu_id)
        if base is None or not (timer.ticket or timer in base.expired_soft or timer in base.running):
            return 0
        flags = cpu.local_irq_save()
        await self._system.locks.raw_spin_lock(cpu, base.lock)
        result = -1
        if timer not in base.running:
            result = int(bool(timer.ticket) or timer in base.expired_soft)
            if result:
                self._tell_left(cpu, timer, expired=False)
            timer.ticket = 0
            if timer in base.expired_soft:
                base.expired_soft.remove(timer)
            if timer.cpu_id == cpu.cpu_id:
                self._program(cpu, base)
        await self._system.locks.raw_spin_unlock(cpu, base.lock)
        await cpu.local_irq_restore(flags)
        return result

    async def hrtimer_cancel(self, thread: Thread, timer: Hrtimer) -> bool:
        """hrtimer_cancel(): not queued and not running afterwards; whether it was queued.

        While the handler runs it spins; on PREEMPT_RT it sleeps on the softirq's expiry lock, unless the handler runs
        in hardirq (hrtimer_cancel_wait_running()).
        """
        while True:
            result = await self.hrtimer_try_to_cancel(thread.cpu, timer)
            if result >= 0:
                self._system.taken_over(thread.cpu, timer)
                return bool(result)
            base, locks = self._bases[timer.cpu_id], self._system.locks
            if base.softirq_expiry_lock is not None and not timer.hard:
                cpu = await locks.spin_lock(thread, base.softirq_expiry_lock)
                await locks.spin_unlock(cpu, base.softirq_expiry_lock)
                continue
            await self._spin_while_running(thread, timer, base)

    async def _spin_while_running(self, thread: Thread, timer: Hrtimer, base: _Base) -> None:
        """cpu_relax(), as often as it takes."""
        base.waiters.append(thread)
        await contention.busy_wait(thread, lambda: timer not in base.running, f"hrtimer {timer.name} to end")
        base.waiters.remove(thread)

    def _program(self, cpu: Cpu, base: _Base) -> None:
        """Tell the device when the earliest timer expires, if that has changed."""
        expiry = base.next_expiry()
        if expiry == base.programmed:
            return
        base.programmed = expiry
        conductor = self._system.conductor
        if expiry is None:
            conductor.post(self.device, HrtimerCancelled(sender=cpu.name, time_ns=cpu.clock, cpu=cpu))
        else:
            conductor.post(self.device, HrtimerArmed(sender=cpu.name, time_ns=cpu.clock, cpu=cpu, expires_ns=expiry))

    # -- CPUs that come and go ---------------------------------------------------------------------------------------

    def tick_shutdown(self, cpu: Cpu) -> None:
        """tick_shutdown(), tick_cancel_sched_timer(): the CPU's clock event device is dead from here on."""
        self._system.ticks.cancel(cpu)
        base = self.base(cpu)
        base.online, base.programmed = False, None
        self._system.conductor.post(self.device, HrtimerCancelled(sender=cpu.name, time_ns=cpu.clock, cpu=cpu))

    async def hrtimers_prepare_cpu(self, _thread: Thread, cpu_id: int) -> None:
        """hrtimers_prepare_cpu(): its queue is made anew; what was left in it nobody will ever find."""
        base = self._bases.get(cpu_id)
        if base is not None:
            base.online = True
            base.queue.clear()
            base.expired_soft.clear()

    async def hrtimers_cpu_dying(self, thread: Thread, _cpu_id: int) -> None:
        """hrtimers_cpu_dying(), on the CPU that goes, with interrupts off: its timers are another CPU's."""
        cpu, target = thread.cpu, self._first_active()
        await self._migrate(cpu, self.base(cpu), target, first=self.base(cpu).lock)

    async def hrtimers_dead_cpu(self, thread: Thread, cpu_id: int) -> None:
        """hrtimers_dead_cpu(): those of a dead CPU are fetched to this one."""
        base, softirqs = self._bases.get(cpu_id), self._system.softirqs
        if base is None:
            return
        cpu = await softirqs.local_bh_disable(thread)
        flags = cpu.local_irq_save("hrtimers_dead_cpu")
        await self._migrate(cpu, base, cpu, first=self.base(cpu).lock)
        await cpu.local_irq_restore(flags)
        await softirqs.local_bh_enable(cpu)

    async def _migrate(self, cpu: Cpu, old: _Base, target: Cpu, *, first: Lock) -> None:
        """migrate_hrtimer_list() of all lists, under both locks."""
        locks, new = self._system.locks, self.base(target)
        second = new.lock if first is old.lock else old.lock
        await locks.raw_spin_lock(cpu, first)
        await locks.raw_spin_lock(cpu, second, subclass=1)
        for entry in old.queue:
            timer = entry[2]
            if timer.ticket == entry[1]:
                timer.cpu_id = target.cpu_id
                heappush(new.queue, entry)
        for timer in old.expired_soft:
            timer.ticket, timer.cpu_id = next(self._tickets), target.cpu_id
            heappush(new.queue, (timer.expires_ns, timer.ticket, timer))
        old.queue.clear()
        old.expired_soft.clear()
        self._reprogram(cpu, target)
        await locks.raw_spin_unlock(cpu, second)
        await locks.raw_spin_unlock(cpu, first)

    def _reprogram(self, cpu: Cpu, target: Cpu) -> None:
        """retrigger_next_event(), which the target runs: its device is told what comes first now."""
        base = self.base(target)
        expiry = base.next_expiry()
        if expiry is not None and expiry != base.programmed:
            base.programmed = expiry
            armed = HrtimerArmed(sender=cpu.name, time_ns=cpu.clock, cpu=target, expires_ns=expiry)
            self._system.conductor.post(self.device, armed)

    async def interrupt(self, cpu: Cpu) -> None:
        """hrtimer_interrupt(): run what has expired, in hardirq, or leave it to the softirq."""
        base, system = self.base(cpu), self._system
        if cpu.clock >= system.watchdogs.next_ns:
            # What expires may wake those at whom they look.
            system.watchdogs.look(cpu)
        await system.locks.raw_spin_lock(cpu, base.lock)
        base.programmed = None
        while (expiry := base.next_expiry()) is not None and expiry <= cpu.clock:
            _, _, timer = heappop(base.queue)
            timer.ticket = 0
            if timer.soft or (system.config.PREEMPT_RT and not timer.hard):
                base.expired_soft.append(timer)
                system.softirqs.raise_irqoff(cpu, Softirq.HRTIMER)
                continue
            await system.locks.raw_spin_unlock(cpu, base.lock)
            cpu.ctx.irq_config = not timer.hard
            await self._expire(cpu, timer)
            cpu.ctx.irq_config = False
            # raw_spin_lock_irq(), whatever the handler has left.
            cpu.ctx.irqs_disabled = True
            await system.locks.raw_spin_lock(cpu, base.lock)
        self._program(cpu, base)
        await system.locks.raw_spin_unlock(cpu, base.lock)

    async def run_softirq(self, cpu: Cpu) -> None:
        """hrtimer_run_softirq()."""
        base, locks = self.base(cpu), self._system.locks
        if base.softirq_expiry_lock is not None:
            await locks.spin_lock(cpu.current, base.softirq_expiry_lock)
        for timer in list(base.expired_soft):
            if timer in base.expired_soft:
                base.expired_soft.remove(timer)
                await self._expire(cpu, timer)
        if base.softirq_expiry_lock is not None:
            await locks.spin_unlock(cpu, base.softirq_expiry_lock)

    def _tell_left(self, cpu: Cpu, timer: Hrtimer, *, expired: bool) -> None:
        if self._system.probes.hrtimer_left.on:
            self._system.probes.hrtimer_left(cpu, timer, expired)

    async def _expire(self, cpu: Cpu, timer: Hrtimer) -> None:
        self.expired += 1
        self._tell_left(cpu, timer, expired=True)
        if self._system.events.on and not timer.name.startswith("tick"):
            self._system.emit(
                cpu, "hrtimer_expire_entry", f"hrtimer={timer.name} function={timer.name} now={cpu.clock}"
            )
        if timer.inside is not None:
            self._system.debug_objects.used(cpu, timer, "deactivate")
        base = self.base(cpu)
        base.running.append(timer)
        again = await timer.function(cpu)
        self._system.handed_over(cpu, timer)
        if again is not None:
            self.enqueue(cpu, timer, again)
        base.running.remove(timer)
        for waiter in base.waiters:
            contention.poke(cpu, waiter)


class ClockEventDevice(Device):
    """The clock event devices of all CPUs, as one actor with a queue of expiries."""

    passes_on: ClassVar[bool] = False

    def __init__(self, conductor: Conductor, timers: Hrtimers, *, index: int) -> None:
        super().__init__(name="hrtimer", index=index)
        self._conductor = conductor
        self._timers = timers
        self._queue: list[tuple[int, int, Cpu]] = []
        self._expiry: dict[int, int] = {}

    @machinery
    async def main(self) -> None:
        """Wait for the next expiry or the next message, for ever."""
        while True:
            until = self._next()
            message = await self._conductor.receive(self, until)
            if isinstance(message, HrtimerArmed):
                self._expiry[message.cpu.cpu_id] = message.expires_ns
                heappush(self._queue, (message.expires_ns, message.cpu.cpu_id, message.cpu))
            elif isinstance(message, HrtimerCancelled):
                self._expiry.pop(message.cpu.cpu_id, None)
            else:
                self._fire()

    def _next(self) -> int | None:
        while self._queue and self._expiry.get(self._queue[0][1]) != self._queue[0][0]:
            heappop(self._queue)
        return self._queue[0][0] if self._queue else None

    def _fire(self) -> None:
        while (until := self._next()) is not None and until <= self.clock:
            _, cpu_id, cpu = heappop(self._queue)
            del self._expiry[cpu_id]
            irq = HardIrq(
                sender=self.name,
                time_ns=self.clock,
                line="timer",
                handler=self._timers.interrupt,
                entry="sysvec_apic_timer_interrupt",
            )
            self._conductor.post(cpu, irq)
