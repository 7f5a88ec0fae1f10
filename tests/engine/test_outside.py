"""engine/outside.py: Trio's own waits inside a scenario, in an order that Trio never chooses."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from rcuactors import BadInput, Kernel, Result, Run, RunOptions, ViolationKind, VirtualClock, run, scenario
from rcuactors.engine.events import ListSink
from rcuactors.testing import AsyncRun, RcuLab

TIMES = 30
"""Trio runs a batch forwards or backwards by a coin, so a dependence on its order shows up within a few runs."""


def same_every_time(rcu_lab: RcuLab, script: Any, **options: Any) -> Result:
    results = [rcu_lab.run(script, **options) for _ in range(TIMES)]
    assert len({(result.digest, result.end_ns, result.steps) for result in results}) == 1
    return results[0]


def test_equal_deadlines_come_back_in_a_stable_order(rcu_lab: RcuLab) -> None:
    orders: list[list[str]] = []

    async def many(k: Kernel) -> None:
        order: list[str] = []
        orders.append(order)
        deadline = trio.current_time() + 1

        async def one(name: str) -> None:
            await trio.sleep_until(deadline)
            order.append(name)

        async with k.open_nursery() as nursery:
            for number in range(6):
                await nursery.start_soon(one, f"t{number}", cpu=number % 3, name=f"t{number}")

    result = same_every_time(rcu_lab, many, nr_cpus=3)
    assert result.clean
    assert result.end_ns >= 1_000_000_000
    assert orders == [orders[0]] * TIMES
    assert sorted(orders[0]) == [f"t{number}" for number in range(6)]


def test_an_event_wakes_a_thread_at_the_setters_time(rcu_lab: RcuLab) -> None:
    times: list[tuple[int, int]] = []

    async def main(k: Kernel) -> None:
        event = trio.Event()
        woken: list[int] = []

        async def waiter() -> None:
            await event.wait()
            woken.append(k.now)

        async with k.open_nursery() as nursery:
            await nursery.start_soon(waiter, cpu=1)
            await k.msleep(3)
            event.set()
            told = k.now
            await k.msleep(3)
        times.append((told, woken[0]))

    run = rcu_lab.prepare(main)
    assert run.run().clean
    ((told, woken),) = times
    assert told <= woken <= told + 10 * run.machine.system.costs.context_switch_ns
    same_every_time(rcu_lab, main)


def test_a_channel_between_two_threads(rcu_lab: RcuLab) -> None:
    received: list[list[int]] = []

    async def main(k: Kernel) -> None:
        send, receive = trio.open_memory_channel[int](0)
        got: list[int] = []
        received.append(got)

        async def consumer() -> None:
            async for number in receive:
                await k.udelay(3)
                got.append(number)

        async with k.open_nursery() as nursery:
            await nursery.start_soon(consumer, cpu=1)
            async with send:
                for number in range(5):
                    await send.send(number)
                    await k.udelay(1)

    assert same_every_time(rcu_lab, main).clean
    assert received == [list(range(5))] * TIMES


def test_sleeping_for_no_time_gives_others_a_turn_and_takes_none(rcu_lab: RcuLab) -> None:
    async def main(k: Kernel) -> None:
        began = k.now
        for _ in range(10):
            await trio.sleep(0)  # noqa: ASYNC115 - what a scenario writes
        assert k.now - began <= 10 * 2 * run.machine.system.costs.context_switch_ns

    run = rcu_lab.prepare(main)
    assert run.run().clean
    same_every_time(rcu_lab, checks_in)


async def checks_in(k: Kernel) -> None:
    async def one() -> None:
        for _ in range(5):
            await trio.sleep(0)  # noqa: ASYNC115 - what a scenario writes
            await k.udelay(1)

    async with k.open_nursery() as nursery:
        for number in range(4):
            await nursery.start_soon(one, cpu=number % 2, name=f"t{number}")


def test_a_timeout_around_a_sleep(rcu_lab: RcuLab) -> None:
    async def main(k: Kernel) -> None:
        began = k.now
        with trio.move_on_after(0.25) as scope:
            await trio.sleep(10)
        assert scope.cancelled_caught
        assert k.now - began == 250_000_000 + run.machine.system.costs.context_switch_ns
        with trio.move_on_after(10) as scope:
            await trio.sleep(0.25)
        assert not scope.cancelled_caught

    run = rcu_lab.prepare(main)
    assert run.run().clean


def test_threads_of_one_cpu_run_while_another_waits_outside(rcu_lab: RcuLab) -> None:
    async def main(k: Kernel) -> None:
        progress: list[int] = []

        async def other() -> None:
            for _ in range(3):
                await k.msleep(1)
                progress.append(k.now)

        await k.kthread_run(other)
        await trio.sleep(0.1)
        assert len(progress) == 3

    assert rcu_lab.run(main).clean


def test_who_waits_at_once_after_being_given_the_baton_does_not_lose_those_on_their_way_back(rcu_lab: RcuLab) -> None:
    """Once a bug here: a strand that came back while another suspended was forgotten until the next deadline."""
    forgotten: list[int] = []

    async def main(k: Kernel) -> None:
        first, second, third = trio.Event(), trio.Event(), trio.Event()

        async def a() -> None:
            await first.wait()
            second.set()
            await third.wait()

        async def b() -> None:
            await second.wait()
            forgotten.append(k.now)
            third.set()

        async def c() -> None:
            first.set()
            await third.wait()

        async with k.open_nursery() as nursery:
            await nursery.start_soon(a, cpu=1)
            await nursery.start_soon(b, cpu=2)
            await nursery.start_soon(c, cpu=0)
            await nursery.start_soon(c, cpu=3)

    result = same_every_time(rcu_lab, main, nr_cpus=4)
    assert result.clean, result.violations[0].text
    assert max(forgotten) < 1_000_000


def test_a_trio_nursery_of_bystanders_is_waited_for(rcu_lab: RcuLab) -> None:
    async def main(k: Kernel) -> None:
        began = k.now
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 0.5)
            nursery.start_soon(trio.sleep, 0.25)
        assert k.now - began >= 500_000_000

    assert same_every_time(rcu_lab, main).clean


@pytest.mark.parametrize("other_cpu_busy", [False, True])
def test_a_trio_task_that_uses_the_kernel_is_told_what_to_do(rcu_lab: RcuLab, other_cpu_busy: bool) -> None:
    async def main(k: Kernel) -> None:
        async def child() -> None:
            await k.udelay(5)

        async def busy() -> None:
            await k.udelay(2000)

        if other_cpu_busy:
            await k.kthread_run(busy, cpu=1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child)

    with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match=r"k\.open_nursery\(\), not with trio\.open_nursery")):
        rcu_lab.run(main)


# -- who waits for ever -----------------------------------------------------------------------------------------


def test_waiting_outside_for_ever_is_a_deadlock_that_names_the_waiters(rcu_lab: RcuLab) -> None:
    async def main(k: Kernel) -> None:
        event, lock = trio.Event(), k.mutex("config_mutex")

        async def holder() -> None:
            await k.mutex_lock(lock)
            await event.wait()

        async def wants() -> None:
            await k.mutex_lock(lock)

        async with k.open_nursery() as nursery:
            await nursery.start_soon(holder, cpu=1, name="holder")
            await k.msleep(1)
            await nursery.start_soon(wants, cpu=0, name="wants")

    result = same_every_time(rcu_lab, main)
    assert result.outcome() == "deadlock"
    (violation,) = result.violations
    assert violation.title == "DEADLOCK: nothing can run; 3 threads wait"
    assert violation.text.splitlines()[1:] == [
        "  wants/22 on CPU 0 sleeps on config_mutex, held by holder/21 on CPU 1",
        "  main/20 on CPU 0 waits for the end of holder",
        "  holder/21 on CPU 1 waits for waiting outside the model",
    ]


def test_a_deadlock_under_panic_on_warn_is_raised_as_itself(rcu_lab: RcuLab) -> None:
    async def main(k: Kernel) -> None:
        await trio.sleep_forever()

    with pytest.raises(Exception, match="DEADLOCK: nothing can run; 1 thread waits") as caught:
        rcu_lab.run(main, panic_on_warn=True)
    assert type(caught.value).__name__ == "Deadlock"


# -- somebody else's run ----------------------------------------------------------------------------------------


@scenario()
async def visits(k: Kernel) -> None:
    async def thread() -> None:
        await k.msleep(2)
        await trio.sleep(0.002)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(thread, cpu=1)
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")


def test_a_machine_runs_in_a_plain_trio_run() -> None:
    result = trio.run(Run(visits, RunOptions()).arun)
    assert result.clean
    assert result.counters["fallbacks_list"] + result.counters["bulk_objects"] == 1


async def test_a_machine_runs_in_pytest_trios_run(rcu_run: AsyncRun) -> None:
    assert (await rcu_run(visits)).clean


def test_an_event_set_from_the_real_world() -> None:
    event = trio.Event()

    async def waits(k: Kernel) -> None:
        await event.wait()
        await k.udelay(1)

    async def main() -> Result:
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def later() -> None:
                await trio.sleep(0.01)
                event.set()

            return await Run(scenario()(waits), RunOptions()).arun()

    assert trio.run(main).clean


@pytest.mark.parametrize("clock", [None, "virtual"])
def test_cancelling_from_outside_ends_cleanly(clock: str | None) -> None:
    unwound: list[str] = []
    there = {"main": trio.Event(), "other": trio.Event()}

    async def waits(k: Kernel) -> None:
        async def other() -> None:
            there["other"].set()
            try:
                await trio.sleep_forever()
            finally:
                unwound.append("other")

        async with k.open_nursery() as nursery:
            await nursery.start_soon(other, cpu=1)
            lock = k.raw_spinlock("lock")
            await k.raw_spin_lock(lock)
            there["main"].set()
            try:
                await trio.sleep_forever()
            finally:
                unwound.append("main")
                await k.raw_spin_unlock(lock)

    run = Run(scenario()(waits), RunOptions())

    async def cancel_when_both_wait(scope: trio.CancelScope) -> None:
        for event in there.values():
            await event.wait()
        scope.cancel()

    async def main() -> bool:
        async with trio.open_nursery() as nursery:
            with trio.CancelScope() as scope:
                nursery.start_soon(cancel_when_both_wait, scope)
                await run.arun()
        return scope.cancelled_caught

    assert trio.run(main, clock=VirtualClock() if clock else None)
    assert sorted(unwound) == ["main", "other"]
    # The cancellation is not the kernel's doing: nothing but the sleep under a lock was reported.
    assert run.result().outcome() == "scheduling-while-atomic"


def test_what_unwinds_after_the_end_is_no_part_of_the_run(rcu_lab: RcuLab) -> None:
    """Scripts that clean up with kernel calls when the run is over neither report nor emit anything."""
    sink = ListSink()

    async def main(k: Kernel) -> None:
        lock = k.mutex("m")

        async def cleans_up() -> None:
            await k.mutex_lock(lock)
            try:
                await trio.sleep_forever()
            finally:
                k.pr_info("never seen")
                await k.raw_spin_unlock(k.raw_spinlock("not held"))

        async with k.open_nursery() as nursery:
            for number in range(3):
                await nursery.start_soon(cleans_up, cpu=number)

    result = same_every_time(rcu_lab, main, nr_cpus=3, sinks=(sink,))
    assert result.kinds == {ViolationKind.DEADLOCK}
    assert not any("never seen" in event.text for event in sink.events)


def test_ctrl_c_is_a_keyboard_interrupt(rcu_lab: RcuLab) -> None:
    """Not a group of them with the harness's insides."""

    async def main(k: Kernel) -> None:
        signal = __import__("signal")
        signal.raise_signal(signal.SIGINT)
        await trio.sleep(1)
        await trio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        rcu_lab.run(main)


def test_waiting_for_a_thread_of_the_system_is_refused() -> None:
    """Its end comes in real time: such a run came out differently from time to time."""

    async def script(_k: Kernel) -> None:
        await trio.to_thread.run_sync(lambda: None)

    for _ in range(5):
        with pytest.raises(BadInput, match="to_thread"):
            run(scenario()(script))
