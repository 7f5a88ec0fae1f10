"""kvfree_rcu()'s rules, and where in its code each is decided: what is counted while recordings are explained.

A rule is watched at a line of `rcuactors/kvfree/`, named by the function that it stands in and by a piece of its text,
so that the table cannot point at nothing; at some lines it depends on the variables whether it is that rule.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

import attrs

import rcuactors.kvfree
from rcuactors.kvfree.parts import batching, counting, one_argument, recycling, shrinker
from rcuactors.kvfree.rules import KvfreeRules

KVFREE: Final = Path(rcuactors.kvfree.__file__).parent

Variables = dict[str, Any]


@attrs.frozen
class Rule:
    """One: what it says, where it is decided, and which versions have it.

    `function` is "FILE:NAME.NAME"; `line` a piece of the text of a line in it, the `nth` one that has it (from 0), ""
    for its first. `only` asks the variables there. `of` says by a version's rules whether it has this one.
    """

    about: str
    function: str
    line: str = ""
    nth: int = 0
    only: Callable[[Variables], bool] | None = None
    of: Callable[[KvfreeRules], bool] | None = None
    field: str = ""
    """The field of KvfreeRules by which a version picks it."""

    def place(self) -> tuple[str, int]:
        """The file and the line. Raises LookupError where there is none."""
        name, _, function = self.function.partition(":")
        path = KVFREE / f"{name}.py"
        node = _found(path, function)
        if not self.line:
            first = node.body[1] if ast.get_docstring(node) is not None else node.body[0]
            return str(path), first.lineno
        text = path.read_text().splitlines()
        numbers = [number for number in range(node.lineno, (node.end_lineno or 0) + 1) if self.line in text[number - 1]]
        if len(numbers) <= self.nth:
            raise LookupError(f"{self.function} has no line with {self.line!r}")
        return str(path), numbers[self.nth]

    def is_of(self, rules: KvfreeRules) -> bool:
        """A version has it."""
        return self.of is None or self.of(rules)


Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def functions(path: Path) -> dict[str, Function]:
    """All functions of a file, by their dotted names."""
    found: dict[str, Function] = {}

    def walk(node: ast.AST, names: tuple[str, ...]) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, Function | ast.ClassDef):
                inner = (*names, child.name)
                if not isinstance(child, ast.ClassDef):
                    found[".".join(inner)] = child
                walk(child, inner)

    walk(ast.parse(path.read_text()), ())
    return found


def _found(path: Path, function: str) -> Function:
    try:
        return functions(path)[function]
    except KeyError:
        raise LookupError(f"{path.name} has no function {function}") from None


def _polls(rules: KvfreeRules) -> bool:
    return rules.snapshots is not None


def _starts_batches(rules: KvfreeRules) -> bool:
    return rules.draining is None


def _pending(rules: KvfreeRules) -> bool:
    return rules.arming.__name__ == "PendingTimer"


def _todo(rules: KvfreeRules) -> bool:
    return rules.arming.__name__ == "TodoFlag"


def _looks_at_cache(rules: KvfreeRules) -> bool:
    return rules.shrinker is not shrinker.queue_shrinker


_CALL: Final = "core:KvfreeRcu._queue"
_WANTED: Final = "parts/arming:delay_wanted"
_TIMER: Final = "parts/arming:PendingTimer"
_FLAG: Final = "parts/arming:TodoFlag"
_FILL: Final = "parts/refill:Refill.fill_page_cache_func"
_ASK: Final = "parts/refill:Refill.run_page_cache_worker"
_SCAN: Final = "parts/shrinker:_cache_and_queue.kfree_rcu_shrink_scan"
_READY: Final = "drain:Drain.kvfree_rcu_drain_ready"
_WORK: Final = "drain:Drain.kfree_rcu_work"
_BATCHES: Final = "monitor:Monitor._into_batches"
_BARRIER: Final = "parts/barrier"

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
            of=_polls,
            field="snapshots",
        ),
        Rule("the list's cookie is taken with each object", "core:KvfreeRcu._link", "krcp.head_gp_snap", of=_polls),
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
        Rule("after a look of the shrinker it is put off", _ASK, "config = kvfree.system.config", of=_looks_at_cache),
        Rule("the hrtimer queues the work", f"{_ASK}.schedule_page_work_fn"),
        Rule("it asks for rcu_min_cached_objs pages", _FILL, "page = await", field="min_cached_objs"),
        Rule(
            "after a look it asks for one page",
            _FILL,
            "page = await",
            only=lambda told: told["wanted"] == 1 < told["kvfree"].min_cached_objs,
            of=_looks_at_cache,
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
            "backoff_page_cache_fill = False",
            of=_looks_at_cache,
        ),
    ),
    "when the monitor runs": (
        Rule(
            "KFREE_DRAIN_JIFFIES from now",
            _WANTED,
            "krcp.cancelled",
            only=lambda told: told["delay"] > 1,
            of=_pending,
            field="drain_ms",
        ),
        Rule(
            "in a jiffy when a block's worth waits",
            _WANTED,
            "krcp.cancelled",
            only=lambda told: told["delay"] == 1,
            of=_pending,
            field="arming",
        ),
        Rule("a timer that runs is left alone, unless that is sooner", _WANTED, "return None", of=_pending),
        Rule(
            "a timer that runs is shortened", f"{_TIMER}.schedule_delayed_monitor_work", "mod_delayed_work", of=_pending
        ),
        Rule(
            "armed again when something is left after all batches",
            f"{_TIMER}.attempted",
            "await",
            of=lambda rules: _pending(rules) and _starts_batches(rules),
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
            "armed when the scheduler begins to run, if anything is queued", f"{_TIMER}.scheduler_running", of=_pending
        ),
        Rule("a flag says that it is armed", f"{_FLAG}.queued", of=_todo, field="arming"),
        Rule("does nothing when the flag is down", f"{_FLAG}.due", "return False", of=_todo),
        Rule("armed again when something stayed after one batch", f"{_FLAG}.attempted", of=_todo),
        Rule(
            "armed when the scheduler begins to run, if the list holds something",
            f"{_FLAG}.scheduler_running",
            of=_todo,
        ),
    ),
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
        Rule("a batch's list has a cookie of when it came there", _BATCHES, "head_free_gp_snap", of=_polls),
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
            of=_polls,
            field="draining",
        ),
        Rule(
            "a block that is not ready stays", _READY, "ready =", only=lambda told: any(told["krcp"].blocks), of=_polls
        ),
        Rule("the list is freed first, by its cookie", _READY, "head, krcp.head = krcp.head, []", of=_polls),
        Rule("a list that is not ready stays", _READY, "ready =", only=lambda told: bool(told["krcp"].head), of=_polls),
    ),
    "the batch's work": (
        Rule("it takes all channels under krcp->lock", _WORK, "blocks, head = take_batch", field="workqueue"),
        Rule(
            "a slab block is one kfree_bulk(), the newest block first", "drain:Drain._free_block", "figures.note_bulk"
        ),
        Rule(
            "objects of a vmalloc block are freed one by one, in order",
            "drain:Drain._free_block",
            "await kvfree.vmalloc.vfree",
        ),
        Rule("the list is freed last in, first out", "drain:Drain._free_list", "item, cpu = head.pop()"),
        Rule(
            "a cookie whose grace period is not over: told, and leaked",
            "drain:Drain._is_early",
            "condition =",
            of=_polls,
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
            "counting puts off every CPU's refill", "parts/refill:Refill.put_off", of=_looks_at_cache, field="shrinker"
        ),
        Rule(
            "it counts queues and caches",
            "parts/shrinker:_cache_and_queue.kfree_rcu_shrink_count",
            of=_looks_at_cache,
            field="shrinker",
        ),
        Rule(
            "it counts queues only",
            "parts/shrinker:queue_shrinker.kfree_rcu_shrink_count",
            of=lambda rules: not _looks_at_cache(rules),
            field="shrinker",
        ),
        Rule(
            "scanning gives a CPU's cached pages back",
            "parts/shrinker:drain_page_cache",
            "await kvfree.pages.free_page",
            of=_looks_at_cache,
        ),
        Rule("scanning runs the monitor of each CPU", _SCAN, "await kvfree.monitor", of=_looks_at_cache),
        Rule(
            "scanning starts batches where the monitor is armed",
            "parts/shrinker:queue_shrinker.kfree_rcu_shrink_scan",
            "await kvfree.monitor",
            of=lambda rules: not _looks_at_cache(rules),
        ),
        Rule("it stops when it has found exactly what was asked for", _SCAN, "break", of=_looks_at_cache),
        Rule(
            "it goes on where that wraps",
            _SCAN,
            "freed += count",
            only=lambda told: told["nr_to_scan"] > 1 << 63,
            of=_looks_at_cache,
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


def every_rule() -> list[tuple[str, Rule]]:
    """Each with the part that it belongs to."""
    return [(part, rule) for part, rules in RULES.items() for rule in rules]
