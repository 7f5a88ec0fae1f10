"""Schedules of a small scenario, again and again, with all checks on: what an explorer does, and nothing besides.

`run.py` has this file run in processes of two checkouts in turns, each first on the path of its own. What is written
here both understand, back to commit 604bfe6, which knows no runs without Trio, and keeps nothing from run to run.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

from rcuactors import Kernel, RunOptions, run, scenario
from rcuactors.explore import Random

try:
    from rcuactors.context.lockdep.validated import Kept
    from rcuactors.runs.plain import run_plain
    from rcuactors.runs.run import patient_collector
except ImportError:
    older = True
else:
    older = False


@scenario(settings={"nr_cpus": "3"})
async def two_readers(k: Kernel) -> None:
    """What an explorer runs again and again: two readers, one caller, real blocks, monitor and page cache."""

    async def reader() -> None:
        for _ in range(3):
            k.rcu_read_lock()
            await k.udelay(50)
            await k.ndelay(100)
            k.rcu_read_unlock()
            await k.udelay(20)

    async def caller() -> None:
        for _ in range(4):
            await k.kvfree_rcu(await k.kmalloc(64), "rcu")
            await k.udelay(10)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(reader, cpu=0)
        await nursery.start_soon(reader, cpu=1)
        await nursery.start_soon(caller, cpu=2)


class Counting(Random):
    """Counts how often it is asked."""

    asked = 0

    def choose(self, decision) -> int:  # type: ignore[no-untyped-def]  # of two types in two checkouts
        type(self).asked += 1
        return super().choose(decision)


def options(seed: int, strategy: type[Random] = Random) -> RunOptions:
    """One schedule."""
    return RunOptions(kernel="v5.11", events=False, strategy=strategy(), seed=seed)


def explorer() -> Callable[[int], object]:
    """How that checkout runs many."""
    if older:
        return lambda seed: run(two_readers, options(seed))
    kept = Kept()
    return lambda seed: run_plain(two_readers, options(seed), kept)


def measure(schedules: int) -> dict[str, float]:
    """CPU seconds of so many schedules, and how many choice points they have."""
    with ExitStack() as stack:
        if not older:
            stack.enter_context(patient_collector(many_runs=True))
        explore = explorer()
        for seed in range(10):
            explore(schedules + seed)
        began = time.process_time()
        for seed in range(schedules):
            explore(seed)
        seconds = time.process_time() - began
    for seed in range(schedules):
        run(two_readers, options(seed, Counting))
    return {"seconds": seconds, "choices": Counting.asked}


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
