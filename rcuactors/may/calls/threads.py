"""Waiting, waking up, delays, and what asks where one is: include/linux/sched.h, delay.h, completion.h, wait.h."""

from __future__ import annotations

from typing import Any, Final

from ..things import Things
from .form import Form, form

_COMES_ON: Final = 0
"""The CPU of the thread that lets go who waits."""


def _waits(prototype: str, needs: str, **more: Any) -> Form:
    """A call that waits for something that another thread does a moment later."""
    made = form(prototype, needs=needs, **more)

    async def act(things: Things) -> None:
        await made.act(things)

    return Form(name=made.name, words=made.words, act=act, needs=(*made.needs, "came", "comes"))


async def _mdelay(things: Things) -> None:
    await things.k.udelay(things["ms"] * 1000)


FORMS: Final = (
    form("schedule()"),
    form("schedule_timeout(delay)"),
    form("schedule_timeout_uninterruptible(delay)"),
    form("cond_resched()"),
    form("might_sleep()"),
    form("msleep(ms)"),
    form("msleep_interruptible(ms)"),
    form("usleep_range(us, us_most)"),
    form("udelay(us)"),
    form("ndelay(ns)"),
    Form(name="mdelay", words=("ms",), act=_mdelay, needs=("ms",)),
    form("cpu_relax()"),
    form("wake_up_process(task)"),
    form("wake_up(waitqueue)"),
    form("wake_up_all(waitqueue)"),
    form("try_wait_for_completion(completion)"),
    form("complete(completion)"),
    form("complete_all(completion)"),
    _waits("wait_for_completion(completion)", "completion"),
    _waits("wait_for_completion_interruptible(completion)", "completion"),
    _waits("wait_for_completion_timeout(completion, delay)", "completion delay"),
    _waits("wait_event(waitqueue, condition)", "waitqueue condition"),
    _waits("wait_for_completion_interruptible_timeout(completion, delay)", "completion delay"),
    _waits("wait_event_timeout(waitqueue, condition, delay)", "waitqueue condition delay"),
    _waits("wait_event_interruptible(waitqueue, condition)", "waitqueue condition"),
    form("completion_done(completion)"),
    form("reinit_completion(completion)"),
    form("init_completion(completion)", "completion", "name"),
    form("waitqueue_active(waitqueue)"),
    form("init_waitqueue_head(waitqueue)", "wait_queue_head", "name"),
    form("smp_processor_id()"),
    form("raw_smp_processor_id()"),
    form("pr_info(text, ...)", needs="name"),
    form("printk(text, ...)", "pr_info", "name"),
    form("kthread_run(func, data, name, ...)", needs="func"),
    form("alloc_workqueue(name, flags, max_active, ...)", needs="name"),
    form("alloc_ordered_workqueue(name, flags, ...)", needs="name"),
)
