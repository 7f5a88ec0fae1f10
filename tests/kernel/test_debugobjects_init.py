"""Where something is initialised, what is initialised again or by nobody (kernel/debugobjects.py, kernel/stack.py)."""

from __future__ import annotations

from typing import Any

import pytest

from rcuactors import Kernel, KernelBug, Result, RunOptions, ViolationKind, run, scenario

ON = {f"DEBUG_OBJECTS_{kind}": "y" for kind in ("FREE", "TIMERS", "WORK", "RCU_HEAD")}
WARNS_IN = {"v5.9": "__debug_object_init", "v5.11": "__debug_object_init", "v6.1-stable": "lookup_object_or_alloc"}
V6_1 = "v6.1-stable"


async def nothing(_p: object = None) -> None:
    """A function that only is there."""


def asked(script: Any, kernel: str = V6_1, **settings: str) -> Result:
    """A run that is no scenario of its own."""
    return run(scenario()(script), RunOptions(kernel=kernel, settings=settings))


def titles(result: Result, by: str = "kernel") -> list[str]:
    """What who said."""
    return [found.title for found in result.violations if found.by == by]


# -- on a stack --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("on_stack", [False, True], ids=["not annotated", "annotated"])
@pytest.mark.parametrize("kind", ["timer", "hrtimer", "work", "delayed work", "rcu_head"])
@pytest.mark.parametrize("kernel", list(WARNS_IN))
def test_what_lies_on_a_stack_has_to_be_initialised_as_such(kind: str, on_stack: bool, kernel: str) -> None:
    async def script(k: Kernel) -> None:
        async with k.stack_frame("mine") as frame:
            if kind == "timer":
                await k.mod_timer(k.timer_setup(nothing, inside=frame, on_stack=on_stack), 1)
            elif kind == "hrtimer":
                await k.hrtimer_start(k.hrtimer(nothing, inside=frame, on_stack=on_stack), 1000)
            elif kind == "work":
                await k.schedule_work(k.work(nothing, inside=frame, on_stack=on_stack))
            elif kind == "delayed work":
                await k.schedule_delayed_work(k.delayed_work(nothing, inside=frame, on_stack=on_stack), 1)
            else:
                await k.call_rcu(k.rcu_head(inside=frame, on_stack=on_stack), nothing)
            await k.msleep(100)

    result = asked(script, kernel, **ON)
    # A delayed work has a timer, too.
    assert len(result.violations) == (0 if on_stack else 1 + (kind == "delayed work"))
    for found in result.violations:
        assert found.title.startswith("ODEBUG: object a variable of mine() is on stack ffffc900")
        assert found.title.endswith(", but NOT annotated.")
        assert f" at {WARNS_IN[kernel]}\n" in found.text
    assert asked(script, kernel).clean


@pytest.mark.parametrize("where", ["thread", "hardirq", "softirq", "bottom halves on", "ksoftirqd", "work"])
@pytest.mark.parametrize("rt", ["n", "y"])
def test_a_kernel_function_that_sleeps_has_its_timer_on_the_stack_of_a_thread(where: str, rt: str) -> None:
    """Interrupts have a stack of their own, and so have the softirqs behind them; on PREEMPT_RT these have not."""

    async def script(k: Kernel) -> None:
        async def sleeps() -> None:
            await k.msleep(1)

        async def handler() -> None:
            await k.tasklet_schedule(sleeps)

        if where == "thread":
            await sleeps()
        elif where == "hardirq":
            await k.raise_irq(sleeps)
        elif where == "softirq":
            await k.raise_irq(handler)
        elif where == "bottom halves on":
            await k.local_bh_disable()
            await k.tasklet_schedule(sleeps)
            await k.local_bh_enable()
        elif where == "ksoftirqd":
            await k.tasklet_schedule(sleeps)
        else:
            await k.schedule_work(k.work(sleeps))
        await k.msleep(50)

    found = [title for title in titles(asked(script, PREEMPT_RT=rt, HZ="100", **ON)) if title.startswith("ODEBUG")]
    off = where == "hardirq" or (rt == "n" and where in ("softirq", "bottom halves on"))
    assert len(found) == off
    assert all("NOT on stack" in title and title.endswith("but annotated.") for title in found)


@pytest.mark.parametrize("call", ["usleep_range", "synchronize_rcu", "flush_work"])
def test_so_have_others_that_wait(call: str) -> None:
    async def script(k: Kernel) -> None:
        async def works() -> None:
            await k.udelay(3000)

        work = k.work(works)

        async def waits() -> None:
            if call == "usleep_range":
                await k.usleep_range(10, 10)
            elif call == "synchronize_rcu":
                await k.synchronize_rcu()
            else:
                await k.flush_work(work)

        await k.queue_work_on(1, k.system_wq, work)
        await k.raise_irq(waits)
        await k.msleep(100)

    assert any("NOT on stack" in title for title in titles(asked(script, **ON)))


def test_a_stack_is_told_of_five_times() -> None:
    async def script(k: Kernel) -> None:
        async with k.stack_frame() as frame:
            for _ in range(7):
                k.timer_setup(nothing, inside=frame)

    assert len(titles(asked(script, **ON))) == 5


def test_another_threads_stack_is_none_of_the_running_one() -> None:
    """object_is_on_stack() asks of current's only."""

    async def script(k: Kernel) -> None:
        async with k.stack_frame("mine") as frame:

            async def other() -> None:
                k.timer_setup(nothing, inside=frame)

            await k.kthread_join(await k.kthread_run(other))

    assert asked(script, **ON).clean


def test_what_is_active_when_the_function_returns_is_told_and_runs_in_what_is_gone() -> None:
    async def script(k: Kernel) -> None:
        async with k.stack_frame("mine") as frame:
            await k.mod_timer(k.timer_setup(nothing, inside=frame, on_stack=True), 1)
        await k.msleep(20)

    result = asked(script, **ON)
    assert titles(result, "oracle")[0] == "BUG: free active: timer_list nothing in a variable of mine()"
    assert result.outcome() == "free-active, use-after-free"


# -- initialised again -------------------------------------------------------------------------------------------------

KINDS = ("timer", "hrtimer", "work", "delayed work")
NAMES = {"timer": "timer_list", "hrtimer": "hrtimer", "work": "work_struct", "delayed work": "timer_list"}


def reinitialised(kind: str, **settings: str) -> tuple[Result, list[str]]:
    """Arm something, and initialise it once more."""
    ran: list[str] = []

    async def script(k: Kernel) -> None:
        async def runs(_p: object) -> None:
            ran.append(kind)

        p = await k.kzalloc(
            k.struct(
                "foo",
                timer=k.timer_list(runs),
                hrtimer=k.hrtimer_list(runs),
                work=k.work_struct(runs),
                dwork=k.delayed_work_struct(runs),
            )
        )
        flags = k.local_irq_save()
        member = {"timer": p.timer, "hrtimer": p.hrtimer, "work": p.work, "delayed work": p.dwork}[kind]
        if kind == "timer":
            await k.mod_timer(member, 3)
        elif kind == "hrtimer":
            await k.hrtimer_start(member, 1_000_000)
        elif kind == "work":
            await k.schedule_work(member)
        else:
            await k.schedule_delayed_work(member, 3)
        await k.reinit(member)
        await k.local_irq_restore(flags)
        await k.msleep(100)
        await k.kfree(p)

    return asked(script, PROVE_LOCKING="n", **settings), ran


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_active_is_told_and_stopped(kind: str) -> None:
    result, ran = reinitialised(kind, **ON)
    (title,) = titles(result)
    assert title.startswith(f"WARNING: ODEBUG: init active (active state 0) object type: {NAMES[kind]} hint: ")
    assert not ran


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "work"])
def test_without_debug_objects_it_runs_all_the_same(kind: str) -> None:
    result, ran = reinitialised(kind)
    assert titles(result, "oracle")
    assert not titles(result)
    assert ran == [kind]


@pytest.mark.parametrize(
    ("kasan", "title"),
    [
        ("n", "BUG: kernel NULL pointer dereference, address: 0000000000000008"),
        ("y", "general protection fault, probably for non-canonical address 0xdffffc0000000001: 0000 [#1] SMP NOPTI"),
    ],
)
def test_the_worker_oopses_at_a_work_that_was_initialised_while_it_was_queued(kasan: str, title: str) -> None:
    result, ran = reinitialised("work", KASAN=kasan)
    assert titles(result) == [title]
    assert not ran


def test_what_is_idle_may_be_initialised_again() -> None:
    async def script(k: Kernel) -> None:
        p = await k.kzalloc(k.struct("foo", timer=k.timer_list(nothing), dwork=k.delayed_work_struct(nothing)))
        await k.mod_timer(p.timer, 1)
        await k.schedule_delayed_work(p.dwork, 1)
        await k.msleep(50)
        await k.reinit(p.timer)
        await k.reinit(p.dwork)
        await k.kfree(p)

    assert asked(script, **ON).clean


# -- initialised by nobody ---------------------------------------------------------------------------------------------


def zeroes(k: Kernel) -> Any:
    """A struct whose members are zeroes."""
    return k.kzalloc(
        k.struct("foo", timer=k.timer_list(nothing), work=k.work_struct(nothing), dwork=k.delayed_work_struct(nothing)),
        init=False,
    )


def test_a_timer_that_nobody_has_initialised_calls_stub_timer() -> None:
    async def script(k: Kernel) -> None:
        p = await zeroes(k)
        await k.mod_timer(p.timer, 2)
        await k.mod_timer(p.timer, 3)
        await k.msleep(50)
        await k.kfree(p)

    assert titles(asked(script, **ON)) == [
        "WARNING: ODEBUG: assert_init not available (active state 0) object type: timer_list hint: 0x0",
        "WARNING: WARN_ON(1) at stub_timer",
    ]


def test_without_debug_objects_it_is_ignored_or_a_bug() -> None:
    async def script(k: Kernel) -> None:
        p = await zeroes(k)
        assert not await k.mod_timer(p.timer, 2)
        await k.msleep(50)
        await k.kfree(p)

    assert asked(script).clean
    with pytest.raises(KernelBug, match="kernel BUG at __mod_timer"):
        asked(script, "v5.11")


@pytest.mark.parametrize(
    ("kernel", "debug", "said"),
    [
        ("v6.1-stable", ON, ["queue"]),
        ("v6.1-stable", {}, ["queue"]),
        ("v5.11", ON, ["debug", "queue"]),
        ("v5.9", {}, ["queue"]),
    ],
)
def test_a_work_that_nobody_has_initialised_is_not_queued(kernel: str, debug: dict[str, str], said: list[str]) -> None:
    async def script(k: Kernel) -> None:
        p = await zeroes(k)
        assert await k.schedule_work(p.work)
        assert not await k.schedule_work(p.work)
        await k.msleep(50)

    words = {
        "debug": "WARNING: ODEBUG: activate not available (active state 0) object type: work_struct hint: 0x0",
        "queue": "WARNING: WARN_ON(!list_empty(&work->entry)) at __queue_work",
    }
    assert titles(asked(script, kernel, **debug)) == [words[word] for word in said]


def test_flushing_and_queueing_later_look_as_well() -> None:
    async def script(k: Kernel) -> None:
        p = await zeroes(k)
        assert not await k.flush_work(p.work)
        await k.schedule_delayed_work(p.dwork, 1)
        await k.msleep(50)

    assert titles(asked(script)) == [
        "WARNING: WARN_ON(!work->func) at __flush_work",
        "WARNING: WARN_ON(timer->function != delayed_work_timer_fn) at __queue_delayed_work",
        "WARNING: WARN_ON(!list_empty(&work->entry)) at __queue_delayed_work",
    ]


@pytest.mark.parametrize("kernel", list(WARNS_IN))
def test_add_timer_of_a_pending_timer(kernel: str) -> None:
    ran: list[int] = []

    async def script(k: Kernel) -> None:
        async def runs() -> None:
            ran.append(1)

        timer = k.timer_setup(runs)
        await k.add_timer(timer, 2)
        await k.add_timer(timer, 2)
        await k.msleep(50)

    if kernel == V6_1:
        assert titles(asked(script, kernel)) == ["WARNING: WARN_ON(timer_pending(timer)) at add_timer"]
        assert ran == [1]
    else:
        with pytest.raises(KernelBug, match="kernel BUG at add_timer"):
            asked(script, kernel)


# -- what cannot be put right ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["call_rcu", "kfree_rcu", "rcu_work"])
def test_kfree_waits_for_an_rcu_head_that_it_cannot_stop(how: str) -> None:
    """debug_check_no_obj_freed() looks again and again; it says so five times."""
    ran: list[int] = []

    async def script(k: Kernel) -> None:
        async def runs(_p: object) -> None:
            ran.append(k.now)

        p = await k.kzalloc(k.struct("foo", rcu=k.rcu_head, rwork=k.rcu_work_struct(runs)))
        if how == "call_rcu":
            await k.call_rcu(p.rcu, runs)
        elif how == "kfree_rcu":
            await k.kfree_rcu(p, "rcu")
        else:
            await k.queue_rcu_work(k.system_wq, p.rwork)
        began = k.now
        await k.kfree(p)
        took.append(k.now - began)
        await k.msleep(50)

    took: list[int] = []
    result = asked(script, **ON)
    assert titles(result) == ["WARNING: ODEBUG: free active (active state 1) object type: rcu_head hint: 0x0"] * 5
    assert took[0] > (5_000_000_000 if how == "kfree_rcu" else 4_000_000)
    assert len(ran) == (how != "kfree_rcu")
    assert (ViolationKind.DOUBLE_FREE in result.kinds) == (how == "kfree_rcu")
    assert ViolationKind.USE_AFTER_FREE not in result.kinds
