"""Grace periods against readers of every kind (rcuactors/rcu/gp.py, readers.py).

The oracle, which knows nothing of the machine, has the last word.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rcuactors import Kernel, ViolationKind, run, scenario
from rcuactors.kernel.cpu import Cpu
from rcuactors.kernel.thread import Thread
from rcuactors.rcu.gp import GracePeriodMachine
from rcuactors.rcu.nodes import RcuNode, RcuTree
from rcuactors.rcu.quiescent import QuiescentStates

from .torture import KERNELS, tortured

MS = 1_000_000


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


class ForgetsBlockedReaders(RcuTree):
    def ctxt_queue(self, leaf: RcuNode, cpu: Cpu, thread: Thread) -> None:
        pass


def test_a_switch_that_forgets_its_reader_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rcuactors.rcu.gp.RcuTree", ForgetsBlockedReaders)
    assert finds_use_after_free()


class AsksNobody(GracePeriodMachine):
    async def _start(self) -> None:
        await super()._start()
        self.root.qsmask.clear()
        self.root.gp_tasks.clear()
        self.tree.untouched = False


def test_a_machine_that_waits_for_nobody_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rcuactors.machine.GracePeriodMachine", AsksNobody)
    assert finds_use_after_free()


class SkipsRunningReaders(GracePeriodMachine):
    """Of those that were switched out it waits for those only that are switched out at the start of a grace period."""

    async def _start(self) -> None:
        await super()._start()
        root = self.root
        root.gp_tasks = {order: thread for order, thread in root.gp_tasks.items() if thread.cpu.current is not thread}
        root.qsmask = {cpu_id: cpu for cpu_id, cpu in root.qsmask.items() if not cpu.current.rcu_blocked}


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
