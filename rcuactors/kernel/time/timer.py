"""The timer wheel (kernel/time/timer.c): add_timer(), mod_timer(), timer_delete(), run_timer_softirq().

Its levels (wheel.py) get coarser with distance. The tick (tick.py) sees when a timer is due, and from v6.9 on that of
another CPU may (timer_migration.py).
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

import attrs

from ...context import preempt
from ...context.lockdep.demands import warn_on_once
from ...context.locks import Lock, LockKind
from ...context.memory import Memory
from ...context.violation import ViolationKind
from ...marks import machinery, stands_for
from .. import balance
from ..debugobjects import Descr
from ..hotplug.states import CpuhpState
from ..locking import contention, poison
from ..percpu import PerCpu
from .stub_timer import fix_up
from .timer_migration import TimerMigration
from .wheel import wheel_expiry

if TYPE_CHECKING:
    from ..cpu import Cpu
    from ..system import System
    from ..thread import Thread

_REMOTE_TICKS: Final = 4
"""What another CPU's timers cost on the way, in ticks' time; an estimate."""

Function = Callable[["Cpu"], Awaitable[None]]


@attrs.define(eq=False)
class Timer:
    """struct timer_list. `irqsafe` handlers run with interrupts off.

    `key` is the name of its lockdep map: the variable's, as timer_setup() has it, which for us is the function's.
    """

    name: str
    function: Function
    irqsafe: bool = False
    site: object = attrs.field(default=None, kw_only=True)
    """What tells maps of one name apart: the place of timer_setup(), which for us is the function."""
    key: str = attrs.field(default=attrs.Factory(lambda timer: f"(&{timer.name})", takes_self=True), kw_only=True)
    lockdep_map: Lock | None = None
    ticket: int = 0
    cpu_id: int = -1
    expires: int = 0
    inside: Memory | None = None
    known: bool = True
    """Debug objects track it."""
    zeroed: bool = False
    """Nobody has initialised it: all its bytes are 0."""

    pinned: bool = False
    """TIMER_PINNED, as add_timer_on() has it: no other CPU expires it."""
    shut: bool = False
    """timer_shutdown() has taken its function away: nothing starts it any more."""

    def init(self) -> None:
        """do_init_timer()."""
        self.zeroed = self.shut = False

    def zero(self) -> None:
        """It is as kzalloc() leaves it."""
        self.known, self.zeroed = False, True

    @property
    def pending(self) -> bool:
        """timer_pending()."""
        return self.ticket != 0

    def identity(self) -> str:
        """For decisions: by its name."""
        return self.name


@attrs.define(eq=False)
class _Base:
    """struct timer_base. `expiry_lock` is PREEMPT_RT's: held while timers run, so that one can wait for them."""

    lock: Lock
    expiry_lock: Lock | None
    running: Timer | None = None
    """running_timer: its handler has been called and has not returned."""
    waiters: list[Thread] = attrs.field(factory=list)
    """Who spins until `running` has ended (timer_delete_sync())."""
    timer_waiters: int = 0
    """Who waits for `expiry_lock` for that."""
    queue: list[tuple[int, int, Timer]] = attrs.field(factory=list)

    def pending(self) -> int:
        return sum(timer.ticket == ticket for _, ticket, timer in self.queue)

    def due(self, now: int) -> Timer | None:
        """The next that is due, off the queue."""
        jiffy = self.next_jiffy()
        return heappop(self.queue)[2] if jiffy is not None and jiffy <= now else None

    def global_due(self, now: int) -> Timer | None:
        """Of those that are not pinned."""
        jiffy = self.next_of(pinned=False)
        if jiffy is None or jiffy > now:
            return None
        entry = min(entry for entry in self.queue if entry[2].ticket == entry[1] and not entry[2].pinned)
        return entry[2]

    def next_of(self, *, pinned: bool) -> int | None:
        """When the next pinned, or other one, is due."""
        found = [jiffy for jiffy, ticket, timer in self.queue if timer.ticket == ticket and timer.pinned == pinned]
        return min(found, default=None)

    def next_jiffy(self) -> int | None:
        while self.queue and self.queue[0][2].ticket != self.queue[0][1]:
            heappop(self.queue)
        return self.queue[0][0] if self.queue else None


@attrs.frozen(kw_only=True)
class TimerStatistics:
    """The timer wheels of all CPUs.

    * `pending` (timers): that will expire.
    * `started` (times): a timer was set, or set anew.
    * `expired` (times): a handler was called.
    """

    pending: int
    started: int
    expired: int


class Timers:
    """The wheels of all CPUs."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._bases = PerCpu(self._new_base, system.masks)
        self._tickets = itertools.count(1)
        self._jiffy_ns = system.config.jiffy_ns
        self.migration = TimerMigration(self) if system.config.timer_migration else None
        self.started = 0
        self.expired = 0
        system.debug_objects.register(
            Timer,
            Descr(
                name="timer_list",
                option=lambda config: config.DEBUG_OBJECTS_TIMERS,
                active=lambda timer: timer.pending,
                hint=lambda timer: "0x0" if timer.zeroed else timer.name,
                stop=self._timer_fixup_free,
                stub=fix_up,
            ),
        )
        system.hotplug.sets_up(self._set_up)

    def _set_up(self) -> None:
        self._system.hotplug.setup_state(CpuhpState.TIMERS_PREPARE, "timers:prepare", teardown=self.timers_dead_cpu)

    async def _timer_fixup_free(self, thread: Thread, timer: Timer) -> None:
        """timer_fixup_free(), timer_fixup_init()."""
        await self.timer_delete_sync(thread, timer)

    def _new_base(self, _cpu_id: int) -> _Base:
        make = self._system.lock_factory.make
        lock = make("&base->lock", LockKind.RAW_SPINLOCK)
        return _Base(lock, make("&base->expiry_lock", LockKind.SPINLOCK) if self._system.config.PREEMPT_RT else None)

    def statistics(self) -> TimerStatistics:
        """Their figures, as they are now."""
        pending = sum(base.pending() for base in self._bases.values())
        return TimerStatistics(pending=pending, started=self.started, expired=self.expired)

    async def mod_timer(self, cpu: Cpu, timer: Timer, delay_jiffies: int) -> bool:
        """mod_timer(): have it expire in `delay_jiffies` or later, on this CPU. Whether it was pending."""
        was_pending = timer.pending
        await self._mod_timer(cpu, timer, delay_jiffies, on=cpu)
        return was_pending

    async def add_timer(self, cpu: Cpu, timer: Timer, delay_jiffies: int, *, on: Cpu | None = None) -> None:
        """add_timer(), or add_timer_on(): the same for one that is not pending."""
        if timer.pending:
            if self._system.rules.add_timer_bugs:
                cpu.judge.kernel_bug(cpu, "timer_pending(timer)", "add_timer")
            cpu.judge.warn_on_once(cpu, ViolationKind.BAD_CONTEXT, "timer_pending(timer)", "add_timer")
            return
        timer.pinned = on is not None
        await self._mod_timer(cpu, timer, delay_jiffies, on=on or cpu)

    async def _mod_timer(self, cpu: Cpu, timer: Timer, delay_jiffies: int, *, on: Cpu) -> None:
        """__mod_timer(). Takes the timer base's lock, and no other."""
        system, base = self._system, self._bases[on.cpu_id]
        if timer.inside is not None:
            system.debug_objects.used(cpu, timer, "assert_init")
            if timer.zeroed:
                if system.rules.add_timer_bugs:
                    cpu.judge.kernel_bug(cpu, "!timer->function", "__mod_timer")
                return
            poison.written(cpu, timer.inside)
        if timer.shut:
            return
        flags = cpu.local_irq_save()
        await system.locks.raw_spin_lock(cpu, base.lock)
        now = cpu.clock // self._jiffy_ns
        timer.expires = wheel_expiry(now, now + delay_jiffies)
        timer.ticket, timer.cpu_id = next(self._tickets), on.cpu_id
        late = -(-system.lateness.late_by(timer) // self._jiffy_ns)
        heappush(base.queue, (timer.expires + late, timer.ticket, timer))
        cpu.clock += system.costs.timer_arm_ns
        self.started += 1
        if system.probes.timer_started.on:
            system.probes.timer_started(timer, delay_jiffies)
        if system.events.on:
            system.emit(
                cpu,
                "timer_start",
                f"timer={timer.name} function={timer.name} expires={timer.expires} [timeout={delay_jiffies}] "
                f"cpu={on.cpu_id} idx=0 flags={'I' if timer.irqsafe else ''}",
            )
        if on.idle:
            # Its tick is stopped: have it look again (wake_up_nohz_cpu()).
            on.kick()
        await system.locks.raw_spin_unlock(cpu, base.lock)
        await cpu.local_irq_restore(flags)

    async def timer_delete(self, cpu: Cpu, timer: Timer) -> bool:
        """timer_delete(), which was del_timer(): whether it was pending. Takes the lock of the base it is on."""
        self._system.debug_objects.used(cpu, timer, "assert_init")
        if not timer.pending:
            return False
        base = self._bases[timer.cpu_id]
        flags = cpu.local_irq_save()
        await self._system.locks.raw_spin_lock(cpu, base.lock)
        was_pending, timer.ticket = timer.ticket != 0, 0
        if was_pending and self._system.probes.timer_left.on:
            self._system.probes.timer_left(cpu, timer, False)
        await self._system.locks.raw_spin_unlock(cpu, base.lock)
        await cpu.local_irq_restore(flags)
        return was_pending

    async def timer_shutdown(self, cpu: Cpu, timer: Timer) -> bool:
        """timer_shutdown(): the same, and nothing starts it again until it is initialised anew."""
        was_pending = await self.timer_delete(cpu, timer)
        timer.shut = True
        return was_pending

    async def try_to_del_timer_sync(self, cpu: Cpu, timer: Timer, *, shutdown: bool = False) -> int:
        """try_to_del_timer_sync(): 1 if it was pending, 0 if not, -1 while its handler runs.

        With `shutdown` nothing starts it again, unless it runs.
        """
        if timer.inside is not None:
            self._system.debug_objects.used(cpu, timer, "assert_init")
        base = self._bases.get(timer.cpu_id)
        if base is None:
            timer.shut |= shutdown
            return 0
        flags = cpu.local_irq_save()
        await self._system.locks.raw_spin_lock(cpu, base.lock)
        result = -1
        if base.running is not timer:
            result, timer.ticket = int(timer.pending), 0
            if result == 1 and self._system.probes.timer_left.on:
                self._system.probes.timer_left(cpu, timer, False)
            timer.shut |= shutdown
        await self._system.locks.raw_spin_unlock(cpu, base.lock)
        await cpu.local_irq_restore(flags)
        return result

    @stands_for("__timer_delete_sync")
    async def timer_delete_sync(self, thread: Thread, timer: Timer, *, shutdown: bool = False) -> bool:
        """timer_delete_sync(), which was del_timer_sync(): not pending and not running afterwards.

        With `shutdown` it is timer_shutdown_sync(). Whether it was pending. Takes the timer's lockdep map first, so
        what is held here must not be wanted by the handler. On PREEMPT_RT it sleeps on the base's expiry lock while
        the handler runs.
        """
        system, cpu = self._system, thread.cpu
        if timer.inside is not None and system.lockdep.on and poison.is_poisoned(cpu, timer.inside):
            system.debug_objects.used(cpu, timer)
            await poison.lockdep_map(cpu, timer.inside, "__timer_delete_sync")
        self._take_map(cpu, timer, "__timer_delete_sync")
        if preempt.in_hardirq(cpu.ctx.preempt_count) and not timer.irqsafe:
            condition = "in_hardirq() && !(timer->flags & TIMER_IRQSAFE)"
            cpu.judge.warn_on(cpu, ViolationKind.BAD_CONTEXT, condition, "__timer_delete_sync")
        if system.config.PREEMPT_RT and not timer.irqsafe and not cpu.ctx.preemptible():
            condition = "debug_locks && (preempt_count() != 0 || !hardirqs_enabled)"
            warn_on_once(system.lockdep, cpu, condition, "__timer_delete_sync")
        while True:
            result = await self.try_to_del_timer_sync(thread.cpu, timer, shutdown=shutdown)
            if result >= 0:
                return bool(result)
            await self._del_timer_wait_running(thread, timer)

    async def _del_timer_wait_running(self, thread: Thread, timer: Timer) -> None:
        """del_timer_wait_running(); without PREEMPT_RT cpu_relax()."""
        base, locks = self._bases[timer.cpu_id], self._system.locks
        if base.expiry_lock is not None and not timer.irqsafe:
            base.timer_waiters += 1
            cpu = await locks.spin_lock(thread, base.expiry_lock)
            base.timer_waiters -= 1
            await locks.spin_unlock(cpu, base.expiry_lock)
            return
        base.waiters.append(thread)
        await contention.busy_wait(thread, lambda: base.running is not timer, f"timer {timer.name} to end")
        base.waiters.remove(thread)

    @machinery
    def _take_map(self, cpu: Cpu, timer: Timer, site: str) -> None:
        """lock_map_acquire(), lock_map_release(): with interrupts off, so that its use in a softirq is no conflict."""
        lockdep, flags = self._system.lockdep, cpu.ctx.irqs_disabled
        if not lockdep.on:
            return
        cpu.ctx.irqs_disabled = True
        try:
            held = self._lockdep_map(timer)
            lockdep.acquire(cpu, held, site=site)
            if lockdep.on:
                lockdep.release(cpu, held)
        finally:
            cpu.ctx.irqs_disabled = flags

    def _lockdep_map(self, timer: Timer) -> Lock:
        """timer->lockdep_map."""
        if timer.lockdep_map is None:
            make = self._system.lock_factory.make
            timer.lockdep_map = make(timer.key, LockKind.MAP, key=timer.site or timer.function)
        return timer.lockdep_map

    async def timers_dead_cpu(self, thread: Thread, cpu_id: int) -> None:
        """timers_dead_cpu(): those of a dead CPU are this one's from now on."""
        old, locks = self._bases.get(cpu_id), self._system.locks
        if old is None:
            return
        cpu, flags = thread.local_irq_save()
        new = self._bases[cpu.cpu_id]
        await locks.raw_spin_lock(cpu, new.lock)
        await locks.raw_spin_lock(cpu, old.lock, subclass=1)
        for entry in old.queue:
            timer = entry[2]
            if timer.ticket == entry[1]:
                timer.cpu_id = cpu.cpu_id
                heappush(new.queue, entry)
        old.queue.clear()
        await locks.raw_spin_unlock(cpu, old.lock)
        await locks.raw_spin_unlock(cpu, new.lock)
        await cpu.local_irq_restore(flags)

    def next_jiffy(self, cpu: Cpu, *, pinned: bool | None = None) -> int | None:
        """When this CPU's next timer is due, of all, or of those that are pinned or not."""
        base = self._bases.get(cpu.cpu_id)
        if base is None:
            return None
        return base.next_jiffy() if pinned is None else base.next_of(pinned=pinned)

    def globals_pending(self) -> list[tuple[int, int]]:
        """CPUs that have timers that are not pinned, each with the jiffy of its next."""
        found = [(cpu_id, base.next_of(pinned=False)) for cpu_id, base in self._bases.touched() if base.queue]
        return [(cpu_id, jiffy) for cpu_id, jiffy in found if jiffy is not None]

    async def run_softirq(self, cpu: Cpu) -> None:
        """run_timer_softirq(): this CPU's timers, then those of idle CPUs that are this one's to expire."""
        base = self._bases[cpu.cpu_id]
        await self._run_timers(cpu, base, base.due)
        if self.migration is not None:
            await self._tmigr_handle_remote(cpu, self.migration)

    async def _tmigr_handle_remote(self, cpu: Cpu, migration: TimerMigration) -> None:
        """tmigr_handle_remote(), timer_expire_remote(): it takes its time, in which their own CPU may be faster."""
        if not migration.due_remotely(cpu, cpu.clock // self._jiffy_ns):
            return
        cpu.clock += _REMOTE_TICKS * self._system.costs.tick_ns
        if cpu.clock >= cpu.conductor.horizon:
            await cpu.point()
        for cpu_id in migration.due_remotely(cpu, cpu.clock // self._jiffy_ns):
            base = self._bases[cpu_id]
            await self._run_timers(cpu, base, base.global_due)

    async def _run_timers(self, cpu: Cpu, base: _Base, due: Callable[[int], Timer | None]) -> None:
        """__run_timers(): expire under the base lock, call with it dropped."""
        system = self._system
        now = cpu.clock // self._jiffy_ns
        if base.expiry_lock is not None:
            await system.locks.spin_lock(cpu.current, base.expiry_lock)
        flags = cpu.local_irq_save()
        await system.locks.raw_spin_lock(cpu, base.lock)
        while (timer := due(now)) is not None:
            timer.ticket = 0
            if system.probes.timer_left.on:
                system.probes.timer_left(cpu, timer, True)
            base.running = timer
            await system.locks.raw_spin_unlock(cpu, base.lock)
            if not timer.irqsafe:
                await cpu.local_irq_restore(flags)
            if system.events.on:
                system.emit(
                    cpu, "timer_expire_entry", f"timer={timer.name} function={timer.name} now={now} baseclk={now}"
                )
            await self.call_timer_fn(cpu, timer)
            if not timer.irqsafe:
                cpu.local_irq_save()
            await system.locks.raw_spin_lock(cpu, base.lock)
            base.running = None
            for waiter in base.waiters:
                contention.poke(cpu, waiter)
            if base.timer_waiters:
                await self._timer_sync_wait_running(cpu, base, flags)
        await system.locks.raw_spin_unlock(cpu, base.lock)
        await cpu.local_irq_restore(flags)
        if base.expiry_lock is not None:
            await system.locks.spin_unlock(cpu, base.expiry_lock)

    async def _timer_sync_wait_running(self, cpu: Cpu, base: _Base, flags: bool) -> None:
        """timer_sync_wait_running(): let those have the expiry lock who wait for the handler that has just ended."""
        assert base.expiry_lock is not None
        locks = self._system.locks
        await locks.raw_spin_unlock(cpu, base.lock)
        await cpu.local_irq_restore(flags)
        await locks.spin_unlock(cpu, base.expiry_lock)
        await locks.spin_lock(cpu.current, base.expiry_lock)
        cpu.local_irq_save()
        await locks.raw_spin_lock(cpu, base.lock)

    async def call_timer_fn(self, cpu: Cpu, timer: Timer) -> None:
        """call_timer_fn(): with the timer's lockdep map held, so that whoever waits for the timer is known to."""
        lockdep, count = self._system.lockdep, cpu.ctx.preempt_count
        if timer.inside is not None:
            self._system.debug_objects.used(cpu, timer)
        self.expired += 1
        if lockdep.on:
            lockdep.acquire(cpu, self._lockdep_map(timer), site="call_timer_fn")
        await timer.function(cpu)
        if lockdep.on and timer.lockdep_map is not None:
            lockdep.release(cpu, timer.lockdep_map)
        balance.check_timer(cpu, getattr(timer.site, "co_name", timer.name), count)
