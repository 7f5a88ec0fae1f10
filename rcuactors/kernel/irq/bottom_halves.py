"""Bottom halves off and on, on PREEMPT_RT (kernel/softirq.c): __local_bh_disable_ip(), __local_bh_enable().

The first local_bh_disable() of a preemptible thread takes the CPU's softirq_ctrl.lock, a local lock, and enters an RCU
read-side section, and so does the thread that serves: at most one of them runs on a CPU, and none may sleep of its own
will (`LockedBottomHalves`). From v6.18 on this is CONFIG_PREEMPT_RT_NEEDS_BH_LOCK (commit 3253cb49cbad). Without it
such a thread only stays on its CPU, migration off, in a reader: others on that CPU may preempt it, with bottom halves
off as well, and several may serve softirqs there (`BottomHalves`).

Whether both ends do their half is up to them: who has become preemptible in between, or has ceased to be, leaves
something behind, or lets go of what was never taken. Nothing keeps the lock's count from falling below zero either,
after which whoever serves softirqs here takes the lock and never lets go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...context import preempt
from ...context.locks import RECURSIVE_READ, Lock, LockKind, MapSpec
from ...context.violation import ViolationKind
from ...context.waittype import WaitType
from ...marks import stands_for
from ..percpu import PerCpu

if TYPE_CHECKING:
    from ..cpu import Cpu
    from ..system import System

DISABLE: Final = "__local_bh_disable_ip"
ENABLE: Final = "__local_bh_enable_ip"

_LOCAL_BH_MAP: Final = MapSpec("local_bh", WaitType.CONFIG, WaitType.FREE, check=True, per_cpu=True)
"""bh_lock_map of PREEMPT_RT: bottom halves off is something that one may always do, and that limits what follows."""


def warn_in_hardirq(cpu: Cpu, function: str) -> None:
    """WARN_ON_ONCE(in_hardirq())."""
    if preempt.in_hardirq(cpu.ctx.preempt_count):
        cpu.judge.warn_on_once(cpu, ViolationKind.BAD_CONTEXT, "in_hardirq()", function)


class BottomHalves:
    """Those of a kernel that needs no lock for them."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._lock_map: Lock | None = None

    def lock_of(self, _cpu: Cpu) -> Lock | None:
        """softirq_ctrl.lock of the CPU, if there is such a thing, and somebody has taken it yet."""
        return None

    @property
    def _local_bh(self) -> Lock:
        """bh_lock_map."""
        if self._lock_map is None:
            self._lock_map = self._system.lock_factory.make_map(_LOCAL_BH_MAP)
        return self._lock_map

    def release_map(self, cpu: Cpu) -> None:
        """lock_map_release(&bh_lock_map)."""
        if self._system.lockdep.on:
            self._system.lockdep.release(cpu, self._local_bh)

    @stands_for("__local_bh_disable_ip")
    async def disable(self, cpu: Cpu) -> None:
        """__local_bh_disable_ip(), with preemption and interrupts as the caller has them."""
        system = self._system
        warn_in_hardirq(cpu, DISABLE)
        if system.lockdep.on:
            system.lockdep.acquire(cpu, self._local_bh, read=RECURSIVE_READ, site=DISABLE)
        if not cpu.ctx.softirq_disable_cnt:
            if cpu.ctx.preemptible():
                await self._enter(cpu)
                system.locks.rcu_enter(cpu)
            elif cpu.softirq_ctrl:
                # Somebody whom this has preempted has them off, and is not waited for.
                system.lockdep.debug_locks_warn_on(cpu, "this_cpu_read(softirq_ctrl.cnt)", DISABLE)
        self._count(cpu, 1)

    def is_outermost(self, cpu: Cpu) -> bool:
        """Bottom halves are on again behind this local_bh_enable()."""
        return cpu.ctx.softirq_disable_cnt == 1

    async def _enter(self, cpu: Cpu) -> None:
        cpu.current.migrate_disable()

    def _count(self, cpu: Cpu, change: int) -> None:
        """The thread's own count, and the CPU's, which keeps ksoftirqd from being woken for nothing."""
        cpu.softirq_ctrl += change
        cpu.ctx.softirq_disable_cnt += change
        if cpu.ctx.softirq_disable_cnt < 0:
            function = DISABLE if change > 0 else "__local_bh_enable"
            condition = "current->softirq_disable_cnt < 0"
            cpu.judge.warn_on_once(cpu, ViolationKind.BAD_CONTEXT, condition, function)

    @stands_for("__local_bh_enable")
    async def enable(self, cpu: Cpu, *, unlock: bool) -> None:
        """__local_bh_enable(): with `unlock` the outermost one gives back what disable() has taken."""
        system = self._system
        if self.is_outermost(cpu) and cpu.ctx.held:
            system.lockdep.softirqs_on(cpu)
        self._count(cpu, -1)
        if unlock and not cpu.ctx.softirq_disable_cnt:
            cpu.migrate_enable()
            system.locks.rcu_leave(cpu)


class LockedBottomHalves(BottomHalves):
    """Those of a kernel in which one thread of a CPU at a time has them off."""

    def __init__(self, system: System) -> None:
        super().__init__(system)
        make = system.lock_factory.make
        self._locks: PerCpu[Lock] = PerCpu(lambda _: make("(softirq_ctrl.lock)", LockKind.LOCAL_LOCK), system.masks)

    def lock_of(self, cpu: Cpu) -> Lock | None:
        """softirq_ctrl.lock of the CPU."""
        return self._locks.get(cpu.cpu_id)

    def is_outermost(self, cpu: Cpu) -> bool:
        """As the CPU's count has it, which is also the thread's."""
        return cpu.softirq_ctrl == 1

    async def _enter(self, cpu: Cpu) -> None:
        await self._system.locks.local_lock(cpu, self._locks[cpu.cpu_id])

    def _count(self, cpu: Cpu, change: int) -> None:
        cpu.softirq_ctrl += change
        cpu.ctx.softirq_disable_cnt = cpu.softirq_ctrl

    @stands_for("__local_bh_enable")
    async def enable(self, cpu: Cpu, *, unlock: bool) -> None:
        """__local_bh_enable(): with `unlock` the outermost one lets go of the CPU's lock."""
        ctx, system = cpu.ctx, self._system
        if ctx.softirq_disable_cnt != cpu.softirq_ctrl:
            condition = "current->softirq_disable_cnt != this_cpu_read(softirq_ctrl.cnt)"
            system.lockdep.debug_locks_warn_on(cpu, condition, "__local_bh_enable")
        outermost = ctx.softirq_disable_cnt == 1
        self._count(cpu, -1)
        if outermost and ctx.held:
            system.lockdep.softirqs_on(cpu)
        if not cpu.softirq_ctrl and unlock:
            system.locks.rcu_leave(cpu)
            await system.locks.spin_unlock(cpu, self._locks[cpu.cpu_id])


def bottom_halves_of(system: System) -> BottomHalves:
    """As the version and its configuration have them."""
    optional = system.rules.bh_lock_is_optional and not system.config.PREEMPT_RT_NEEDS_BH_LOCK
    return BottomHalves(system) if optional else LockedBottomHalves(system)
