"""c20_hard_timer_kfree_rt: the last reference to a task goes in the handler of a hard hrtimer, which frees the task.

The report: on PREEMPT_RT such a handler is in hardirq, where the slab's sleeping locks are not to be taken. The mend:
the task is freed by call_rcu().
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def c20_hard_timer_kfree_rt(k: Kernel, fixed: bool = False) -> None:
    task = await k.kmalloc(2048)

    async def free_task() -> None:
        await k.kfree(task)

    async def inactive() -> None:
        if fixed:
            await k.call_rcu(free_task)
        else:
            await free_task()

    timer = k.hrtimer(inactive, hard=True)
    await k.hrtimer_start(timer, 100_000)
    await k.msleep(5)
    await k.rcu_barrier()


if __name__ == "__main__":
    script(c20_hard_timer_kfree_rt)
