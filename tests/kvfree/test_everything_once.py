"""Whatever programs do, everything retired is freed exactly once, and nobody complains."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rcuactors import Kernel, Run, RunOptions, scenario
from rcuactors.engine.choice import Timed
from rcuactors.explore.random import Random
from rcuactors.kvfree.drain import Drain

PRESETS = {
    "plain": {},
    "prove": {"PROVE_RAW_LOCK_NESTING": "y", "DEBUG_ATOMIC_SLEEP": "y"},
    "rt": {"PREEMPT_RT": "y", "PROVE_RAW_LOCK_NESTING": "y", "DEBUG_ATOMIC_SLEEP": "y"},
    "none": {"PREEMPT": "n"},
}
CONTEXTS = ["process", "preempt off", "irqs off", "raw lock", "spinlock", "bh off", "reader", "hardirq", "softirq"]


async def program(k: Kernel, seed: int, cpus: int, contexts: list[str], calls: list[int]) -> None:
    """Threads that allocate, and free in all contexts, in both forms; readers that hold; memory that comes and goes."""
    raw, spin = k.raw_spinlock("R"), k.spinlock("S")

    async def give(objects: list, rhf: str | None) -> None:
        for p in objects:
            calls.append(p.address)
            await k.kvfree_rcu(p, rhf)

    async def give_in(context: str, objects: list) -> None:
        async def irq() -> None:
            await give(objects, "rcu")

        async def tasklet() -> None:
            await k.tasklet_schedule(irq)

        if context == "preempt off":
            k.preempt_disable()
            await irq()
            await k.preempt_enable()
        elif context == "irqs off":
            flags = k.local_irq_save()
            await irq()
            await k.local_irq_restore(flags)
        elif context == "raw lock":
            flags = await k.raw_spin_lock_irqsave(raw)
            await irq()
            await k.raw_spin_unlock_irqrestore(raw, flags)
        elif context == "spinlock":
            await k.spin_lock(spin)
            await irq()
            await k.spin_unlock(spin)
        elif context == "bh off":
            k.local_bh_disable()
            await irq()
            await k.local_bh_enable()
        elif context == "reader":
            with k.rcu_reader():
                await irq()
        elif context == "hardirq":
            await k.raise_irq(irq, cpu=k._machine.setup.config.nr_cpus - 1)
        elif context == "softirq":
            await k.raise_irq(tasklet)
        else:
            await irq()

    async def worker(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(rng.randrange(1, 6)):
            objects = []
            for _ in range(rng.choice([1, 3, 40, 600 if k._conductor._timed else 80])):
                objects.append(await (k.vmalloc(64) if rng.random() < 0.1 else k.kmalloc(rng.choice([16, 64, 1000]))))
            if rng.random() < 0.2:
                await give(objects[:3], None)
                del objects[:3]
            await give_in(rng.choice(contexts), objects)
            pause = rng.random()
            if pause < 0.3:
                await k.usleep_range(rng.randrange(1, 50_000), 50_000)
            elif pause < 0.4:
                await k.cold_caches()

    async def reader(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(4):
            with k.rcu_reader():
                await k._spend(k._cpu, rng.randrange(1, 3_000_000))
            await k.usleep_range(rng.randrange(1, 20_000), 20_000)

    rng = random.Random(seed)
    async with k.open_nursery() as nursery:
        for number in range(2 * cpus):
            body = reader if number % 3 == 2 else worker
            await nursery.start_soon(body, rng.getrandbits(30), cpu=rng.randrange(cpus), urgent=rng.random() < 0.3)


_detach = Drain._detach


def only_into_empty_batches(krcp, batch) -> bool:
    """The fix of 5da7cb193db3, whose bug these versions have and random programs do find."""
    busy = batch.blocks[0] or batch.blocks[1] or batch.head
    return False if busy else _detach(krcp, batch)


def ran(seed: int, cpus: int, kernel: str, preset: str, strategy: str, contexts: list[str]) -> tuple[Run, int]:
    async def script(k: Kernel) -> None:
        await program(k, seed, cpus, contexts, calls)

    calls: list[int] = []
    one = Run(
        scenario()(script),
        RunOptions(
            kernel=kernel,
            seed=seed,
            strategy=Random() if strategy == "random" else Timed(),
            events=False,
            settings={"nr_cpus": str(cpus), **PRESETS[preset]},
        ),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Drain, "_detach", staticmethod(only_into_empty_batches))
        one.run()
    return one, len(calls)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 1 << 30),
    cpus=st.integers(1, 3),
    kernel=st.sampled_from(["v5.9", "v5.11"]),
    preset=st.sampled_from(sorted(PRESETS)),
    strategy=st.sampled_from(["timed", "random"]),
)
def test_everything_retired_is_freed_exactly_once(seed: int, cpus: int, kernel: str, preset: str, strategy: str) -> None:
    # v5.9 allocates in the caller's context: what proves lock nesting complains of it in atomic contexts, and rightly so.
    contexts = ["process", "reader"] if kernel == "v5.9" and preset == "prove" else CONTEXTS
    one, calls = ran(seed, cpus, kernel, preset, strategy, contexts)
    result = one.result()
    kinds = result.outcome()
    if kernel == "v5.9" and preset == "prove":
        # Even its own raw lock is atomic context enough.
        assert kinds in ("clean", "invalid-wait-context")
    else:
        assert kinds == "clean"
    found = result.counters
    freed = found["bulk_objects"] + found["vmalloc_freed"] + found["list_freed"] + found["inline_freed"]
    counted = sum(sum(row.values()) for row in found["calls"].values())
    assert freed == calls == counted == result.latency_ns["count"]
    assert not one.machine.oracle.live
    assert one.machine.kvfree.min_cached_objs >= max(len(krcp.cache) for krcp in one.machine.kvfree.all_krcs())
    for krcp in one.machine.kvfree.all_krcs():
        assert not krcp.anything_queued()
        assert not krcp.work_in_progress
        assert not krcp.monitor_todo
        assert krcp.count == 0
