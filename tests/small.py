"""Small scenarios of which all schedules within a bound can be tried: what searches are checked on."""

from __future__ import annotations

from rcuactors import Kernel, scenario

TWO = {"nr_cpus": "2"}


@scenario(settings=TWO)
async def two_owners(k: Kernel) -> None:
    """Two threads take a lock at about the same time; what is allocated depends on who came first."""
    lock = k.raw_spinlock("owners")
    owners: list[int] = []

    async def takes(me: int, delay_us: int) -> None:
        await k.udelay(delay_us)
        await k.raw_spin_lock(lock)
        owners.append(me)
        await k.raw_spin_unlock(lock)
        if owners[0] == me == 1:
            await k.kfree(await k.kmalloc(64))

    async with k.open_nursery() as nursery:
        await nursery.start_soon(takes, 1, 1, cpu=1)
        await takes(0, 3)


@scenario(settings=TWO)
async def frees_early(k: Kernel) -> None:
    """A reader on CPU 1; CPU 0 frees what it may hold without waiting for anybody."""
    table = await k.kmalloc(64)

    async def reader() -> None:
        k.rcu_read_lock()
        found = k.rcu_dereference(table)
        await k.cond_resched()
        k.deref(found)
        k.rcu_read_unlock()

    async with k.open_nursery() as nursery:
        await nursery.start_soon(reader, cpu=1)
        await k.udelay(2)
        await k.kfree(table)


@scenario(settings=TWO)
async def one_reader(k: Kernel) -> None:
    """An object is given to kvfree_rcu() while a reader looks at it."""
    table = await k.kmalloc(64)

    async def reader() -> None:
        k.rcu_read_lock()
        found = k.rcu_dereference(table)
        await k.udelay(1)
        k.deref(found)
        k.rcu_read_unlock()

    async with k.open_nursery() as nursery:
        await nursery.start_soon(reader, cpu=1)
        await k.kvfree_rcu(table, "rcu")
        await k.synchronize_rcu()


@scenario(settings=TWO)
async def replaced(k: Kernel) -> None:
    """A table is replaced while a reader looks it up: it finds the old one, or the new one."""
    tables = [await k.kmalloc(64)]

    async def reader() -> None:
        await k.udelay(1)
        k.rcu_read_lock()
        found = k.rcu_dereference(tables[-1])
        k.deref(found)
        k.rcu_read_unlock()
        if len(tables) > 1:
            await k.kfree(await k.vmalloc(4096))

    async with k.open_nursery() as nursery:
        await nursery.start_soon(reader, cpu=1)
        await k.udelay(3)
        tables.append(await k.kmalloc(64))
        await k.kvfree_rcu(tables[0], "rcu")
    await k.kfree(tables[1])


@scenario(settings=TWO)
async def waits_itself(k: Kernel) -> None:
    """The one-argument form, which may wait for a grace period, and a reader."""
    table = await k.kmalloc(64)

    async def reader() -> None:
        k.rcu_read_lock()
        k.deref(k.rcu_dereference(table))
        await k.udelay(1)
        k.rcu_read_unlock()

    async with k.open_nursery() as nursery:
        await nursery.start_soon(reader, cpu=1)
        await k.kvfree_rcu_mightsleep(table)


@scenario(settings=TWO)
async def lost_update(k: Kernel) -> None:
    """Goes wrong where one is overtaken between its look and its write."""
    count = 0

    async def adds() -> None:
        nonlocal count
        seen = count
        await k.cond_resched()
        await k.udelay(1)
        count = seen + 1

    async with k.open_nursery() as nursery:
        await nursery.start_soon(adds, cpu=1)
        await k.udelay(40)
        await adds()
    assert count == 2, "an update was lost"


@scenario(settings=TWO)
async def barrier_beside(k: Kernel) -> None:
    """Whoever has looked at an object gives it to kvfree_rcu(), while another CPU waits for all that was given so."""
    table = await k.kmalloc(64)

    async def reader() -> None:
        k.rcu_read_lock()
        k.deref(k.rcu_dereference(table))
        await k.udelay(1)
        k.rcu_read_unlock()
        await k.kvfree_rcu(table, "rcu")

    async with k.open_nursery() as nursery:
        await nursery.start_soon(reader, cpu=1)
        await k.ndelay(2700)
        await k.kvfree_rcu_barrier()


@scenario(settings=TWO)
async def ends_early(k: Kernel) -> None:
    """Whoever comes first ends the run, before the other has made its step."""
    table = await k.kmalloc(64)

    async def other() -> None:
        await k.udelay(1)
        await k.kfree(table)
        raise LookupError("the other one was first")

    async with k.open_nursery() as nursery:
        await nursery.start_soon(other, cpu=1)
        await k.udelay(3)
        raise ArithmeticError("this one was first")
