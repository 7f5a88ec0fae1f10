"""context/nursery.py: a Trio wait in atomic context is "scheduling while atomic", at the very await that did it."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
import trio

from rcuactors import Kernel, ViolationKind
from rcuactors.context.violation import SchedulingWhileAtomic
from rcuactors.testing import AsyncRun, RcuLab

Section = Callable[[Kernel], AbstractAsyncContextManager[None]]
MARK = "the line that suspends"


@asynccontextmanager
async def preempt_off(k: Kernel) -> Any:
    k.preempt_disable()
    yield
    await k.preempt_enable()


@asynccontextmanager
async def irqs_off(k: Kernel) -> Any:
    flags = k.local_irq_save()
    yield
    await k.local_irq_restore(flags)


@asynccontextmanager
async def bh_off(k: Kernel) -> Any:
    await k.local_bh_disable()
    yield
    await k.local_bh_enable()


@asynccontextmanager
async def raw_lock(k: Kernel) -> Any:
    lock = k.raw_spinlock("lock")
    await k.raw_spin_lock(lock)
    yield
    await k.raw_spin_unlock(lock)


@asynccontextmanager
async def spinlock(k: Kernel) -> Any:
    lock = k.spinlock("lock")
    await k.spin_lock(lock)
    yield
    await k.spin_unlock(lock)


@asynccontextmanager
async def mutex(k: Kernel) -> Any:
    lock = k.mutex("lock")
    await k.mutex_lock(lock)
    yield
    await k.mutex_unlock(lock)


@asynccontextmanager
async def nothing(k: Kernel) -> Any:
    yield


async def sleep() -> None:
    await trio.sleep(0.001)  # the line that suspends


async def sleep_for_no_time() -> None:
    await trio.sleep(0)  # the line that suspends # noqa: ASYNC115


async def event() -> None:
    with trio.move_on_after(0.001):
        await trio.Event().wait()  # the line that suspends


async def channel() -> None:
    send, receive = trio.open_memory_channel[int](1)
    await send.send(1)  # the line that suspends
    assert await receive.receive() == 1


SECTIONS = {section.__name__: section for section in (preempt_off, irqs_off, bh_off, raw_lock, spinlock)}
SUSPENSIONS = {suspend.__name__: suspend for suspend in (sleep, sleep_for_no_time, event, channel)}


def in_section(section: Section, suspend: Callable[[], Awaitable[None]]) -> Callable[[Kernel], Awaitable[None]]:
    async def script(k: Kernel) -> None:
        async with section(k):
            await suspend()

    return script


def assert_ends_at_the_await(error: BaseException) -> None:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame.line for frame in frames if frame.filename == __file__]
    assert MARK in str(own[-1])


@pytest.mark.parametrize("suspend", SUSPENSIONS.values(), ids=SUSPENSIONS)
@pytest.mark.parametrize("section", SECTIONS.values(), ids=SECTIONS)
def test_every_wait_in_every_atomic_section_is_raised_where_it_stands(
    rcu_lab: RcuLab, section: Section, suspend: Callable[[], Awaitable[None]]
) -> None:
    with pytest.raises(SchedulingWhileAtomic, match="BUG: scheduling while atomic: script/20/0x0000") as caught:
        rcu_lab.run(in_section(section, suspend), panic_on_warn=True)
    assert_ends_at_the_await(caught.value)
    assert caught.value.violation.kind is ViolationKind.SCHEDULING_WHILE_ATOMIC


@pytest.mark.parametrize("section", SECTIONS.values(), ids=SECTIONS)
def test_without_panic_it_is_reported_and_the_run_goes_on(rcu_lab: RcuLab, section: Section) -> None:
    reached: list[int] = []

    async def script(k: Kernel) -> None:
        await in_section(section, sleep)(k)
        reached.append(k.now)

    result = rcu_lab.run(script)
    assert result.outcome() == "scheduling-while-atomic"
    assert result.violation_count == 1
    assert len(reached) == 1
    assert reached[0] >= 1_000_000
    # The trace of a suspended coroutine: the innermost scenario line first.
    trace = result.violations[0].text.partition("Call Trace:\n")[2].splitlines()
    assert trace[0] == f" sleep (test_nursery.py:{sleep.__code__.co_firstlineno + 1})"


@pytest.mark.parametrize("section", [nothing, mutex], ids=lambda section: section.__name__)
@pytest.mark.parametrize("suspend", SUSPENSIONS.values(), ids=SUSPENSIONS)
def test_in_process_context_they_are_just_waits(
    rcu_lab: RcuLab, section: Section, suspend: Callable[[], Awaitable[None]]
) -> None:
    assert rcu_lab.run(in_section(section, suspend), panic_on_warn=True).clean


def test_a_spinlock_on_preempt_rt_does_not_make_a_section_atomic(rcu_lab: RcuLab) -> None:
    """It makes it an RCU read-side section, in which one may be preempted, but not sleep (rt_spin_lock())."""
    assert rcu_lab.run(in_section(spinlock, sleep), PREEMPT_RT=True).outcome() == "voluntary-switch-in-reader"
    assert rcu_lab.run(in_section(raw_lock, sleep), PREEMPT_RT=True).outcome() == "scheduling-while-atomic"


async def from_hardirq(k: Kernel) -> None:
    await k.raise_irq(sleep)
    await k.udelay(10)


async def from_softirq(k: Kernel) -> None:
    await k.tasklet_schedule(sleep)
    await k.udelay(10)


@pytest.mark.parametrize("script", [from_hardirq, from_softirq], ids=lambda script: script.__name__)
def test_interrupt_handlers_must_not_wait(rcu_lab: RcuLab, script: Any) -> None:
    with pytest.raises(SchedulingWhileAtomic) as caught:
        rcu_lab.run(script, panic_on_warn=True)
    assert_ends_at_the_await(caught.value)
    assert rcu_lab.run(script).outcome() == "scheduling-while-atomic"


async def test_it_is_the_same_in_pytest_trios_run(rcu_run: AsyncRun) -> None:
    with pytest.raises(SchedulingWhileAtomic) as caught:
        await rcu_run(in_section(raw_lock, sleep), panic_on_warn=True)
    assert_ends_at_the_await(caught.value)


def test_an_exception_of_a_scenario_is_raised_as_itself(rcu_lab: RcuLab) -> None:
    """Not as a group, with other threads parked on locks, timers and in Trio."""

    async def script(k: Kernel) -> None:
        lock = k.mutex("m")
        await k.mutex_lock(lock)

        async def wants_the_lock() -> None:
            await k.mutex_lock(lock)

        await k.kthread_run(wants_the_lock, cpu=1)
        await k.kthread_run(trio.sleep_forever, cpu=1)
        await k.kthread_run(k.msleep, 1000, cpu=1, name="sleeper")
        await k.msleep(5)
        raise LookupError("of the scenario")

    with pytest.raises(LookupError, match="of the scenario"):
        rcu_lab.run(script)


@pytest.mark.parametrize("cpu", [0, 1])
def test_so_is_one_of_an_irq_handler_also_on_an_idle_cpu(rcu_lab: RcuLab, cpu: int) -> None:
    async def script(k: Kernel) -> None:
        async def irq() -> None:
            raise LookupError("of the handler")

        await k.raise_irq(irq, cpu=cpu)
        await k.msleep(5)

    with pytest.raises(LookupError, match="of the handler"):
        rcu_lab.run(script)


def test_a_handler_that_waits_on_an_idle_cpu_without_panic(rcu_lab: RcuLab) -> None:
    """The idle thread cannot be descheduled: reported, and then the run ends with an error that says why."""

    async def script(k: Kernel) -> None:
        await k.raise_irq(sleep, cpu=1)
        await k.msleep(5)

    with pytest.raises(RuntimeError, match="swapper/1/0 cannot wait outside the model"):
        rcu_lab.run(script)
