"""Loops that wait for nothing: no step, no virtual time, and yet an end with the line in which they stand."""

from __future__ import annotations

import inspect

import attrs
import pytest

from rcuactors import Kernel, StepBoundExceeded, run, scenario
from rcuactors.errors import BadInput
from rcuactors.kapi.base import MOST_FOR_NOTHING
from rcuactors.kernel.costs import STANDARD

FREE = {field.name: 0 for field in attrs.fields(type(STANDARD))}


def line_of(function: object, text: str) -> int:
    lines, first = inspect.getsourcelines(function)  # type: ignore[arg-type]
    return first + next(number for number, line in enumerate(lines) if text in line)


@pytest.mark.parametrize(
    ("name", "arguments", "costs"),
    [
        ("udelay", (0,), {}),
        ("ndelay", (0,), {}),
        ("schedule", (), {}),
        ("cond_resched", (), FREE),
        ("cpu_relax", (), FREE),
    ],
)
def test_a_loop_for_which_no_time_goes_by_is_ended(
    name: str, arguments: tuple[int, ...], costs: dict[str, int]
) -> None:
    async def endless(k: Kernel) -> None:
        while True:
            await getattr(k, name)(*arguments)

    with pytest.raises(StepBoundExceeded) as caught:
        run(scenario()(endless), costs=costs, max_steps=5_000)
    place = f"test_for_nothing.py:{line_of(endless, 'await getattr')}"
    assert f"{name}() took no virtual time 5,000 times in a row: does the loop end? (" in str(caught.value)
    assert place in str(caught.value)


@pytest.mark.parametrize("wait", ["udelay", "schedule"])
def test_the_bound_is_as_stated(wait: str) -> None:
    turns = 0

    async def endless(k: Kernel) -> None:
        nonlocal turns
        while True:
            turns += 1
            await (k.udelay(0) if wait == "udelay" else k.schedule())

    with pytest.raises(StepBoundExceeded, match="100,000 times"):
        run(scenario()(endless), events=False)
    assert turns == MOST_FOR_NOTHING + 1


def test_time_in_between_begins_the_count_anew() -> None:
    async def long(k: Kernel) -> None:
        for _ in range(50):
            for _ in range(90):
                await k.udelay(0)
            await k.udelay(1)

    assert run(scenario()(long), max_steps=100 + 50 * 10).outcome() == "clean"


def test_a_function_that_nobody_can_await_is_refused_when_it_is_given() -> None:
    called = []

    def plain(*_arguments: object) -> None:
        called.append(1)

    async def script(k: Kernel) -> None:
        async def passed_on(number: int) -> None:
            called.append(number)

        for make in (k.timer_setup, k.hrtimer, k.work, k.delayed_work, k.irq_work, k.rcu_work):
            for wrong in (plain, lambda *_: None):
                with pytest.raises(BadInput, match="needs a function that is `async def`"):
                    make(wrong)
        work = k.work(lambda: passed_on(2))
        await k.schedule_work(work)
        await k.flush_work(work)

    run(scenario()(script))
    assert called == [2]
