"""Steps of an unlock that others can see apart (rcuactors/kernel/locking/sleeping.py)."""

from __future__ import annotations

from typing import Any

import pytest

from rcuactors import Kernel, RunOptions, run, scenario
from rcuactors.engine.choice import Strategy
from rcuactors.engine.decision import NEXT_ACTOR, Decision
from rcuactors.engine.orders import Anyone

MUTEX = ("mutex", "mutex_lock", "mutex_unlock")
WRITER = ("rwsem", "down_write", "up_write")
READER = ("rwsem", "down_read", "up_read")
RT_MUTEX = ("rt_mutex", "rt_mutex_lock", "rt_mutex_unlock")
SPIN = ("spinlock", "spin_lock", "spin_unlock")


class Slow(Strategy):
    """From some moment on one CPU goes on only when no other one can."""

    name, order = "slow", Anyone

    def __init__(self) -> None:
        self.slow = ""

    def choose(self, decision: Decision) -> int:
        if decision.kind is not NEXT_ACTOR:
            return 0
        others = [index for index in range(decision.count) if not decision.option(index).startswith(self.slow or "-")]
        return others[0] if others else 0


def _outcome(first: tuple[str, str, str], second: tuple[str, str, str], *, fixed: bool = False, **settings: str) -> str:
    """Two threads take the lock in turn; the second one frees what it lies in."""
    strategy = Slow()

    @scenario()
    async def script(k: Kernel) -> None:
        p: Any = await k.kmalloc(k.struct("foo", lock=getattr(k, first[0])))
        taken = k.completion("taken")

        async def waits() -> None:
            await k.wait_for_completion(taken)
            await getattr(k, second[1])(p.lock)
            await getattr(k, second[2])(p.lock)
            if not fixed:
                await k.kfree(p)
            strategy.slow = ""

        async with k.open_nursery() as nursery:
            await nursery.start_soon(waits, cpu=1)
            await getattr(k, first[1])(p.lock)
            await k.complete(taken)
            await k.udelay(50)
            strategy.slow = "cpu0"
            await getattr(k, first[2])(p.lock)
        if fixed:
            await k.kfree(p)

    return run(script, RunOptions(strategy=strategy, settings=settings)).outcome()


@pytest.mark.parametrize(("first", "second"), [(MUTEX, MUTEX), (WRITER, WRITER), (WRITER, READER), (READER, WRITER)])
def test_whoever_gets_a_mutex_must_not_free_it_under_the_unlock_that_gave_it(
    first: tuple[str, str, str], second: tuple[str, str, str]
) -> None:
    """mutex_unlock() sees to the waiters when the mutex is somebody else's already: users are warned of that."""
    assert _outcome(first, second) == "use-after-free"
    assert _outcome(first, second, fixed=True) == "clean"


@pytest.mark.parametrize("words", [MUTEX, RT_MUTEX, WRITER])
def test_an_rt_mutex_is_let_go_in_one_step(words: tuple[str, str, str]) -> None:
    assert _outcome(words, words, PREEMPT_RT="y") == "clean"


def test_a_spinlock_is_let_go_in_one_step() -> None:
    assert _outcome(SPIN, SPIN) == "clean"
