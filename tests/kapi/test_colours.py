"""An `await` too many or too few, a plain function for an async one, a `with` of the wrong kind: each is one line.

That line names the scenario's line and what would be right, whoever runs the scenario (userfiles/blame.py,
userfiles/dropped.py, kapi/base.py).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest

from rcuactors import Kernel, run, scenario
from rcuactors.errors import BadInput, ScenarioError
from tests.kapi.test_wrong_arguments import ASYNC, FITS, public_functions

Calls = Callable[[Kernel, Any], Awaitable[None]]


async def _timer(k: Kernel, f: Any) -> None:
    await k.mod_timer(k.timer_setup(f), 1)


async def _hrtimer(k: Kernel, f: Any) -> None:
    await k.hrtimer_start(k.hrtimer(f), 1000)


async def _irq_work(k: Kernel, f: Any) -> None:
    await k.irq_work_queue(k.irq_work(f))


async def _rcu_work(k: Kernel, f: Any) -> None:
    await k.queue_rcu_work(k.system_wq, k.rcu_work(f))


async def _delayed_work(k: Kernel, f: Any) -> None:
    await k.schedule_delayed_work(k.delayed_work(f), 1)


async def _shrinker_counts(k: Kernel, f: Any) -> None:
    await k.register_shrinker("shrinker", f, f)
    await k.drop_slab()


async def _shrinker_scans(k: Kernel, f: Any) -> None:
    async def count() -> int:
        return 10

    await k.register_shrinker("shrinker", count, f)
    await k.drop_slab()


async def _module(k: Kernel, f: Any) -> None:
    await k.schedule_work(k.work(k.module_text(await k.load_module("drv"), f)))


async def _exit(k: Kernel, f: Any) -> None:
    await k.delete_module(await k.load_module("drv"), f)


async def _hotplug(k: Kernel, f: Any) -> None:
    await k.cpuhp_setup_state("CPUHP_AP_ONLINE_DYN", "test", startup=f)


async def _nocalls(k: Kernel, f: Any) -> None:
    await k.cpuhp_setup_state_nocalls("CPUHP_AP_ONLINE_DYN", "test", teardown=f)
    await k.cpu_down(1)


async def _tasklet(k: Kernel, f: Any) -> None:
    await k.tasklet_schedule(k.tasklet_setup(f))


async def _notifier(k: Kernel, f: Any) -> None:
    chain = k.blocking_notifier_head("chain")
    await k.blocking_notifier_chain_register(chain, k.notifier_block(f))
    await k.blocking_notifier_call_chain(chain, 0)


def _put(how: str, lock: str = "") -> Calls:
    async def calls(k: Kernel, f: Any) -> None:
        kref = k.kref()
        k.kref_init(kref)
        await getattr(k, how)(kref, f, *([getattr(k, lock)("lock")] if lock else []))

    return calls


def _member(make: str, start: Calls) -> Calls:
    async def calls(k: Kernel, f: Any) -> None:
        foo = k.struct("foo", size=64, member=getattr(k, make)(f))
        p = await k.kmalloc(foo)
        await start(k, p.member)

    return calls


CALLS: Final[dict[str, Calls]] = {
    "timer_setup": _timer,
    "hrtimer": _hrtimer,
    "irq_work": _irq_work,
    "work": lambda k, f: k.schedule_work(k.work(f)),
    "declare_work": lambda k, f: k.schedule_work(k.declare_work(f)),
    "delayed_work": _delayed_work,
    "rcu_work": _rcu_work,
    "raise_irq": lambda k, f: k.raise_irq(f),
    "raise_nmi": lambda k, f: k.raise_nmi(f),
    "tasklet_schedule": lambda k, f: k.tasklet_schedule(f),
    "tasklet_setup": _tasklet,
    "tasklet_struct": _member("tasklet_struct", lambda k, m: k.tasklet_schedule(m)),
    "notifier_block": _notifier,
    "kref_put": _put("kref_put"),
    "kref_put_lock": _put("kref_put_lock", "spinlock"),
    "kref_put_mutex": _put("kref_put_mutex", "mutex"),
    "smp_call_function_single": lambda k, f: k.smp_call_function_single(1, f),
    "kthread_run": lambda k, f: k.kthread_run(f),
    "call_rcu": lambda k, f: k.call_rcu(k.rcu_head(), f),
    "call_rcu.head": lambda k, f: k.call_rcu(f),
    "call_rcu_hurry": lambda k, f: k.call_rcu_hurry(k.rcu_head(), f),
    "call_rcu_hurry.head": lambda k, f: k.call_rcu_hurry(f),
    "call_srcu": lambda k, f: k.call_srcu(k.srcu_struct("s"), k.rcu_head(), f),
    "call_srcu.head": lambda k, f: k.call_srcu(k.srcu_struct("s"), f),
    "call_rcu_tasks_trace": lambda k, f: k.call_rcu_tasks_trace(k.rcu_head(), f),
    "call_rcu_tasks_trace.head": lambda k, f: k.call_rcu_tasks_trace(f),
    "register_shrinker": _shrinker_counts,
    "register_shrinker.scan_objects": _shrinker_scans,
    "module_text": _module,
    "delete_module": _exit,
    "cpuhp_setup_state": _hotplug,
    "cpuhp_setup_state_nocalls": _nocalls,
    "timer_list": _member("timer_list", lambda k, m: k.mod_timer(m, 1)),
    "hrtimer_list": _member("hrtimer_list", lambda k, m: k.hrtimer_start(m, 1000)),
    "work_struct": _member("work_struct", lambda k, m: k.schedule_work(m)),
    "delayed_work_struct": _member("delayed_work_struct", lambda k, m: k.schedule_delayed_work(m, 1)),
    "irq_work_struct": _member("irq_work_struct", lambda k, m: k.irq_work_queue(m)),
    "rcu_work_struct": _member("rcu_work_struct", lambda k, m: k.queue_rcu_work(k.system_wq, m)),
}  # type: ignore[assignment]  # what they return is of no interest
"""How each function of the API has a function called."""


def test_every_function_that_takes_one_is_here() -> None:
    takes = {name for name, ps in public_functions() for each in ps if ASYNC[0] in FITS.get(each.annotation, ())}
    assert takes == {name.partition(".")[0] for name in CALLS}


def plain(*_: object) -> object:
    """No `async def`, which shows when it is called."""
    return _


def constant(*_: object) -> None:
    """Returns nothing that could be awaited, which shows when it is given."""


async def takes_others(_one: object, _two: object, _three: object, _four: object) -> None:
    """More than anybody gives it."""


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("function", "said"),
    [
        (plain, r"a plain function: needs to be `async def`"),
        (takes_others, "which is called .*: needs other arguments"),
    ],
)
def test_a_function_of_the_wrong_kind_is_named_with_its_line(name: str, function: Any, said: str) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        await CALLS[name](k, function)
        await k.msleep(500)

    line = function.__code__.co_firstlineno
    with pytest.raises(ScenarioError, match=rf"^{function.__name__}\(\) \({Path(__file__).name}:{line}\), {said}"):
        run(script, kernel="v6.12")


@pytest.mark.parametrize("name", CALLS)
def test_a_function_that_nobody_can_await_is_refused_when_it_is_given(name: str) -> None:
    begun = []

    @scenario()
    async def script(k: Kernel) -> None:
        begun.append(k.jiffies)
        await CALLS[name](k, constant)
        raise AssertionError("was taken")

    needs = r"[=(]function constant\(\)\): needs .*a function that is `async def`( or None)? \(test_colours.py:\d+\)"
    with pytest.raises(BadInput, match=needs):
        run(script, kernel="v6.12")
    assert begun


async def _one_too_many(k: Kernel) -> None:
    await k.rcu_read_lock()  # type: ignore[func-returns-value]


async def _one_too_many_of_a_handle(k: Kernel) -> None:
    await k.spinlock("lock")  # type: ignore[misc]


async def _kept_under_a_name(k: Kernel) -> None:
    lock = k.raw_spinlock("a")
    flags = k.raw_spin_lock_irqsave(lock)  # noqa: F841
    await k.schedule()


async def _flags_of_nobody(k: Kernel) -> None:
    lock = k.raw_spinlock("lock")
    await k.raw_spin_unlock_irqrestore(lock, k.raw_spin_lock_irqsave(lock))  # type: ignore[arg-type]


async def _a_coroutine_freed(k: Kernel) -> None:
    await k.kfree(k.kmalloc(64))  # type: ignore[arg-type]


async def _a_coroutine_used(k: Kernel) -> None:
    k.deref(k.kmalloc(64))  # type: ignore[arg-type]


async def _a_field_of_a_coroutine(k: Kernel) -> None:
    k.kmalloc(k.struct("foo", value=1)).value += 1  # type: ignore[attr-defined]


async def _a_coroutine_in_a_field(k: Kernel) -> None:
    p = await k.kmalloc(k.struct("foo", value=1))
    p.value = k.kmalloc(64)


async def _compared(k: Kernel) -> None:
    assert k.schedule_timeout(1) > 0  # type: ignore[operator]


async def _called_at_once(k: Kernel) -> None:
    k.work(_one_too_many(k))  # type: ignore[arg-type]


async def _dropped(k: Kernel) -> None:
    k.msleep(1)  # type: ignore[unused-coroutine]


async def _dropped_in_a_condition(k: Kernel) -> None:
    if k.queue_work(k.system_wq, k.work(_never)):  # type: ignore[truthy-bool]
        pass


async def _never() -> None:
    pass


async def _with_for_async_with(k: Kernel) -> None:
    with k.stack_frame():  # type: ignore[attr-defined]
        pass


async def _async_with_for_with(k: Kernel) -> None:
    async with k.rcu_reader():  # type: ignore[attr-defined]
        pass


async def _arguments_missing(k: Kernel) -> None:
    await k.mod_timer(k.timer_setup(_never))  # type: ignore[call-arg]


async def _a_word_too_many(k: Kernel) -> None:
    k.work(_never, delay=5)  # type: ignore[call-arg]


SLIPS: Final[dict[Callable[[Kernel], Awaitable[None]], tuple[str, int]]] = {
    _one_too_many: ("await k.rcu_read_lock(): needs no `await`: rcu_read_lock() is a plain function", 1),
    _one_too_many_of_a_handle: ("needs no `await`: spinlock() is a plain function", 1),
    _flags_of_nobody: ("needs an `await` before raw_spin_lock_irqsave()", 2),
    _a_coroutine_freed: ("kfree(p=coroutine kmalloc()): needs an `await` before kmalloc()", 1),
    _a_coroutine_used: ("deref(p=coroutine kmalloc()): needs an `await` before kmalloc()", 1),
    _a_field_of_a_coroutine: ("is an `await` missing?", 1),
    _a_coroutine_in_a_field: ("foo(value=coroutine kmalloc()): needs an `await`", 2),
    _compared: ("is an `await` missing?", 1),
    _called_at_once: ("needs the function itself: leave out the parentheses behind _one_too_many", 1),
    _kept_under_a_name: ("raw_spin_lock_irqsave() is called without `await`", 2),
    _dropped: ("msleep() is called without `await`", 1),
    _dropped_in_a_condition: ("queue_work() is called without `await`", 1),
    _with_for_async_with: ("with k.stack_frame(): needs `async with`", 1),
    _async_with_for_with: ("async with k.rcu_reader(): needs `with`, without `async`", 1),
    _arguments_missing: (
        "mod_timer(): missing a required argument: 'delay_jiffies'; it takes (timer, delay_jiffies)",
        1,
    ),
    _a_word_too_many: ("work(): got an unexpected keyword argument 'delay'; it takes (function", 1),
}
"""A slip -> what is said, and how many lines behind the `async def` it is."""


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip.__name__)
def test_a_slip_is_one_line_that_names_the_scenarios_line(slip: Callable[[Kernel], Awaitable[None]]) -> None:
    said, behind = SLIPS[slip]
    with pytest.raises(ScenarioError) as raised:
        run(slip)
    message = str(raised.value)
    assert said in message
    assert "\n" not in message
    line = inspect.unwrap(slip).__code__.co_firstlineno + behind
    assert re.search(rf"\({Path(__file__).name}:{line}\)$", message), message


def test_what_a_scenario_raises_itself_is_left_as_it_is() -> None:
    mine = TypeError("mine")

    async def script(_k: Kernel) -> None:
        raise mine

    with pytest.raises(TypeError) as raised:
        run(script)
    assert raised.value is mine
