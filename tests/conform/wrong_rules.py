"""Wrong rules, each planted in the mechanism or in a version: what a judge has to find, and where it is seen.

None of them touches the judge's own code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import attrs
import pytest

from rcuactors.eras import find_era
from rcuactors.eras.era import Era
from rcuactors.kvfree import core, drain
from rcuactors.kvfree.parts import arming, batching, one_argument, recycling, refill, shrinker, workqueue

Plant = Callable[[pytest.MonkeyPatch, Era], Era]


def kvfree_rule(**changed: Any) -> Plant:
    """Some rules of kvfree_rcu() are others."""

    def plant(_patch: pytest.MonkeyPatch, era: Era) -> Era:
        return attrs.evolve(era, rules=attrs.evolve(era.rules, kvfree=attrs.evolve(era.rules.kvfree, **changed)))

    return plant


def refill_rule(**changed: Any) -> Plant:
    """Some rules of the refill are others."""
    return lambda patch, era: kvfree_rule(refill=attrs.evolve(era.rules.kvfree.refill, **changed))(patch, era)


def code(where: Any, name: str, wrong: Any) -> Plant:
    """A function of the mechanism is another one; `wrong` is given the right one."""

    def plant(patch: pytest.MonkeyPatch, era: Era) -> Era:
        patch.setattr(where, name, wrong(getattr(where, name)))
        return era

    return plant


class NeverShortened(arming.PendingTimer):
    """A timer that runs is left alone."""

    async def queued(self, cpu: Any, krcp: Any) -> None:
        """Armed if it is not."""
        if not krcp.monitor_work.work.pending:
            await self.schedule_delayed_monitor_work(cpu, krcp)


class NeverArmedAgain(arming.PendingTimer):
    """What has to stay is left without a monitor."""

    async def attempted(self, cpu: Any, krcp: Any, *, stayed: bool) -> None:
        """Nothing."""


def _two_jiffies(right: Any) -> Any:
    def delay_wanted(*args: Any, **named: Any) -> int | None:
        delay = right(*args, **named)
        return 2 if delay == 1 else delay

    return delay_wanted


def _uncounted(right: Any) -> Any:
    def link(self: Any, cpu: Any, krcp: Any, item: Any) -> None:
        right(self, cpu, krcp, item)
        krcp.count -= 1

    return link


def _oldest_block_first(right: Any) -> Any:
    async def free_blocks(self: Any, thread: Any, krcp: Any, blocks: Any) -> None:
        await right(self, thread, krcp, [list(reversed(channel)) for channel in blocks])

    return free_blocks


def _oldest_object_first(right: Any) -> Any:
    def take(batch: Any) -> Any:
        blocks, head = right(batch)
        return blocks, list(head)[::-1]

    return take


def _gate_open(_right: Any) -> Any:
    def begin(self: Any, krcp: Any) -> bool:
        self.of(krcp).work_in_progress = True
        return True

    return begin


def _backoff_stays(right: Any) -> Any:
    async def fill_page_cache_func(self: Any, thread: Any, krcp: Any) -> None:
        before = self.of(krcp).backoff_page_cache_fill
        await right(self, thread, krcp)
        self.of(krcp).backoff_page_cache_fill = before

    return fill_page_cache_func


def _always_room(_right: Any) -> Any:
    def keep_page(krcp: Any, page: int, _limit: int) -> bool:
        krcp.cache.append(page)
        return True

    return keep_page


def _never_kept(_right: Any) -> Any:
    return lambda _self, _krcp, _page: False


def _snapped_once(right: Any) -> Any:
    def snap_block(self: Any, cpu: Any, krcp: Any, item: Any) -> None:
        if len(krcp.blocks[item.is_vmalloc][-1].records) == 1:
            right(self, cpu, krcp, item)

    return snap_block


def _polled_wrongly(_right: Any) -> Any:
    class Drain(drain.Drain):
        """Asks of the list's word whether it is over by the expedited counter."""

        def __init__(self, kvfree: Any, polled: Any) -> None:
            super().__init__(kvfree, polled)
            self._polled: Any = _Wrong(polled)

    return Drain


class _Wrong:
    def __init__(self, polled: Any) -> None:
        self._right = polled
        self.poll_state_synchronize_rcu_full = polled.poll_state_synchronize_rcu_full

    def poll_state_synchronize_rcu(self, cookie: int) -> bool:
        """By a counter that nobody took it of."""
        return bool(self._right.machine.sequences.expedited_sequence >= cookie)


async def _barrier_that_leaves_the_monitor(kvfree: Any, thread: Any) -> None:
    for krcp in kvfree.krcs_in_turn():
        while krcp.anything_queued() and not await kvfree.monitor.kvfree_rcu_queue_batch(thread, krcp):
            await _flush(kvfree, thread, krcp)
    for krcp in kvfree.krcs_in_turn():
        await _flush(kvfree, thread, krcp)


async def _flush(kvfree: Any, thread: Any, krcp: Any) -> None:
    for batch in krcp.batches:
        await kvfree.rcu_works.flush_rcu_work(thread, batch.rcu_work)


async def _nothing_drained(_kvfree: Any, _thread: Any, _krcp: Any) -> int:
    return 0


def _only_first_batch(right: Any) -> Any:
    def batch(krcp: Any, one: Any) -> int:
        return right(krcp, one) if one is krcp.batches[0] else 0

    return batch


@attrs.frozen
class Wrong:
    """A wrong rule: of which version, how it is planted, and the recording that finds it."""

    name: str
    version: str
    plant: Plant
    recording: str

    def planted(self, patch: pytest.MonkeyPatch) -> Era:
        """The version with it."""
        return self.plant(patch, find_era(self.version))


_OLD, _NEW = "v6.1-stable", "v6.12"

WRONG: Final = (
    Wrong("a block takes one more", _OLD, kvfree_rule(block_capacity=511), "kvfree/d3_preemptoff_600_min5"),
    Wrong("a block takes one less", _OLD, kvfree_rule(block_capacity=509), "kvfree/d3_preemptoff_600_min5"),
    Wrong("v6.12: a block takes one more", _NEW, kvfree_rule(block_capacity=508), "kvfree-6.12/b_warm_507_min5"),
    Wrong("the long delay is a jiffy longer", _OLD, kvfree_rule(drain_ms=5004), "kvfree/e2_softirq_600_min0"),
    Wrong("the long delay is a jiffy shorter", _OLD, kvfree_rule(drain_ms=4996), "kvfree/a_cold_1_min5_rep1"),
    Wrong(
        "the short delay is two jiffies", _OLD, code(arming, "delay_wanted", _two_jiffies), "kvfree/e_hardirq_600_min5"
    ),
    Wrong("a timer is not shortened", _OLD, kvfree_rule(arming=NeverShortened), "kvfree/a_cold_512_min5"),
    Wrong(
        "no monitor for what stays",
        _OLD,
        kvfree_rule(arming=NeverArmedAgain),
        "kvfree-6.1-extra/f_burst600_back2back_12_min5",
    ),
    Wrong("the count is not zeroed", _OLD, kvfree_rule(counting=lambda count, _: count), "kvfree/a_cold_512_min5"),
    Wrong("the list is not counted", _OLD, code(core.KvfreeRcu, "_link", _uncounted), "kvfree/a_cold_512_min5"),
    Wrong(
        "oldest block first", _OLD, code(drain.Drain, "_free_blocks", _oldest_block_first), "kvfree/d_rawspin_1100_min5"
    ),
    Wrong(
        "oldest object first",
        _NEW,
        code(drain, "take_batch", _oldest_object_first),
        "kvfree-6.12/h_dropslab_mid_300_min5_delay200",
    ),
    Wrong("vmalloc before slab", _OLD, code(drain, "CHANNELS", lambda _: (1, 0)), "kvfree/c_mixed_512_min1"),
    Wrong(
        "a refill counts from what is cached",
        _OLD,
        refill_rule(starts_at_cached=True),
        "kvfree-6.1-extra/n_bg_gp_mixed2200_x3_min5",
    ),
    Wrong(
        "a look of the shrinker is not noted",
        _OLD,
        code(refill.Refill, "put_off", lambda _: lambda _self: None),
        "kvfree-6.1-rt/h_shrink_ready_400_min5_delay200",
    ),
    Wrong(
        "a put-off refill stays put off",
        _OLD,
        code(refill.Refill, "fill_page_cache_func", _backoff_stays),
        "kvfree-6.1-rt/h_shrink128_warm_min5_delay200",
    ),
    Wrong(
        "refills are not counted as under way", _OLD, code(refill.Refill, "begin", _gate_open), "kvfree/a_cold_512_min5"
    ),
    Wrong(
        "a full cache is not noticed", _OLD, code(core, "keep_page", _always_room), "kvfree/g_single_vmalloc_600_min0"
    ),
    Wrong("no page is kept", _OLD, code(core.KvfreeRcu, "put_cached_bnode", _never_kept), "kvfree/a_cold_512_min5"),
    Wrong(
        "v6.12: a page goes to whoever frees",
        _NEW,
        kvfree_rule(recycling=recycling.to_current_cpu),
        "kvfree-6.12/c_mixed_2_min5",
    ),
    Wrong(
        "a busy batch is used", _OLD, kvfree_rule(batching=batching.by_channel), "kvfree-6.1-rt/j_2cpu_mixed_burst_min5"
    ),
    Wrong(
        "only one batch",
        _OLD,
        kvfree_rule(batching=_only_first_batch(batching.whole_batch)),
        "kvfree-6.1-rt/a_cold_5000_min5_rep2",
    ),
    Wrong(
        "the shrinker leaves the cache",
        _OLD,
        code(shrinker, "drain_page_cache", lambda _: _nothing_drained),
        "kvfree-6.1-rt/h_shrink_ready_400_min5_delay200",
    ),
    Wrong(
        "one argument: no page is asked for",
        _OLD,
        kvfree_rule(one_argument=one_argument.WAITS),
        "kvfree/g_single_vmalloc_600_min0",
    ),
    Wrong(
        "a refused page does not end a refill",
        _OLD,
        refill_rule(ends_at_failure=False),
        "kvfree/i_failalloc_single_arg_5_min5",
    ),
    Wrong(
        "v6.12: asked for without a cache", _NEW, refill_rule(asks_without_cache=True), "kvfree-6.12/d_rawspin_600_min0"
    ),
    Wrong("an unbound workqueue", _OLD, kvfree_rule(workqueue=workqueue.system_unbound_wq), "kvfree/a_cold_512_min5"),
    Wrong(
        "v6.12: a block's cookie is not renewed",
        _NEW,
        code(core.KvfreeRcu, "_snap_block", _snapped_once),
        "kvfree-6.12/n_bg_gp_burst50_every100ms_40_min5",
    ),
    Wrong(
        "v6.12: ready blocks stay",
        _NEW,
        code(drain, "take_ready_blocks", lambda _: lambda *_a: [[], []]),
        "kvfree-6.12/l_ready_warm300_gp_min5",
    ),
    Wrong(
        "v6.12: the list is asked of another counter",
        _NEW,
        code(core, "Drain", _polled_wrongly),
        "kvfree-6.12/l_ready_warm300_gp_min5",
    ),
    Wrong(
        "v6.12: the barrier leaves the monitor",
        _NEW,
        kvfree_rule(barrier=_barrier_that_leaves_the_monitor),
        "kvfree-6.12/k_barrier_warm300_min5",
    ),
)
