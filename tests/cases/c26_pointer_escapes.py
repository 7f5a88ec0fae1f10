"""c26_pointer_escapes: a helper has its own read-side section, and returns a pointer that is good only inside it.

The report: its caller uses that long after; in between the object went by kfree_rcu(). The mend: what is wanted of the
object is read inside.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def c26_pointer_escapes(k: Kernel, fixed: bool = False) -> None:
    groups = await k.kmalloc(512)

    async def caller() -> None:
        with k.rcu_reader():
            mask = k.rcu_dereference(groups)
            if fixed:
                k.deref(mask)
        await k.msleep(300)
        if not fixed:
            k.deref(mask)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(caller, cpu=1)
        await k.udelay(100)
        await k.kfree_rcu(groups, "rcu")


if __name__ == "__main__":
    script(c26_pointer_escapes)
