"""kernel/sched.py, pick_next_task(): which of several threads of one urgency runs, where the run leaves that open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from rcuactors import Kernel
from rcuactors.engine.choice import Strategy, Timed
from rcuactors.engine.decision import NEXT_ACTOR, Decision
from rcuactors.engine.orders import Anyone
from rcuactors.explore import Random, Record, Replay
from rcuactors.kernel.sched import WHICH_THREAD
from rcuactors.testing import RcuLab

MS = 1_000_000


class Picks(Strategy):
    """Always the option of that place among threads, if there is one; nothing else is special."""

    name = "picks"
    order = Anyone

    def __init__(self, place: int) -> None:
        self.place = place
        self.offered: list[list[str]] = []

    def choose(self, decision: Decision) -> int:
        if decision.kind is not WHICH_THREAD:
            return 0
        self.offered.append([decision.option(index) for index in range(decision.count)])
        return min(self.place, decision.count - 1)


def three(order: list[str]) -> Callable[[Kernel], Awaitable[None]]:
    """Three threads that wait for CPU 1, which another one keeps until all are there."""

    async def script(k: Kernel) -> None:
        async def first() -> None:
            k.preempt_disable()
            await k.udelay(100)
            await k.preempt_enable()

        def named(name: str) -> Callable[[], Awaitable[None]]:
            async def body() -> None:
                order.append(name)

            return body

        await k.kthread_run(first, cpu=1)
        await k.udelay(20)
        for name in "abc":
            await k.kthread_run(named(name), cpu=1, name=name)

    return script


@pytest.mark.parametrize(("place", "expected"), [(0, ["a", "b", "c"]), (1, ["b", "c", "a"]), (2, ["c", "b", "a"])])
def test_another_than_the_first_can_be_next(rcu_lab: RcuLab, place: int, expected: list[str]) -> None:
    order: list[str] = []
    strategy = Picks(place)
    assert rcu_lab.run(three(order), strategy=strategy, latitude="y").clean
    assert order == expected
    assert strategy.offered[0] == ["script/a.0", "script/b.0", "script/c.0"] or place < 0


@pytest.mark.parametrize(("strategy", "latitude"), [("timed", "y"), ("anyone", "n")])
def test_nobody_is_asked_under_timed_nor_unless_the_run_asks_for_it(
    rcu_lab: RcuLab, strategy: str, latitude: str
) -> None:
    asked: list[Decision] = []

    class Asked(Timed):
        order = Anyone if strategy == "anyone" else Timed.order

        def choose(self, decision: Decision) -> int:
            if decision.kind is WHICH_THREAD:
                asked.append(decision)
            return super().choose(decision)

    rcu_lab.run(three([]), strategy=Asked(), latitude=latitude)
    assert not asked


def test_a_more_urgent_thread_is_no_matter_of_choice(rcu_lab: RcuLab) -> None:
    order: list[str] = []

    async def script(k: Kernel) -> None:
        async def note(name: str) -> None:
            order.append(name)

        k.preempt_disable()
        for name in ("a", "b"):
            await k.kthread_run(note, name, name=name, cpu=0)
        await k.kthread_run(note, "urgent", cpu=0, urgent=True)
        await k.preempt_enable()

    rcu_lab.run(script, strategy=Picks(1), latitude="y")
    # Picked second is "a", since the scenario's own thread, preempted, is the first of the normal ones.
    assert order == ["urgent", "a", "b"]


def test_no_thread_is_starved(rcu_lab: RcuLab) -> None:
    """Two threads that never sleep: whoever is passed over has its turn when half a second is used up."""
    ran: dict[str, int] = {"a": 0, "b": 0}

    async def script(k: Kernel) -> None:
        async def busy(name: str) -> None:
            while k.now < 4_000 * MS:
                ran[name] += 1
                await k.udelay(1000)

        async with k.open_nursery() as nursery:
            for name in ran:
                await nursery.start_soon(busy, name, cpu=1, name=name)

    class Starves(Picks):
        def choose(self, decision: Decision) -> int:
            if decision.kind is not WHICH_THREAD:
                return 0
            return max(decision.find("script/a.0"), 0)

    assert rcu_lab.run(script, strategy=Starves(0), latitude="y").clean
    # It can lose half a second of each two, and has half of the rest.
    assert 4_000 * 0.3 < ran["b"] < 4_000 * 0.45 < ran["a"]


@pytest.mark.parametrize("seed", range(4))
def test_a_replay_picks_the_same(rcu_lab: RcuLab, seed: int) -> None:
    async def script(k: Kernel) -> None:
        async def works() -> None:
            for _ in range(4):
                await k.udelay(700)
                await k.msleep(1)
                await k.kvfree_rcu(await k.kmalloc(64), "rcu")

        async with k.open_nursery() as nursery:
            for number in range(6):
                await nursery.start_soon(works, cpu=number % 2)

    record = Record(Random())
    first = rcu_lab.run(script, strategy=record, seed=seed, latitude="y", migrate="y")
    assert record.decisions is not None
    assert any(taken.kind == WHICH_THREAD.name for taken in record.decisions.taken)
    second = rcu_lab.run(script, strategy=Replay(Random(), record.decisions), seed=99, latitude="y", migrate="y")
    assert (second.digest, second.end_ns) == (first.digest, first.end_ns)


def test_hints_say_who_reads_and_where_a_batch_waits(rcu_lab: RcuLab) -> None:
    hints: set[str] = set()

    class Looks(Strategy):
        order = Anyone

        def choose(self, decision: Decision) -> int:
            if decision.kind is NEXT_ACTOR:
                for index in range(decision.count):
                    hints.update(f"{decision.option(index)}: {hint}" for hint in decision.hints(index))
            return 0

    async def script(k: Kernel) -> None:
        async def reader() -> None:
            with k.rcu_reader():
                await k.udelay(40_000)

        await k.kthread_run(reader, cpu=1)
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")
        await k.udelay(60_000)

    rcu_lab.run(script, strategy=Looks(), kernel="v5.11")
    assert "cpu1:script/reader.0: in a reader" in hints
    assert any(hint.startswith("cpu0") and hint.endswith(": a batch is pending") for hint in hints)
    assert not any(hint.startswith("cpu0") and "reader" in hint for hint in hints)
