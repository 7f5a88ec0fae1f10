"""Bugs that no version here has, each on a neighbour: a version's parts, and the one rule that the fix changed."""

from __future__ import annotations

from collections.abc import Callable

from rcuactors import Kernel, RunOptions, ViolationKind, run, scenario
from rcuactors.kernel.cpu import Cpu
from rcuactors.kvfree.krc import Krc
from rcuactors.kvfree.parts.arming import TodoFlag

Compose = Callable[..., str]


class DoneIfAnythingWasTaken(TodoFlag):
    """queue_kfree_rcu_work() of v5.7 and v5.8: its job is done as soon as a batch has got one channel."""

    _before: int = 0

    def due(self, krcp: Krc) -> bool:
        self._before = krcp.queued()
        return super().due(krcp)

    async def attempted(self, cpu: Cpu, krcp: Krc, *, stayed: bool) -> None:
        await super().attempted(cpu, krcp, stayed=stayed and krcp.queued() == self._before)


def one_channel_stays_behind(version: str) -> set[ViolationKind]:
    """Both batches wait with slab objects when the monitor finds another one, and the first vmalloc object."""

    async def script(k: Kernel) -> None:
        inside: list[bool] = []

        async def reader() -> None:
            with k.rcu_reader():
                inside.append(True)
                await k.udelay(200_000)

        task = await k.kthread_run(reader, cpu=1)
        while not inside:
            await k.usleep_range(10, 11)
        krcp = k.machine.kvfree.krc(0)
        for _ in krcp.batches:
            await k.kvfree_rcu(await k.kmalloc(64), "rcu")
            await k.msleep(40)
        assert all(batch.busy() for batch in krcp.batches)
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")
        await k.kvfree_rcu(await k.vmalloc(64), "rcu")
        await k.kthread_join(task)

    return set(run(scenario()(script), RunOptions(kernel=version, settings={"nr_cpus": "2"})).kinds)


def test_594aa5975b9b_the_monitor_is_repeated_when_a_channel_stays_behind(compose: Compose) -> None:
    """594aa5975b9b "rcu/tree: Repeat the monitor if any free channel is busy" (stable 5.7 and 5.8): a lost wake-up."""
    neighbour = compose("v5.9", arming=DoneIfAnythingWasTaken)
    assert one_channel_stays_behind(neighbour) == {ViolationKind.NEVER_FREED}
    assert one_channel_stays_behind("v5.9") == set()
