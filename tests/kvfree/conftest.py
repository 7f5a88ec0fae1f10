"""Ways into every context from which kvfree_rcu() is called."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from rcuactors import Kernel

Action = Callable[[], Awaitable[None]]
RunIn = Callable[[Kernel, str, Action], Awaitable[None]]


async def _process(_k: Kernel, action: Action) -> None:
    await action()


async def _preempt_off(k: Kernel, action: Action) -> None:
    k.preempt_disable()
    await action()
    await k.preempt_enable()


async def _irqs_off(k: Kernel, action: Action) -> None:
    flags = k.local_irq_save()
    await action()
    await k.local_irq_restore(flags)


async def _bh_off(k: Kernel, action: Action) -> None:
    await k.local_bh_disable()
    await action()
    await k.local_bh_enable()


async def _raw_lock(k: Kernel, action: Action) -> None:
    lock = vars(k).setdefault("raw_lock_of_the_test", k.raw_spinlock("R"))
    flags = await k.raw_spin_lock_irqsave(lock)
    await action()
    await k.raw_spin_unlock_irqrestore(lock, flags)


async def _rq_lock(k: Kernel, action: Action) -> None:
    lock = k.this_rq_lock()
    flags = await k.raw_spin_lock_irqsave(lock)
    await action()
    await k.raw_spin_unlock_irqrestore(lock, flags)


async def _spinlock(k: Kernel, action: Action) -> None:
    lock = vars(k).setdefault("spinlock_of_the_test", k.spinlock("S"))
    await k.spin_lock(lock)
    await action()
    await k.spin_unlock(lock)


async def _reader(k: Kernel, action: Action) -> None:
    with k.rcu_reader():
        await action()


async def _hardirq(k: Kernel, action: Action) -> None:
    await k.raise_irq(action)


async def _softirq(k: Kernel, action: Action) -> None:
    async def raise_tasklet() -> None:
        await k.tasklet_schedule(action)

    await k.raise_irq(raise_tasklet)


async def _remote_hardirq(k: Kernel, action: Action) -> None:
    await k.raise_irq(action, cpu=k._machine.setup.config.nr_cpus - 1)


_WAYS = {
    "process": _process,
    "preempt off": _preempt_off,
    "irqs off": _irqs_off,
    "bh off": _bh_off,
    "raw lock": _raw_lock,
    "rq lock": _rq_lock,
    "spinlock": _spinlock,
    "reader": _reader,
    "hardirq": _hardirq,
    "softirq": _softirq,
    "remote hardirq": _remote_hardirq,
}


async def _run_in(k: Kernel, context: str, action: Action) -> None:
    await _WAYS[context](k, action)


@pytest.fixture(scope="session")
def run_in() -> RunIn:
    """`await run_in(k, context, action)`: enter the context, run the action, leave it."""
    return _run_in
