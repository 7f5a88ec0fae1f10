"""What a run counted, as its result keeps it: figures of the machine's parts, by the names of docs/results.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from ..kvfree.figures import CallStatistics
from ..machine import Machine


@attrs.frozen(kw_only=True, eq=False)
class Counters(Mapping[str, Any]):
    """What one run counted. As a mapping it has what is in the JSON document, `counters["blocks"]`.

    * `calls` (calls): of `kvfree_rcu()`: `two_argument` and `one_argument`, each by the caller's context (the words of
      `context` above).
    * `cache_hits` (pages): taken from the CPU's page cache for a new block.
    * `cache_misses` (times): a block was needed and the cache was empty.
    * `refills_asked` (times): a refill was asked for: an hrtimer was started.
    * `refills_done` (times): the refill's work ran to its end.
    * `refill_pages` (pages): put into caches: by refills, and at boot by the versions that fill them then.
    * `refill_pages_refused` (pages): that a refill had taken and gave back, since the cache was full by then.
    * `caller_pages` (pages): taken from the page allocator in the context of the caller of `kvfree_rcu()`.
    * `blocks` (blocks): of pointers that were begun.
    * `bulk_frees` (calls by size): of `kfree_bulk()`: size (as a text) to number of calls.
    * `bulk_sizes_in_order` (objects each): the first 1,000 sizes, in the order of the calls.
    * `bulk_objects` (objects): freed by `kfree_bulk()`.
    * `vmalloc_freed` (areas): of vmalloc memory freed from blocks.
    * `list_freed` (objects): freed from the rcu_head list.
    * `inline_freed` (objects): freed by a one-argument caller after it had waited for a grace period itself.
    * `fallbacks_list` (objects): that found no block and were linked by their rcu_head.
    * `fallbacks_synchronize` (calls): of the one-argument form that found no block and waited for a grace period.
    * `monitor_runs` (times): `kfree_rcu_monitor()` ran.
    * `work_runs` (times): `kfree_rcu_work()` ran, each after a grace period.
    * `grace_periods` (grace periods): that ended.
    * `callbacks_invoked` (callbacks): of `call_rcu()`, those of `queue_rcu_work()` and `synchronize_rcu()` included.
    * `pages_allocated` (pages): given out by the page allocator, to anybody.
    * `pages_freed` (pages): given back to it.
    * `peak_pages` (pages): the most that were given out at one time.
    * `page_allocations_failed` (times): a page was asked for and not had.
    * `page_failures_injected` (times): of these, because of `fail_page_alloc`.
    * `pcplist_refills` (times): a CPU's page list was refilled from the zone, under `zone->lock`.
    * `pcplist_drains` (times): pages went from a list back to the zone, under `zone->lock`.
    * `kswapd_wakeups` (times): kswapd was woken.
    * `direct_reclaims` (times): a caller reclaimed memory itself.
    * `oom_kills` (times): the OOM killer was invoked.
    * `peak_objects` (objects): the most that were allocated and not freed at one time.
    * `peak_bytes` (bytes): the same in bytes, by the sizes that were asked for.
    """

    calls: CallStatistics
    cache_hits: int
    cache_misses: int
    refills_asked: int
    refills_done: int
    refill_pages: int
    refill_pages_refused: int
    caller_pages: int
    blocks: int
    bulk_frees: Mapping[str, int]
    bulk_sizes_in_order: tuple[int, ...]
    bulk_objects: int
    vmalloc_freed: int
    list_freed: int
    inline_freed: int
    fallbacks_list: int
    fallbacks_synchronize: int
    monitor_runs: int
    work_runs: int
    grace_periods: int
    callbacks_invoked: int
    pages_allocated: int
    pages_freed: int
    peak_pages: int
    page_allocations_failed: int
    page_failures_injected: int
    pcplist_refills: int
    pcplist_drains: int
    kswapd_wakeups: int
    direct_reclaims: int
    oom_kills: int
    peak_objects: int
    peak_bytes: int

    def as_dict(self) -> dict[str, Any]:
        """As plain data, ready for JSON."""
        return {name: _plain(getattr(self, name)) for name in self}

    def __getitem__(self, name: str) -> Any:
        if name not in _NAMES:
            raise KeyError(name)
        return _plain(getattr(self, name))

    def __iter__(self) -> Iterator[str]:
        return iter(_NAMES)

    def __len__(self) -> int:
        return len(_NAMES)


_NAMES = tuple(field.name for field in attrs.fields(Counters))


def _plain(value: object) -> object:
    if type(value) is int:  # most are, and asking whether something is a mapping takes long
        return value
    if isinstance(value, CallStatistics):
        return {"two_argument": dict(value.two_argument), "one_argument": dict(value.one_argument)}
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


def counters_of(machine: Machine) -> Counters:
    """The figures of a machine's parts."""
    kvfree, zone, pages = machine.kvfree.statistics(), machine.pages.zone.statistics(), machine.pages.statistics()
    reclaim, oracle = machine.pages.reclaim.statistics(), machine.oracle.statistics()
    refill, drain = kvfree.refill, kvfree.drain
    return Counters(
        calls=kvfree.calls,
        cache_hits=kvfree.cache_hits,
        cache_misses=kvfree.cache_misses,
        refills_asked=refill.asked,
        refills_done=refill.done,
        refill_pages=refill.pages,
        refill_pages_refused=refill.pages_refused,
        caller_pages=kvfree.caller_pages,
        blocks=kvfree.blocks,
        bulk_frees={str(size): count for size, count in drain.bulk_frees.items()},
        bulk_sizes_in_order=drain.bulk_sizes,
        bulk_objects=drain.bulk_objects,
        vmalloc_freed=drain.vmalloc_freed,
        list_freed=drain.list_freed,
        inline_freed=kvfree.inline_freed,
        fallbacks_list=kvfree.fallbacks_list,
        fallbacks_synchronize=kvfree.fallbacks_synchronize,
        monitor_runs=kvfree.monitor.runs,
        work_runs=drain.work_runs,
        grace_periods=machine.gp.statistics().completed,
        callbacks_invoked=machine.callbacks.statistics().invoked,
        pages_allocated=zone.allocated,
        pages_freed=zone.freed,
        peak_pages=zone.peak_in_use,
        page_allocations_failed=pages.failed,
        page_failures_injected=pages.injected,
        pcplist_refills=zone.refills,
        pcplist_drains=zone.drains,
        kswapd_wakeups=reclaim.kswapd_wakeups,
        direct_reclaims=reclaim.direct_reclaims,
        oom_kills=reclaim.oom_kills,
        peak_objects=oracle.peak_objects,
        peak_bytes=oracle.peak_bytes,
    )
