"""The sections in which a drawn program does its operations: each with the level that it needs, and that within."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator, Callable
from typing import Final

from .shop import ATOMIC, RAW, SLEEPS, SPINS, TOP, Shop

Section = Callable[[Shop, random.Random], contextlib.AbstractAsyncContextManager[None]]

SECTIONS: Final[list[tuple[int, int, Section]]] = []


def _section(needs: int, within: int) -> Callable[[Callable[[Shop, random.Random], AsyncIterator[None]]], Section]:
    def register(function: Callable[[Shop, random.Random], AsyncIterator[None]]) -> Section:
        section = contextlib.asynccontextmanager(function)
        SECTIONS.append((needs, within, section))
        return section

    return register


@_section(TOP, SLEEPS)
async def mutex(s: Shop, rng: random.Random) -> AsyncIterator[None]:
    lock = rng.choice(s.mutexes)
    if rng.random() < 0.8:
        await s.k.mutex_lock(lock)
    elif not s.k.mutex_trylock(lock):
        await s.k.mutex_lock_nested(lock, 1)
    yield
    await s.k.mutex_unlock(lock)


@_section(TOP, SLEEPS)
async def rwsem(s: Shop, rng: random.Random) -> AsyncIterator[None]:
    reads = rng.random() < 0.6
    await (s.k.down_read(s.rwsem) if reads else s.k.down_write(s.rwsem))
    yield
    await (s.k.up_read(s.rwsem) if reads else s.k.up_write(s.rwsem))


@_section(TOP, SLEEPS)
async def rt_mutex(s: Shop, _rng: random.Random) -> AsyncIterator[None]:
    await s.k.rt_mutex_lock(s.rt_mutex)
    yield
    await s.k.rt_mutex_unlock(s.rt_mutex)


@_section(TOP, SLEEPS)
async def cpus(s: Shop, _rng: random.Random) -> AsyncIterator[None]:
    await s.k.cpus_read_lock()
    yield
    await s.k.cpus_read_unlock()


@_section(TOP, SLEEPS)
async def frame(s: Shop, _rng: random.Random) -> AsyncIterator[None]:
    async with s.k.stack_frame("own"):
        yield


@_section(SLEEPS, SLEEPS)
async def srcu(s: Shop, _rng: random.Random) -> AsyncIterator[None]:
    idx = s.k.srcu_read_lock(s.srcu)
    yield
    s.k.srcu_read_unlock(s.srcu, idx)


@_section(SLEEPS, SPINS)
async def trace(s: Shop, _rng: random.Random) -> AsyncIterator[None]:
    s.k.rcu_read_lock_trace()
    yield
    s.k.rcu_read_unlock_trace()


@_section(SLEEPS, SPINS)
async def migrate_off(s: Shop, _rng: random.Random) -> AsyncIterator[None]:
    s.k.migrate_disable()
    yield
    await s.k.migrate_enable()


@_section(SLEEPS, RAW)
async def local(s: Shop, _rng: random.Random) -> AsyncIterator[None]:
    await s.k.local_lock(s.local)
    yield
    await s.k.local_unlock(s.local)


@_section(SLEEPS, RAW)
async def spin_bh(s: Shop, _rng: random.Random) -> AsyncIterator[None]:
    await s.k.spin_lock_bh(s.spin_bh)
    yield
    await s.k.spin_unlock_bh(s.spin_bh)


@_section(SLEEPS, RAW)
async def bh_off(s: Shop, rng: random.Random) -> AsyncIterator[None]:
    if rng.random() < 0.5:
        await s.k.local_bh_disable()
        yield
        await s.k.local_bh_enable()
    else:
        await s.k.rcu_read_lock_bh()
        yield
        await s.k.rcu_read_unlock_bh()


@_section(SPINS, RAW)
async def spin(s: Shop, rng: random.Random) -> AsyncIterator[None]:
    lock = rng.choice(s.spin)
    if rng.random() < 0.5:
        await s.k.spin_lock(lock)
        yield
        await s.k.spin_unlock(lock)
    else:
        flags = await s.k.spin_lock_irqsave(lock)
        yield
        await s.k.spin_unlock_irqrestore(lock, flags)


@_section(SPINS, RAW)
async def rwlock(s: Shop, rng: random.Random) -> AsyncIterator[None]:
    if rng.random() < 0.6:
        await s.k.read_lock(s.rw)
        yield
        await s.k.read_unlock(s.rw)
    else:
        await s.k.write_lock(s.rw)
        yield
        await s.k.write_unlock(s.rw)


@_section(SPINS, SPINS)
async def reader(s: Shop, rng: random.Random) -> AsyncIterator[None]:
    s.k.rcu_read_lock()
    p = s.k.rcu_dereference(s.k.READ_ONCE(s.slots, f"slot{rng.randrange(3)}")) if s.slots is not None else None
    yield
    if p is not None:
        s.k.deref(p)
    s.k.rcu_read_unlock()


@_section(RAW, RAW)
async def preempt_off(s: Shop, rng: random.Random) -> AsyncIterator[None]:
    if rng.random() < 0.6:
        s.k.preempt_disable()
        yield
        await s.k.preempt_enable()
    else:
        s.k.rcu_read_lock_sched()
        yield
        await s.k.rcu_read_unlock_sched()


@_section(RAW, ATOMIC)
async def irqs_off(s: Shop, _rng: random.Random) -> AsyncIterator[None]:
    flags = s.k.local_irq_save()
    yield
    await s.k.local_irq_restore(flags)


@_section(RAW, ATOMIC)
async def raw(s: Shop, rng: random.Random) -> AsyncIterator[None]:
    lock = rng.choice(s.raw)
    if rng.random() < 0.3 and s.k.raw_spin_trylock(lock):
        yield
        await s.k.raw_spin_unlock(lock)
    else:
        flags = await s.k.raw_spin_lock_irqsave(lock)
        yield
        await s.k.raw_spin_unlock_irqrestore(lock, flags)


@_section(ATOMIC, ATOMIC)
async def raw_irq(s: Shop, _rng: random.Random) -> AsyncIterator[None]:
    if s.k.lockdep_is_held(s.raw_irq):
        yield
        return
    flags = await s.k.raw_spin_lock_irqsave(s.raw_irq)
    yield
    await s.k.raw_spin_unlock_irqrestore(s.raw_irq, flags)
