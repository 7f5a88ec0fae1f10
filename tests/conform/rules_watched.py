"""kvfree_rcu()'s rules: calls, refill, and when the monitor runs; the others are in rules_drained.py."""

from __future__ import annotations

from typing import Final

from rcuactors.kvfree.parts import one_argument
from tests.conform.rules_drained import DRAINED
from tests.conform.watched import Rule, looks_at_cache, pending, polls, starts_batches, todo

_CALL: Final = "core:KvfreeRcu._queue"
_WANTED: Final = "parts/arming:delay_wanted"
_TIMER: Final = "parts/arming:PendingTimer"
_FLAG: Final = "parts/arming:TodoFlag"
_FILL: Final = "parts/refill:Refill.fill_page_cache_func"
_ASK: Final = "parts/refill:Refill.run_page_cache_worker"

RULES: Final[dict[str, tuple[Rule, ...]]] = {
    "the call": (
        Rule("an object goes into the newest block of its channel", _CALL, "cpu.clock += costs.kvfree_append_ns"),
        Rule(
            "a block that has as many as it holds is full",
            _CALL,
            "page = await self.kvfree_call_rcu_add_ptr_to_bulk",
            only=lambda told: bool(told["krcp"].blocks[told["item"].is_vmalloc]),
            field="block_capacity",
        ),
        Rule(
            "a page for a new block comes from the cache",
            "core:KvfreeRcu.kvfree_call_rcu_add_ptr_to_bulk",
            "cache_hits",
        ),
        Rule(
            "the cache is empty, and nothing is allocated under krcp->lock",
            "core:KvfreeRcu.kvfree_call_rcu_add_ptr_to_bulk",
            "cache_misses",
        ),
        Rule("two arguments, no block: the object is linked by its rcu_head", "core:KvfreeRcu._link"),
        Rule(
            "one argument, no block: the page allocator is asked without krcp->lock",
            "core:KvfreeRcu._get_page_unlocked",
            "page = await self.pages.get_free_page",
            field="one_argument",
        ),
        Rule("one argument, no page: it waits for a grace period itself, and frees", "core:KvfreeRcu.free_in_line"),
        Rule(
            "with its page, it takes the lock of the CPU that it is on by then",
            "parts/one_argument:of_this_cpu",
            of=lambda rules: rules.one_argument.lock_again is one_argument.of_this_cpu,
            field="one_argument",
        ),
        Rule(
            "with its page, it takes the lock that it has left",
            "parts/one_argument:of_its_own",
            of=lambda rules: rules.one_argument.lock_again is one_argument.of_its_own,
            field="one_argument",
        ),
        Rule(
            "it has come to another CPU for its page",
            _CALL,
            "self.figures.caller_pages",
            only=lambda told: told["cpu"].cpu_id != told["left"].cpu_id,
        ),
        Rule(
            "a block's cookie is taken with each object",
            "core:KvfreeRcu._snap_block",
            "cpu.clock",
            of=polls,
            field="snapshots",
        ),
        Rule("the list's cookie is taken with each object", "core:KvfreeRcu._link", "krcp.head_gp_snap", of=polls),
        Rule(
            "debug objects see that an object is queued twice",
            "core:KvfreeRcu._debug_rcu_head_queue",
            "message =",
            field="debug_under_lock",
        ),
    ),
    "the refill": (
        Rule("a call without a block asks for one, by an hrtimer", _ASK, "timer = Hrtimer"),
        Rule(
            "one that is on its way is not asked for again (work_in_progress)",
            "parts/refill:Refill.begin",
            "return False",
        ),
        Rule(
            "it is asked for with no cache to fill, too",
            _ASK,
            "workqueues = kvfree.workqueues",
            only=lambda told: not told["kvfree"].min_cached_objs,
            of=lambda rules: rules.refill.asks_without_cache,
            field="refill",
        ),
        Rule(
            "it is not asked for with no cache to fill",
            _ASK,
            "return",
            only=lambda told: not told["kvfree"].min_cached_objs,
            of=lambda rules: not rules.refill.asks_without_cache,
            field="refill",
        ),
        Rule("after a look of the shrinker it is put off", _ASK, "config = kvfree.system.config", of=looks_at_cache),
        Rule("the hrtimer queues the work", f"{_ASK}.schedule_page_work_fn"),
        Rule("it asks for rcu_min_cached_objs pages", _FILL, "page = await", field="min_cached_objs"),
        Rule(
            "after a look it asks for one page",
            _FILL,
            "page = await",
            only=lambda told: told["wanted"] == 1 < told["kvfree"].min_cached_objs,
            of=looks_at_cache,
        ),
        Rule(
            "it counts from no page, whatever the cache has",
            _FILL,
            "kvfree.figures.refills_for_nothing",
            only=lambda told: bool(told["krcp"].cache),
            of=lambda rules: not rules.refill.starts_at_cached,
            field="refill",
        ),
        Rule(
            "it counts from the pages that are there",
            _FILL,
            "kvfree.figures.refills_for_nothing",
            only=lambda told: bool(told["krcp"].cache),
            of=lambda rules: rules.refill.starts_at_cached,
            field="refill",
        ),
        Rule(
            "it ends at a page that cannot be had",
            _FILL,
            "break",
            of=lambda rules: rules.refill.ends_at_failure,
            field="refill",
        ),
        Rule(
            "it goes on after a page that cannot be had",
            _FILL,
            "continue",
            of=lambda rules: not rules.refill.ends_at_failure,
            field="refill",
        ),
        Rule("it ends, and gives its page back, when the cache is full", _FILL, "refill_pages_refused"),
        Rule(
            "a look of the shrinker is forgotten when it is over",
            _FILL,
            "backoff_page_cache_fill = mine.ends = False",
            of=looks_at_cache,
        ),
    ),
    "when the monitor runs": (
        Rule(
            "KFREE_DRAIN_JIFFIES from now",
            _WANTED,
            "krcp.cancelled",
            only=lambda told: told["delay"] > 1,
            of=pending,
            field="drain_ms",
        ),
        Rule(
            "in a jiffy when a block's worth waits",
            _WANTED,
            "krcp.cancelled",
            only=lambda told: told["delay"] == 1,
            of=pending,
            field="arming",
        ),
        Rule("a timer that runs is left alone, unless that is sooner", _WANTED, "return None", of=pending),
        Rule(
            "a timer that runs is shortened", f"{_TIMER}.schedule_delayed_monitor_work", "mod_delayed_work", of=pending
        ),
        Rule(
            "armed again when something is left after all batches",
            f"{_TIMER}.attempted",
            "await",
            of=lambda rules: pending(rules) and starts_batches(rules),
        ),
        Rule(
            "armed again, with krcp->lock, when something is left",
            f"{_TIMER}.armed_again",
            "await self.schedule",
            of=lambda rules: rules.draining is not None,
            field="draining",
        ),
        Rule(
            "armed again without krcp->lock (before a23da88c6c80)",
            f"{_TIMER}._queue_unlocked",
            of=lambda rules: rules.draining is not None and not rules.draining.locked_again,
            field="draining",
        ),
        Rule(
            "armed when the scheduler begins to run, if anything is queued", f"{_TIMER}.scheduler_running", of=pending
        ),
        Rule("a flag says that it is armed", f"{_FLAG}.queued", of=todo, field="arming"),
        Rule("does nothing when the flag is down", f"{_FLAG}.due", "return False", of=todo),
        Rule("armed again when something stayed after one batch", f"{_FLAG}.attempted", of=todo),
        Rule(
            "armed when the scheduler begins to run, if the list holds something",
            f"{_FLAG}.scheduler_running",
            of=todo,
        ),
    ),
    **DRAINED,
}


def every_rule() -> list[tuple[str, Rule]]:
    """Each with the part that it belongs to."""
    return [(part, rule) for part, rules in RULES.items() for rule in rules]
