"""What is done under krcp->lock between two points is a plain function: it can be tried on a copy of a CPU's state."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from rcuactors import Kernel, RunOptions, run, scenario
from rcuactors.eras import ERAS
from rcuactors.kvfree import krc as krc_module
from rcuactors.kvfree.krc import Krc, append, keep_page, open_block, take_batch, take_cache, take_cached_page
from rcuactors.kvfree.parts import batching, counting
from rcuactors.kvfree.parts.arming import Timing, delay_wanted
from rcuactors.kvfree.parts.batching import by_channel, whole_batch
from rcuactors.kvfree.parts.counting import exact, loose
from rcuactors.mm.gfp import GFP_KERNEL


def seen(krcp: Krc) -> Any:
    """All of the state that a plain function may change."""

    def blocks(channels: Any) -> Any:
        return [[(block.page, tuple(block.records)) for block in channel] for channel in channels]

    return (
        blocks(krcp.blocks),
        list(krcp.head),
        krcp.count,
        krcp.settled,
        list(krcp.cache),
        [(blocks(batch.blocks), list(batch.head)) for batch in krcp.batches],
        [attrs.astuple(state) for state in krcp.slots],
    )


def with_state(look: Callable[[Kernel, Krc, Any], None], kernel: str) -> None:
    """Call `look` while a CPU has blocks, a list, cached pages and a batch that waits; and an object for more."""

    async def script(k: Kernel) -> None:
        krcp = k.machine.kvfree.krc(0)
        while len(krcp.cache) < 5:
            krcp.cache.append(await k.machine.pages.get_free_page(k.machine.current, GFP_KERNEL))

        async def reader() -> None:
            with k.rcu_reader():
                await k.udelay(100_000)

        await k.kthread_run(reader, cpu=1)
        await k.usleep_range(100, 100)
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")
        await k.machine.kvfree.monitor.kfree_rcu_monitor(k.machine.current, krcp)
        for _ in range(3):
            await k.kvfree_rcu(await k.kmalloc(64), "rcu")
        await k.kvfree_rcu(await k.vmalloc(64), "rcu")
        more = await k.kmalloc(64)
        before = seen(krcp)
        look(k, krcp, more)
        assert seen(krcp) == before
        looked.append(True)
        await k.kfree(more)

    looked: list[bool] = []
    assert run(scenario()(script), RunOptions(kernel=kernel), rcu_min_cached_objs="5").clean
    assert looked


KERNELS = pytest.mark.parametrize("kernel", list(ERAS))


@pytest.mark.parametrize("kernel", [kernel for kernel in ERAS if kernel != "v7.3"])
def test_each_plain_function_leaves_the_state_alone_of_which_it_got_a_copy(kernel: str) -> None:
    def look(k: Kernel, krcp: Krc, item: Any) -> None:
        steps: list[Callable[[Krc], Any]] = [
            lambda on: append(on, item, 510),
            lambda on: open_block(on, 99, item),
            take_cached_page,
            take_cache,
            lambda on: keep_page(on, 99, 10),
            lambda on: take_batch(on.batches[0]),
            lambda on: by_channel(on, on.batches[0]),
            lambda on: whole_batch(on, on.batches[1]),
        ]
        for step in steps:
            copy = krcp.copy()
            assert seen(copy) == seen(krcp)
            step(copy)
            assert seen(copy) != seen(krcp)

    with_state(look, kernel)


def test_the_two_batchings_differ_in_a_batch_that_waits() -> None:
    def look(_k: Kernel, krcp: Krc, _item: Any) -> None:
        waiting, empty = krcp.copy(), krcp.copy()
        assert waiting.batches[0].blocks[0]
        assert whole_batch(waiting, waiting.batches[0]) == 0
        assert by_channel(waiting, waiting.batches[0]) == 1, "only the vmalloc channel has room"
        assert whole_batch(empty, empty.batches[1]) == by_channel(krcp.copy(), krcp.copy().batches[1]) == 4

    with_state(look, "v5.11")


def test_the_delay_is_a_function_of_the_count_and_the_pending_timer() -> None:
    timing = Timing(delay_jiffies=1250, full=510)

    def look(k: Kernel, krcp: Krc, _item: Any) -> None:
        copy = krcp.copy()
        mine = k.machine.kvfree.arming.of(copy)
        assert delay_wanted(copy, mine, timing, 100, pending=False) == 1250
        assert (mine.monitor_expires, copy.settled) == (1350, 509)
        assert delay_wanted(copy, mine, timing, 200, pending=True) is None
        copy.count = 510
        assert delay_wanted(copy, mine, timing, 200, pending=True) == 1
        assert mine.monitor_expires == 201
        assert delay_wanted(copy, mine, timing, 200, pending=True) is None

    with_state(look, "v6.1-stable")


@pytest.mark.parametrize(("counting_of", "left"), [(loose, 0), (exact, 3)])
def test_counting(counting_of: Callable[[int, int], int], left: int) -> None:
    assert counting_of(7, 4) == left


def test_they_are_plain() -> None:
    """No coroutine among them, and none that looks at a clock, a lock or a work."""
    for module in (krc_module, batching, counting):
        for name, function in vars(module).items():
            if inspect.isfunction(function) and function.__module__ == module.__name__:
                assert not inspect.iscoroutinefunction(function), name
                assert not {"lock", "clock", "pending", "rcu_work"} & set(function.__code__.co_names), name
