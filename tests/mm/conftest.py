"""Ways into the contexts in which memory is asked for and freed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from rcuactors import Kernel

Action = Callable[[], Awaitable[None]]
RunIn = Callable[[Kernel, str, Action], Awaitable[None]]


async def _run_in(k: Kernel, context: str, action: Action) -> None:
    async def raise_tasklet() -> None:
        await k.tasklet_schedule(action)

    lock = k.raw_spinlock("R")
    if context == "process":
        await action()
    elif context == "preempt off":
        k.preempt_disable()
        await action()
        await k.preempt_enable()
    elif context == "irqs off":
        flags = k.local_irq_save()
        await action()
        await k.local_irq_restore(flags)
    elif context == "raw lock":
        await k.raw_spin_lock(lock)
        await action()
        await k.raw_spin_unlock(lock)
    elif context == "bh off":
        await k.local_bh_disable()
        await action()
        await k.local_bh_enable()
    elif context == "reader":
        with k.rcu_reader():
            await action()
    elif context == "hardirq":
        await k.raise_irq(action)
    else:
        assert context == "softirq"
        await k.raise_irq(raise_tasklet)


@pytest.fixture(scope="session")
def run_in() -> RunIn:
    """`await run_in(k, context, action)`: enter the context, run the action, leave it."""
    return _run_in
