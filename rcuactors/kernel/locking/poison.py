"""What becomes of who uses freed memory that slub_debug=P has filled with 0x6b (mm/slub.c, include/linux/poison.h).

A lock is not where it was. Kernels that debug spinlocks look for the lock's magic number first, and fault when they
print its owner (kernel/locking/spinlock_debug.c, spin_bug()); one that debugs mutexes faults behind its warning; in the
others, and when lockdep is off, the waiter looks for whom it would have to wait behind, and finds a CPU that does not
exist (kernel/locking/qspinlock.c, decode_tail()). So does who lets go of a lock that was freed while he had it, while
lockdep is on; else he writes into the poison, and the allocator finds that when it gives the object out again. What a
lockdep map was is noticed when it is let go of, and then its name is no string (kernel/locking/lockdep.c,
print_unlock_imbalance_bug()). A trylock finds it taken. All of it as
recorded on a 6.1 kernel with lockdep; without lockdep, and of rwlocks, as the code reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...context import splat
from ...context.locks import LockKind
from ...context.memory import FREED
from ...context.trace import call_trace
from ...context.violation import ViolationKind
from ...marks import machinery
from . import contention

if TYPE_CHECKING:
    from ...context.memory import Memory
    from ..cpu import Cpu

POISON: Final = 0x6B6B6B6B6B6B6B6B
"""POISON_FREE, eight times."""
_COMM: Final = 0x7D0
"""Offset of task_struct->comm on that kernel."""
_NODES: Final = 0x2B740
"""A per-CPU address that belongs to no CPU, of that kernel."""
_FLAGS: Final = 0x31
_KIND: Final = ViolationKind.USE_AFTER_FREE


def is_poisoned(cpu: Cpu, memory: Memory | None) -> bool:
    """The memory is free, and filled with poison."""
    return memory is not None and memory.state == FREED and cpu.system.config.slub_debug


def written(cpu: Cpu, memory: Memory | None) -> None:
    """Somebody writes there, who may: what slub_debug then finds, when it gives the object out again."""
    if memory is not None and is_poisoned(cpu, memory):
        cpu.system.overwritten[memory.address] = memory


@machinery
async def lock(cpu: Cpu, memory: Memory, kind: LockKind) -> None:
    """Something of that kind is locked, in poison. Does not return."""
    if kind is LockKind.MUTEX:
        if cpu.system.lockdep.on:
            cpu.system.lockdep.debug_locks_warn_on(cpu, "lock->magic != lock", "__mutex_lock")
        await fault(cpu, memory, POISON + _FLAGS)
    # What sleeps has a raw_spinlock_t in it, which is taken when it is found taken.
    what = "rwlock" if kind is LockKind.RWLOCK else "spinlock"
    if cpu.system.lockdep.on:
        ctx = cpu.ctx
        title = f"BUG: {what} bad magic on CPU#{cpu.cpu_id}, {ctx.comm}/{ctx.pid}"
        text = "\n".join([title, *splat.stack(cpu.judge.scene(cpu), call_trace())])
        cpu.judge.report_of_lockdep(cpu, _KIND, title, text)
        if what == "spinlock":
            await fault(cpu, memory, POISON + _COMM)
    text = splat.page_fault(cpu.judge.scene(cpu), _NODES, call_trace())
    cpu.judge.report(cpu, _KIND, text.partition("\n")[0], f"{text}\nthe queue of a {what} in {memory}")
    await contention.give_up(cpu)


@machinery
async def unlock_mutex(cpu: Cpu, memory: Memory) -> None:
    """A mutex is let go of, in poison: it is another's, and has waiters, whose list has a lock. Does not return."""
    lockdep = cpu.system.lockdep
    if lockdep.on and not cpu.system.config.PREEMPT_RT:
        lockdep.debug_locks_warn_on(cpu, "__owner_task(owner) != current", "__mutex_unlock_slowpath")
    await lock(cpu, memory, LockKind.RAW_SPINLOCK)


@machinery
async def lockdep_map(cpu: Cpu, memory: Memory, site: str) -> None:
    """A lockdep map is taken and let go of, in poison. Does not return."""
    ctx = cpu.ctx
    text = "\n".join(
        [
            "=====================================",
            "WARNING: bad unlock balance detected!",
            f"{cpu.judge.scene(cpu).ident}",
            "-------------------------------------",
            f"{ctx.comm}/{ctx.pid} is trying to release lock (",
        ]
    )
    cpu.judge.report_of_lockdep(cpu, ViolationKind.BAD_UNLOCK, f"WARNING: bad unlock balance detected! at {site}", text)
    await fault(cpu, memory, POISON)


@machinery
async def fault(cpu: Cpu, memory: Memory, address: int) -> None:
    """0x6b6b6b6b6b6b6b6b is no address. Does not return."""
    cpu.judge.general_protection_fault(cpu, memory, "0x6b where a pointer was", address)
    await contention.give_up(cpu)


@machinery
async def spin_for_ever(cpu: Cpu, what: str) -> None:
    """A loop that waits for something that does not come."""
    await contention.busy_wait(cpu.current, _never, what)


def _never() -> bool:
    return False
