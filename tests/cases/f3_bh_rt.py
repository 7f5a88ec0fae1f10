"""f3_bh_rt: on PREEMPT_RT bottom halves are turned off with preemption off, while another thread has them off.

The count of softirq_ctrl is not 0 then, which the recordings have as a warning. The mend: bottom halves first.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def f3_bh_rt(k: Kernel, fixed: bool = False) -> None:
    async def second() -> None:
        if fixed:
            await k.local_bh_disable()
            k.preempt_disable()
            await k.preempt_enable()
            await k.local_bh_enable()
        else:
            k.preempt_disable()
            await k.local_bh_disable()
            await k.local_bh_enable()
            await k.preempt_enable()

    await k.local_bh_disable()
    await k.kthread_run(second, urgent=True)
    await k.udelay(100)
    await k.local_bh_enable()
    await k.msleep(1)


if __name__ == "__main__":
    script(f3_bh_rt)
