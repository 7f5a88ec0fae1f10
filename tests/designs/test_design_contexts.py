"""Where each design may be called from, as far as it does not take zone->lock or forbid itself to (D8 to D17).

The rows say what kernel-facts section 3 says of the design, and where the model knows better, what it found.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from rcuactors import Kernel, RunOptions, run, scenario

DESIGNS = (
    "reserve",
    "growing-reserve",
    "preemptible-guard",
    "unlocked",
    "softirq-alloc",
    "work-directly",
    "kmalloc-nolock",
    "sheaves",
    "nolock-sheaves",
)
BUILDS = {
    "plain": {},
    "prove": {"PROVE_RAW_LOCK_NESTING": "y"},
    "rt": {"PREEMPT_RT": "y", "DEBUG_ATOMIC_SLEEP": "y"},
}
OBJECTS = 60
"""A sheaf full, so that none waits for more."""

Action = Callable[[], Awaitable[None]]


async def _process(_k: Kernel, action: Action) -> None:
    await action()


async def _preempt_off(k: Kernel, action: Action) -> None:
    k.preempt_disable()
    await action()
    await k.preempt_enable()


async def _raw_lock(k: Kernel, action: Action) -> None:
    lock = k.raw_spinlock("some_lock")
    flags = await k.raw_spin_lock_irqsave(lock)
    await action()
    await k.raw_spin_unlock_irqrestore(lock, flags)


async def _hardirq(k: Kernel, action: Action) -> None:
    await k.raise_irq(action)
    await k.udelay(50)


async def _softirq(k: Kernel, action: Action) -> None:
    await k.tasklet_schedule(action)
    await k.msleep(1)


async def _zone_lock(k: Kernel, action: Action) -> None:
    lock = k.zone_lock()
    flags = await k.spin_lock_irqsave(lock)
    await action()
    await k.spin_unlock_irqrestore(lock, flags)


async def _rq_lock(k: Kernel, action: Action) -> None:
    lock = k.this_rq_lock()
    flags = await k.raw_spin_lock_irqsave(lock)
    await action()
    await k.raw_spin_unlock_irqrestore(lock, flags)


async def _nmi(k: Kernel, action: Action) -> None:
    """One that finds its CPU inside kvfree_rcu()."""
    lock = k._machine.kvfree.krc(0).lock
    flags = await k.raw_spin_lock_irqsave(lock)
    await k.raise_nmi(action)
    await k.ndelay(1)
    await k.raw_spin_unlock_irqrestore(lock, flags)


WAYS = {way.__name__[1:]: way for way in (_process, _preempt_off, _raw_lock, _hardirq, _softirq, _zone_lock, _rq_lock)}

ILLEGAL = {
    # McKenney and 56292e8609e3: under the scheduler's locks nobody may be woken.
    ("softirq-alloc", "rq_lock"): {"plain", "prove", "rt"},
    ("work-directly", "rq_lock"): {"plain", "prove", "rt"},
    # A thread that holds a spinlock_t of PREEMPT_RT is preemptible().
    ("preemptible-guard", "zone_lock"): {"rt"},
    # GFP_NOWAIT for an empty sheaf is the allocation of D1 again.
    ("sheaves", "zone_lock"): {"plain", "prove"},
}


@pytest.mark.parametrize("kernel", ["v5.11", "v6.1-stable"])
@pytest.mark.parametrize("context", sorted(WAYS))
@pytest.mark.parametrize("design", DESIGNS)
def test_legal_or_a_deadlock(design: str, context: str, kernel: str) -> None:
    async def script(k: Kernel) -> None:
        objects = [await k.kmalloc(64) for _ in range(OBJECTS)]
        await k.cold_caches()

        async def action() -> None:
            while objects:
                await k.kvfree_rcu(objects.pop(), "rcu")

        await WAYS[context](k, action)

    deadlocks = {
        build
        for build, settings in BUILDS.items()
        if not _clean_or_deadlock(run(scenario()(script), RunOptions(kernel=kernel, design=design), **settings))
    }
    assert deadlocks == ILLEGAL.get((design, context), set())


def _clean_or_deadlock(result) -> bool:
    outcome = result.outcome()
    assert outcome == "clean" or "deadlock" in outcome, outcome
    return outcome == "clean"


@pytest.mark.parametrize("kernel", ["v5.11", "v6.1-stable"])
@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("design", [*DESIGNS, "hrtimer-work"])
def test_an_nmi_that_interrupts_kvfree_rcu(design: str, build: str, kernel: str) -> None:
    """Everything that ends in krcp->lock waits for itself; only the list of nolock-sheaves does not."""

    async def script(k: Kernel) -> None:
        p = await k.vmalloc(8192)

        async def action() -> None:
            await k.kvfree_rcu(p, "rcu")

        await _nmi(k, action)

    result = run(scenario()(script), RunOptions(kernel=kernel, design=design), **BUILDS[build])
    assert result.clean == (design == "nolock-sheaves")
    assert result.clean or "deadlock" in result.outcome()
