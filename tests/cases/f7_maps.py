"""f7_maps: a callback of call_rcu() does what may sleep.

might_sleep() speaks, with (rcu_callback) in the list of held locks, as in the recordings. The mend: a work.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def f7_maps(k: Kernel, fixed: bool = False) -> None:
    async def may_sleep() -> None:
        k.might_sleep()

    work = k.work(may_sleep)

    async def callback() -> None:
        if fixed:
            await k.schedule_work(work)
        else:
            await may_sleep()

    await k.call_rcu(callback)
    await k.rcu_barrier()
    await k.flush_work(work)


if __name__ == "__main__":
    script(f7_maps)
