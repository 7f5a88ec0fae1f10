"""c11_notifier_sleeps: an atomic notifier waits until its device has woken up.

The report: such a chain is walked inside rcu_read_lock(), so msleep() switches away in a reader. The mend: the notifier
spins for the time that the device needs.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def c11_notifier_sleeps(k: Kernel, fixed: bool = False) -> None:
    async def notifier() -> None:
        if fixed:
            await k.udelay(1000)
        else:
            await k.msleep(10)

    with k.rcu_reader():
        await notifier()


if __name__ == "__main__":
    script(c11_notifier_sleeps)
