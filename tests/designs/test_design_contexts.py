"""Where each design may be called from, as far as it does not take zone->lock or forbid itself to (D8 to D17).

The rows say what kernel-facts section 3 says of the design, and where the model knows better, what it found.
"""

from __future__ import annotations

import pytest

from rcuactors import Kernel, RunOptions, run, scenario
from rcuactors.builds import BUILDS, USUAL_BUILDS
from rcuactors.lab.elsewhere import nmi_raw_spin

OBJECTS = 60
"""A sheaf full, so that none waits for more."""


CONTEXTS = ("process", "preempt_disable", "raw_spin_irqsave", "hardirq", "softirq_irq_exit", "zone_lock", "rq_lock")

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
@pytest.mark.parametrize("context", CONTEXTS)
def test_legal_or_a_deadlock(run_in, design: str, context: str, kernel: str) -> None:
    async def script(k: Kernel) -> None:
        objects = [await k.kmalloc(64) for _ in range(OBJECTS)]
        await k.cold_caches()

        async def action() -> None:
            while objects:
                await k.kvfree_rcu(objects.pop(), "rcu")

        await run_in(k, context, action)
        await k.msleep(1)

    deadlocks = {
        build
        for build in USUAL_BUILDS
        if not _clean_or_deadlock(
            run(scenario()(script), RunOptions(kernel=kernel, design=design), **BUILDS[build].settings)
        )
    }
    assert deadlocks == ILLEGAL.get((design, context), set())


def _clean_or_deadlock(result) -> bool:
    outcome = result.outcome()
    assert outcome == "clean" or "deadlock" in outcome, outcome
    return outcome == "clean"


@pytest.mark.parametrize("kernel", ["v5.11", "v6.1-stable"])
@pytest.mark.parametrize("build", USUAL_BUILDS)
def test_an_nmi_that_interrupts_kvfree_rcu(design: str, build: str, kernel: str) -> None:
    """Everything that ends in krcp->lock waits for itself; only the list of nolock-sheaves does not."""

    async def script(k: Kernel) -> None:
        p = await k.vmalloc(8192)

        async def action() -> None:
            await k.kvfree_rcu(p, "rcu")

        await nmi_raw_spin(k, action, k.machine.kvfree.krc(0).lock)

    result = run(scenario()(script), RunOptions(kernel=kernel, design=design), **BUILDS[build].settings)
    assert result.clean == (design == "nolock-sheaves")
    assert result.clean or "deadlock" in result.outcome()
