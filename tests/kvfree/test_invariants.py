"""The model's own state, and that a wrong one is noticed (rcuactors/kvfree/invariants.py)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from rcuactors import Kernel, RunOptions, run, scenario
from rcuactors.kvfree import invariants
from rcuactors.kvfree.core import KvfreeRcu
from rcuactors.kvfree.invariants import BrokenInvariant
from rcuactors.kvfree.krc import SLAB, Batch, Block, Krc
from rcuactors.kvfree.parts.arming import TodoFlag
from rcuactors.kvfree.parts.batching import by_channel
from rcuactors.kvfree.parts.counting import exact
from rcuactors.mm.gfp import GFP_KERNEL

Compose = Callable[..., str]
KERNELS = ["v5.11", "v6.1-stable"]


def test_they_are_looked_at_in_all_tests_and_in_the_processes_that_they_start() -> None:
    assert invariants.checked
    look = [sys.executable, "-c", "from rcuactors.kvfree import invariants; print(invariants.checked)"]
    assert subprocess.run(look, capture_output=True, text=True, check=True).stdout == "True\n"
    plain = {name: value for name, value in os.environ.items() if name != "RCUACTORS_INVARIANTS"}
    assert subprocess.run(look, env=plain, capture_output=True, text=True, check=True).stdout == "False\n"


async def queued(k: Kernel) -> Krc:
    """Two blocks of slab objects, one on the list."""
    kvfree = k.machine.kvfree
    krcp = kvfree.krc(0)
    await k.cold_caches()
    await k.kvfree_rcu(await k.kmalloc(64), "rcu")
    for _ in range(2):
        krcp.cache.append(await k.machine.pages.get_free_page(k.machine.current, GFP_KERNEL))
    for p in [await k.kmalloc(64) for _ in range(600)]:
        await k.kvfree_rcu(p, "rcu")
    assert len(krcp.blocks[SLAB]) == 2
    assert krcp.head
    return krcp


def lose_one(krcp: Krc) -> None:
    krcp.blocks[SLAB][-1].records.pop()


def overfill(krcp: Krc) -> None:
    krcp.blocks[SLAB][-1].records.extend(krcp.blocks[SLAB][0].records)
    krcp.count += 510


def leave_an_empty_block(krcp: Krc) -> None:
    krcp.blocks[SLAB].append(Block(99))


def fill_the_wrong_block(krcp: Krc) -> None:
    krcp.blocks[SLAB].reverse()


def start_a_batch_without_a_grace_period(krcp: Krc) -> None:
    by_channel(krcp, krcp.batches[0])
    krcp.count = 0


PLANTED: list[tuple[Callable[[Krc], None], str]] = [
    (lose_one, "count is 601, but 600 objects are queued"),
    (overfill, "a block holds 600 of at most 510 objects"),
    (leave_an_empty_block, "a block holds 0 of at most 510 objects"),
    (fill_the_wrong_block, "a block with 90 objects has a newer one behind it"),
    (start_a_batch_without_a_grace_period, "a batch holds objects, and nothing is under way that would free them"),
]


@pytest.mark.parametrize(("plant", "said"), PLANTED)
def test_a_state_that_cannot_be_is_noticed(plant: Callable[[Krc], None], said: str) -> None:
    """On a copy: the machine goes on as if nothing had been."""

    async def script(k: Kernel) -> None:
        kvfree, copy = k.machine.kvfree, (await queued(k)).copy()
        invariants.check(kvfree, copy)
        plant(copy)
        with pytest.raises(BrokenInvariant, match=f"of CPU 0: {said}"):
            invariants.check(kvfree, copy)
        noticed.append(True)

    noticed: list[bool] = []
    assert run(scenario()(script), rcu_min_cached_objs="5", kernel="v5.11").clean
    assert noticed


def test_a_count_that_says_too_little_is_a_versions_own_and_no_violation_where_its_rule_is_loose(
    compose: Compose,
) -> None:
    async def script(k: Kernel) -> None:
        kvfree, copy = k.machine.kvfree, (await queued(k)).copy()
        copy.count -= 3
        try:
            invariants.check(kvfree, copy)
            outcomes.append("allowed")
        except BrokenInvariant:
            outcomes.append("noticed")

    outcomes: list[str] = []
    for kernel in ("v5.11", compose("v5.11", counting=exact)):
        assert run(scenario()(script), RunOptions(kernel=kernel), rcu_min_cached_objs="5").clean
    assert outcomes == ["allowed", "noticed"]


def test_a_cache_beyond_its_limit_and_a_page_that_is_there_twice_are_noticed() -> None:
    async def script(k: Kernel) -> None:
        copy = (await queued(k)).copy()
        copy.cache = [1, 2]
        invariants.check_cache(copy, 2)
        copy.cache = [1, 2, 3]
        with pytest.raises(BrokenInvariant, match=r"the cache holds \[1, 2, 3\], of at most 2"):
            invariants.check_cache(copy, 2)
        copy.cache = [1, 1]
        with pytest.raises(BrokenInvariant, match=r"the cache holds \[1, 1\]"):
            invariants.check_cache(copy, 2)

    assert run(scenario()(script), rcu_min_cached_objs="5").clean


# -- parts that are wrong, in a run ------------------------------------------------------------------------------------


async def two_bursts(k: Kernel) -> None:
    """Under a reader, so that the first batch still waits when the second is started."""

    async def reader() -> None:
        with k.rcu_reader():
            await k.udelay(100_000)

    await k.kthread_run(reader, cpu=1)
    await k.usleep_range(100, 100)
    for _ in range(2):
        await queued(k)
        await k.msleep(50)


def loses_what_stays(krcp: Krc, batch: Batch) -> int:
    moved = by_channel(krcp, batch)
    krcp.blocks = [[], []]
    return moved


def piles_up(krcp: Krc, batch: Batch) -> int:
    """All into the batch, whether it waits or not."""
    moved = krcp.count
    for channel, blocks in enumerate(krcp.blocks):
        batch.blocks[channel] += blocks
    batch.head += krcp.head
    krcp.blocks, krcp.head = [[], []], []
    return moved


def counts_too_much(count: int, _moved: int) -> int:
    return count


@attrs.frozen
class _Deaf:
    """Never asks for a grace period."""

    async def queue_rcu_work(self, *_args: Any) -> bool:
        return True


class _OnADeafMachine(TodoFlag):
    def __init__(self, kvfree: KvfreeRcu) -> None:
        super().__init__(kvfree)
        kvfree.rcu_works = _Deaf()  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"batching": loses_what_stays, "counting": exact}, "objects are queued"),
        ({"batching": piles_up}, "objects were moved into a batch that waits already"),
        ({"counting": counts_too_much}, "objects are queued"),
        ({"arming": _OnADeafMachine}, "nothing is under way that would free them"),
    ],
)
def test_a_part_that_is_wrong_ends_the_run_where_it_is(rules: dict[str, Any], said: str, compose: Compose) -> None:
    kernel = compose("v5.11", **rules)
    with pytest.raises(BrokenInvariant, match=said):
        run(scenario()(two_bursts), RunOptions(kernel=kernel), rcu_min_cached_objs="5")


@pytest.mark.parametrize("kernel", KERNELS)
def test_without_them_a_run_is_the_same(kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def ran() -> tuple[str | None, int]:
        result = run(scenario()(two_bursts), RunOptions(kernel=kernel), rcu_min_cached_objs="5")
        assert result.clean
        return result.digest, result.steps

    looked = ran()
    monkeypatch.setattr(invariants, "checked", False)
    assert ran() == looked
