"""cpu_hotplug_lock (kernel/cpu.c), a percpu_rw_semaphore (kernel/locking/percpu-rwsem.c): no CPU comes or goes.

A reader counts itself on its CPU with preemption off, and that is all while no writer is about; a writer has readers
take the slow way from a grace period on (rcu_sync_enter()), blocks new ones, and waits for those that are in. Readers
and writers that wait do so in one queue, first come first served. To lockdep it is a rw_semaphore of its own: to read
it again while one reads it is "possible recursive locking", for a writer may have come in between.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

from ...context.lockdep.demands import assert_held
from ...context.locks import READ, Lock, LockKind
from ...marks import LOCKING
from ..locking import contention

if TYPE_CHECKING:
    from ..cpu import Cpu
    from ..system import System
    from ..thread import Thread

__trace__ = LOCKING

_NAME: Final = "cpu_hotplug_lock"


class CpusLock:
    """cpu_hotplug_lock of one machine."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._slow = False
        """rcu_sync: readers go the slow way, so that the next writer need not wait for a grace period."""

    @cached_property
    def lock(self) -> Lock:
        """What lockdep knows, and who holds and waits."""
        return self._system.lock_factory.make(_NAME, LockKind.RWSEM)

    async def cpus_read_lock(self, thread: Thread) -> None:
        """cpus_read_lock(): percpu_down_read(), which might sleep and says so."""
        system = self._system
        system.judge.might_sleep(thread.cpu)
        if system.lockdep.on:
            system.lockdep.acquire(thread.cpu, self.lock, read=READ, site="cpus_read_lock")
        cpu = thread.preempt_disable("cpus_read_lock")
        got = self._take_unless_written(thread)
        cpu.clock += system.costs.lock_ns
        await cpu.preempt_enable()
        # percpu_rwsem_wait() looks again: who has let go in between has woken nobody.
        if not got and not self._take_unless_written(thread):
            self.lock.waiting_readers.append(thread)
            await contention.sleep_on(thread, self.lock, rtlock=False)

    def _take_unless_written(self, thread: Thread) -> bool:
        """__percpu_down_read_trylock(): not while somebody writes, or waits to."""
        free = self.lock.owner is None and not self.lock.waiters
        if free:
            self.lock.readers.append(thread)
        return free

    def cpus_read_trylock(self, cpu: Cpu) -> bool:
        """cpus_read_trylock()."""
        cpu.clock += self._system.costs.lock_ns
        if not self._take_unless_written(cpu.current):
            return False
        if self._system.lockdep.on:
            self._system.lockdep.acquire(cpu, self.lock, read=READ, trylock=True, site="cpus_read_trylock")
        return True

    async def cpus_read_unlock(self, thread: Thread) -> None:
        """cpus_read_unlock(): percpu_up_read()."""
        system = self._system
        if system.lockdep.on:
            system.lockdep.release(thread.cpu, self.lock)
        cpu = thread.preempt_disable("cpus_read_unlock")
        if thread in self.lock.readers:
            self.lock.readers.remove(thread)
            if not self.lock.readers:
                self._pass_on(cpu)
        cpu.clock += system.costs.lock_ns
        await cpu.preempt_enable()

    async def cpus_write_lock(self, thread: Thread) -> None:
        """cpus_write_lock(): percpu_down_write()."""
        system = self._system
        system.judge.might_sleep(thread.cpu)
        if system.lockdep.on:
            system.lockdep.acquire(thread.cpu, self.lock, site="cpus_write_lock")
        if not self._slow:
            # Nobody looks at the count of readers who has not seen this.
            self._slow = True
            await system.hotplug.rcu.synchronize_rcu(thread)
        if self.lock.owner is None and not self.lock.readers:
            self.lock.owner = thread
        else:
            await contention.sleep_on(thread, self.lock, rtlock=False)
        await thread.spend(system.costs.lock_ns)

    async def cpus_write_unlock(self, thread: Thread) -> None:
        """cpus_write_unlock(): percpu_up_write(); readers go the slow way for one grace period more."""
        system = self._system
        if system.lockdep.on:
            system.lockdep.release(thread.cpu, self.lock)
        self._pass_on(thread.cpu)
        await system.hotplug.rcu.call_rcu(thread.cpu, self._rcu_sync_func, "rcu_sync_func")

    async def _rcu_sync_func(self, _cpu: Cpu) -> None:
        """rcu_sync_func(): the fast way again, unless a writer has come."""
        self._slow = self.lock.owner is not None

    def _pass_on(self, cpu: Cpu) -> None:
        if self.lock.waiters:
            for following in self.lock.pass_on():
                contention.hand(cpu, following)
        else:
            self.lock.owner = None

    def lockdep_assert_cpus_held(self, cpu: Cpu) -> None:
        """lockdep_assert_cpus_held(): not while the system boots."""
        if not self._system.judge.booting:
            assert_held(self._system.lockdep, cpu, self.lock, "percpu_is_read_locked(&cpu_hotplug_lock)")
