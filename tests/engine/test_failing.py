"""Whatever goes wrong in what the engine calls ends the run with that error, and leaves nobody hanging.

Each place is tried in virtual and in real time. A hang would be a test that never ends; so a watchdog ends it: an
alarm signal in real time, and a step bound in virtual time.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trio

from rcuactors import GFP_ATOMIC, Kernel, KernelBug, RunOptions, VirtualClock, run, scenario
from rcuactors.engine.choice import Outcome, Strategy
from rcuactors.engine.decision import HOLD_UP, Decision
from rcuactors.engine.host import Host
from rcuactors.engine.orders import Anyone, ByClock

RigClass = Any
PLACES = ["leave", "rejoin", "exited", "on_quiescent", "on_over", "start_run", "choose", "hold up", "end_run", "body"]


@pytest.fixture(autouse=True)
def watchdog() -> Iterator[None]:
    def bark(_number: int, _frame: object) -> None:
        raise TimeoutError("the run hangs")

    before = signal.signal(signal.SIGALRM, bark)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


class Fails(Strategy):
    """Raises where it is told to."""

    name = "fails"

    def __init__(self, place: str, order: Any) -> None:
        self.place, self.order, self.holds_up = place, order, place == "hold up"
        self.calls: list[str] = []

    def _come_to(self, place: str) -> None:
        self.calls.append(place)
        if place == self.place:
            raise LookupError(place)

    def start_run(self, _seed: int) -> bool:
        self._come_to("start_run")
        return True

    def choose(self, decision: Decision) -> int:
        self._come_to("hold up" if decision.kind is HOLD_UP else "choose")
        return 0

    def end_run(self, _outcome: Outcome) -> None:
        self._come_to("end_run")


def unless(place: str, hook: str, good: Callable[[], None]) -> Callable[[], None]:
    """The hook as it should be, unless it is to fail."""

    def fails() -> None:
        raise LookupError(hook)

    return fails if place == hook else good


def build(rig: RigClass, place: str, order: Any, log: list[str], host: Host | None = None) -> Any:
    """Actors that step, wait for a message, sleep outside, end; one of their gates or hooks fails at the place."""
    strategy = Fails(place, order)
    hooks = {name: unless(place, name, lambda: None) for name in ("on_quiescent", "on_over")}
    lab = rig(strategy, max_steps=5000, host=host or Host(**hooks))

    async def steps(me: Any) -> None:
        try:
            for _ in range(3):
                await me.step(10)
            if place == "body":
                raise LookupError("body")
        finally:
            log.append("steps unwound")

    async def swallows(me: Any) -> None:
        """A script that catches what it can: it must not swallow an error of the engine's."""
        for _ in range(20):
            try:
                await trio.sleep(0.000_001)
                await me.step(10)
            except Exception:
                log.append("swallowed")
        log.append("went on to its end")

    async def listens(me: Any) -> None:
        try:
            await lab.conductor.receive(me)
        finally:
            log.append("listens unwound")

    for name, body in (("a", steps), ("b", steps), ("c", swallows), ("d", listens)):
        lab.player(name, body).fails_in = place
    lab.strategy = strategy
    return lab


@pytest.mark.parametrize("clock", ["virtual", "real"])
@pytest.mark.parametrize("order", [ByClock, Anyone], ids=["by clock", "anyone"])
@pytest.mark.parametrize("place", PLACES)
def test_an_error_anywhere_ends_the_run_as_itself(rig: RigClass, place: str, order: Any, clock: str) -> None:
    log: list[str] = []
    lab = build(rig, place, order, log)

    async def main() -> None:
        await lab.conductor.run(lab.set_up)
        if lab.conductor.failure is not None:
            raise lab.conductor.failure

    with pytest.raises(LookupError, match=f"^{place}$"):
        trio.run(main, clock=VirtualClock() if clock == "virtual" else None)
    assert "swallowed" not in log
    if place not in ("on_quiescent", "on_over", "start_run", "end_run"):
        assert "went on to its end" not in log
    assert log.count("listens unwound") <= 1
    assert lab.strategy.calls[-1] == ("start_run" if place == "start_run" else "end_run")


@pytest.mark.parametrize("place", PLACES)
def test_the_clock_is_free_for_the_next_run(rig: RigClass, place: str) -> None:
    async def main() -> None:
        for _ in range(2):
            with pytest.raises(LookupError):  # noqa: PT012 - in either of two ways
                lab = build(rig, place, ByClock, [])
                await lab.conductor.run(lab.set_up)
                raise lab.conductor.failure

    trio.run(main, clock=VirtualClock())


def test_the_error_that_came_first_is_the_one(rig: RigClass) -> None:
    lab = build(rig, "body", ByClock, [], Host(on_over=lambda: 1 / 0))
    with pytest.raises(LookupError, match="body"):
        lab.run()


# -- in a machine -----------------------------------------------------------------------------------------------


async def raises(*_: Any) -> None:
    raise LookupError("in a handler")


def hook_raises(*_: Any) -> None:
    raise LookupError("in a handler")


async def hardirq(k: Kernel) -> None:
    await k.raise_irq(raises)


async def hardirq_elsewhere(k: Kernel) -> None:
    await k.raise_irq(raises, cpu=1)


async def nmi(k: Kernel) -> None:
    await k.raise_nmi(raises)


async def switch_hook(k: Kernel) -> None:
    k.machine.system.hooks.on_switch.append(hook_raises)


async def idle_hook(k: Kernel) -> None:
    k.machine.system.hooks.on_idle.append(hook_raises)


async def tick_hook(k: Kernel) -> None:
    k.machine.system.hooks.on_tick.append(hook_raises)


async def rcu_callback(k: Kernel) -> None:
    await k.call_rcu(raises)


async def listener(k: Kernel) -> None:
    k.machine.probes.violation.listen(hook_raises)
    p = await k.kmalloc(64)
    await k.kfree(p)
    await k.kfree(p)


async def hrtimer(k: Kernel) -> None:
    await k.hrtimer_start(k.hrtimer(raises), 100_000)


async def tasklet(k: Kernel) -> None:
    await k.local_bh_disable()
    await k.tasklet_schedule(raises)
    await k.local_bh_enable()


async def timer(k: Kernel) -> None:
    await k.mod_timer(k.timer_setup(raises), 1)


async def irq_work(k: Kernel) -> None:
    await k.irq_work_queue(k.irq_work(raises))


async def cross_call(k: Kernel) -> None:
    await k.smp_call_function_single(1, raises)


async def cross_call_to_itself(k: Kernel) -> None:
    await k.smp_call_function_single(k.smp_processor_id(), raises)


async def cond_resched_hook(k: Kernel) -> None:
    k.machine.system.hooks.on_cond_resched.append(hook_raises)
    await k.cond_resched()


async def new_cpu_hook(k: Kernel) -> None:
    k.machine.system.hooks.on_new_cpu.append(hook_raises)
    await k.kthread_run(raises, cpu=2)


INTERRUPTS = [hardirq, hardirq_elsewhere, nmi, hrtimer, tasklet, timer, irq_work, cross_call, cross_call_to_itself]
HANDLERS = [
    *INTERRUPTS,
    switch_hook,
    idle_hook,
    tick_hook,
    cond_resched_hook,
    new_cpu_hook,
    rcu_callback,
    listener,
]


@pytest.mark.parametrize("strategy", [ByClock, Anyone], ids=["by clock", "anyone"])
@pytest.mark.parametrize("handler", HANDLERS, ids=lambda handler: handler.__name__)
def test_an_error_of_a_handler_or_hook_ends_the_run(handler: Any, strategy: Any) -> None:
    @scenario(settings={"nr_cpus": "3"})
    async def script(k: Kernel) -> None:
        async def sleeps() -> None:
            for _ in range(100):
                await trio.sleep(0.001)

        async with k.open_nursery() as nursery:
            await nursery.start_soon(sleeps, cpu=1)
            await handler(k)
            for _ in range(20):
                await k.udelay(1000)
            await k.msleep(1000)

    with pytest.raises(LookupError, match="in a handler"):
        run(script, RunOptions(strategy=Fails("nowhere", strategy), max_steps=3_000_000))


@pytest.mark.parametrize("build", [{}, {"PREEMPT_RT": "y"}], ids=["plain", "rt"])
@pytest.mark.parametrize("strategy", [ByClock, Anyone], ids=["by clock", "anyone"])
@pytest.mark.parametrize("handler", HANDLERS, ids=lambda handler: handler.__name__)
def test_a_script_that_catches_everything_does_not_swallow_it(handler: Any, strategy: Any, build: Any) -> None:
    """Handlers and hooks run on the stack of whoever is there, who has no part in what goes wrong in them."""
    swallowed: list[Exception] = []
    ended: list[str] = []

    @scenario(settings={"nr_cpus": "3"})
    async def script(k: Kernel) -> None:
        async def busy() -> None:
            for _ in range(20):
                try:
                    await k.udelay(1000)
                except Exception as error:
                    swallowed.append(error)

        async with k.open_nursery() as nursery:
            await nursery.start_soon(busy, cpu=1)
            try:
                await handler(k)
            except Exception as error:
                swallowed.append(error)
            for _ in range(20):
                try:
                    await k.msleep(1)
                    await k.udelay(1000)
                except Exception as error:
                    swallowed.append(error)
            ended.append("the script")

    options = RunOptions(strategy=Fails("nowhere", strategy), max_steps=3_000_000, settings=build)
    with pytest.raises(LookupError, match="in a handler"):
        run(script, options)
    assert not swallowed
    assert not ended or handler is idle_hook


@pytest.mark.parametrize("handler", INTERRUPTS, ids=lambda handler: handler.__name__)
def test_a_report_in_a_handler_is_raised_where_it_was_made_and_ends_the_run(
    handler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """panic_on_warn: the handler's own await has it, and nobody else."""
    seen: list[str] = []

    @scenario(settings={"nr_cpus": "3", "panic_on_warn": "y"})
    async def script(k: Kernel) -> None:
        async def reports(*_: Any) -> None:
            p = await k.kmalloc(64, GFP_ATOMIC)
            await k.kfree(p)
            try:
                await k.kfree(p)
            except KernelBug:
                seen.append("the handler")
                raise

        monkeypatch.setattr(sys.modules[__name__], "raises", reports)
        try:
            await handler(k)
            for _ in range(20):
                await k.udelay(1000)
        except Exception:
            seen.append("the script")

    with pytest.raises(KernelBug, match="double"):
        run(script, RunOptions(max_steps=3_000_000))
    assert seen == ["the handler"]
