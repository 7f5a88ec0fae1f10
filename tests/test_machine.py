"""A machine as a whole: how a run begins and ends, what it says when nothing moves (rcuactors/machine.py, eras/)."""

from __future__ import annotations

import pytest
import trio

from rcuactors import (
    BadInput,
    Config,
    Kernel,
    KernelBug,
    Machine,
    Run,
    RunOptions,
    Setup,
    StepBoundExceeded,
    ViolationKind,
    VirtualClock,
    run,
    scenario,
)
from rcuactors.eras import ERAS, find_era
from rcuactors.kapi import Kernel as Api


async def nothing(k: Kernel) -> None:
    pass


@pytest.mark.parametrize("kernel", sorted(ERAS))
def test_a_run_of_nothing_is_clean_and_short(kernel: str) -> None:
    result = run(scenario()(nothing), RunOptions(kernel=kernel))
    assert result.clean
    assert result.kernel == kernel
    assert result.end_ns < 10_000


def test_a_machine_without_a_scenario_object() -> None:
    machine = Machine(Setup(era=find_era("v5.11"), config=Config(nr_cpus=1)))
    seen: list[int] = []

    async def body() -> None:
        k = Api(machine)
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")
        seen.append(k.smp_processor_id())

    machine.run(body, "by hand")
    assert seen == [0]
    assert machine.reporter.count == 0
    assert machine.end_ns > 20_000_000


def test_inside_somebody_elses_trio_run() -> None:
    """Between other tasks, whose clock goes on with the machine's time."""

    async def main() -> None:
        before = trio.current_time()
        one = Run(scenario()(sleeper), RunOptions())
        result = await one.arun()
        assert result.clean
        assert trio.current_time() - before == pytest.approx(result.end_ns / 1e9)

    async def sleeper(k: Kernel) -> None:
        await k.msleep(100)

    trio.run(main, clock=VirtualClock())
    trio.run(Run(scenario()(sleeper), RunOptions()).arun)


def test_an_exception_of_the_scenario_comes_out_as_it_is() -> None:
    async def script(k: Kernel) -> None:
        await k.msleep(1)
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        run(scenario()(script))


@pytest.mark.parametrize("where", ["thread", "hardirq", "softirq", "idle", "work", "timer"])
def test_an_exception_from_anywhere_ends_the_run_as_it_is(where: str) -> None:
    async def script(k: Kernel) -> None:
        async def fail() -> None:
            raise ZeroDivisionError(where)

        async def tasklet() -> None:
            await k.tasklet_schedule(fail)

        if where == "thread":
            await k.kthread_run(fail, cpu=1)
        elif where == "hardirq":
            await k.raise_irq(fail)
        elif where == "softirq":
            await k.raise_irq(tasklet)
        elif where == "idle":
            await k.raise_irq(fail, cpu=1)
        elif where == "work":
            await k.schedule_work(k.work(fail))
        else:
            await k.hrtimer_start(k.hrtimer(fail), 100)
        await k.msleep(50)

    with pytest.raises(ZeroDivisionError, match=where):
        run(scenario()(script))


def test_panic_on_warn_ends_the_run_with_the_first_report() -> None:
    after: list[bool] = []

    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)
        await k.kfree(p)
        await k.kfree(p)
        after.append(True)

    one = Run(scenario()(script), RunOptions(settings={"panic_on_warn": "y"}))
    with pytest.raises(KernelBug) as caught:
        one.run()
    assert not after
    assert caught.value.violation.kind is ViolationKind.DOUBLE_FREE
    assert str(caught.value) == caught.value.violation.text
    assert one.result().violation_count == 1


def test_a_run_that_never_ends_is_stopped() -> None:
    async def script(k: Kernel) -> None:
        while True:
            await k.cpu_relax()

    with pytest.raises(StepBoundExceeded, match="more than 50000 steps"):
        run(scenario()(script), RunOptions(max_steps=50_000))


def test_threads_that_are_left_are_waited_for() -> None:
    ended: list[bool] = []

    async def script(k: Kernel) -> None:
        async def thread() -> None:
            await k.msleep(500)
            ended.append(True)

        await k.kthread_run(thread, cpu=1)

    assert run(scenario()(script)).clean
    assert ended == [True]


def test_a_deadlock_of_everything_names_those_who_wait() -> None:
    async def script(k: Kernel) -> None:
        lock = k.mutex("big")

        async def holder() -> None:
            await k.mutex_lock(lock)
            await k.wait_for_completion(k.completion("never"))

        async def waiter() -> None:
            await k.mutex_lock(lock)

        await k.kthread_run(holder, cpu=1)
        await k.usleep_range(10, 10)
        await k.kthread_run(waiter, cpu=2)

    result = run(scenario()(script), nr_cpus="3")
    assert result.outcome() == "deadlock"
    lines = result.violations[0].text.splitlines()
    assert lines[0] == "DEADLOCK: nothing can run; 2 threads wait"
    assert "waiter/" in lines[1]
    assert "sleeps on big, held by holder/" in lines[1]
    assert "holder/" in lines[2]
    assert "waits for never" in lines[2]


def test_a_leak_and_a_retired_object_that_is_lost_are_told_apart() -> None:
    async def script(k: Kernel) -> None:
        await k.kmalloc(64)
        lost = await k.kmalloc(64)
        k.machine.oracle.retired(lost, k.now)

    kinds = {violation.kind: violation.title for violation in run(scenario()(script)).violations}
    assert set(kinds) == {ViolationKind.LEAK, ViolationKind.NEVER_FREED}
    assert "1 object retired and never freed, though the machine is idle" in kinds[ViolationKind.NEVER_FREED]


def test_the_api_outside_of_a_run_is_refused() -> None:
    one = Run(scenario()(nothing), RunOptions())
    with pytest.raises(RuntimeError, match="running machine"):
        Api(one.machine).preempt_disable()


def test_an_unknown_kernel_is_bad_input() -> None:
    with pytest.raises(BadInput, match=r"v4\.19"):
        run(scenario()(nothing), RunOptions(kernel="v4.19"))


def test_a_cpu_that_the_machine_does_not_have_is_bad_input() -> None:
    async def script(k: Kernel) -> None:
        await k.kthread_run(k.cpu_relax, cpu=2)

    with pytest.raises(BadInput, match=r"cpu=2: the machine has CPUs 0 to 1 \(nr_cpus=2\)"):
        run(scenario()(script))


def test_the_eras_are_those_of_the_facts() -> None:
    nine, eleven = ERAS["v5.9"], ERAS["v5.11"]
    assert nine.rules.kvfree.block_capacity == eleven.rules.kvfree.block_capacity == 510
    assert (nine.rules.kvfree.min_cached_objs, eleven.rules.kvfree.min_cached_objs) == (2, 5)
    assert (nine.rules.kvfree.boot_prefill, eleven.rules.kvfree.boot_prefill) == (True, False)
    assert (nine.design, eleven.design) == ("skip-on-rt", "hrtimer-work")
    assert nine.rules.kvfree.drain_ms == eleven.rules.kvfree.drain_ms == 20
    for era in ERAS.values():
        assert era.about
        assert era.release.startswith(era.name.removeprefix("v").removesuffix("-stable"))


@pytest.mark.parametrize("kernel", sorted(ERAS))
def test_reports_name_the_release(kernel: str) -> None:
    async def script(k: Kernel) -> None:
        k.preempt_disable()
        await k.msleep(1)

    result = run(scenario()(script), RunOptions(kernel=kernel))
    assert f"Not tainted {ERAS[kernel].release} #1" in result.violations[0].text


def test_the_order_of_making_is_all_that_a_run_depends_on() -> None:
    async def script(k: Kernel) -> None:
        async def burst() -> None:
            for _ in range(700):
                await k.kvfree_rcu(await k.kmalloc(64), "rcu")

        async with k.open_nursery() as nursery:
            for cpu in range(3):
                await nursery.start_soon(burst, cpu=cpu)

    digests = {run(scenario()(script), RunOptions(seed=7), nr_cpus="3").digest for _ in range(3)}
    assert len(digests) == 1


def test_a_softirq_that_waits_for_ever_is_a_deadlock_and_not_the_step_bound() -> None:
    """Only ticks go on. The first report stays."""

    async def script(k: Kernel) -> None:
        never = k.completion("never")

        async def callback() -> None:
            await k.wait_for_completion(never)

        await k.call_rcu(callback)
        await k.msleep(500)

    result = run(scenario()(script))
    assert result.outcome() == "scheduling-while-atomic, deadlock"


def test_a_long_sleep_is_no_deadlock() -> None:
    """khungtaskd tells of one that is uninterruptible, as it tells of any wait in state D."""

    async def script(k: Kernel, interruptible: bool = True) -> None:
        await (k.msleep_interruptible(400_000) if interruptible else k.msleep(400_000))

    assert run(scenario()(script)).clean
    assert run(scenario()(script), interruptible="n").outcome() == "hung-task"
    assert run(scenario()(script), interruptible="n", hung_task_timeout_secs="0").clean


def test_a_grace_period_that_waits_for_its_own_waiter_is_reported_as_a_stall() -> None:
    async def script(k: Kernel) -> None:
        k.rcu_read_lock()
        await k.synchronize_rcu()

    result = run(scenario()(script))
    assert result.outcome() == "suspicious-rcu, voluntary-switch-in-reader, rcu-stall, deadlock"
    stall = result.violations[2]
    assert stall.time_ns >= 21_000_000_000
    assert "Tasks blocked on level-0 rcu_node (CPUs 0-1): P20/1:b..l" in stall.text
