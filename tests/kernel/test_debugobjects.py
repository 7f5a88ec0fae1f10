"""Members of objects that go while they are active, or are used when their object is gone (kernel/debugobjects.py)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rcuactors import Kernel, Result, RunOptions, run, scenario
from rcuactors.eras import ERAS
from rcuactors.mm.slab.slub_sheaves import SheafSlub

ON = {f"DEBUG_OBJECTS_{kind}": "y" for kind in ("FREE", "TIMERS", "WORK", "RCU_HEAD")}
QUIET = {"PROVE_LOCKING": "n"}


def unaddressed(title: str) -> str:
    """Without the object's address, which v6.6 and later name."""
    return re.sub(r"object: [0-9a-f]{16} (?=object type)", "", title)


Use = Callable[[Kernel, Any], Awaitable[object]]


async def asked(_answer: object) -> None:
    """What was asked is no wait."""


async def nothing(_p: object) -> None:
    """A callback that only is there."""


def described(k: Kernel, ran: list[str]) -> Any:
    """A struct with one member of each kind, whose functions note that they ran."""

    def noted(name: str) -> Callable[[Any], Awaitable[None]]:
        async def function(_p: object) -> None:
            ran.append(name)

        function.__name__ = name
        return function

    return k.struct(
        "foo",
        rcu=k.rcu_head,
        timer=k.timer_list(noted("timer_fn")),
        hrtimer=k.hrtimer_list(noted("hrtimer_fn"), hard=True),
        work=k.work_struct(noted("work_fn")),
        dwork=k.delayed_work_struct(noted("dwork_fn")),
        irq_work=k.irq_work_struct(noted("irq_work_fn")),
        rwork=k.rcu_work_struct(noted("rwork_fn")),
        done=k.completion,
        wait=k.wait_queue_head,
        lock=k.spinlock,
        mutex=k.mutex,
    )


# What makes each kind active: with the name that debug objects have for it, and what would run.
ARM: dict[str, tuple[Use, str, str]] = {
    "timer": (lambda k, p: k.mod_timer(p.timer, 5), "timer_list", "timer_fn"),
    "hrtimer": (lambda k, p: k.hrtimer_start(p.hrtimer, 1_000_000), "hrtimer", "hrtimer_fn"),
    "work": (lambda k, p: k.schedule_work(p.work), "work_struct", "work_fn"),
    "delayed work": (lambda k, p: k.queue_delayed_work(k.system_wq, p.dwork, 5), "timer_list", "dwork_fn"),
}


def free_armed(arm: Use, kernel: str, settings: dict[str, str], *, bulk: bool = False) -> tuple[Result, list[str]]:
    """Make a member active, free its object, and see what runs."""
    ran: list[str] = []

    @scenario()
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(described(k, ran))
        flags = k.local_irq_save()
        await arm(k, p)
        await (k.kfree_bulk([p]) if bulk else k.kfree(p))
        await k.local_irq_restore(flags)
        await k.msleep(100)

    return run(script, RunOptions(kernel=kernel, settings=settings)), ran


@pytest.mark.parametrize("kernel", list(ERAS))
@pytest.mark.parametrize("bulk", [False, True])
@pytest.mark.parametrize("name", list(ARM))
def test_debug_objects_put_right_what_is_active_when_its_object_goes(name: str, bulk: bool, kernel: str) -> None:
    arm, kind, _ = ARM[name]
    result, ran = free_armed(arm, kernel, ON | QUIET, bulk=bulk)
    assert result.outcome() == "free-active"
    (violation,) = result.violations
    assert unaddressed(violation.title).startswith(
        f"WARNING: ODEBUG: free active (active state 0) object type: {kind} hint: "
    )
    assert (violation.by, violation.line[:21]) == ("kernel", "test_debugobjects.py:")
    assert not ran


@pytest.mark.parametrize("kernel", list(ERAS))
@pytest.mark.parametrize("kasan", ["n", "y"])
@pytest.mark.parametrize("name", list(ARM))
def test_without_them_it_runs_in_freed_memory(name: str, kasan: str, kernel: str) -> None:
    arm, _, function = ARM[name]
    result, ran = free_armed(arm, kernel, QUIET | {"KASAN": kasan})
    assert result.outcome() == "free-active, use-after-free"
    assert result.violations[0].by == "oracle"
    assert {found.by for found in result.violations[1:]} == {"kernel" if kasan == "y" else "oracle"}
    assert ran == [function]


@pytest.mark.parametrize("missing", ["DEBUG_OBJECTS_FREE", "DEBUG_OBJECTS_TIMERS"])
def test_the_kernel_looks_with_both_options_only(missing: str) -> None:
    result, ran = free_armed(ARM["timer"][0], "v6.1-stable", ON | QUIET | {missing: "n"})
    assert result.violations[0].by == "oracle"
    assert ran == ["timer_fn"]


def test_cancelling_the_work_may_sleep_and_says_so() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(described(k, []))
        k.preempt_disable()
        await k.schedule_work(p.work)
        await k.kfree(p)
        await k.preempt_enable()

    assert run(script, DEBUG_ATOMIC_SLEEP="y", **ON).outcome() == "free-active, sleeping-function"


def test_a_work_that_runs_may_free_its_object() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        async def free_itself(p: Any) -> None:
            await k.kfree(p)

        p = await k.kmalloc(k.struct("foo", work=k.work_struct(free_itself), timer=k.timer_list(free_itself)))
        await k.schedule_work(p.work)
        q = await k.kmalloc(k.struct("foo", work=k.work_struct(free_itself), timer=k.timer_list(free_itself)))
        await k.mod_timer(q.timer, 1)
        await k.msleep(100)

    assert run(script, **ON).clean


def test_an_irq_work_may_not() -> None:
    """IRQ_WORK_BUSY is cleared in it behind the function (kernel/irq_work.c, irq_work_single())."""

    @scenario()
    async def script(k: Kernel) -> None:
        async def free_itself(p: Any) -> None:
            await k.kfree(p)

        p = await k.kmalloc(k.struct("foo", work=k.irq_work_struct(free_itself)))
        await k.irq_work_queue(p.work)

    assert run(script).outcome() == "use-after-free"


USES: dict[str, Use] = {
    "mod_timer": lambda k, p: k.mod_timer(p.timer, 5),
    "timer_delete": lambda k, p: k.timer_delete(p.timer),
    "hrtimer_start": lambda k, p: k.hrtimer_start(p.hrtimer, 1000),
    "queue_work": lambda k, p: k.schedule_work(p.work),
    "queue_delayed_work": lambda k, p: k.queue_delayed_work(k.system_wq, p.dwork, 5),
    "flush_work": lambda k, p: k.flush_work(p.work),
    "irq_work_queue": lambda k, p: k.irq_work_queue(p.irq_work),
    "complete": lambda k, p: k.complete(p.done),
    "complete_all": lambda k, p: k.complete_all(p.done),
    "call_rcu": lambda k, p: k.call_rcu(p.rcu, nothing),
    "queue_rcu_work": lambda k, p: k.queue_rcu_work(k.system_wq, p.rwork),
    "flush_rcu_work": lambda k, p: k.flush_rcu_work(p.rwork),
    "irq_work_sync": lambda k, p: k.irq_work_sync(p.irq_work),
    "wake_up": lambda k, p: k.wake_up(p.wait),
    "spin_is_locked": lambda k, p: asked(k.spin_is_locked(p.lock)),
    "mutex_is_locked": lambda k, p: asked(k.mutex_is_locked(p.mutex)),
}


@pytest.mark.parametrize("kernel", list(ERAS))
@pytest.mark.parametrize("name", list(USES))
def test_every_use_of_a_member_of_a_freed_object_is_told_at_its_line(name: str, kernel: str) -> None:
    @scenario()
    async def script(k: Kernel, alive: bool = False) -> None:
        p = await k.kmalloc(described(k, []))
        if not alive:
            await k.kfree(p)
        await USES[name](k, p)
        await k.msleep(100)
        if alive:
            await k.kfree(p)

    assert run(script, RunOptions(kernel=kernel), alive="y").clean
    result = run(script, RunOptions(kernel=kernel))
    assert result.outcome() == "use-after-free"
    assert result.violations[0].line.startswith("test_debugobjects.py:")
    assert "after it was freed" in result.violations[0].title


def test_an_rcu_work_whose_grace_period_is_pending() -> None:
    """Its rcu_head is active, its work is not yet: queue_rcu_work() sets the pending bit only (kernel/workqueue.c)."""
    ran: list[str] = []

    @scenario()
    async def script(k: Kernel, wait: bool = False) -> None:
        p = await k.kmalloc(described(k, ran))
        await k.queue_rcu_work(k.system_wq, p.rwork)
        if wait:
            await k.flush_rcu_work(p.rwork)
        await k.kfree(p)
        await k.msleep(200)

    assert run(script, wait="y").clean
    result = run(script)
    assert result.outcome() == "free-active, use-after-free"
    assert result.violations[0].title == "BUG: free active: rcu_head rcu_work_rcufn"
    assert ran == ["rwork_fn"] * 2


@pytest.mark.parametrize("kernel", list(ERAS))
def test_who_was_woken_does_not_look_at_the_wait_queue_again(kernel: str) -> None:
    """Whoever wakes it has taken it out (autoremove_wake_function()), finish_wait() finds its own entry empty."""

    @scenario()
    async def script(k: Kernel, early: bool = False) -> None:
        p = await k.kmalloc(described(k, []))
        arrived = False

        async def waiter() -> None:
            await k.wait_event(p.wait, lambda: arrived)

        task = await k.kthread_run(waiter, cpu=1)
        await k.msleep(1)
        arrived = True
        if early:
            await k.kfree(p)
        await k.wake_up(p.wait)
        if not early:
            await k.kthread_join(task)
            await k.kfree(p)

    assert run(script, RunOptions(kernel=kernel)).clean
    assert run(script, RunOptions(kernel=kernel), early="y").outcome() == "use-after-free"


def test_a_wait_for_a_completion_in_freed_memory() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(described(k, []))
        await k.complete(p.done)
        await k.kfree(p)
        await k.wait_for_completion(p.done)

    assert run(script).outcome() == "use-after-free"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mod_timer", "assert_init not available (active state 0) object type: timer_list hint: timer_fn"),
        ("timer_delete", "assert_init not available (active state 0) object type: timer_list hint: timer_fn"),
        ("queue_work", "activate not available (active state 0) object type: work_struct hint: work_fn"),
    ],
)
def test_debug_objects_know_that_a_freed_object_is_gone(name: str, said: str) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(described(k, []))
        await k.kfree(p)
        await USES[name](k, p)

    # queue_work() looks at the work's pending bit before debug objects look at the work.
    second, first, *_ = sorted(run(script, **ON).violations[:2], key=lambda found: found.by, reverse=True)
    assert (unaddressed(first.title), first.kind.value, first.by) == (
        f"WARNING: ODEBUG: {said}",
        "debug-objects",
        "kernel",
    )
    assert (second.kind.value, second.by) == ("use-after-free", "oracle")


# -- rcu_heads ---------------------------------------------------------------------------------------------------------


def queue_twice(kernel: str, settings: dict[str, str], first: str, second: str) -> tuple[Result, list[str]]:
    """Give an object's rcu_head away twice."""
    ran: list[str] = []

    @scenario()
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(described(k, ran))

        async def callback(_p: object) -> None:
            ran.append("callback")

        for how in (first, second):
            await (k.call_rcu(p.rcu, callback) if how == "call_rcu" else k.kfree_rcu(p, "rcu"))
        await k.msleep(7000)
        if "kfree_rcu" not in (first, second):
            await k.call_rcu(p.rcu, callback)
            await k.rcu_barrier()
            await k.kfree(p)

    return run(script, RunOptions(kernel=kernel, settings=settings)), ran


@pytest.mark.parametrize(
    ("kernel", "said", "by"),
    [
        ("v5.9", "WARNING: __call_rcu()", "kernel"),
        ("v5.11", "WARNING: __call_rcu()", "kernel"),
        ("v6.1-stable", "BUG: double free: rcu: call_rcu()", "oracle"),  # a pr_err()
    ],
)
def test_a_second_call_rcu_is_dropped_and_the_first_is_leaked(kernel: str, said: str, by: str) -> None:
    result, ran = queue_twice(kernel, ON, "call_rcu", "call_rcu")
    assert [(unaddressed(found.title), found.by) for found in result.violations] == [
        ("WARNING: ODEBUG: activate active (active state 1) object type: rcu_head hint: 0x0", "kernel"),
        ("WARNING: ODEBUG: active_state active (active state 1) object type: rcu_head hint: 0x0", "kernel"),
        (f"{said}: Double-freed CB callback!!!", by),
    ]
    # Of the two none; the third came when the head was free again.
    assert ran == ["callback"]


def test_without_debug_objects_the_callback_runs_once() -> None:
    result, ran = queue_twice("v6.1-stable", {}, "call_rcu", "call_rcu")
    assert (result.outcome(), result.violations[0].by) == ("double-free", "oracle")
    assert ran == ["callback", "callback"]


@pytest.mark.parametrize("kernel", list(ERAS))
def test_a_second_kfree_rcu_is_dropped(kernel: str) -> None:
    result, _ = queue_twice(kernel, ON, "kfree_rcu", "kfree_rcu")
    if ERAS[kernel].rules.mm.slab is SheafSlub:
        # What goes into a sheaf is not shown to debug objects (kfree_rcu_sheaf() comes first).
        assert {found.by for found in result.violations} == {"oracle"}
        return
    assert result.outcome() == "debug-objects, double-free"
    assert result.violations[-1].title.startswith("WARNING: kvfree_call_rcu(): Double-freed call. rcu_head ffff")
    assert {found.by for found in result.violations} == {"kernel"}


def test_call_rcu_of_what_kfree_rcu_has() -> None:
    result, ran = queue_twice("v6.1-stable", ON, "kfree_rcu", "call_rcu")
    assert result.outcome() == "debug-objects, double-free"
    assert not ran


def test_kfree_rcu_of_what_call_rcu_has() -> None:
    result, _ = queue_twice("v6.1-stable", ON, "call_rcu", "kfree_rcu")
    assert result.outcome() == "debug-objects, double-free, leak"


@pytest.mark.parametrize(("settings", "by"), [(ON, "kernel"), ({}, "oracle")])
@pytest.mark.parametrize("how", ["call_rcu", "kfree_rcu"])
def test_an_object_is_freed_with_a_queued_rcu_head_in_it(how: str, settings: dict[str, str], by: str) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(described(k, []))
        await (k.call_rcu(p.rcu, nothing) if how == "call_rcu" else k.kfree_rcu(p, "rcu"))
        await k.kfree(p)

    first = run(script, **settings).violations[0]
    assert (first.kind.value, first.by) == ("free-active", by)
    if by == "kernel":
        assert (
            unaddressed(first.title) == "WARNING: ODEBUG: free active (active state 1) object type: rcu_head hint: 0x0"
        )


def test_a_timer_in_an_object_that_kfree_rcu_frees() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(described(k, []))
        await k.mod_timer(p.timer, 50_000)
        await k.kfree_rcu(p, "rcu")
        await k.msleep(7000)

    assert run(script, RunOptions(kernel="v6.1-stable", settings=ON)).outcome() == "free-active"


def test_it_is_said_five_times_and_then_no_more() -> None:
    """debug_print_object(): its limit is for a boot."""

    @scenario()
    async def script(k: Kernel) -> None:
        for _ in range(7):
            p = await k.kmalloc(described(k, []))
            await k.mod_timer(p.timer, 50)
            await k.kfree(p)

    assert [found.by for found in run(script, **ON).violations] == ["kernel"] * 5 + ["oracle"] * 2
