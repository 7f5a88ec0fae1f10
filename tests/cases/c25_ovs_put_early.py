"""c25_ovs_put_early: a port is freed after a grace period, but the device that it points to before that.

The report: whoever still sees the port follows the pointer. The mend: the device goes in the port's callback.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def c25_ovs_put_early(k: Kernel, fixed: bool = False) -> None:
    port, device = await k.kmalloc(256), await k.kmalloc(2048)

    async def send() -> None:
        with k.rcu_reader():
            k.rcu_dereference(port)
            await k.udelay(200)
            k.deref(device)

    async def free_port() -> None:
        if fixed:
            await k.kfree(device)
        await k.kfree(port)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(send, cpu=1)
        await k.udelay(50)
        if not fixed:
            await k.kfree(device)
        await k.call_rcu(free_port)
    await k.rcu_barrier()


if __name__ == "__main__":
    script(c25_ovs_put_early)
