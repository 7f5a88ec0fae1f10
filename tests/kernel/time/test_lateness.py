"""kernel/time/lateness.py: timers that come late, as the strategy has it, and only where the run asks for that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from rcuactors import Kernel
from rcuactors.engine.choice import Strategy, Timed
from rcuactors.engine.decision import Decision
from rcuactors.engine.orders import Anyone
from rcuactors.explore import Random, Record, Replay
from rcuactors.kernel.time.lateness import LATE_TIMER, LATEST_NS
from rcuactors.testing import RcuLab

MS = 1_000_000
Script = Callable[[Kernel], Awaitable[None]]


class Late(Strategy):
    """Timers of a name are late by so many nanoseconds; nothing else is special."""

    name = "late"
    order = Anyone

    def __init__(self, timer: str, late_ns: int) -> None:
        self.timer, self.late_ns = timer, late_ns
        self.asked: list[str] = []

    def choose(self, decision: Decision) -> int:
        if decision.kind is not LATE_TIMER:
            return 0
        self.asked.append(decision.option(0).removesuffix(" for 0 ns"))
        return self.late_ns if self.asked[-1] == self.timer else 0


def hrtimer_in_20_us(seen: list[int]) -> Script:
    async def script(k: Kernel) -> None:
        began = k.now

        async def mine() -> None:
            seen.append(k.now - began)

        await k.hrtimer_start(k.hrtimer(mine), 20_000)
        await k.msleep(50)

    return script


def timer_in_2_jiffies(seen: list[int]) -> Script:
    async def script(k: Kernel) -> None:
        began = k.now

        async def mine() -> None:
            seen.append(k.now - began)

        await k.mod_timer(k.timer_setup(mine), 2)
        await k.msleep(80)

    return script


@pytest.mark.parametrize("late_ns", [0, 1_234_567, 40 * MS])
def test_an_hrtimer_is_as_late_as_it_was_decided(rcu_lab: RcuLab, late_ns: int) -> None:
    seen: list[int] = []
    rcu_lab.run(hrtimer_in_20_us(seen), strategy=Late("mine", late_ns), latitude="y")
    assert 0 <= seen[0] - 20_000 - late_ns < 100_000


@pytest.mark.parametrize(("late_ns", "jiffies"), [(0, 0), (1, 1), (4 * MS, 1), (4 * MS + 1, 2), (40 * MS, 10)])
def test_a_timer_of_the_wheel_is_late_by_the_jiffies_that_are_begun(
    rcu_lab: RcuLab, late_ns: int, jiffies: int
) -> None:
    on_time, seen = list[int](), list[int]()
    rcu_lab.run(timer_in_2_jiffies(on_time), strategy=Late("", 0), latitude="y")
    rcu_lab.run(timer_in_2_jiffies(seen), strategy=Late("mine", late_ns), latitude="y")
    assert abs(seen[0] - on_time[0] - jiffies * 4 * MS) < 100_000


def test_the_tick_is_on_time(rcu_lab: RcuLab) -> None:
    strategy = Late("", 0)
    rcu_lab.run(timer_in_2_jiffies([]), strategy=strategy, latitude="y")
    assert "mine" in strategy.asked
    assert not any(name.startswith("tick") for name in strategy.asked)


@pytest.mark.parametrize(("strategy", "latitude"), [("timed", "y"), ("anyone", "n")])
def test_nobody_is_asked_under_timed_nor_unless_the_run_asks_for_it(
    rcu_lab: RcuLab, strategy: str, latitude: str
) -> None:
    asked: list[Decision] = []

    class Asked(Timed):
        order = Anyone if strategy == "anyone" else Timed.order

        def choose(self, decision: Decision) -> int:
            if decision.kind is LATE_TIMER:
                asked.append(decision)
            return super().choose(decision)

    rcu_lab.run(hrtimer_in_20_us([]), strategy=Asked(), latitude=latitude)
    assert not asked


def test_what_fairness_leaves_is_not_passed(rcu_lab: RcuLab) -> None:
    """Of each two seconds half a second can be made up, by many timers together."""
    latest: list[int] = []

    class Latest(Late):
        def choose(self, decision: Decision) -> int:
            if decision.kind is LATE_TIMER:
                latest.append(decision.count - 1)
                return decision.count - 1
            return 0

    async def script(k: Kernel) -> None:
        async def mine() -> None:
            """Nothing to do."""

        for _ in range(20):
            await k.hrtimer_start(k.hrtimer(mine), 1000)

    rcu_lab.run(script, strategy=Latest("", 0), latitude="y")
    assert latest[0] == LATEST_NS
    assert 4.99 * LATEST_NS < sum(latest) <= 5 * LATEST_NS


@pytest.mark.parametrize("seed", range(4))
def test_nature_is_late_now_and_then_and_a_replay_is_as_late(rcu_lab: RcuLab, seed: int) -> None:
    async def script(k: Kernel) -> None:
        async def mine() -> None:
            """Nothing to do."""

        for _ in range(60):
            await k.hrtimer_start(k.hrtimer(mine), 1000)
            await k.udelay(5)
        for _ in range(10):
            await k.msleep(1)

    record = Record(Random())
    first = rcu_lab.run(script, strategy=record, seed=seed, latitude="y")
    assert record.decisions is not None
    late = [taken for taken in record.decisions.taken if taken.kind == LATE_TIMER.name]
    assert 0 < len(late) < 40
    second = rcu_lab.run(script, strategy=Replay(Random(), record.decisions), seed=99, latitude="y")
    assert (second.digest, second.end_ns) == (first.digest, first.end_ns)
