"""PREEMPT_LAZY (rcuactors/kernel/sched.py, resched_for(); commit 7c70cb94d29c of v6.13)."""

from __future__ import annotations

import pytest

from rcuactors import BadInput, Config, Kernel, RunOptions, run, scenario
from rcuactors.kernel.workqueue import Workqueue

TICK_NS = 4_000_000


async def _begins_after(k: Kernel, workqueue: Workqueue) -> int:
    """How long a thread that does not sleep goes on when it has queued a work."""
    began = list[int]()

    async def w_work() -> None:
        began.append(k.now)

    queued = k.now
    await k.queue_work(workqueue, k.work(w_work))
    while not began:
        await k.udelay(100)
    return began[0] - queued


@pytest.mark.parametrize(
    ("kernel", "lazy", "at_once"),
    [("v6.12", "n", True), ("v6.18", "n", True), ("v6.18", "y", False), ("v7.3", "y", False)],
)
def test_a_worker_of_high_priority_waits_for_a_tick(kernel: str, lazy: str, at_once: bool) -> None:
    """So does fill_page_cache_func(), which is one's: the caller's loop goes on falling back until then."""

    async def script(k: Kernel) -> None:
        waited = await _begins_after(k, k.system_highpri_wq)
        assert (waited < TICK_NS // 4) is at_once
        assert waited < TICK_NS + 200_000

    assert run(scenario()(script), RunOptions(kernel=kernel, settings={"PREEMPT_LAZY": lazy, "HZ": "250"})).clean


def test_a_real_time_thread_preempts_at_once() -> None:
    async def script(k: Kernel) -> None:
        began = list[int]()

        async def urgent() -> None:
            began.append(k.now)

        woken = k.now
        task = await k.kthread_run(urgent, cpu=0, urgent=True)
        await k.udelay(10_000)
        assert began[0] - woken < TICK_NS // 4
        await k.kthread_join(task)

    assert run(scenario()(script), RunOptions(kernel="v6.18", settings={"PREEMPT_LAZY": "y"}), nr_cpus=1).clean


def test_equals_take_turns_a_tick_later() -> None:
    """The tick that ends a turn only asks; the next one has it."""
    turns = dict[str, int]()

    def script_of(lazy: str) -> None:
        async def script(k: Kernel) -> None:
            async def other() -> None:
                turns[lazy] = k.now

            task = await k.kthread_run(other, cpu=0)
            await k.udelay(20_000)
            await k.kthread_join(task)

        options = RunOptions(kernel="v6.18", settings={"PREEMPT_LAZY": lazy, "HZ": "250"})
        assert run(scenario()(script), options, nr_cpus=1).clean

    script_of("n")
    script_of("y")
    assert turns["y"] // TICK_NS == turns["n"] // TICK_NS + 1


def test_older_versions_have_none_and_it_needs_preemption() -> None:
    async def script(_k: Kernel) -> None:
        pass

    with pytest.raises(BadInput, match=r"^PREEMPT_LAZY=y: this version has none; it came with v6\.13$"):
        run(scenario()(script), RunOptions(kernel="v6.12", settings={"PREEMPT_LAZY": "y"}))
    with pytest.raises(BadInput, match=r"PREEMPT_LAZY=y with PREEMPT=n"):
        Config(PREEMPT=False, PREEMPT_LAZY=True)
