"""What atomics, lists, counts and bits share is known to searches: partial orders reach what all schedules reach."""

from __future__ import annotations

from typing import Any, Final

import pytest

from rcuactors import Kernel, Scenario, scenario
from rcuactors.explore.dfs import Dfs
from rcuactors.explore.dpor import Dpor
from tests.searches import Reached, all_of, attempt_of
from tests.small import TWO


async def _at(k: Kernel, time_ns: int) -> None:
    """Both come to where they meet at about that time."""
    await k.ndelay(time_ns - k.now)


@scenario(settings=TWO)
async def counted(k: Kernel) -> None:
    """Two threads count; what is read is added to later, so that a count may be lost."""
    count = k.atomic_t("count")

    async def counts(time_ns: int) -> None:
        await _at(k, time_ns)
        seen = k.atomic_read(count)
        await k.cond_resched()
        k.atomic_set(count, seen + 1)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(counts, 20_000, cpu=1)
        await counts(20_100)
    k.WARN_ON(k.atomic_read(count) != 2)


@scenario(settings=TWO)
async def exchanged(k: Kernel) -> None:
    """Two threads publish an object each, and free what was there: who is last leaves his."""
    slot = await k.kmalloc(k.struct("slot", pointer=None))

    async def publishes(size: int, time_ns: int) -> None:
        new = await k.kmalloc(size)
        await _at(k, time_ns)
        await k.kfree(k.xchg(slot, "pointer", new))

    async with k.open_nursery() as nursery:
        await nursery.start_soon(publishes, 32, 20_000, cpu=1)
        await publishes(64, 20_020)
    last = slot.pointer
    k.WARN(last.size == 64, "the longer one is last")
    await k.kfree(last)
    await k.kfree(slot)


@scenario(settings=TWO)
async def referenced(k: Kernel) -> None:
    """A reference is taken by who may be too late for it."""
    p = await k.kmalloc(k.struct("foo", refs=k.refcount_t))
    k.refcount_set(p.refs, 1)

    async def late() -> None:
        await _at(k, 20_000)
        k.refcount_inc_not_zero(p.refs)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(late, cpu=1)
        await _at(k, 20_020)
        k.WARN_ON(not k.refcount_dec_and_test(p.refs))
    await k.kfree(p)


@scenario(settings=TWO)
async def listed(k: Kernel) -> None:
    """One thread adds to a list, the other looks whether it is empty."""
    foos = k.list_head("foos")
    p = await k.kmalloc(k.struct("foo", node=k.list_head))

    async def adds() -> None:
        await _at(k, 20_000)
        k.list_add_rcu(p.node, foos)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(adds, cpu=1)
        await _at(k, 20_020)
        with k.rcu_reader():
            k.WARN_ON(not list(k.list_for_each_entry_rcu(foos, "node")))
    await k.kfree(p)


@scenario(settings=TWO)
async def hashed(k: Kernel) -> None:
    """One thread takes an entry out of a hash list, the other looks for it."""
    bucket = k.hlist_head("bucket")
    p = await k.kmalloc(k.struct("foo", node=k.hlist_node))
    k.hlist_add_head_rcu(p.node, bucket)

    async def removes() -> None:
        await _at(k, 20_000)
        k.hlist_del_init_rcu(p.node)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(removes, cpu=1)
        await _at(k, 20_020)
        k.WARN_ON(k.hlist_unhashed(p.node))
    await k.kfree(p)


@scenario(settings=TWO)
async def flagged(k: Kernel) -> None:
    """Two threads set a bit of one word; who comes second is told."""
    p = await k.kmalloc(k.struct("foo", flags=0))

    async def sets(time_ns: int, *, first: bool) -> None:
        await _at(k, time_ns)
        k.WARN_ON(k.test_and_set_bit(0, p, "flags") and first)

    async def sets_first() -> None:
        await sets(20_000, first=True)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(sets_first, cpu=1)
        await sets(20_020, first=False)
    await k.kfree(p)


@scenario(settings=TWO)
async def sequenced(k: Kernel) -> None:
    """A reader asks once whether somebody has written meanwhile."""
    count = k.seqcount_t("count")

    async def writes() -> None:
        await _at(k, 20_000)
        k.preempt_disable()
        k.write_seqcount_begin(count)
        await k.write_seqcount_end(count)
        await k.preempt_enable()

    async with k.open_nursery() as nursery:
        await nursery.start_soon(writes, cpu=1)
        await _at(k, 20_000)
        start = await k.read_seqcount_begin(count)
        await k.cond_resched()
        k.WARN_ON(k.read_seqcount_retry(count, start))


@scenario(settings=TWO)
async def notified(k: Kernel) -> None:
    """A block comes into a chain, which is gone through meanwhile."""
    chain = k.blocking_notifier_head("chain")

    async def notify(_nb: Any, _action: int, _data: object) -> int:
        return 1

    nb = k.notifier_block(notify)

    async def registers() -> None:
        await _at(k, 20_000)
        await k.blocking_notifier_chain_register(chain, nb)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(registers, cpu=1)
        await _at(k, 20_020)
        k.WARN_ON(not await k.blocking_notifier_call_chain(chain, 0))


CASES: Final = (
    (counted, 100, 1),
    (exchanged, 100, 0),
    (referenced, 100, 0),
    (listed, 100, 0),
    (hashed, 100, 0),
    (flagged, 100, 0),
    (sequenced, 100, 0),
    (notified, 100, 0),
)
"""Scenarios, the window in nanoseconds, and the preemptions that `dfs` tries."""


def both(chosen: Scenario, window: int, preemptions: int) -> tuple[Reached, Reached]:
    """All that the one reaches, and the other."""
    return (
        all_of(attempt_of(chosen), Dpor(window=window)),
        all_of(attempt_of(chosen), Dfs(window=window, preemptions=preemptions), 20_000),
    )


@pytest.mark.one_in(2)
@pytest.mark.parametrize(("chosen", "window", "preemptions"), CASES, ids=lambda value: getattr(value, "name", ""))
def test_partial_orders_reach_what_all_schedules_reach(chosen: Scenario, window: int, preemptions: int) -> None:
    reduced, whole = both(chosen, window, preemptions)
    assert (reduced.states, reduced.found) == (whole.states, whole.found)
    assert reduced.traces >= whole.traces
    assert whole.found, "no order shows it: the case says nothing"
    assert reduced.schedules < whole.schedules
