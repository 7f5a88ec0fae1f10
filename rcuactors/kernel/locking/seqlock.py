"""Sequence counts (include/linux/seqlock.h): readers keep no writer waiting, and look again if there was one.

The count is odd while somebody writes. A writer must not be preempted in between, or readers wait for it: a plain
seqcount_t demands that of its caller (lockdep_assert_preemption_disabled()); one with a lock demands the lock, and
turns preemption off itself where that lock leaves it on, but on PREEMPT_RT, where readers that find it odd take the
lock and let it go again. To lockdep a writer holds a lock, and a reader takes it shared for a moment: a reader in an
interrupt that may hit a writer waits for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from ...context.locks import RECURSIVE_READ, Lock, LockKind
from ...context.memory import Memory
from ...context.trace import caller_site
from ...engine.probe import Access
from ...marks import MACHINERY
from .. import kcsan

__trace__ = MACHINERY  # inline in their callers

if TYPE_CHECKING:
    from ..cpu import Cpu
    from ..thread import Thread

SLEEPS_ON_RT: Final = (LockKind.SPINLOCK, LockKind.RWLOCK, LockKind.MUTEX)
"""What an associated lock is that leaves preemption on, on PREEMPT_RT; a mutex does so everywhere."""


@attrs.define(eq=False)
class Seqcount:
    """seqcount_t; with a `lock`, seqcount_spinlock_t and the like. `dep_map` is what lockdep sees."""

    name: str
    dep_map: Lock
    lock: Lock | None = None
    sequence: int = 0
    inside: Memory | None = None


@attrs.define(eq=False)
class Seqlock:
    """seqlock_t: a seqcount_spinlock_t and its lock."""

    seqcount: Seqcount
    lock: Lock

    @property
    def name(self) -> str:
        """As reports call it."""
        return self.seqcount.name

    @property
    def inside(self) -> Memory | None:
        """The object that it is a member of."""
        return self.lock.inside

    @inside.setter
    def inside(self, memory: Memory | None) -> None:
        self.lock.inside = self.seqcount.inside = memory


def _use(cpu: Cpu, s: Seqcount, access: Access) -> None:
    if s.inside is not None:
        cpu.judge.used(cpu, s.inside, s.name)
    told = cpu.conductor.probes.access
    if told.on:
        told(s, access)


def _kind(s: Seqcount) -> LockKind | None:
    return s.lock.lock_class.kind if s.lock is not None else None


async def read_begin(thread: Thread, s: Seqcount) -> int:
    """read_seqcount_begin(): the count, once it is even. Spins; on PREEMPT_RT behind the lock, if that sleeps."""
    cpu = thread.cpu
    system = cpu.system
    if system.lockdep.on:
        system.lockdep.acquire(cpu, s.dep_map, read=RECURSIVE_READ, site=caller_site())
        system.lockdep.release(cpu, s.dep_map)
    while True:
        _use(cpu, s, Access.READ)
        cpu.clock += system.costs.lock_ns
        if not s.sequence & 1:
            break
        if system.config.PREEMPT_RT and _kind(s) in SLEEPS_ON_RT:
            await _wait_for_writer(thread, s)
        else:
            await thread.cpu_relax(system.costs.lock_handover_ns)
        cpu = thread.cpu
    if system.kcsan is not None:
        system.kcsan.atomic_next(cpu, kcsan.SEQLOCK_REGION_MAX)
    return s.sequence


async def _wait_for_writer(thread: Thread, s: Seqcount) -> None:
    """__seqprop_##lockname##_sequence(): lock and unlock."""
    locks, lock, kind = thread.cpu.system.locks, s.lock, _kind(s)
    assert lock is not None
    if kind is LockKind.MUTEX:
        await locks.mutex_lock(thread, lock)
        await locks.mutex_unlock(thread, lock)
    elif kind is LockKind.RWLOCK:
        await locks.read_lock(thread, lock)
        await locks.read_unlock(thread.cpu, lock)
    else:
        cpu = await locks.spin_lock(thread, lock)
        await locks.spin_unlock(cpu, lock)


def read_retry(cpu: Cpu, s: Seqcount, start: int) -> bool:
    """read_seqcount_retry(): somebody has written since."""
    if cpu.system.kcsan is not None:
        cpu.system.kcsan.atomic_next(cpu, 0)
    _use(cpu, s, Access.READ)
    return s.sequence != start


def write_begin(cpu: Cpu, s: Seqcount, site: str, subclass: int = 0) -> None:
    """do_write_seqcount_begin(): odd from now on."""
    if cpu.system.lockdep.on:
        cpu.system.lockdep.acquire(cpu, s.dep_map, subclass=subclass, site=site)
    if cpu.system.kcsan is not None:
        cpu.system.kcsan.nestable_atomic(cpu, 1)
    _use(cpu, s, Access.WRITE)
    cpu.clock += cpu.system.costs.lock_ns
    s.sequence += 1


def write_end(cpu: Cpu, s: Seqcount) -> None:
    """do_write_seqcount_end(): even again."""
    if cpu.system.lockdep.on:
        cpu.system.lockdep.release(cpu, s.dep_map)
    _use(cpu, s, Access.WRITE)
    s.sequence += 1
    if cpu.system.kcsan is not None:
        cpu.system.kcsan.nestable_atomic(cpu, -1)


def leaves_preemption_on(cpu: Cpu, s: Seqcount) -> bool:
    """seqprop_preemptible(): the writer turns preemption off itself, since its lock does not. Not on PREEMPT_RT."""
    return not cpu.system.config.PREEMPT_RT and _kind(s) is LockKind.MUTEX
