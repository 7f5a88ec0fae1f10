"""Expedited grace periods (rcuactors/rcu/expedited.py, exp_nodes.py, exp_drivers.py, exp_stall.py)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rcuactors import Kernel, Run, RunOptions, ViolationKind, run, scenario
from rcuactors.engine.choice import Timed
from rcuactors.engine.events import Event
from rcuactors.eras import ERAS
from rcuactors.explore.random import Random
from rcuactors.kernel.cpu import Cpu
from rcuactors.kernel.thread import Thread
from rcuactors.rcu.data import RcuData
from rcuactors.rcu.exp_nodes import ExpeditedTree
from rcuactors.rcu.exp_select import ExpeditedSelection
from rcuactors.rcu.nodes import RcuNode

from .regions import region
from .torture import Torture

MS = 1_000_000
TALL = {"rcu_fanout": "2", "rcu_fanout_leaf": "2"}
KERNELS: dict[str, dict[str, str]] = {"plain": {}, "none": {"PREEMPT": "n"}, "tall": TALL}


def tortured(seed: int, cpus: int, kernel: str, strategy: str, version: str = "v6.12") -> Run:
    """The readers and updaters of the ordinary grace periods, but every synchronize_rcu() is an expedited one."""

    async def script(k: Kernel) -> None:
        await Torture(k, cpus, 6, sleeping=kernel != "none").main(seed)

    chosen = Random() if strategy == "random" else Timed()
    given_settings = {"nr_cpus": str(cpus), "rcu_expedited": "y", **KERNELS[kernel]}
    one = Run(
        scenario()(script),
        RunOptions(kernel=version, strategy=chosen, seed=seed, events=False, settings=given_settings),
    )
    one.run()
    return one


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 1 << 30),
    cpus=st.integers(1, 4),
    kernel=st.sampled_from(sorted(KERNELS)),
    strategy=st.sampled_from(["timed", "random"]),
    version=st.sampled_from(["v5.11", "v6.1-stable", "v6.12", "v6.18"]),
)
def test_none_ends_before_the_readers_that_were_open_at_its_start(
    seed: int, cpus: int, kernel: str, strategy: str, version: str
) -> None:
    one = tortured(seed, cpus, kernel, strategy, version)
    assert one.result().kinds <= {ViolationKind.VOLUNTARY_SWITCH}
    free = (kernel, cpus, version) == ("none", 1, "v5.11")
    assert one.machine.callbacks.expedited.completed > 0 or free


# -- planted bugs: the oracle sees what is wrong -------------------------------------------------------------


def finds_use_after_free(kernel: str = "plain") -> bool:
    for seed in range(30):
        kinds = tortured(seed, 2, kernel, "timed").result().kinds - {ViolationKind.VOLUNTARY_SWITCH}
        assert kinds <= {ViolationKind.USE_AFTER_FREE}
        if kinds:
            return True
    return False


class ForgetsBlockedReaders(ExpeditedTree):
    def ctxt_queue(self, cpu: Cpu, rdp: RcuData, thread: Thread) -> None:
        pass


class ForgetsReadersBlockedBefore(ExpeditedTree):
    def wait_for_readers(self, leaf: RcuNode) -> None:
        pass


def preempted_reader(hog_first: bool) -> set[ViolationKind]:
    """A reader is switched out before a grace period begins, or while that waits for it; then its object is freed."""

    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)
        inside: list[bool] = []

        async def reader() -> None:
            with k.rcu_reader():
                q = k.rcu_dereference(p)
                inside.append(True)
                for _ in range(20):
                    await k.udelay(100)
                k.deref(q)

        async def hog() -> None:
            for _ in range(10):
                await k.udelay(100)

        async def updater() -> None:
            await k.synchronize_rcu_expedited()
            await k.kfree(p)

        tasks = [await k.kthread_run(reader, cpu=1)]
        while not inside:
            await k.udelay(1)
        bodies = [(hog, 1, True), (updater, 0, False)]
        for body, cpu, urgent in bodies if hog_first else reversed(bodies):
            tasks.append(await k.kthread_run(body, cpu=cpu, urgent=urgent))
            await k.usleep_range(300, 301)
        for task in tasks:
            await k.kthread_join(task)

    return set(run(scenario()(script), RunOptions(kernel="v6.12", settings={"nr_cpus": "2"})).kinds)


@pytest.mark.parametrize("hog_first", [False, True])
def test_a_reader_that_is_switched_out_is_waited_for(hog_first: bool) -> None:
    assert preempted_reader(hog_first) == set()


@pytest.mark.parametrize(("node", "hog_first"), [(ForgetsBlockedReaders, False), (ForgetsReadersBlockedBefore, True)])
def test_one_that_is_switched_out_and_forgotten_is_caught(
    monkeypatch: pytest.MonkeyPatch, node: type[ExpeditedTree], hog_first: bool
) -> None:
    monkeypatch.setattr("rcuactors.rcu.quiescent.ExpeditedTree", node)
    assert preempted_reader(hog_first) == {ViolationKind.USE_AFTER_FREE}


class AnswersAtOnce(ExpeditedSelection):
    async def _rcu_exp_handler(self, cpu: Cpu) -> None:
        self.node.report(cpu, self.machine.data[cpu.cpu_id])


@pytest.mark.parametrize("kernel", sorted(KERNELS))
def test_a_cpu_that_answers_in_the_middle_of_a_reader_is_caught(monkeypatch: pytest.MonkeyPatch, kernel: str) -> None:
    monkeypatch.setattr("rcuactors.rcu.expedited.ExpeditedSelection", AnswersAtOnce)
    assert finds_use_after_free(kernel)


# -- whom it waits for ---------------------------------------------------------------------------------------


def waited_us(how: str, version: str = "v6.12", **given_settings: str) -> float:
    """How long synchronize_rcu_expedited() takes beside a region of CPU 1 that lasts ten milliseconds."""
    took: list[float] = []

    async def script(k: Kernel) -> None:
        inside: list[bool] = []

        async def reader() -> None:
            within = region(k, how) if how != "nothing" else None
            if within is not None:
                await within(k, True)
            inside.append(True)
            for _ in range(100):
                await k.udelay(100)
            if within is not None:
                await within(k, False)

        task = await k.kthread_run(reader, cpu=1)
        while not inside:
            await k.udelay(1)
        began = k.now
        await k.synchronize_rcu_expedited()
        took.append((k.now - began) / 1000)
        await k.kthread_join(task)

    result = run(scenario()(script), RunOptions(kernel=version, settings={"nr_cpus": "2", **given_settings}))
    assert result.violations == ()
    return took[0]


@pytest.mark.parametrize("version", ["v5.9", "v6.1-stable", "v6.12"])
@pytest.mark.parametrize("how", ["rcu_read_lock", "preempt_disable", "local_bh_disable", "local_irq_disable", "spin"])
def test_it_waits_for_a_region_that_runs_and_no_longer(how: str, version: str) -> None:
    assert 9_500 < waited_us(how, version) < 10_500


@pytest.mark.parametrize("version", ["v5.9", "v6.1-stable", "v6.12"])
def test_it_does_not_wait_for_who_only_runs(version: str) -> None:
    assert waited_us("nothing", version) < 100


def test_without_preemption_it_waits_for_the_next_switch_unless_the_interrupt_sees_that_nothing_is_off() -> None:
    """Between v5.11 and v6.1 rcu_exp_handler() began to look at preempt_count, where there is one."""
    none = {"PREEMPT": "n", "PROVE_LOCKING": "n"}
    counts = {**none, "DEBUG_ATOMIC_SLEEP": "y"}
    assert waited_us("nothing", "v6.1-stable", **counts) < 100
    assert waited_us("nothing", "v5.11", **counts) > 1000
    assert waited_us("nothing", "v6.1-stable", **none) > 1000


def test_it_waits_for_a_reader_that_sleeps_in_the_run_queue() -> None:
    order: list[str] = []

    async def script(k: Kernel) -> None:
        async def reader() -> None:
            with k.rcu_reader():
                for _ in range(20):
                    await k.udelay(100)
                order.append("reader")

        async def hog() -> None:
            for _ in range(50):
                await k.udelay(100)
            order.append("hog")

        low = await k.kthread_run(reader, cpu=1)
        await k.udelay(500)
        high = await k.kthread_run(hog, cpu=1, urgent=True)
        await k.udelay(500)
        await k.synchronize_rcu_expedited()
        order.append("grace period")
        await k.kthread_join(low)
        await k.kthread_join(high)

    assert run(scenario()(script), RunOptions(kernel="v6.12", settings={"nr_cpus": "2"})).violations == ()
    assert order == ["hog", "reader", "grace period"]


def test_idle_cpus_are_left_alone() -> None:
    async def script(k: Kernel) -> None:
        for cpu in range(4):
            await k.smp_call_function_single(cpu, _nothing, wait=True)
        await k.msleep(20)
        idle = [k.machine.system.cpus[number] for number in (1, 2, 3)]
        before = [cpu.clock for cpu in idle]
        await k.synchronize_rcu_expedited()
        # The driver took one of them.
        assert sum(cpu.clock != clock for cpu, clock in zip(idle, before, strict=True)) <= 1

    async def _nothing() -> None:
        pass

    settings_ = {"nr_cpus": "4"}
    assert run(scenario()(script), RunOptions(kernel="v6.12", settings=settings_)).violations == ()


def test_who_comes_meanwhile_shares_the_next_one() -> None:
    """exp_funnel_lock(): of ten at once some find that another's grace period was enough."""
    ended: list[int] = []

    async def script(k: Kernel) -> None:
        async def caller() -> None:
            await k.synchronize_rcu_expedited()

        async with k.open_nursery() as nursery:
            for number in range(10):
                await nursery.start_soon(caller, cpu=number % 2)
        ended.append(k.machine.callbacks.expedited.completed)

    assert run(scenario()(script), RunOptions(kernel="v6.12", settings={"nr_cpus": "2"})).violations == ()
    assert 1 < ended[0] < 10


# -- who drives it, and whether it is one --------------------------------------------------------------------


@pytest.mark.parametrize("version", list(ERAS))
def test_a_work_drives_it_up_to_v6_6_and_a_thread_from_v6_12_on(version: str) -> None:
    """Commit 23da2ad64dcb and those before it (v6.9)."""
    seen: list[Event] = []

    class Sink:
        def take(self, event: Event) -> None:
            seen.append(event)

    async def script(k: Kernel) -> None:
        await k.synchronize_rcu_expedited()

    run(scenario()(script), RunOptions(kernel=version, sinks=(Sink(),)))
    ends = [event for event in seen if event.name == "rcu_exp_grace_period" and event.text.endswith(" end")]
    (end,) = ends
    by_work = list(ERAS).index(version) < list(ERAS).index("v6.12.0")
    assert end.comm.startswith("kworker/" if by_work else "rcu_exp_gp_kthr")


def took_us(body: Callable[[Kernel], object] | None = None, **given_settings: str) -> tuple[float, float]:
    """How long synchronize_rcu() and synchronize_rcu_expedited() take on an idle machine."""
    took: list[float] = []

    async def script(k: Kernel) -> None:
        if body is not None:
            body(k)
        for function in (k.synchronize_rcu, k.synchronize_rcu_expedited):
            began = k.now
            await function()
            took.append((k.now - began) / 1000)

    run(scenario()(script), RunOptions(kernel="v6.12", settings=given_settings))
    return took[0], took[1]


def test_settings_make_all_of_them_expedited_or_none() -> None:
    normal, expedited = took_us()
    assert normal > 3000
    assert expedited < 100
    assert max(took_us(rcu_expedited="y")) < 100
    assert min(took_us(rcu_normal="y")) > 3000
    assert max(took_us(lambda k: k.rcu_expedite_gp())) < 100
    # rcu_normal wins; and PREEMPT_RT sets it when it has booted.
    assert min(took_us(rcu_normal="y", rcu_expedited="y")) > 3000
    assert min(took_us(PREEMPT_RT="y")) > 3000


def test_unexpedite_takes_back_what_was_said() -> None:
    async def script(k: Kernel) -> None:
        k.rcu_expedite_gp()
        k.rcu_unexpedite_gp()
        began = k.now
        await k.synchronize_rcu()
        assert k.now - began > 3 * MS
        with pytest.raises(ValueError, match="there is no rcu_expedite_gp"):
            k.rcu_unexpedite_gp()

    run(scenario()(script), RunOptions(kernel="v6.12"))


# -- what lockdep and the kernel say of it -------------------------------------------------------------------


def test_inside_a_reader_it_is_illegal() -> None:
    async def script(k: Kernel) -> None:
        with k.rcu_reader():
            await k.synchronize_rcu_expedited()

    result = run(scenario()(script), RunOptions(kernel="v6.1-stable", settings={"PROVE_LOCKING": "y"}, max_steps=10**7))
    said = "Illegal synchronize_rcu_expedited() in RCU read-side critical section"
    assert result.violations[0].title == f"WARNING: suspicious RCU usage: {said}"


def test_under_a_mutex_that_a_reader_s_cpu_needs_it_shows_what_it_holds() -> None:
    """Whoever waits for a grace period holds rcu_state.exp_mutex meanwhile."""
    names: list[str] = []

    async def script(k: Kernel) -> None:
        async def caller() -> None:
            await k.synchronize_rcu_expedited()

        async def reader() -> None:
            with k.rcu_reader():
                await k.udelay(1000)

        there = await k.kthread_run(reader, cpu=1)
        task = await k.kthread_run(caller, cpu=0)
        await k.usleep_range(300, 301)
        names.extend(held.lock_class.shown for held in task.thread.ctx.held)
        await k.kthread_join(there)
        await k.kthread_join(task)

    run(scenario()(script), RunOptions(kernel="v6.12", settings={"nr_cpus": "2"}))
    assert names == ["rcu_state.exp_mutex"]


def stalls(version: str, seconds: int, **given_settings: str) -> list[str]:
    async def script(k: Kernel) -> None:
        inside: list[bool] = []

        async def reader() -> None:
            with k.rcu_reader():
                inside.append(True)
                for _ in range(seconds * 1000):
                    await k.udelay(1000)

        await k.kthread_run(reader, cpu=1)
        while not inside:
            await k.udelay(1)
        await k.synchronize_rcu_expedited()

    given_settings = {"nr_cpus": "2", "rcu_cpu_stall_timeout": "3", "PROVE_LOCKING": "n", **given_settings}
    options = RunOptions(kernel=version, max_steps=30_000_000, settings=given_settings)
    return [each.text for each in run(scenario()(script), options).violations if each.kind is ViolationKind.RCU_STALL]


def test_a_stall_is_told_with_whom_it_waits_for() -> None:
    (text,) = stalls("v6.12", 4)
    lines = text.split("\n")
    assert lines[0] == (
        "rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-...D } 768 jiffies s: 1 root: 0x2/."
    )
    assert lines[1:3] == ["rcu: blocking rcu_node structures (internal RCU debug):", "NMI backtrace for cpu 1"]


def test_under_prove_rcu_it_has_a_quarter_more_time_or_five_seconds_more_before_v6_1() -> None:
    # The timer wheel rounds the time-outs up.
    assert " 2560 jiffies " in stalls("v6.1-stable", 11, PROVE_LOCKING="y")[0]
    assert " 2048 jiffies " in stalls("v5.11", 9, PROVE_LOCKING="y")[0]
