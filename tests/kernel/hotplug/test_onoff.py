"""kernel/hotplug/onoff.py: CPUs that go and come because the strategy decides so."""

from __future__ import annotations

import pytest

from rcuactors import Kernel
from rcuactors.engine.decision import Decision
from rcuactors.eras import ERAS
from rcuactors.explore import Random, Record, Replay
from rcuactors.kernel.hotplug.onoff import HOTPLUG
from rcuactors.testing import RcuLab


class Often(Random):
    """Any CPU, whenever that is asked; all other decisions by chance."""

    name = "often"

    def choose(self, decision: Decision) -> int:
        return decision.count - 1 if decision.kind is HOTPLUG else super().choose(decision)


async def busy(k: Kernel) -> None:
    """Threads, timers, works, page lists, callbacks and kvfree_rcu() on every CPU."""

    async def works() -> None:
        await k.udelay(50)

    async def frees(number: int) -> None:
        work = k.work(works)
        for _ in range(6):
            p = await k.kmalloc(64)
            with k.rcu_reader():
                await k.udelay(100)
            await k.kvfree_rcu(p, "rcu")
            await k.schedule_work(work)
            await k.usleep_range(500, 1000)
            if number == 1:
                await k.synchronize_rcu()
        await k.flush_work(work)

    async with k.open_nursery() as nursery:
        for number in range(6):
            await nursery.start_soon(frees, number, cpu=number % 3)
    await k.rcu_barrier()


@pytest.mark.parametrize("kernel", list(ERAS))
@pytest.mark.parametrize("settings", [{}, {"PREEMPT_RT": "y"}, {"PREEMPT": "n"}], ids=["preempt", "rt", "none"])
def test_nothing_is_lost(rcu_lab: RcuLab, kernel: str, settings: dict[str, str]) -> None:
    prepared = rcu_lab.prepare(busy, kernel=kernel, strategy=Often(), nr_cpus=3, hotplug="y", **settings)
    assert prepared.run().clean
    hotplug = prepared.machine.system.hotplug
    assert hotplug.downs > 1
    assert hotplug.ups > 1


@pytest.mark.parametrize("seed", range(3))
def test_a_replay_decides_the_same(rcu_lab: RcuLab, seed: int) -> None:
    record = Record(Random())
    words = {"hotplug": "y", "migrate": "y", "nr_cpus": 3}
    first = rcu_lab.run(busy, strategy=record, seed=seed, **words)
    assert record.decisions is not None
    assert any(taken.kind == HOTPLUG.name for taken in record.decisions.taken)
    second = rcu_lab.run(busy, strategy=Replay(Random(), record.decisions), seed=99, **words)
    assert first.clean
    assert (second.digest, second.end_ns) == (first.digest, first.end_ns)


@pytest.mark.parametrize(("strategy", "hotplug"), [("timed", "y"), ("random", "n")])
def test_nobody_is_asked_who_did_not_want_to_be(rcu_lab: RcuLab, strategy: str, hotplug: str) -> None:
    prepared = rcu_lab.prepare(busy, strategy=strategy, hotplug=hotplug, nr_cpus=3)
    assert prepared.run().clean
    assert not prepared.machine.system.hotplug.downs
