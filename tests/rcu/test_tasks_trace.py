"""RCU Tasks Trace (rcuactors/rcu/tasks_trace.py): readers, callbacks, and two bugs, its own and its callers'."""

from __future__ import annotations

from typing import Any

import pytest

from rcuactors import Kernel, KernelBug, Result, RunOptions, run, scenario

VERSIONS = ["v5.11", "v6.1.0", "v6.12", "v7.3"]
PROVE = {"PROVE_RAW_LOCK_NESTING": "y"}


def ran(body: Any, kernel: str, settings: dict[str, str] | None = None) -> Result:
    return run(scenario()(body), RunOptions(kernel=kernel, settings=settings or {}))


@pytest.mark.parametrize("kernel", VERSIONS)
def test_a_callback_waits_for_those_who_read_and_for_nobody_else(kernel: str) -> None:
    async def script(k: Kernel) -> None:
        entered = k.completion("entered")

        async def reader() -> None:
            with k.rcu_trace_reader():
                assert k.rcu_read_lock_trace_held()
                await k.complete(entered)
                await k.msleep(700)
                order.append("first reader ends")

        async def later() -> None:
            with k.rcu_trace_reader():
                await k.msleep(20_000)
                order.append("second reader ends")

        async def freed() -> None:
            order.append("called")

        first = await k.kthread_run(reader)
        await k.wait_for_completion(entered)
        await k.call_rcu_tasks_trace(freed)
        await k.msleep(400)
        second = await k.kthread_run(later)
        await k.kthread_join(first)
        await k.kthread_join(second)

    order: list[str] = []
    assert ran(script, kernel, PROVE).clean
    assert order == ["first reader ends", "called", "second reader ends"]


@pytest.mark.parametrize("kernel", VERSIONS)
def test_who_waits_for_a_grace_period_and_for_callbacks(kernel: str) -> None:
    async def script(k: Kernel) -> None:
        async def reader() -> None:
            with k.rcu_trace_reader(), k.rcu_trace_reader():
                await k.msleep(300)
                order.append("read")

        async def called() -> None:
            order.append("called")

        await k.kthread_run(reader, cpu=1)
        await k.msleep(10)
        await k.synchronize_rcu_tasks_trace()
        order.append("synchronized")
        for _ in range(3):
            await k.call_rcu_tasks_trace(called)
        await k.rcu_barrier_tasks_trace()
        order.append("all called")

    order: list[str] = []
    assert ran(script, kernel, PROVE).clean
    assert order == ["read", "synchronized", "called", "called", "called", "all called"]


@pytest.mark.parametrize("kernel", VERSIONS)
@pytest.mark.parametrize("waits", [True, False])
def test_the_oracle_knows_whose_object_it_is(kernel: str, waits: bool) -> None:
    """Freed by the callback it is right; freed behind a grace period of RCU's alone, under the reader."""

    async def script(k: Kernel) -> None:
        async def reader() -> None:
            with k.rcu_trace_reader():
                k.rcu_dereference_trace(p)
                await k.msleep(300)

        async def free(q: Any) -> None:
            await k.kfree(q)

        p = await k.kmalloc(64)
        head = k.rcu_head(inside=p)
        await k.kthread_run(reader, cpu=1)
        await k.msleep(10)
        await (k.call_rcu_tasks_trace if waits else k.call_rcu)(head, free)
        await k.msleep(1_000)

    outcome = ran(script, kernel).outcome()
    assert outcome == ("clean" if waits else "use-after-free")


@pytest.mark.parametrize(
    ("kernel", "told"), [("v6.12", "Illegal synchronize_rcu_tasks_trace"), ("v7.3", "rcu_tasks_trace_srcu_struct")]
)
def test_waiting_for_oneself_is_told(kernel: str, told: str) -> None:
    async def script(k: Kernel) -> None:
        with k.rcu_trace_reader():
            await k.synchronize_rcu_tasks_trace()

    with pytest.raises(KernelBug, match=told):
        ran(script, kernel, {**PROVE, "panic_on_warn": "y"})


def test_an_end_too_many_is_told() -> None:
    async def script(k: Kernel) -> None:
        k.rcu_read_unlock_trace()

    assert "bad-unlock" in ran(script, "v6.12").outcome()


# -- 1ace9bac1ad2 ------------------------------------------------------------------------------------------------------


async def references_dropped(k: Kernel, put_off: bool) -> None:
    """What bpf_async_refcount_put() does with the last reference, on CPU 0, and in NMIs that hit it there.

    With `put_off` as the commit has it: where interrupts are off an irq_work calls it.
    """

    async def freed() -> None:
        called.append(1)

    async def refcount_put() -> None:
        if put_off and (k.in_nmi() or k.irqs_disabled()):
            await k.irq_work_queue(k.irq_work(now))
        else:
            await now()

    async def now() -> None:
        await k.call_rcu_tasks_trace(freed)

    async def send() -> None:
        for number in range(60):
            await k.raise_nmi(refcount_put, cpu=0)
            await k.ndelay(100 + number * 37 % 1000)

    called: list[int] = []
    sender = await k.kthread_run(send, cpu=1)
    for _ in range(120):
        await refcount_put()
        await k.ndelay(50)
    await k.kthread_join(sender)
    await k.rcu_barrier_tasks_trace()


@pytest.mark.parametrize("kernel", ["v5.11", "v6.18", "v7.3"])
def test_1ace9bac1ad2_call_rcu_tasks_trace_entered_again(kernel: str) -> None:
    """The NMI waits for the lock that the call below it holds; lockdep says so on every schedule."""

    async def as_it_was(k: Kernel) -> None:
        await references_dropped(k, put_off=False)

    async def mended(k: Kernel) -> None:
        await references_dropped(k, put_off=True)

    assert "deadlock" in ran(as_it_was, kernel).outcome()
    assert "inconsistent-lock-state" in ran(as_it_was, kernel, PROVE).outcome()
    assert ran(mended, kernel).clean
    assert ran(mended, kernel, PROVE).clean


# -- 3063b33a347c ------------------------------------------------------------------------------------------------------


def test_3063b33a347c_call_rcu_tasks_trace_wakes_under_the_callers_raw_lock() -> None:
    """v5.11 takes its wait queue's lock, a spinlock_t; later an irq_work wakes the thread."""

    async def script(k: Kernel) -> None:
        async def called() -> None:
            """A callback."""

        lock = k.raw_spinlock("foo")
        flags = await k.raw_spin_lock_irqsave(lock)
        await k.call_rcu_tasks_trace(called)
        await k.raw_spin_unlock_irqrestore(lock, flags)
        await k.rcu_barrier_tasks_trace()

    result = ran(script, "v5.11", PROVE)
    assert result.outcome() == "invalid-wait-context"
    assert "cbs_wq" in result.violations[0].text
    for kernel in ("v6.1.0", "v6.12", "v7.3"):
        assert ran(script, kernel, PROVE).clean


@pytest.mark.parametrize(
    ("kernel", "titles"),
    [
        (
            "v6.12",
            [
                "WARNING: bad unlock balance detected: rcu_read_lock_trace",
                "WARNING: WARN_ON(nesting != 0) at rcu_read_unlock_trace",
            ],
        ),
        ("v7.3", ["WARNING: WARN_ON(!srcu_read_lock_held(&rcu_tasks_trace_srcu_struct)) at rcu_read_unlock_trace"]),
    ],
)
def test_one_unlock_too_many(kernel: str, titles: list[str]) -> None:
    async def script(k: Kernel) -> None:
        k.rcu_read_lock_trace()
        k.rcu_read_unlock_trace()
        k.rcu_read_unlock_trace()
        await k.synchronize_rcu_tasks_trace()

    assert [each.title for each in ran(script, kernel).violations] == titles


@pytest.mark.parametrize("watched", ["n", "y"])
@pytest.mark.parametrize(
    ("kernel", "said"),
    [
        ("v6.12", "call_rcu_tasks_generic(): the callback is queued already"),
        ("v7.3", "call_srcu(): Leaked duplicate callback"),
    ],
)
def test_a_head_that_is_queued_twice(kernel: str, said: str, watched: str) -> None:
    called: list[str] = []

    async def script(k: Kernel) -> None:
        async def function() -> None:
            called.append("called")

        head = k.rcu_head("h")
        await k.call_rcu_tasks_trace(head, function)
        await k.call_rcu_tasks_trace(head, function)
        await k.rcu_barrier_tasks_trace()

    last = ran(script, kernel, {"DEBUG_OBJECTS_RCU_HEAD": watched}).violations[-1]
    assert last.title == (f"WARNING: {said}" if watched == "y" else f"BUG: double free: {said}")
    assert called == ([] if watched == "y" else ["called", "called"])
