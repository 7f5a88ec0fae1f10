"""kernel/irq/spurious.py: interrupts and NMIs that nobody wants, where the strategy has them come."""

from __future__ import annotations

import pytest

from rcuactors import Kernel
from rcuactors.engine.decision import Decision
from rcuactors.engine.orders import Anyone, ByClock, Order
from rcuactors.eras import ERAS
from rcuactors.explore import Random, Record, Replay
from rcuactors.kernel.irq.spurious import SPURIOUS_IRQ, SPURIOUS_NMI
from rcuactors.testing import RcuLab

BOTH = {"spurious_irqs": "y", "spurious_nmis": "y"}


class Everywhere(Random):
    """Those of one kind come wherever they are asked for; all other decisions by chance."""

    name = "everywhere"

    def __init__(self, *kinds: str) -> None:
        super().__init__()
        self.kinds = kinds

    def choose(self, decision: Decision) -> int:
        if decision.kind in (SPURIOUS_IRQ, SPURIOUS_NMI):
            return int(decision.kind.name in self.kinds)
        return super().choose(decision)


async def busy(k: Kernel) -> None:
    """Softirqs, timers, works, callbacks, readers and kvfree_rcu(), interrupts off and on."""
    lock = k.raw_spinlock("a")

    async def softirq() -> None:
        await k.udelay(2)

    async def frees() -> None:
        for _ in range(4):
            p = await k.kmalloc(64)
            flags = await k.raw_spin_lock_irqsave(lock)
            await k.udelay(1)
            await k.raw_spin_unlock_irqrestore(lock, flags)
            with k.rcu_reader():
                await k.udelay(3)
            await k.tasklet_schedule(softirq)
            await k.kvfree_rcu(p, "rcu")
            await k.usleep_range(500, 1000)
        await k.synchronize_rcu()

    async with k.open_nursery() as nursery:
        await nursery.start_soon(frees, cpu=0)
        await nursery.start_soon(frees, cpu=1)
    await k.rcu_barrier()


@pytest.mark.parametrize("kernel", list(ERAS))
@pytest.mark.parametrize("build", [{}, {"PREEMPT_RT": "y"}, {"PREEMPT": "n"}], ids=["preempt", "rt", "none"])
def test_nothing_is_lost_however_many_come(rcu_lab: RcuLab, kernel: str, build: dict[str, str]) -> None:
    strategy = Everywhere(SPURIOUS_IRQ.name, SPURIOUS_NMI.name)
    prepared = rcu_lab.prepare(busy, kernel=kernel, strategy=strategy, nr_cpus=2, **BOTH, **build)
    assert prepared.run().clean
    assert prepared.machine.system.spurious.came > 200


@pytest.mark.parametrize("order", [Anyone, ByClock])
def test_an_interrupt_runs_the_softirq_that_waits_even_with_preemption_off(rcu_lab: RcuLab, order: type[Order]) -> None:
    """Within a delay, too. Without one, ksoftirqd has to wait until preemption is on again."""
    seen: list[tuple[bool, bool]] = []

    def script(comes: bool) -> None:
        async def raises(k: Kernel) -> None:
            ran = False

            async def softirq() -> None:
                nonlocal ran
                ran = True

            k.preempt_disable()
            await k.tasklet_schedule(softirq)
            await k.udelay(1)
            seen.append((comes, ran))
            await k.preempt_enable()

        strategy = Everywhere(*[SPURIOUS_IRQ.name] * comes)
        strategy.order, strategy.holds_up = order, order is ByClock
        rcu_lab.run(raises, strategy=strategy, spurious_irqs="y")

    script(False)
    script(True)
    assert seen == [(False, False), (True, True)]


@pytest.mark.parametrize(("setting", "comes"), [("spurious_irqs", False), ("spurious_nmis", True)])
def test_interrupts_off_keep_interrupts_away_and_no_nmi(rcu_lab: RcuLab, setting: str, comes: bool) -> None:
    came: list[int] = []

    async def script(k: Kernel) -> None:
        spurious = prepared.machine.system.spurious
        lock = k.raw_spinlock("a")
        flags = k.local_irq_save()
        before = spurious.came
        await k.raw_spin_lock(lock)
        await k.udelay(3)
        await k.raw_spin_unlock(lock)
        came.append(spurious.came - before)
        await k.local_irq_restore(flags)

    strategy = Everywhere(SPURIOUS_IRQ.name, SPURIOUS_NMI.name)
    prepared = rcu_lab.prepare(script, strategy=strategy, **{setting: "y"})
    assert prepared.run().clean
    assert prepared.machine.system.spurious.came
    assert bool(came[0]) is comes


@pytest.mark.parametrize("seed", range(3))
def test_by_chance_some_come_and_a_replay_has_the_same(rcu_lab: RcuLab, seed: int) -> None:
    record = Record(Random())
    first = rcu_lab.run(busy, strategy=record, seed=seed, nr_cpus=2, **BOTH)
    assert record.decisions is not None
    assert {taken.kind for taken in record.decisions.taken} >= {SPURIOUS_IRQ.name, SPURIOUS_NMI.name}
    second = rcu_lab.run(busy, strategy=Replay(Random(), record.decisions), seed=99, nr_cpus=2, **BOTH)
    assert first.clean
    assert (second.digest, second.end_ns) == (first.digest, first.end_ns)


@pytest.mark.parametrize(("strategy", "asked"), [("timed", "y"), ("random", "n")])
def test_nobody_is_asked_who_did_not_want_to_be(rcu_lab: RcuLab, strategy: str, asked: str) -> None:
    settings = dict.fromkeys(BOTH, asked)
    prepared = rcu_lab.prepare(busy, strategy=strategy, nr_cpus=2, **settings)
    assert prepared.run().clean
    assert not prepared.machine.system.spurious.came
