"""KASAN's auxiliary stacks in call_rcu() and kvfree_rcu(), and the stack depot (rcuactors/mm/kasan_aux.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from rcuactors import Kernel, Result, RunOptions, run, scenario
from rcuactors.context.locks import LockKind
from rcuactors.eras import ERAS, find_era
from rcuactors.mm.kasan_aux import STACK_ALLOC_SIZE, KasanAuxStacks

PROVE = {"PROVE_RAW_LOCK_NESTING": "y", "KASAN": "y"}
FULL = {**PROVE, "stack_depot_full": "y"}
RAW = {"depot_lock": LockKind.RAW_SPINLOCK}
Neighbour = Callable[..., str]


@pytest.fixture
def neighbour(monkeypatch: pytest.MonkeyPatch) -> Neighbour:
    """A version like `base` but for these rules of RCU, and of mm/; the name by which a run finds it."""

    def composed(base: str, *, mm: dict[str, Any] | None = None, **rcu: Any) -> str:
        era = find_era(base)
        rules = attrs.evolve(
            era.rules, rcu=attrs.evolve(era.rules.rcu, **rcu), mm=attrs.evolve(era.rules.mm, **mm or {})
        )
        made = attrs.evolve(era, name=f"{base}+", rules=rules)
        monkeypatch.setitem(ERAS, made.name, made)
        return made.name

    return composed


def ran(body: Any, kernel: str, settings: dict[str, str]) -> Result:
    return run(scenario()(body), RunOptions(kernel=kernel, settings=settings))


async def freed(p: Any) -> None:
    """A callback."""


async def call_rcu_under_a_raw_lock(k: Kernel) -> None:
    """As kmemleak's put_object() did in the report: call_rcu() of an object from a slab, with a raw lock held."""
    p = await k.kmalloc(64)
    head = k.rcu_head(inside=p)
    lock = k.raw_spinlock("object->lock")
    flags = await k.raw_spin_lock_irqsave(lock)
    await k.call_rcu(head, freed)
    await k.raw_spin_unlock_irqrestore(lock, flags)
    await k.rcu_barrier()
    await k.kfree(p)


async def kvfree_rcu_under_a_raw_lock(k: Kernel) -> None:
    """The same of kvfree_rcu()."""
    p = await k.kmalloc(64)
    lock = k.raw_spinlock("object->lock")
    flags = await k.raw_spin_lock_irqsave(lock)
    await k.kvfree_rcu(p, "rcu")
    await k.raw_spin_unlock_irqrestore(lock, flags)


# -- 300c0c5e7218: memory for the depot -------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", ["v5.9", "v5.11"])
def test_300c0c5e7218_call_rcu_brings_memory_for_the_depot_under_a_raw_lock(kernel: str) -> None:
    result = ran(call_rcu_under_a_raw_lock, kernel, FULL)
    assert result.outcome() == "invalid-wait-context"
    report = result.violations[0]
    assert "&zone->lock" in report.text, "a slab of the depot is four pages, which no page list has"
    where = [function for function in report.trace if not function.startswith(("_", "rmqueue"))]
    order = [where.index(name) for name in ("stack_depot_save", "kasan_record_aux_stack", "call_rcu")]
    assert order == sorted(order), report.trace


@pytest.mark.parametrize("body", [call_rcu_under_a_raw_lock, kvfree_rcu_under_a_raw_lock])
def test_300c0c5e7218_is_that_one_rule(neighbour: Neighbour, body: Any) -> None:
    """v5.14 to v5.16 lie between two versions: depot_lock is raw, and memory is asked for. v6.1.0 with that rule."""
    before = neighbour("v6.1.0", aux_stacks_allocate=True)
    assert ran(body, before, FULL).outcome() == "invalid-wait-context"
    assert ran(body, before, PROVE).clean, "the depot has room: a new stack needs no memory"
    for kernel in ("v6.1.0", "v6.12"):
        assert ran(body, kernel, FULL).clean


def test_300c0c5e7218_on_v5_11_with_the_other_mistake_mended(neighbour: Neighbour) -> None:
    assert ran(call_rcu_under_a_raw_lock, neighbour("v5.11", mm=RAW), FULL).outcome() == "invalid-wait-context"
    assert ran(call_rcu_under_a_raw_lock, neighbour("v5.11", mm=RAW, aux_stacks_allocate=False), FULL).clean


def test_300c0c5e7218_as_it_was_reported(neighbour: Neighbour) -> None:
    """On PREEMPT_RT the page allocator's locks sleep, and call_rcu() has interrupts off."""

    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)
        head = k.rcu_head(inside=p)
        await k.call_rcu(head, freed)
        await k.rcu_barrier()
        await k.kfree(p)

    settings = {"PREEMPT_RT": "y", "DEBUG_ATOMIC_SLEEP": "y", "KASAN": "y", "stack_depot_full": "y"}
    before = neighbour("v5.11", mm=RAW)
    result = ran(script, before, settings)
    assert result.outcome() == "sleeping-function"
    assert "kasan_record_aux_stack" in result.violations[0].trace
    assert ran(script, neighbour("v5.11", mm=RAW, aux_stacks_allocate=False), settings).clean


# -- 78564b943487: the depot's own lock -------------------------------------------------------------------------------


def test_78564b943487_a_new_stack_takes_a_spinlock_t_under_a_raw_lock(neighbour: Neighbour) -> None:
    result = ran(call_rcu_under_a_raw_lock, "v5.11", PROVE)
    assert result.outcome() == "invalid-wait-context"
    assert "depot_lock" in result.violations[0].text
    assert ran(call_rcu_under_a_raw_lock, neighbour("v5.11", mm=RAW), PROVE).clean
    assert ran(kvfree_rcu_under_a_raw_lock, "v5.11", FULL).clean, "v5.11 saves none there: 84109ab58590 is of v5.13"


def test_without_kasan_or_without_an_object_nothing_is_saved() -> None:
    async def static(k: Kernel) -> None:
        lock, head = k.raw_spinlock("foo"), k.rcu_head()
        flags = await k.raw_spin_lock_irqsave(lock)
        await k.call_rcu(head, done)
        await k.raw_spin_unlock_irqrestore(lock, flags)
        await k.rcu_barrier()

    async def done() -> None:
        """A callback."""

    assert ran(static, "v5.11", FULL).clean, "a variable lies in no slab"
    assert ran(call_rcu_under_a_raw_lock, "v5.11", {**FULL, "KASAN": "n"}).clean


# -- the depot --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("full", [True, False])
def test_most_new_stacks_need_no_memory(neighbour: Neighbour, full: bool) -> None:
    """A slab is asked for by the first new stack behind the one that began the last: some hundred stacks later."""
    counted: list[int] = []
    each = STACK_ALLOC_SIZE // 64

    async def script(k: Kernel) -> None:
        system = k.machine.system
        stacks = getattr(system.hooks.saves_stack, "__self__", None)
        assert isinstance(stacks, KasanAuxStacks)
        depot, thread = stacks.depot, system.cpu(0).current
        for number in range(2 * each + 2):
            stack = (f"caller{number}", "a", "b", "c", "d")
            await depot.stack_depot_save(thread, stack, can_alloc=True)
            await depot.stack_depot_save(thread, stack, can_alloc=True)
            counted.append(depot.allocations)

    ran(script, neighbour("v6.1.0", aux_stacks_allocate=True), {"KASAN": "y", "stack_depot_full": "y" if full else "n"})
    steps = [number for number, (one, other) in enumerate(zip([0, *counted], counted, strict=False)) if other > one]
    assert steps == ([0] if full else []) + [each + 1, 2 * each + 1]
