"""c43_preempt_underflow: the function of a work turns preemption on which it has not turned off.

The report: preempt_count would go below zero. The mend: the disable that belongs to it.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def c43_preempt_underflow(k: Kernel, fixed: bool = False) -> None:
    async def sample() -> None:
        if fixed:
            k.preempt_disable()
        await k.preempt_enable()

    work = k.work(sample)
    await k.schedule_work(work)
    await k.flush_work(work)


if __name__ == "__main__":
    script(c43_preempt_underflow)
