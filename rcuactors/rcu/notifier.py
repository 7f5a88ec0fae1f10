"""Notifier chains (kernel/notifier.c): callbacks in the order of their priority, until one says stop.

An atomic chain is gone through in a read-side section, so its callbacks must not sleep, and who takes one out waits for
a grace period; a blocking one is gone through under an rwsem.
"""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import attrs

from ..context.locks import Lock
from ..context.memory import Memory
from ..context.violation import ViolationKind
from ..kernel.locking.irqsave import spin_lock_irqsave, spin_unlock_irqrestore
from .synchronize_rcu import synchronize_rcu

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kernel.thread import Thread
    from .callbacks import Callbacks
    from .readers import ReadSide

NOTIFY_DONE: Final = 0
"""Does not care."""
NOTIFY_OK: Final = 1
NOTIFY_STOP_MASK: Final = 0x8000
"""Nobody else is called."""
NOTIFY_BAD: Final = NOTIFY_STOP_MASK | 2
NOTIFY_STOP: Final = NOTIFY_OK | NOTIFY_STOP_MASK

NotifierCall = Callable[["NotifierBlock", int, Any], Awaitable[int]]


@attrs.define(eq=False)
class NotifierBlock:
    """struct notifier_block."""

    name: str
    notifier_call: NotifierCall
    priority: int = 0
    inside: Memory | None = None


@attrs.define(eq=False)
class NotifierHead:
    """struct atomic_notifier_head, whose lock is a spinlock_t, or blocking_notifier_head, whose lock is an rwsem."""

    name: str
    lock: Lock
    chain: tuple[NotifierBlock, ...] = ()


def _use(cpu: Cpu, nb: NotifierBlock) -> None:
    if nb.inside is not None:
        cpu.judge.used(cpu, nb.inside, nb.name)


def _chain_register(cpu: Cpu, nh: NotifierHead, nb: NotifierBlock) -> int:
    """notifier_chain_register(): behind all of its priority."""
    for each in nh.chain:
        _use(cpu, each)
    if nb in nh.chain:
        said = f"notifier callback {nb.name} already registered"
        cpu.judge.warn(cpu, ViolationKind.WARNING, said, "notifier_chain_register")
        return -errno.EEXIST
    nh.chain = tuple(sorted((*nh.chain, nb), key=lambda each: -each.priority))
    return 0


def _chain_unregister(cpu: Cpu, nh: NotifierHead, nb: NotifierBlock) -> int:
    """notifier_chain_unregister()."""
    for each in nh.chain:
        _use(cpu, each)
    if nb not in nh.chain:
        return -errno.ENOENT
    nh.chain = tuple(each for each in nh.chain if each is not nb)
    return 0


async def notifier_call_chain(thread: Thread, nh: NotifierHead, action: int, data: object) -> int:
    """notifier_call_chain(): what the last one that was called has returned."""
    ret, chain = NOTIFY_DONE, nh.chain
    for nb in chain:
        _use(thread.cpu, nb)
        ret = await nb.notifier_call(nb, action, data)
        if ret & NOTIFY_STOP_MASK:
            break
    return ret


async def atomic_notifier_chain_register(thread: Thread, nh: NotifierHead, nb: NotifierBlock) -> int:
    """atomic_notifier_chain_register(): 0, or -EEXIST."""
    locks = thread.cpu.system.locks
    cpu, flags = await spin_lock_irqsave(locks, thread, nh.lock, "atomic_notifier_chain_register")
    ret = _chain_register(cpu, nh, nb)
    await spin_unlock_irqrestore(locks, cpu, nh.lock, flags)
    return ret


async def atomic_notifier_chain_unregister(
    callbacks: Callbacks, thread: Thread, nh: NotifierHead, nb: NotifierBlock
) -> int:
    """atomic_notifier_chain_unregister(): 0, or -ENOENT; nobody calls it any more. Sleeps."""
    locks = thread.cpu.system.locks
    cpu, flags = await spin_lock_irqsave(locks, thread, nh.lock, "atomic_notifier_chain_unregister")
    ret = _chain_unregister(cpu, nh, nb)
    await spin_unlock_irqrestore(locks, cpu, nh.lock, flags)
    await synchronize_rcu(callbacks, thread)
    return ret


async def atomic_notifier_call_chain(
    readers: ReadSide, thread: Thread, nh: NotifierHead, action: int, data: object
) -> int:
    """atomic_notifier_call_chain(): in a read-side section."""
    readers.rcu_read_lock(thread.cpu)
    ret = await notifier_call_chain(thread, nh, action, data)
    readers.rcu_read_unlock(thread.cpu)
    return ret


async def blocking_notifier_chain_register(thread: Thread, nh: NotifierHead, nb: NotifierBlock) -> int:
    """blocking_notifier_chain_register(): 0, or -EEXIST. Sleeps."""
    locks = thread.cpu.system.locks
    await locks.down_write(thread, nh.lock)
    ret = _chain_register(thread.cpu, nh, nb)
    await locks.up_write(thread, nh.lock)
    return ret


async def blocking_notifier_chain_unregister(thread: Thread, nh: NotifierHead, nb: NotifierBlock) -> int:
    """blocking_notifier_chain_unregister(): 0, or -ENOENT; nobody calls it any more. Sleeps."""
    locks = thread.cpu.system.locks
    await locks.down_write(thread, nh.lock)
    ret = _chain_unregister(thread.cpu, nh, nb)
    await locks.up_write(thread, nh.lock)
    return ret


async def blocking_notifier_call_chain(thread: Thread, nh: NotifierHead, action: int, data: object) -> int:
    """blocking_notifier_call_chain(): under the rwsem, if there is anybody to call. Sleeps."""
    if not nh.chain:
        return NOTIFY_DONE
    locks = thread.cpu.system.locks
    await locks.down_read(thread, nh.lock)
    ret = await notifier_call_chain(thread, nh, action, data)
    await locks.up_read(thread, nh.lock)
    return ret
