"""Kthread workers: one thread, one work after the other (rcuactors/kernel/kthread_worker.py)."""

from __future__ import annotations

from typing import Any

import pytest

from rcuactors import Kernel, run, scenario
from rcuactors.kernel.kthread_worker import KthreadWork, KthreadWorker
from rcuactors.kernel.thread import Thread
from rcuactors.kernel.time.timeouts import msleep


class Worked:
    """A worker on CPU 1, and works that take 5 ms each and note when they ran."""

    def __init__(self, k: Kernel) -> None:
        self.k, self.system = k, k.machine.system
        self.worker = KthreadWorker(self.system, "tests", cpus=range(1, 2))
        self.ran: list[str] = []

    def work(self, name: str) -> KthreadWork:
        async def function(thread: Thread) -> None:
            assert thread.cpu.cpu_id == 1
            self.ran.append(f"{name} begins")
            await msleep(self.system, thread, 5)
            self.ran.append(f"{name} ends")

        return KthreadWork(name, function)

    async def queue(self, work: KthreadWork) -> bool:
        return await self.worker.kthread_queue_work(self.me.cpu, work)

    async def flush(self, work: KthreadWork) -> None:
        await self.worker.kthread_flush_work(self.me, work)

    @property
    def me(self) -> Thread:
        thread = self.system.cpu(0).current
        assert thread is not None
        return thread


def worked(body: Any) -> list[str]:
    found: list[list[str]] = []

    @scenario(settings={"nr_cpus": "2"})
    async def script(k: Kernel) -> None:
        at = Worked(k)
        await body(k, at)
        found.append(list(at.ran))

    assert run(script, kernel="v6.12").clean
    return found[0]


def test_one_after_the_other_each_once() -> None:
    async def body(k: Kernel, at: Worked) -> None:
        first, second = at.work("first"), at.work("second")
        assert [await at.queue(first), await at.queue(second), await at.queue(second)] == [True, True, False]
        await k.msleep(100)

    assert worked(body) == ["first begins", "first ends", "second begins", "second ends"]


def test_one_that_runs_can_be_queued_again() -> None:
    async def body(k: Kernel, at: Worked) -> None:
        work = at.work("work")
        await at.queue(work)
        await k.msleep(2)
        assert at.ran == ["work begins"]
        assert await at.queue(work)
        await k.msleep(100)

    assert worked(body) == ["work begins", "work ends"] * 2


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_flush_waits_for_that_work_and_for_those_before_it(which: int) -> None:
    """kthread_flush_work(): a work of its own is put right behind: also behind one that runs, and before the rest."""

    async def body(k: Kernel, at: Worked) -> None:
        works = [at.work(name) for name in ("first", "second", "third")]
        for work in works:
            await at.queue(work)
        await k.msleep(2)
        await at.flush(works[which])

    ended = [said for said in worked(body) if said.endswith(" ends")]
    assert ended == ["first ends", "second ends", "third ends"][: which + 1]


def test_a_flush_of_one_that_neither_runs_nor_waits_is_over_at_once() -> None:
    async def body(k: Kernel, at: Worked) -> None:
        work, other = at.work("work"), at.work("other")
        before = k.now
        await at.flush(work)
        assert k.now - before < 1_000_000
        await at.queue(work)
        await k.msleep(50)
        await at.queue(other)
        await k.msleep(2)
        before = k.now
        await at.flush(work)
        assert k.now - before < 1_000_000

    assert worked(body) == ["work begins", "work ends", "other begins"]
