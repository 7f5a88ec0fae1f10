"""The shrinker of v5.9 to v5.11, and the end of early boot.

kfree_rcu_shrink_count(), kfree_rcu_shrink_scan(), kfree_rcu_scheduler_running() in kernel/rcu/tree.c.

Counting adds up krcp->count, which is zeroed whenever any channel is moved, so it can say too little. Scanning frees
nothing itself: it starts a batch where the monitor is armed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..mm.reclaim import Shrinker

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from .core import KvfreeRcu


def kfree_rcu_shrinker(kvfree: KvfreeRcu) -> Shrinker:
    """The shrinker to register with the memory floor."""

    async def kfree_rcu_shrink_count(_cpu: Cpu) -> int:
        return sum(krcp.count for krcp in kvfree.all_krcs())

    async def kfree_rcu_shrink_scan(cpu: Cpu, nr_to_scan: int) -> int | None:
        locks = kvfree.system.locks
        freed = 0
        for krcp in kvfree.all_krcs():
            count = krcp.count
            flags = cpu.local_irq_save("kfree_rcu_shrink_scan")
            await locks.raw_spin_lock(cpu, krcp.lock)
            if krcp.monitor_todo:
                await kvfree.drain.kfree_rcu_drain(cpu, krcp)
            await locks.raw_spin_unlock(cpu, krcp.lock)
            await cpu.local_irq_restore(flags)
            nr_to_scan -= count
            freed += count
            if nr_to_scan <= 0:
                break
        return freed or None

    return Shrinker("rcu-kfree", kfree_rcu_shrink_count, kfree_rcu_shrink_scan)


async def kfree_rcu_scheduler_running(kvfree: KvfreeRcu, cpu: Cpu) -> None:
    """The scheduler runs now: arm the monitor where the rcu_head list holds something.

    These versions look at nothing else.
    """
    locks = kvfree.system.locks
    for krcp in kvfree.all_krcs():
        flags = cpu.local_irq_save("kfree_rcu_scheduler_running")
        await locks.raw_spin_lock(cpu, krcp.lock)
        if krcp.head and not krcp.monitor_todo:
            await kvfree.drain.arm(cpu, krcp, on=kvfree.system.cpu(krcp.cpu_id))
        await locks.raw_spin_unlock(cpu, krcp.lock)
        await cpu.local_irq_restore(flags)
