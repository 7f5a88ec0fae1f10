"""c23_inode_freed_at_once: a path is walked by a reader, and a file system frees an inode of it without waiting.

The report: the walk looks at the inode once more. The mend: it is freed after a grace period.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def c23_inode_freed_at_once(k: Kernel, fixed: bool = False) -> None:
    inode = await k.kmalloc(1024)

    async def walk() -> None:
        with k.rcu_reader():
            seen = k.rcu_dereference(inode)
            await k.udelay(300)
            k.deref(seen)

    async def free_inode() -> None:
        await k.kfree(inode)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(walk, cpu=1)
        await k.udelay(100)
        if fixed:
            await k.call_rcu(free_inode)
        else:
            await free_inode()
    await k.rcu_barrier()


if __name__ == "__main__":
    script(c23_inode_freed_at_once)
