"""Grace periods against readers of every kind (rcuactors/rcu/gp.py, readers.py).

The oracle, which knows nothing of the machine, has the last word.
"""

from __future__ import annotations

import random
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rcuactors import Kernel, Run, RunOptions, ViolationKind, run, scenario
from rcuactors.engine.choice import Timed
from rcuactors.explore.random import Random
from rcuactors.kernel.cpu import Cpu
from rcuactors.kernel.thread import Thread
from rcuactors.rcu.gp import GracePeriodMachine
from rcuactors.rcu.nodes import RcuNode
from rcuactors.rcu.quiescent import QuiescentStates

MS = 1_000_000
KERNELS: dict[str, dict[str, str]] = {"plain": {}, "rt": {"PREEMPT_RT": "y"}, "none": {"PREEMPT": "n"}}


# -- random readers and updaters ---------------------------------------------------------------------------


async def burn(k: Kernel, us: int) -> None:
    """Be busy, in thirty steps instead of one a microsecond."""
    for _ in range(30):
        await k.machine.current.spend(us * 1000 // 30)


@attrs.define
class Torture:
    """Updaters replace what a slot points to and free the old object after a grace period; readers hold and use it.

    Some readers sleep, which the kernel warns of, and waits for all the same.
    """

    k: Kernel
    cpus: int
    steps: int
    sleeping: bool
    slots: list[Any] = attrs.field(factory=list)

    async def hold(self, plan: random.Random) -> None:
        k, what = self.k, plan.random()
        if what < 0.4:
            await burn(k, plan.randrange(1, 400))
        elif what < 0.6:
            await burn(k, plan.randrange(1000, 40_000))
        elif what < 0.8 and self.sleeping and k.preemptible():
            await k.usleep_range(plan.randrange(1, 60_000), 60_000)
        elif what < 0.9:
            k.preempt_disable()
            await burn(k, plan.randrange(1, 5000))
            await k.preempt_enable()

    async def read_on(self, plan: random.Random) -> None:
        """A reader that goes on after its unlock, because something else is off by then."""
        k, irqs = self.k, plan.random() < 0.5
        k.rcu_read_lock()
        p = k.rcu_dereference(self.slots[plan.randrange(3)])
        await burn(k, plan.randrange(1, 40_000))
        if irqs:
            k.local_irq_disable()
        else:
            k.preempt_disable()
        k.rcu_read_unlock()
        await burn(k, plan.randrange(1, 40_000))
        k.deref(p)
        await (k.local_irq_enable() if irqs else k.preempt_enable())

    async def read(self, plan: random.Random) -> None:
        k, slots = self.k, self.slots
        if k.preemptible() and plan.random() < 0.2:
            await self.read_on(plan)
            return
        with k.rcu_reader():
            p = k.rcu_dereference(slots[plan.randrange(3)])
            await self.hold(plan)
            k.deref(p)
            if plan.random() < 0.3:
                with k.rcu_reader():
                    q = k.rcu_dereference(slots[plan.randrange(3)])
                    await burn(k, plan.randrange(1, 50))
                    k.deref(q)

    async def reader(self, seed: int) -> None:
        k, plan = self.k, random.Random(seed)
        for _ in range(self.steps):
            if plan.random() < 0.15:
                inner = random.Random(plan.getrandbits(30))
                await k.raise_irq(lambda plan=inner: self.read(plan), cpu=plan.randrange(self.cpus))
            else:
                await self.read(plan)
            await k.cond_resched()
            if plan.random() < 0.5:
                await k.usleep_range(plan.randrange(1, 2000), 2000)

    async def updater(self, seed: int) -> None:
        k, plan = self.k, random.Random(seed)
        for _ in range(self.steps):
            index = plan.randrange(3)
            fresh = await k.kmalloc(64)
            old, self.slots[index] = self.slots[index], fresh
            if plan.random() < 0.5:
                await k.synchronize_rcu()
                await k.kfree(old)
            else:
                k.machine.oracle.retired(old, k.now)
                await k.call_rcu(lambda gone=old: k.kfree(gone), name="free")
            await k.usleep_range(plan.randrange(1, 3000), 3000)

    async def main(self, seed: int) -> None:
        k, rng = self.k, random.Random(seed)
        self.slots = [await k.kmalloc(64) for _ in range(3)]
        async with k.open_nursery() as nursery:
            for number in range(2 * self.cpus):
                body = self.reader if number % 3 else self.updater
                urgent = rng.random() < 0.3
                await nursery.start_soon(body, rng.getrandbits(30), cpu=rng.randrange(self.cpus), urgent=urgent)
        await k.rcu_barrier()
        # An interrupt that was raised last may still read on another CPU.
        await k.synchronize_rcu()
        for p in self.slots:
            await k.kfree(p)


def tortured(seed: int, cpus: int, kernel: str, strategy: str, steps: int = 6) -> Run:
    async def script(k: Kernel) -> None:
        await Torture(k, cpus, steps, sleeping=kernel != "none").main(seed)

    chosen = Random() if strategy == "random" else Timed()
    options = RunOptions(strategy=chosen, seed=seed, events=False, settings={"nr_cpus": str(cpus), **KERNELS[kernel]})
    one = Run(scenario()(script), options)
    one.run()
    return one


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 1 << 30),
    cpus=st.integers(1, 3),
    kernel=st.sampled_from(sorted(KERNELS)),
    strategy=st.sampled_from(["timed", "random"]),
)
def test_no_grace_period_ends_before_the_readers_that_were_open_at_its_start(
    seed: int, cpus: int, kernel: str, strategy: str
) -> None:
    one = tortured(seed, cpus, kernel, strategy)
    assert one.result().kinds <= {ViolationKind.VOLUNTARY_SWITCH}
    # Without preemption, one CPU needs no grace period for synchronize_rcu().
    assert one.machine.gp.completed > 0 or (kernel, cpus) == ("none", 1)


# -- planted bugs: the oracle sees what the machine does wrong ---------------------------------------------


def finds_use_after_free(kernel: str = "plain", cpus: int = 2) -> bool:
    for seed in range(20):
        kinds = tortured(seed, cpus, kernel, "timed").result().kinds - {ViolationKind.VOLUNTARY_SWITCH}
        assert kinds <= {ViolationKind.USE_AFTER_FREE}
        if kinds:
            return True
    return False


class ForgetsBlockedReaders(RcuNode):
    def ctxt_queue(self, cpu: Cpu, thread: Thread) -> None:
        pass


def test_a_switch_that_forgets_its_reader_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rcuactors.rcu.gp.RcuNode", ForgetsBlockedReaders)
    assert finds_use_after_free()


class AsksNobody(GracePeriodMachine):
    def _start(self) -> None:
        super()._start()
        self.node.qsmask.clear()
        self.node.gp_tasks.clear()
        self.node.untouched = False


def test_a_machine_that_waits_for_nobody_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rcuactors.machine.GracePeriodMachine", AsksNobody)
    assert finds_use_after_free()


class SkipsRunningReaders(GracePeriodMachine):
    """Of those that were switched out it waits for those only that are switched out at the start of a grace period."""

    def _start(self) -> None:
        super()._start()
        self.node.gp_tasks = {
            order: thread for order, thread in self.node.gp_tasks.items() if thread.cpu.current is not thread
        }
        self.node.qsmask = {cpu_id: cpu for cpu_id, cpu in self.node.qsmask.items() if not cpu.current.rcu_blocked}


def test_a_start_that_passes_over_a_reader_which_runs_again_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rcuactors.machine.GracePeriodMachine", SkipsRunningReaders)
    assert finds_use_after_free()


class QuiescentAtEveryTick(QuiescentStates):
    """Also at one that interrupted a reader."""

    def tick(self, cpu: Cpu) -> None:
        self.rcu_qs(cpu)


# On PREEMPT_RT it does no harm: what reports it is a thread, for which the reader is switched out.
@pytest.mark.parametrize("kernel", ["plain", "none"])
def test_a_tick_that_is_quiescent_inside_a_reader_is_caught(monkeypatch: pytest.MonkeyPatch, kernel: str) -> None:
    monkeypatch.setattr("rcuactors.machine.QuiescentStates", QuiescentAtEveryTick)
    assert finds_use_after_free(kernel)


class NeverDefers(QuiescentStates):
    """The end of a reader is told at once, whatever is off."""

    def rcu_read_unlock_special(self, cpu: Cpu) -> None:
        self.deferred_qs(cpu, cpu.current)


@pytest.mark.parametrize("kernel", ["plain", "rt"])
def test_a_reader_that_ends_for_rcu_with_its_unlock_is_caught(monkeypatch: pytest.MonkeyPatch, kernel: str) -> None:
    monkeypatch.setattr("rcuactors.machine.QuiescentStates", NeverDefers)
    assert finds_use_after_free(kernel)


def asks_during_a_grace_period() -> bool:
    """Whether synchronize_rcu() waits for a reader that began before it, and after the present grace period.

    It is called on a CPU that has slept all the while, and so takes note of that grace period after the call.
    """
    waited: list[bool] = []

    async def script(k: Kernel) -> None:
        ended: list[str] = []

        async def reader(name: str, us: int) -> None:
            with k.rcu_reader():
                await k.udelay(us)
                ended.append(name)

        async def late() -> None:
            await k.synchronize_rcu()
            waited.append("second" in ended)

        async with k.open_nursery() as nursery:
            await nursery.start_soon(reader, "first", 60_000, cpu=1)
            await nursery.start_soon(k.synchronize_rcu, cpu=0, name="waiter")
            await k.msleep(30)
            assert k.machine.gp.gp_seq & 3
            await nursery.start_soon(reader, "second", 90_000, cpu=2)
            await k.udelay(100)
            await nursery.start_soon(late, cpu=3)

    assert run(scenario()(script), nr_cpus="4").clean
    return waited == [True]


def test_a_snapshot_that_takes_the_running_grace_period_for_enough_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asks_during_a_grace_period()
    monkeypatch.setattr("rcuactors.rcu.seq.snap", lambda now: (now + 4) & ~3)
    assert not asks_during_a_grace_period()


# -- one situation each ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", ["plain", "rt"])
def test_a_reader_that_was_preempted_is_waited_for(kernel: str) -> None:
    async def script(k: Kernel) -> None:
        state: list[str] = []

        async def hog() -> None:
            await k.udelay(30_000)
            assert not state

        async def reader() -> None:
            with k.rcu_reader():
                await k.kthread_run(hog, cpu=1, urgent=True)
                await k.udelay(10)
                state.append("out")

        await k.kthread_run(reader, cpu=1)
        await k.udelay(100)
        began = k.now
        await k.synchronize_rcu()
        assert state == ["out"]
        assert k.now - began > 25_000_000

    assert run(scenario()(script), **KERNELS[kernel]).clean


def test_a_reader_that_sleeps_is_waited_for_and_one_that_came_later_is_not() -> None:
    async def script(k: Kernel) -> None:
        state: list[str] = []

        async def reader(name: str, us: int) -> None:
            with k.rcu_reader():
                await k.usleep_range(us, us)
                state.append(name)

        await k.kthread_run(reader, "early", 20_000, cpu=1)
        await k.usleep_range(100, 100)
        waiter = await k.kthread_run(k.synchronize_rcu, cpu=0, name="waiter")
        while not k.machine.gp.gp_seq & 3:
            await k.usleep_range(100, 100)
        # Two jiffies later the scan has seen that CPU 1 is idle.
        await k.msleep(8)
        await k.kthread_run(reader, "late", 200_000, cpu=1)
        await k.kthread_join(waiter)
        assert state == ["early"]

    assert run(scenario()(script)).kinds == {ViolationKind.VOLUNTARY_SWITCH}


def test_a_cpu_that_comes_into_being_in_the_middle_is_not_waited_for() -> None:
    async def script(k: Kernel) -> None:
        state: list[str] = []

        async def reader(name: str, us: int) -> None:
            with k.rcu_reader():
                await k.udelay(us)
                state.append(name)

        await k.kthread_run(reader, "old", 30_000, cpu=1)
        await k.udelay(100)
        waiter = await k.kthread_run(k.synchronize_rcu, name="waiter")
        while not k.machine.gp.gp_seq & 3:
            await k.usleep_range(100, 100)
        assert 2 not in k.machine.system.cpus
        await k.kthread_run(reader, "new", 100_000, cpu=2)
        await k.kthread_join(waiter)
        assert state == ["old"]
        await k.synchronize_rcu()
        assert state == ["old", "new"]

    assert run(scenario()(script), nr_cpus="3").clean


def test_a_reader_in_a_softirq_on_the_idle_thread_is_waited_for() -> None:
    """The tick that interrupts it must not take the CPU for idle."""

    async def script(k: Kernel) -> None:
        state: list[str] = []

        async def tasklet() -> None:
            with k.rcu_reader():
                await k.udelay(20_000)
                state.append("out")

        async def handler() -> None:
            async def nothing() -> None:
                pass

            # A callback keeps the idle CPU's tick going.
            await k.call_rcu(nothing)
            await k.tasklet_schedule(tasklet)

        await k.raise_irq(handler, cpu=1)
        await k.udelay(100)
        await k.synchronize_rcu()
        assert state == ["out"]

    for kernel in ("plain", "none"):
        assert run(scenario()(script), **KERNELS[kernel]).clean


@pytest.mark.parametrize("how", ["irqs off", "preempt off", "bh off"])
def test_a_quiescent_state_is_not_reported_from_an_atomic_region(how: str) -> None:
    """The end of a reader in a region with interrupts, preemption or bottom halves off: the region is one, too."""

    async def script(k: Kernel) -> None:
        state: list[str] = []

        async def region() -> None:
            if how == "irqs off":
                k.local_irq_disable()
            elif how == "preempt off":
                k.preempt_disable()
            else:
                await k.local_bh_disable()
            for _ in range(100):
                with k.rcu_reader():
                    await k.udelay(100)
            state.append("out")
            if how == "irqs off":
                await k.local_irq_enable()
            elif how == "preempt off":
                await k.preempt_enable()
            else:
                await k.local_bh_enable()

        await k.kthread_run(region, cpu=1)
        await k.udelay(100)
        await k.synchronize_rcu()
        assert state == ["out"]

    assert run(scenario()(script)).clean


@pytest.mark.parametrize("hz", [100, 250, 1000])
def test_without_preemption_cond_resched_counts_once_the_grace_period_is_old(hz: int) -> None:
    """rcu_all_qs() waits for rcu_urgent_qs, a tenth of a second; recorded at HZ=250: 112 to 124 ms, mostly 116."""

    async def script(k: Kernel, polite: bool = True) -> None:
        state: list[str] = []

        async def busy() -> None:
            for _ in range(600):
                await k.udelay(500)
                if polite:
                    await k.cond_resched()
            state.append("out")

        await k.kthread_run(busy, cpu=1)
        await k.msleep(20)
        began = k.now
        await k.synchronize_rcu()
        took = (k.now - began) / MS
        assert bool(state) is not polite
        if polite:
            assert 100 < took < 100 + 8 * 1000 / hz

    assert run(scenario()(script), PREEMPT="n", HZ=str(hz)).clean
    assert run(scenario()(script), PREEMPT="n", HZ=str(hz), polite="n").clean


def test_a_grace_period_on_one_cpu_takes_a_few_jiffies() -> None:
    async def script(k: Kernel) -> None:
        began = k.jiffies
        await k.synchronize_rcu()
        assert 1 <= k.jiffies - began <= 5

    for kernel in ("plain", "rt"):
        assert run(scenario()(script), nr_cpus="1", **KERNELS[kernel]).clean
