"""c63_mutex_irqs_off: a probe's handler is called with interrupts off, and nothing else says that it is atomic.

The report: it takes a mutex. The mend: it tries to, and does without otherwise.
"""

from rcuactors import Kernel, scenario, script


@scenario()
async def c63_mutex_irqs_off(k: Kernel, fixed: bool = False) -> None:
    mutex = k.mutex("p_lock")

    async def handler() -> None:
        if not fixed:
            await k.mutex_lock(mutex)
        elif not k.mutex_trylock(mutex):
            return
        await k.mutex_unlock(mutex)

    flags = k.local_irq_save()
    await handler()
    await k.local_irq_restore(flags)


if __name__ == "__main__":
    script(c63_mutex_irqs_off)
