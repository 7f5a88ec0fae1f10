"""mm/page/page_alloc.py: allocations that reclaim as if memory were low, where the strategy has them do so."""

from __future__ import annotations

import pytest

from rcuactors import GFP_ATOMIC, GFP_KERNEL, GFP_NOWAIT, Gfp, Kernel
from rcuactors.engine.decision import Decision
from rcuactors.eras import ERAS
from rcuactors.explore import Random
from rcuactors.mm.page.page_alloc import RECLAIM_NOW
from rcuactors.testing import RcuLab


class Always(Random):
    """Whoever is asked reclaims; all other decisions by chance."""

    name = "always"

    def choose(self, decision: Decision) -> int:
        return decision.kind is RECLAIM_NOW or super().choose(decision)


def counted(rcu_lab: RcuLab, gfp: Gfp, **words: object) -> int:
    """How often a shrinker is asked while one page is had."""
    asked = 0

    async def script(k: Kernel) -> None:
        async def count() -> int:
            nonlocal asked
            asked += 1
            # Who reclaims gets pages without reclaiming.
            await k.free_page(await k.get_free_page(GFP_KERNEL))
            return 0

        async def scan(_number: int) -> int:
            return 0

        await k.register_shrinker("mine", count, scan)
        await k.free_page(await k.get_free_page(gfp))

    assert rcu_lab.run(script, **words).clean
    return asked


@pytest.mark.parametrize("kernel", list(ERAS))
@pytest.mark.parametrize(("gfp", "reclaims"), [(GFP_KERNEL, True), (GFP_NOWAIT, False), (GFP_ATOMIC, False)])
def test_who_may_reclaim_does_and_nobody_else(rcu_lab: RcuLab, kernel: str, gfp: Gfp, reclaims: bool) -> None:
    assert bool(counted(rcu_lab, gfp, kernel=kernel, strategy=Always(), reclaim_now="y")) is reclaims


@pytest.mark.parametrize(("strategy", "asked"), [("timed", "y"), ("random", "n")])
def test_nobody_is_asked_who_did_not_want_to_be(rcu_lab: RcuLab, strategy: str, asked: str) -> None:
    assert not any(counted(rcu_lab, GFP_KERNEL, strategy=strategy, seed=seed, reclaim_now=asked) for seed in range(20))


def test_by_chance_it_happens_now_and_then(rcu_lab: RcuLab) -> None:
    times = [counted(rcu_lab, GFP_KERNEL, strategy="random", seed=seed, reclaim_now="y") for seed in range(40)]
    assert 0 < sum(map(bool, times)) < 20
