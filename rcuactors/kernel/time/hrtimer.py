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
from typing import TYPE_CHECKING

import attrs

from ...context.locks import Lock, LockKind
from ...context.memory import Memory
from ...engine.device import Device
from ...marks import machinery
from ..debugobjects import Descr
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

    def enqueue(self, cpu: Cpu, timer: Hrtimer, expires_ns: int, *, late_ns: int = 0) -> None:
        """Queue a timer, without the lock: for the tick, which only its own CPU touches with interrupts off."""
        base = self.base(cpu)
        timer.expires_ns, timer.ticket, timer.cpu_id = expires_ns, next(self._tickets), cpu.cpu_id
        heappush(base.queue, (expires_ns + late_ns if late_ns else expires_ns, timer.ticket, timer))
        self._program(cpu, base)

    def cancel(self, cpu: Cpu, timer: Hrtimer) -> None:
        """Take a timer off this CPU's queue."""
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

    async def _expire(self, cpu: Cpu, timer: Hrtimer) -> None:
        self.expired += 1
        if self._system.events.on and not timer.name.startswith("tick"):
            self._system.emit(
                cpu, "hrtimer_expire_entry", f"hrtimer={timer.name} function={timer.name} now={cpu.clock}"
            )
        if timer.inside is not None:
            self._system.debug_objects.used(cpu, timer, "deactivate")
        base = self.base(cpu)
        base.running.append(timer)
        again = await timer.function(cpu)
        if again is not None:
            self.enqueue(cpu, timer, again)
        base.running.remove(timer)
        for waiter in base.waiters:
            contention.poke(cpu, waiter)


class ClockEventDevice(Device):
    """The clock event devices of all CPUs, as one actor with a queue of expiries."""

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
