"""kvfree_rcu()'s rules: monitor, batches, shrinker, barrier, boot."""

from __future__ import annotations

from typing import Final

from rcuactors.kvfree.parts import batching, counting, recycling, shrinker
from tests.conform.watched import Rule, looks_at_cache, polls

_SCAN: Final = "parts/shrinker:_cache_and_queue.kfree_rcu_shrink_scan"
_READY: Final = "drain:Drain.kvfree_rcu_drain_ready"
_WORK: Final = "drain:Drain.kfree_rcu_work"
_BATCHES: Final = "monitor:Monitor._into_batches"
_BARRIER: Final = "parts/barrier"

DRAINED: Final[dict[str, tuple[Rule, ...]]] = {
    "the monitor": (
        Rule("each batch in turn takes what it may", _BATCHES, "moved = rules.batching", field="batching"),
        Rule(
            "a batch that waits is not used (5da7cb193db3)",
            "parts/batching:whole_batch",
            only=lambda told: told["batch"].busy(),
            of=lambda rules: rules.batching is batching.whole_batch,
            field="batching",
        ),
        Rule(
            "a batch that waits takes the channels for which it has room",
            "parts/batching:by_channel",
            only=lambda told: told["batch"].busy(),
            of=lambda rules: rules.batching is batching.by_channel,
            field="batching",
        ),
        Rule(
            "the count is zero after a batch, whatever is left",
            "parts/counting:loose",
            of=lambda rules: rules.counting is counting.loose,
            field="counting",
        ),
        Rule(
            "the count is what is left",
            "parts/counting:exact",
            of=lambda rules: rules.counting is counting.exact,
            field="counting",
        ),
        Rule("a batch's list has a cookie of when it came there", _BATCHES, "head_free_gp_snap", of=polls),
        Rule(
            "it starts one batch and no more",
            _BATCHES,
            "break",
            of=lambda rules: rules.draining is not None and rules.draining.ends_at_first,
            field="draining",
        ),
        Rule(
            "it goes on with the other batch after one that was started",
            _BATCHES,
            "stayed |=",
            only=lambda told: told["moved"] > 0,
            of=lambda rules: rules.draining is None or not rules.draining.ends_at_first,
            field="draining",
        ),
        Rule(
            "a batch's work that is queued already is told",
            _BATCHES,
            "warn_on_once",
            of=lambda rules: rules.draining is not None and rules.draining.ends_at_first,
        ),
        Rule(
            "what is ready is freed first, blocks by their cookies",
            _READY,
            "ready =",
            only=lambda told: any(told["blocks"]),
            of=polls,
            field="draining",
        ),
        Rule(
            "a block that is not ready stays", _READY, "ready =", only=lambda told: any(told["krcp"].blocks), of=polls
        ),
        Rule("the list is freed first, by its cookie", _READY, "head, krcp.head = krcp.head, []", of=polls),
        Rule("a list that is not ready stays", _READY, "ready =", only=lambda told: bool(told["krcp"].head), of=polls),
    ),
    "the batch's work": (
        Rule("it takes all channels under krcp->lock", _WORK, "blocks, head = take_batch", field="workqueue"),
        Rule("a slab block is one kfree_bulk(), the newest block first", "drain:Drain.free_block", "figures.note_bulk"),
        Rule(
            "objects of a vmalloc block are freed one by one, in order",
            "drain:Drain.free_block",
            "await kvfree.vmalloc.vfree",
        ),
        Rule("the list is freed last in, first out", "drain:Drain.free_list", "item, cpu = head.pop()"),
        Rule(
            "a cookie whose grace period is not over: told, and leaked",
            "drain:Drain._is_early",
            "condition =",
            of=polls,
            field="snapshots",
        ),
        Rule(
            "a page goes back into the cache",
            "drain:Drain._recycle",
            "kept = kvfree.put_cached_bnode",
            only=lambda told: len(told["whose"].cache) < told["kvfree"].min_cached_objs,
        ),
        Rule(
            "a page for which the cache has no room is given back",
            "drain:Drain._recycle",
            "await kvfree.pages.free_page",
        ),
        Rule(
            "the page's cache is that of the CPU whose batch it was",
            "parts/recycling:to_own_cpu",
            of=lambda rules: rules.recycling is recycling.to_own_cpu,
            field="recycling",
        ),
        Rule(
            "which is not the CPU that the worker runs on",
            "parts/recycling:to_own_cpu",
            only=lambda told: told["_cpu"].cpu_id != told["krcp"].cpu_id,
            of=lambda rules: rules.recycling is recycling.to_own_cpu,
        ),
        Rule(
            "the page's cache is that of the CPU that the worker runs on",
            "parts/recycling:to_current_cpu",
            of=lambda rules: rules.recycling is recycling.to_current_cpu,
            field="recycling",
        ),
        Rule("an object of the list that is overwritten is lost", "drain:Drain._is_lost", "condition ="),
    ),
    "the shrinker": (
        Rule(
            "counting puts off every CPU's refill", "parts/refill:Refill.put_off", of=looks_at_cache, field="shrinker"
        ),
        Rule(
            "it counts queues and caches",
            "parts/shrinker:_cache_and_queue.kfree_rcu_shrink_count",
            of=looks_at_cache,
            field="shrinker",
        ),
        Rule(
            "it counts queues only",
            "parts/shrinker:queue_shrinker.kfree_rcu_shrink_count",
            of=lambda rules: not looks_at_cache(rules),
            field="shrinker",
        ),
        Rule(
            "scanning gives a CPU's cached pages back",
            "parts/shrinker:drain_page_cache",
            "await kvfree.pages.free_page",
            of=looks_at_cache,
        ),
        Rule("scanning runs the monitor of each CPU", _SCAN, "await kvfree.monitor", of=looks_at_cache),
        Rule(
            "scanning starts batches where the monitor is armed",
            "parts/shrinker:queue_shrinker.kfree_rcu_shrink_scan",
            "await kvfree.monitor",
            of=lambda rules: not looks_at_cache(rules),
        ),
        Rule("it stops when it has found exactly what was asked for", _SCAN, "break", of=looks_at_cache),
        Rule(
            "it goes on where that wraps",
            _SCAN,
            "freed += count",
            only=lambda told: told["nr_to_scan"] > 1 << 63,
            of=looks_at_cache,
        ),
        Rule(
            "with no cache, too, the lock is taken to empty it",
            "parts/shrinker:drain_page_cache",
            "kvfree.figures.no_caches",
            only=lambda told: not told["kvfree"].min_cached_objs,
            of=lambda rules: rules.shrinker is shrinker.cache_and_queue_shrinker,
            field="shrinker",
        ),
    ),
    "the barrier": (
        Rule(
            "every CPU's queue is got into a batch",
            f"{_BARRIER}:_queue",
            of=lambda rules: rules.barrier is not None,
            field="barrier",
        ),
        Rule(
            "where both batches wait, it waits for them and tries again",
            f"{_BARRIER}:_queue",
            "await _flush",
            of=lambda rules: rules.barrier is not None,
        ),
        Rule(
            "it takes back the monitor",
            f"{_BARRIER}:kvfree_rcu_barrier",
            "await kvfree.outside.cancel",
            of=lambda rules: rules.barrier is not None,
        ),
        Rule(
            "it leaves what came meanwhile without a monitor",
            f"{_BARRIER}:kvfree_rcu_barrier",
            "krcp.cancelled =",
            of=lambda rules: rules.barrier is not None,
        ),
        Rule("it waits for both batches", f"{_BARRIER}:_flush", of=lambda rules: rules.barrier is not None),
        Rule(
            "a cache that goes has its sheaves flushed",
            f"{_BARRIER}:Barriers.kvfree_rcu_barrier_on_cache",
            of=lambda rules: rules.may_be_unbatched,
        ),
    ),
    "boot, and kernels without batches": (
        Rule(
            "every CPU's cache is filled",
            "krcs:Krcs.prefill",
            of=lambda rules: rules.boot_prefill,
            field="boot_prefill",
        ),
        Rule("what was queued before the scheduler ran gets a monitor", "core:KvfreeRcu.kfree_rcu_scheduler_running"),
        Rule(
            "objects are callbacks of call_rcu()",
            "unbatched:Unbatched.take",
            of=lambda rules: rules.may_be_unbatched,
            field="may_be_unbatched",
        ),
    ),
}
