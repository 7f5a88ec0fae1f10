"""c59_console_in_irq: something is printed in an interrupt, and the network console has a spinlock_t of its own.

The report: no such lock in hardirq. The mend here: what is to be printed is left to a work.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def c59_console_in_irq(k: Kernel, fixed: bool = False) -> None:
    state, targets = k.rwsem("&c->state_lock"), k.spinlock("target_list_lock")

    async def print_it() -> None:
        flags = await k.spin_lock_irqsave(targets)
        await k.spin_unlock_irqrestore(targets, flags)

    work = k.work(print_it)

    async def interrupt() -> None:
        if fixed:
            await k.schedule_work(work)
        else:
            await print_it()

    await k.down_write(state)
    await k.raise_irq(interrupt, line="net")
    await k.udelay(20)
    await k.up_write(state)
    await k.flush_work(work)


if __name__ == "__main__":
    script(c59_console_in_irq)
