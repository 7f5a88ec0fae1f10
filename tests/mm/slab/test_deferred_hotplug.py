"""What was put off to a CPU's irq_work (rcuactors/mm/slab/deferred.py), and CPUs that go meanwhile."""

from __future__ import annotations

import pytest

from rcuactors import Kernel
from rcuactors.context.memory import FREED
from tests.schedules import Moment, held_up_anywhere


async def barrier_on_what_a_cpu_that_goes_has_put_off(k: Kernel) -> None:
    """A bigger object of kmalloc_nolock() is freed where no lock may be taken; its CPU goes, and somebody waits."""
    objects = [await k.kmalloc_nolock(2048), await k.kmalloc(64)]

    async def puts_off() -> None:
        lock = k.machine.slab.cache_for(2048).list_lock

        async def handler() -> None:
            await k.kfree_nolock(objects[0])
            if k.has("kfree_rcu_nolock"):
                await k.kfree_rcu_nolock(objects[1], "rcu")

        flags = await k.spin_lock_irqsave(lock)
        await k.raise_nmi(handler)
        await k.ndelay(1)
        await k.spin_unlock_irqrestore(lock, flags)
        began.append(k.now)

    async def down() -> None:
        await k.cpu_down(1)

    async def waits() -> None:
        await k.msleep(8)
        await k.machine.slab.deferred_work_barrier(k.machine.current)
        if k.has("kfree_rcu_nolock"):
            await k.kvfree_rcu_barrier()
        done.append(all(p.state == FREED for p in objects[: 1 + k.has("kfree_rcu_nolock")]))

    began: list[int] = []
    await k.kthread_join(await k.kthread_run(puts_off, cpu=1))
    for task in [await k.kthread_run(down, cpu=0), await k.kthread_run(waits, cpu=2)]:
        await k.kthread_join(task)
    if not k.has("kfree_rcu_nolock"):
        await k.kfree(objects[1])


done: list[bool] = []


@pytest.mark.parametrize("rt", ["n", "y"])
@pytest.mark.parametrize("kernel", ["v6.18", "v7.3"])
@pytest.mark.parametrize("who", ["/down", "migration/1", "cpuhp/1"])
def test_the_barrier_waits_for_it_whenever_the_cpu_goes(kernel: str, rt: str, who: str) -> None:
    """A review found that it goes over all CPUs with nobody holding off hotplug, and asked for assertions.

    Nothing comes of it, at any of these moments: what a CPU has put off it does on its way out.
    """
    tried = list(
        held_up_anywhere(
            barrier_on_what_a_cpu_that_goes_has_put_off, kernel, Moment(who, 1, 30_000_000), nr_cpus="3", PREEMPT_RT=rt
        )
    )
    assert len(tried) > 3
    assert all(schedule.result.clean for schedule in tried)
    assert len(done) == len(tried) + 1, "the last one was not held up any more"
    assert all(done)
    done.clear()
