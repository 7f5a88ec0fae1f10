"""kvfree_rcu() in a kernel without CONFIG_KVFREE_RCU_BATCHED (rcuactors/kvfree/unbatched.py)."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, RunOptions, ViolationKind, run, scenario
from rcuactors.eras import ERAS
from rcuactors.explore.random import Random

HAVING = [name for name, era in ERAS.items() if era.rules.kvfree.may_be_unbatched]
TINY = {"KVFREE_RCU_BATCHED": "n", "nr_cpus": "2"}


def test_which_versions_can_be_made_so() -> None:
    assert HAVING == ["v6.18", "v7.3"]


@pytest.mark.parametrize("version", HAVING)
@pytest.mark.parametrize("rt", ["n", "y"])
@pytest.mark.parametrize("debug", ["n", "y"])
def test_each_object_is_a_callback_and_none_needs_a_page(version: str, rt: str, debug: str) -> None:
    async def script(k: Kernel) -> None:
        for number in range(300):
            await k.kvfree_rcu(await (k.vmalloc(64) if number % 10 == 0 else k.kmalloc(64)), "rcu")
        waiting = k.machine.callbacks.statistics().waiting
        assert waiting == 300
        assert not k.machine.kvfree.all_krcs()
        await k.rcu_barrier()
        assert k.machine.callbacks.statistics().waiting == 0
        statistics = k.machine.kvfree.statistics()
        assert (statistics.blocks, statistics.cache_misses, statistics.latencies.count) == (0, 0, 300)

    result = run(
        scenario()(script),
        RunOptions(kernel=version, settings={**TINY, "PREEMPT_RT": rt, "DEBUG_OBJECTS_RCU_HEAD": debug}),
    )
    assert result.clean


@pytest.mark.parametrize("version", HAVING)
def test_the_one_argument_form_waits_itself(version: str) -> None:
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)
        began = k.now
        await k.kvfree_rcu_mightsleep(p)
        assert k.now - began > 3_000_000
        assert k.machine.kvfree.statistics().inline_freed == 1

    assert run(scenario()(script), RunOptions(kernel=version, settings=TINY)).clean


@pytest.mark.parametrize("version", HAVING)
def test_readers_keep_their_object_whatever_the_order(version: str) -> None:
    async def script(k: Kernel) -> None:
        shared = [await k.kmalloc(64)]

        async def reader() -> None:
            for _ in range(20):
                with k.rcu_reader():
                    p = k.rcu_dereference(shared[0])
                    await k.udelay(700)
                    k.deref(p)

        async def updater() -> None:
            for _ in range(20):
                old, shared[0] = shared[0], await k.kmalloc(64)
                await k.kvfree_rcu(old, "rcu")
                await k.usleep_range(500, 600)

        for task in [await k.kthread_run(body, cpu=cpu) for cpu, body in ((0, updater), (1, reader), (1, reader))]:
            await k.kthread_join(task)
        await k.kvfree_rcu_barrier()
        assert k.machine.callbacks.statistics().waiting == 0
        await k.kfree(shared[0])

    for seed in range(10):
        options = RunOptions(kernel=version, settings=TINY, strategy=Random(), seed=seed, events=False)
        assert run(scenario()(script), options).clean


@pytest.mark.parametrize("batched", ["y", "n"])
@pytest.mark.parametrize("version", HAVING)
def test_a_cache_is_destroyed_behind_all_that_it_waits_for(version: str, batched: str) -> None:
    async def script(k: Kernel) -> None:
        cache = k.kmem_cache_create("objects", 64)
        for _ in range(40):
            await k.kvfree_rcu(await k.kmem_cache_alloc(cache), "rcu")
        await k.kmem_cache_destroy(cache)

    settings = {**TINY, "KVFREE_RCU_BATCHED": batched}
    assert run(scenario()(script), RunOptions(kernel=version, settings=settings)).clean


def test_what_an_nmi_gives_is_put_off_and_the_barrier_waits_for_that() -> None:
    async def script(k: Kernel) -> None:
        objects = [await k.kmalloc(64) for _ in range(3)]

        async def handler() -> None:
            await k.kfree_rcu_nolock(objects.pop(), "rcu")

        while objects:
            left = len(objects)
            await k.raise_nmi(handler, cpu=1)
            while len(objects) == left:
                await k.udelay(1)
        await k.kvfree_rcu_barrier()
        assert k.machine.kvfree.statistics().latencies.count == 3

    assert run(scenario()(script), RunOptions(kernel="v7.3", settings=TINY)).clean


def test_an_object_that_is_given_twice_is_reported() -> None:
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)
        await k.kvfree_rcu(p, "rcu")
        await k.kvfree_rcu(p, "rcu")

    for debug in "yn":
        settings = {**TINY, "DEBUG_OBJECTS_RCU_HEAD": debug}
        result = run(scenario()(script), RunOptions(kernel="v6.18", settings=settings))
        assert ViolationKind.DOUBLE_FREE in result.kinds


def test_it_changes_nothing_where_there_is_no_such_option() -> None:
    async def script(k: Kernel) -> None:
        for _ in range(10):
            await k.kvfree_rcu(await k.kmalloc(64), "rcu")

    digests = {
        run(scenario()(script), RunOptions(kernel="v6.12", settings={"KVFREE_RCU_BATCHED": on})).digest for on in "yn"
    }
    assert len(digests) == 1
