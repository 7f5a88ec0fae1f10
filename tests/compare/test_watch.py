"""A watched machine does what an unwatched one does, and what is seen is what happened."""

from __future__ import annotations

import pytest

from rcuactors import GFP_KERNEL, Kernel, RunOptions, scenario
from rcuactors.compare.watch import Watch, watch
from rcuactors.compare.workloads import WORKLOADS
from rcuactors.context.locks import LockKind
from rcuactors.designs.direct import Direct
from rcuactors.kernel.cpu import Cpu
from rcuactors.kvfree.core import KvfreeRcu
from rcuactors.kvfree.krc import Krc
from rcuactors.runs import Result, Run
from rcuactors.scenario import Scenario


def run_watched(chosen: Scenario, design: str, **settings: str) -> tuple[Result, Watch]:
    run = Run(chosen, RunOptions(kernel="v5.11", design=design, settings=settings, events=False))
    seen = watch(run.machine)
    return run.run(), seen


@pytest.mark.parametrize("load", ["trickle", "mixed"])
@pytest.mark.parametrize("rt", ["y", "n"])
def test_to_be_watched_changes_nothing(load: str, rt: str) -> None:
    chosen, settings = WORKLOADS[load].scenario, {"PREEMPT_RT": rt}
    plain = Run(chosen, RunOptions(kernel="v5.11", design="hrtimer-work", settings=settings, events=False)).run()
    watched, _ = run_watched(chosen, "hrtimer-work", **settings)
    assert watched == plain


@scenario()
async def one_call(k: Kernel, objects: int = 1, irqs_off: bool = False) -> None:
    pointers = [await k.kmalloc(64) for _ in range(objects)]
    await k.cold_caches()
    flags = k.local_irq_save() if irqs_off else False
    for p in pointers:
        await k.kvfree_rcu(p, "rcu")
    if irqs_off:
        await k.local_irq_restore(flags)


def test_one_call_that_asks_for_a_page() -> None:
    result, seen = run_watched(one_call, "direct")
    assert (seen.calls, seen.pages, seen.peak_pages) == (1, 1, 1)
    assert seen.zone_locks_own == result.counters["pcplist_refills"] - 1 == 1
    # The section lies inside the call, the lock inside the section.
    assert 0 < seen.raw_held_ns < seen.irqs_off_ns <= seen.caller_ns


def test_pages_of_a_worker_are_kvfree_rcus() -> None:
    result, seen = run_watched(one_call, "hrtimer-work")
    assert seen.pages == result.counters["refill_pages"] == 5
    assert seen.peak_pages == 5


@pytest.mark.parametrize(("kernel", "design", "each"), [("v5.11", "reserve", 8), ("v5.9", "direct", 2)])
def test_pages_set_aside_are_counted_on_every_cpu(kernel: str, design: str, each: int) -> None:
    """Also on those that never call kvfree_rcu(): nobody else can have them."""
    run = Run(one_call, RunOptions(kernel=kernel, design=design, settings={"nr_cpus": "6"}, events=False))
    assert watch(run.machine).peak_pages == 6 * each


def test_without_a_call_there_is_nothing_to_see() -> None:
    _, seen = run_watched(one_call, "hrtimer-work", objects="0")
    assert (seen.calls, seen.caller_ns, seen.pages, seen.peak_pages, seen.zone_locks_own) == (0, 0, 0, 0, 0)
    assert (seen.irqs_off_ns, seen.raw_held_ns) == (0, 0)


def test_sections_of_the_callers_own_are_not_kvfree_rcus() -> None:
    _, short = run_watched(one_call, "direct", objects="1")
    _, long = run_watched(one_call, "direct", objects="500", irqs_off="y")
    assert long.irqs_off_ns <= short.irqs_off_ns
    assert long.calls == 500


def test_a_longer_bulk_refill_is_seen() -> None:
    seen = [run_watched(one_call, "direct", pcp_batch=batch)[1] for batch in ("10", "60")]
    cost = 50 * 25  # 50 pages more at page_bulk_ns
    assert seen[1].irqs_off_ns - seen[0].irqs_off_ns == cost
    assert seen[1].raw_held_ns - seen[0].raw_held_ns == cost
    assert seen[1].caller_ns - seen[0].caller_ns == cost


@scenario()
async def interrupted(k: Kernel, interrupt: bool = False) -> None:
    """A caller on whose CPU an interrupt takes 30 us, some time in its calls."""
    pointers = [await k.kmalloc(64) for _ in range(400)]

    async def handler() -> None:
        await k.udelay(30)
        await k.free_page(await k.get_free_page(GFP_KERNEL))

    async def other() -> None:
        await k.udelay(12)
        await k.raise_irq(handler, cpu=0)

    async with k.open_nursery() as nursery:
        if interrupt:
            await nursery.start_soon(other, cpu=1)
        for p in pointers:
            await k.kvfree_rcu(p, "rcu")


def test_an_interrupt_is_not_the_callers_time() -> None:
    (_, calm), (result, seen) = (run_watched(interrupted, "direct", interrupt=flag) for flag in ("n", "y"))
    assert seen.calls == calm.calls == 400
    assert sum(seen.away.values()) > 30_000
    assert abs(seen.caller_ns - calm.caller_ns) < 1_000
    # Nor are its pages kvfree_rcu()'s.
    assert result.counters["pages_allocated"] > seen.pages == calm.pages


@scenario()
async def headless(k: Kernel) -> None:
    await k.cold_caches()
    await k.kvfree_rcu(await k.kmalloc(64))


def test_to_sleep_is_not_cpu_time() -> None:
    result, seen = run_watched(headless, "hrtimer-work")
    assert result.counters["fallbacks_synchronize"] == 1
    assert result.latency_ns["max"] is not None
    assert result.latency_ns["max"] > 1_000_000
    assert 0 < seen.caller_ns < 10_000


@scenario()
async def neighbours(k: Kernel, rounds: int = 10) -> None:
    for _ in range(rounds):
        await k.free_page(await k.get_free_page(GFP_KERNEL))
        await k.drain_local_pages()


def test_the_locks_of_others() -> None:
    _, seen = run_watched(neighbours, "direct")
    # Each round takes zone->lock for a refill and for a drain.
    assert (seen.zone_locks_others, seen.zone_locks_own, seen.pages) == (20, 0, 0)


@pytest.mark.parametrize("rt", ["y", "n"])
def test_a_zone_lock_that_a_design_made_raw_is_still_zone_lock(rt: str) -> None:
    """Else no other design could compete with its 0."""
    _, others = run_watched(neighbours, "raw-zone-lock", PREEMPT_RT=rt)
    assert others.zone_locks_others == 20
    _, own = run_watched(one_call, "raw-zone-lock", PREEMPT_RT=rt)
    assert own.zone_locks_own == 1


@pytest.mark.parametrize("rt", ["y", "n"])
def test_a_lock_that_was_tried_counts_once(rt: str) -> None:
    _, seen = run_watched(one_call, "alloc-pages-nolock", PREEMPT_RT=rt)
    assert seen.zone_locks_own == 1


@scenario()
async def freed_objects(k: Kernel, objects: int = 960) -> None:
    """As many of 1 KiB as make pages enough to be given back to the zone."""
    pointers = [await k.kmalloc(1024) for _ in range(objects)]
    for p in pointers:
        await k.kvfree_rcu(p, "rcu")


@pytest.mark.parametrize("design", ["hrtimer-work", "sheaves"])
def test_what_slab_does_to_free_the_objects_is_not_the_designs(design: str) -> None:
    """Whether the worker calls kfree_bulk() or a callback of the design does."""
    _, seen = run_watched(freed_objects, design, pcp_batch="3")
    assert seen.zone_locks_own <= 6
    assert seen.zone_locks_others > 100


@scenario()
async def one_miss(k: Kernel) -> None:
    """One call that finds no page, while the page list has enough for the worker."""
    p = await k.kmalloc(64)
    await k.cold_caches()
    await k.free_page(await k.get_free_page())
    await k.kvfree_rcu(p, "rcu")


@pytest.mark.parametrize("rt", ["y", "n"])
def test_a_timers_handler_keeps_interrupts_off(rt: str) -> None:
    """It queues the work, under a raw lock, in hardirq; on PREEMPT_RT in a softirq's thread, for as long."""
    _, seen = run_watched(one_miss, "hrtimer-work", PREEMPT_RT=rt)
    assert (seen.raw_held_ns, seen.irqs_off_ns) == (410, 420)


class Tries(Direct):
    """Holds a raw lock, lets time pass, and takes it once more by a trylock, for 300 ns."""

    name = "tries"
    held_ns = 300

    async def get_page(self, kvfree: KvfreeRcu, cpu: Cpu, krcp: Krc) -> int | None:
        locks, lock = kvfree.system.locks, kvfree.system.lock_factory.make("mine", LockKind.RAW_SPINLOCK)
        await locks.raw_spin_lock(cpu, lock)
        await locks.raw_spin_unlock(cpu, lock)
        await locks.raw_spin_unlock(cpu, krcp.lock)
        cpu.clock += 50_000
        assert locks.raw_spin_trylock(cpu, lock)
        cpu.clock += self.held_ns
        await locks.raw_spin_unlock(cpu, lock)
        await locks.raw_spin_lock(cpu, krcp.lock)
        return None


@pytest.mark.parametrize("held_ns", [300, 900])
def test_a_lock_that_was_tried_is_held_from_then_on(monkeypatch: pytest.MonkeyPatch, held_ns: int) -> None:
    monkeypatch.setattr(Tries, "held_ns", held_ns)
    run = Run(one_call, RunOptions(kernel="v5.11", design=Tries(), events=False))
    seen = watch(run.machine)
    run.run()
    assert seen.raw_held_ns == held_ns
    assert seen.irqs_off_ns > 50_000
