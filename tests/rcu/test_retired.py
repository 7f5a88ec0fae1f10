"""What was given to kvfree_rcu() is used by readers only (rcuactors/context/judge.py, used_while_retired())."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rcuactors import Kernel, run, scenario

from .regions import BY_NAME, region

Use = Callable[[Kernel, Any], Awaitable[None]]

NO_COUNT = {"PREEMPT": "n", "PROVE_LOCKING": "n"}


async def _field(_k: Kernel, p: Any) -> None:
    p.value += 1


async def _deref(k: Kernel, p: Any) -> None:
    k.deref(p)


async def _dereference(k: Kernel, p: Any) -> None:
    k.rcu_dereference_raw(p)


async def _lock(k: Kernel, p: Any) -> None:
    assert k.mutex_trylock(p.lock)
    await k.mutex_unlock(p.lock)


async def _timer(k: Kernel, p: Any) -> None:
    await k.timer_delete(p.timer)


async def _complete(k: Kernel, p: Any) -> None:
    await k.complete(p.done)


USES: dict[str, Use] = {
    "field": _field,
    "deref": _deref,
    "dereference": _dereference,
    "lock": _lock,
    "timer": _timer,
    "complete": _complete,
}


def _outcome(use: Use, where: str, settings: dict[str, str]) -> str:
    async def poll(p: Any) -> None:
        p.value += 1

    async def script(k: Kernel) -> None:
        foo = k.struct("foo", value=0, lock=k.mutex, timer=k.timer_list(poll), done=k.completion)
        p = await k.kzalloc(foo)
        within = region(k, where)
        await within(k, True)
        await k.kvfree_rcu(p, "rcu")
        await use(k, p)
        await within(k, False)

    return run(scenario()(script), **settings).outcome()


@pytest.mark.parametrize("settings", [{}, {"PREEMPT_RT": "y"}, {"PREEMPT": "n"}, NO_COUNT])
@pytest.mark.parametrize("use", USES)
def test_who_is_no_reader_must_not_use_it_though_it_is_not_free_yet(use: str, settings: dict[str, str]) -> None:
    """Five seconds may pass until it is freed: when that is, is chance."""
    assert _outcome(USES[use], "nothing", settings) == "use-after-free"


@pytest.mark.parametrize("settings", [{}, {"PREEMPT_RT": "y"}, {"PREEMPT": "n"}, NO_COUNT])
@pytest.mark.parametrize("where", [*BY_NAME, "spin"])
@pytest.mark.parametrize("use", ["field", "deref", "dereference"])
def test_a_reader_of_any_kind_may(use: str, where: str, settings: dict[str, str]) -> None:
    assert _outcome(USES[use], where, settings) == "clean"


@pytest.mark.parametrize("lock", ["spin", "raw", "read", "write"])
def test_a_lock_makes_a_reader_where_preempt_count_does_not_show_it(lock: str) -> None:
    """Who takes a pointer under a spinlock may use it until the unlock, also without PREEMPT_COUNT."""

    async def script(k: Kernel, late: bool = False) -> None:
        p = await k.kmalloc(64)
        within, looking = region(k, lock), k.completion("it looks")

        async def reader() -> None:
            await within(k, True)
            k.rcu_dereference_raw(p)
            await k.complete(looking)
            await k.udelay(5000)
            await within(k, False)

        async with k.open_nursery() as nursery:
            await nursery.start_soon(reader, cpu=1)
            await k.wait_for_completion(looking)
            if late:
                await k.msleep(20)
            await k.kfree(p)

    assert run(scenario()(script), **NO_COUNT).outcome() == "use-after-free"
    assert run(scenario()(script), late="y", **NO_COUNT).outcome() == "clean"
