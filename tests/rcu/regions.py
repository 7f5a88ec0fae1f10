"""Regions that are RCU readers, by what begins and ends them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from rcuactors import Kernel

Region = Callable[[Kernel, bool], Awaitable[None]]
"""Begins it, or with False ends it."""


async def _nothing(_k: Kernel, _on: bool) -> None:
    pass


async def _preempt(k: Kernel, on: bool) -> None:
    if on:
        k.preempt_disable()
    else:
        await k.preempt_enable()


async def _irq(k: Kernel, on: bool) -> None:
    if on:
        k.local_irq_disable()
    else:
        await k.local_irq_enable()


async def _irqsave(k: Kernel, on: bool) -> None:
    if on:
        k.local_irq_save()
    else:
        await k.local_irq_restore(False)


async def _bh(k: Kernel, on: bool) -> None:
    await (k.local_bh_disable() if on else k.local_bh_enable())


async def _rcu(k: Kernel, on: bool) -> None:
    (k.rcu_read_lock if on else k.rcu_read_unlock)()


async def _rcu_bh(k: Kernel, on: bool) -> None:
    await (k.rcu_read_lock_bh() if on else k.rcu_read_unlock_bh())


async def _rcu_sched(k: Kernel, on: bool) -> None:
    if on:
        k.rcu_read_lock_sched()
    else:
        await k.rcu_read_unlock_sched()


async def _get_cpu(k: Kernel, on: bool) -> None:
    if on:
        k.get_cpu()
    else:
        await k.put_cpu()


async def _again(k: Kernel, on: bool) -> None:
    """Another section, with preemption off."""
    if on:
        k.preempt_disable()
        k.rcu_read_lock()
    else:
        k.rcu_read_unlock()
        await k.preempt_enable()


BY_NAME: dict[str, Region] = {
    "preempt_disable": _preempt,
    "local_irq_disable": _irq,
    "local_irq_save": _irqsave,
    "local_bh_disable": _bh,
    "rcu_read_lock": _rcu,
    "rcu_read_lock_bh": _rcu_bh,
    "rcu_read_lock_sched": _rcu_sched,
    "get_cpu": _get_cpu,
}


def by_lock(k: Kernel) -> dict[str, Region]:
    """Under a lock of each kind that spins, each time of the same one."""
    spin, raw, rw = k.spinlock("S"), k.raw_spinlock("R"), k.rwlock("W")
    return {
        "spin": lambda k, on: k.spin_lock(spin) if on else k.spin_unlock(spin),
        "raw": lambda k, on: k.raw_spin_lock(raw) if on else k.raw_spin_unlock(raw),
        "read": lambda k, on: k.read_lock(rw) if on else k.read_unlock(rw),
        "write": lambda k, on: k.write_lock(rw) if on else k.write_unlock(rw),
    }


def region(k: Kernel, name: str) -> Region:
    """Any of them: "nothing", "again" (another section before the first one ends), by name, or by lock."""
    return {"nothing": _nothing, "again": _again, **BY_NAME, **by_lock(k)}[name]
