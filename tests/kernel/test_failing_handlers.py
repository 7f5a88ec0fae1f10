"""An error raised in a handler, of whatever kind, ends the run at once with that error, and leaves nobody waiting."""

from __future__ import annotations

import signal
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator

import pytest

from rcuactors import Kernel, run

Function = Callable[[], Awaitable[None]]
Start = Callable[[Kernel, Function], Awaitable[object]]
RT = {"PREEMPT_RT": "y"}
MIGRATED = {"timer_migration": "y"}
STEPS = 3_000_000
"""A second that is burnt, and a little: two minutes of ticks, after which a run counts as hung, are far more."""


class Wrong(Exception):
    """What the handler raises."""


@pytest.fixture(autouse=True)
def watchdog() -> Iterator[None]:
    def bark(_number: int, _frame: object) -> None:
        raise TimeoutError("the run hangs")

    before = signal.signal(signal.SIGALRM, bark)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


async def timer(k: Kernel, function: Function) -> None:
    await k.mod_timer(k.timer_setup(function), 2)


async def irqsafe_timer(k: Kernel, function: Function) -> None:
    await k.mod_timer(k.timer_setup(function, irqsafe=True), 2)


async def hrtimer(k: Kernel, function: Function) -> None:
    await k.hrtimer_start(k.hrtimer(function), 1000)


async def hard_hrtimer(k: Kernel, function: Function) -> None:
    await k.hrtimer_start(k.hrtimer(function, hard=True), 1000)


async def soft_hrtimer(k: Kernel, function: Function) -> None:
    await k.hrtimer_start(k.hrtimer(function, soft=True), 1000)


async def irq_work(k: Kernel, function: Function) -> None:
    await k.irq_work_queue(k.irq_work(function))


async def hard_irq_work(k: Kernel, function: Function) -> None:
    await k.irq_work_queue(k.irq_work(function, hard=True))


async def lazy_irq_work(k: Kernel, function: Function) -> None:
    await k.irq_work_queue(k.irq_work(function, lazy=True))


async def tasklet(k: Kernel, function: Function) -> None:
    await k.tasklet_schedule(function)


async def irq(k: Kernel, function: Function) -> None:
    await k.raise_irq(function, cpu=1)


async def nmi(k: Kernel, function: Function) -> None:
    await k.raise_nmi(function, cpu=1)


async def cross_call(k: Kernel, function: Function) -> None:
    await k.smp_call_function_single(1, function)


async def work(k: Kernel, function: Function) -> None:
    await k.schedule_work(k.work(function))


async def flushed_work(k: Kernel, function: Function) -> None:
    item = k.work(function)
    await k.schedule_work(item)
    await k.flush_work(item)


async def delayed_work(k: Kernel, function: Function) -> None:
    await k.schedule_delayed_work(k.delayed_work(function), 2)


async def rcu_work(k: Kernel, function: Function) -> None:
    await k.queue_rcu_work(k.system_wq, k.rcu_work(function))


async def callback(k: Kernel, function: Function) -> None:
    await k.call_rcu(function)


async def waited_for_callback(k: Kernel, function: Function) -> None:
    await k.call_rcu(function)
    await k.rcu_barrier()


async def thread(k: Kernel, function: Function) -> None:
    await k.kthread_run(function, cpu=1)


KINDS = [
    timer,
    irqsafe_timer,
    hrtimer,
    hard_hrtimer,
    soft_hrtimer,
    irq_work,
    hard_irq_work,
    lazy_irq_work,
    tasklet,
    irq,
    nmi,
    cross_call,
    work,
    flushed_work,
    delayed_work,
    rcu_work,
    callback,
    waited_for_callback,
    thread,
]


def raised_by(start: Start, settings: dict[str, str], raises: Function) -> BaseException:
    """What ends a run whose first thread waits for what never comes, with a CPU beside it that never sleeps."""

    async def script(k: Kernel) -> None:
        done = k.completion("never")

        async def spins() -> None:
            await k.udelay(1_000_000)

        await k.kthread_run(spins, cpu=1)
        await start(k, raises)
        await k.wait_for_completion(done)

    began = time.monotonic()
    with pytest.raises((Wrong, TypeError)) as caught:
        run(script, max_steps=STEPS, nr_cpus=2, **settings)
    assert time.monotonic() - began < 10
    return caught.value


@pytest.mark.parametrize("settings", [{}, RT, MIGRATED, {**RT, **MIGRATED}], ids=["stock", "rt", "tmigr", "rt+tmigr"])
@pytest.mark.parametrize("start", KINDS, ids=lambda start: start.__name__)
def test_an_error_in_a_handler_ends_the_run(start: Start, settings: dict[str, str]) -> None:
    async def handler() -> None:
        raise Wrong("in the handler")

    error = raised_by(start, settings, handler)
    assert isinstance(error, Wrong)
    # With the line that raised it.
    assert traceback.extract_tb(error.__traceback__)[-1].name == "handler"


@pytest.mark.parametrize("settings", [{}, RT], ids=["stock", "rt"])
@pytest.mark.parametrize("start", KINDS, ids=lambda start: start.__name__)
def test_so_does_one_that_python_raises_in_the_middle(start: Start, settings: dict[str, str]) -> None:
    async def handler() -> None:
        len(7)  # type: ignore[arg-type]

    assert isinstance(raised_by(start, settings, handler), TypeError)
