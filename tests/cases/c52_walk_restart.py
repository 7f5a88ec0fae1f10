"""c52_walk_restart: a table is walked again and again until an RCU callback has finished its resizing.

The report: on a kernel without preemption the walk never gives way, so the grace period does not end, and the callback
never comes. The mend: wait for a grace period before each further walk.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def c52_walk_restart(k: Kernel, fixed: bool = False, limit_ms: int = 25_000) -> None:
    rebalanced = False

    async def finish() -> None:
        nonlocal rebalanced
        rebalanced = True

    await k.call_rcu(finish)
    until = k.now + limit_ms * 1_000_000
    while not rebalanced and k.now < until:
        if fixed:
            await k.synchronize_rcu()
        await k.udelay(1_000)
    await k.rcu_barrier()


if __name__ == "__main__":
    script(c52_walk_restart)
