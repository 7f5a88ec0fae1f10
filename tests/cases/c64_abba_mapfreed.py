"""c64_abba_mapfreed: a callback of call_rcu() reads another object, which is freed without waiting for it.

The report: a route's destructor needs what its network name space had. The mend: rcu_barrier() before the name space
is freed.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def c64_abba_mapfreed(k: Kernel, fixed: bool = False) -> None:
    route, namespace = await k.kmalloc(256), await k.kmalloc(4096)

    async def destroy_route() -> None:
        k.deref(namespace)
        await k.kfree(route)

    async def dismantle() -> None:
        if fixed:
            await k.rcu_barrier()
        await k.kfree(namespace)

    await k.call_rcu(destroy_route)
    work = k.work(dismantle)
    await k.schedule_work(work)
    await k.flush_work(work)
    await k.rcu_barrier()


if __name__ == "__main__":
    script(c64_abba_mapfreed)
