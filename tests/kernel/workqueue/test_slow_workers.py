"""kernel/workqueue/worker.py: workers that begin late, where the strategy has them do so."""

from __future__ import annotations

import pytest

from rcuactors import Kernel
from rcuactors.engine.choice import Strategy
from rcuactors.engine.decision import Decision
from rcuactors.engine.orders import Anyone
from rcuactors.eras import ERAS
from rcuactors.explore import Random, Record, Replay
from rcuactors.kernel.time.lateness import LATEST_NS
from rcuactors.kernel.workqueue.worker import SLOW_WORKER
from rcuactors.testing import RcuLab

MS = 1_000_000


class Slow(Strategy):
    """Workers begin so late; nothing else is special."""

    name = "slow"
    order = Anyone

    def __init__(self, late_ns: int) -> None:
        self.late_ns = late_ns
        self.asked: list[str] = []

    def choose(self, decision: Decision) -> int:
        if decision.kind is not SLOW_WORKER:
            return 0
        self.asked.append(decision.option(0))
        return min(self.late_ns, decision.count - 1)


class Slowest(Random):
    """As late as can be; all other decisions by chance."""

    name = "slowest"

    def choose(self, decision: Decision) -> int:
        return decision.count - 1 if decision.kind is SLOW_WORKER else super().choose(decision)


def began_after(rcu_lab: RcuLab, strategy: Strategy, slow_workers: str = "y") -> list[int]:
    """After how many nanoseconds each of two works began, of which the second is queued while the worker is late."""
    seen: list[int] = []

    async def script(k: Kernel) -> None:
        began = k.now

        async def mine() -> None:
            seen.append(k.now - began)

        await k.schedule_work(k.work(mine))
        await k.udelay(30)
        await k.schedule_work(k.work(mine))
        await k.msleep(80)

    rcu_lab.run(script, strategy=strategy, slow_workers=slow_workers)
    return seen


@pytest.mark.parametrize(("late_ns", "jiffies"), [(1, 1), (4 * MS, 1), (4 * MS + 1, 2), (40 * MS, 10)])
def test_a_worker_begins_so_many_jiffies_late_and_nobody_takes_its_place(
    rcu_lab: RcuLab, late_ns: int, jiffies: int
) -> None:
    on_time, late = began_after(rcu_lab, Slow(0)), began_after(rcu_lab, Slow(late_ns))
    assert on_time[0] < 100_000
    assert jiffies * 4 * MS <= late[0] < (jiffies + 1) * 4 * MS + 100_000
    assert late[0] < late[1] < late[0] + MS


def test_a_worker_is_known_by_who_created_it(rcu_lab: RcuLab) -> None:
    strategy = Slow(0)
    began_after(rcu_lab, strategy)
    assert strategy.asked
    assert all("kworker" in option and option.endswith(" for 0 ns") for option in strategy.asked)


@pytest.mark.parametrize(("strategy", "slow_workers"), [("timed", "y"), ("slow", "n")])
def test_nobody_is_asked_who_did_not_want_to_be(rcu_lab: RcuLab, strategy: str, slow_workers: str) -> None:
    slow = Slow(LATEST_NS)
    if strategy == "timed":
        slow.order = Strategy.order
    assert began_after(rcu_lab, slow, slow_workers)[0] < 100_000
    assert not slow.asked


async def busy(k: Kernel) -> None:
    """Works that are queued again, cancelled and flushed, and those of kvfree_rcu()."""
    ran = 0

    async def works() -> None:
        nonlocal ran
        ran += 1
        await k.udelay(50)

    async def queues() -> None:
        work, delayed = k.work(works), k.delayed_work(works)
        for turn in range(5):
            await k.kvfree_rcu(await k.kmalloc(64), "rcu")
            await k.schedule_work(work)
            await k.schedule_delayed_work(delayed, turn)
            await k.usleep_range(500, 1000)
            if turn == 2:
                await k.cancel_work_sync(work)
        await k.flush_work(work)
        await k.cancel_delayed_work_sync(delayed)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(queues, cpu=0)
        await nursery.start_soon(queues, cpu=1)
    assert ran
    await k.rcu_barrier()


@pytest.mark.parametrize("kernel", list(ERAS))
@pytest.mark.parametrize("build", [{}, {"PREEMPT_RT": "y"}, {"hotplug": "y"}], ids=["preempt", "rt", "hotplug"])
def test_nothing_is_lost(rcu_lab: RcuLab, kernel: str, build: dict[str, str]) -> None:
    record = Record(Slowest())
    words = {"nr_cpus": 2, "slow_workers": "y", **build}
    assert rcu_lab.run(busy, kernel=kernel, strategy=record, **words).clean
    assert record.decisions is not None
    assert any(taken.kind == SLOW_WORKER.name for taken in record.decisions.taken)


@pytest.mark.parametrize("seed", range(3))
def test_a_replay_decides_the_same(rcu_lab: RcuLab, seed: int) -> None:
    record = Record(Slowest())
    first = rcu_lab.run(busy, strategy=record, seed=seed, nr_cpus=2, slow_workers="y")
    assert record.decisions is not None
    replay = Replay(Random(), record.decisions)
    second = rcu_lab.run(busy, strategy=replay, seed=99, nr_cpus=2, slow_workers="y")
    assert (second.digest, second.end_ns) == (first.digest, first.end_ns)
