"""a4c_stuck_work: a work waits, not to be interrupted, for what never comes.

The kernel tells of the worker as a hung task, as in the recordings. The mend: it comes.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def a4c_stuck_work(k: Kernel, fixed: bool = False) -> None:
    answer = k.completion("answer")

    async def wait() -> None:
        await k.wait_for_completion(answer)

    await k.schedule_work(k.work(wait))
    await k.msleep(50)
    if fixed:
        await k.complete(answer)


if __name__ == "__main__":
    script(a4c_stuck_work)
