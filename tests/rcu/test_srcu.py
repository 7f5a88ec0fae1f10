"""SRCU (rcuactors/rcu/srcu.py, srcu_gp.py, srcu_struct.py), and the oracle's judgement of its readers."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rcuactors import Kernel, Run, RunOptions, ViolationKind, run, scenario
from rcuactors.engine.choice import Timed
from rcuactors.eras import ERAS
from rcuactors.explore.random import Random
from rcuactors.rcu.srcu_struct import SCAN2, SrcuStruct

from .torture import burn

MS = 1_000_000


def ran(script: Callable[[Kernel], Awaitable[None]], version: str = "v6.12", **given_settings: str) -> Any:
    options = RunOptions(kernel=version, settings={"nr_cpus": "2", **given_settings}, max_steps=10**7)
    return run(scenario()(script), options)


# -- readers and updaters at random: the oracle judges -----------------------------------------------------------------


@attrs.define
class Torture:
    """As for RCU, but readers sleep, and there are two srcu_structs with objects of their own."""

    k: Kernel
    seed: int
    slots: list[Any] = attrs.field(factory=list)
    ssps: list[SrcuStruct] = attrs.field(factory=list)

    async def reader(self, seed: int) -> None:
        k, plan = self.k, random.Random(seed)
        for _ in range(8):
            which = plan.randrange(2)
            idx = k.srcu_read_lock(self.ssps[which])
            p = k.srcu_dereference(self.slots[which], self.ssps[which])
            if plan.random() < 0.5:
                await k.usleep_range(plan.randrange(1, 9000), 9000)
            else:
                await burn(k, plan.randrange(1, 300))
            if plan.random() < 0.3:
                with k.srcu_reader(self.ssps[which]):
                    q = k.srcu_dereference(self.slots[which], self.ssps[which])
                    await k.udelay(3)
                    k.deref(q)
            k.deref(p)
            k.srcu_read_unlock(self.ssps[which], idx)
            await k.cond_resched()

    async def updater(self, seed: int) -> None:
        k, plan = self.k, random.Random(seed)
        for _ in range(8):
            which = plan.randrange(2)
            fresh = await k.kmalloc(64)
            old, self.slots[which] = self.slots[which], fresh
            if plan.random() < 0.6:
                how = k.synchronize_srcu if plan.random() < 0.5 else k.synchronize_srcu_expedited
                await how(self.ssps[which])
                await k.kfree(old)
            else:
                await k.call_srcu(self.ssps[which], lambda gone=old: k.kfree(gone), name="free")
            await k.usleep_range(plan.randrange(1, 3000), 3000)

    async def main(self) -> None:
        k, rng = self.k, random.Random(self.seed)
        self.ssps = [k.srcu_struct("one"), k.init_srcu_struct("&p->two")]
        self.slots = [await k.kmalloc(64) for _ in range(2)]
        async with k.open_nursery() as nursery:
            for number in range(5):
                body = self.reader if number % 3 else self.updater
                await nursery.start_soon(body, rng.getrandbits(30), cpu=rng.randrange(2))
        for ssp, p in zip(self.ssps, self.slots, strict=True):
            await k.srcu_barrier(ssp)
            await k.cleanup_srcu_struct(ssp)
            assert ssp.gone
            await k.kfree(p)


def tortured(seed: int, strategy: str, version: str, **given_settings: str) -> Run:
    async def script(k: Kernel) -> None:
        await Torture(k, seed).main()

    chosen = Random() if strategy == "random" else Timed()
    settings_ = {"nr_cpus": "2", **given_settings}
    one = Run(
        scenario()(script), RunOptions(kernel=version, strategy=chosen, seed=seed, events=False, settings=settings_)
    )
    one.run()
    return one


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 1 << 30),
    strategy=st.sampled_from(["timed", "random"]),
    version=st.sampled_from(["v5.9", "v6.1-stable", "v6.12"]),
    rt=st.sampled_from(["n", "y"]),
)
def test_no_grace_period_ends_before_the_readers_that_were_open_at_its_start(
    seed: int, strategy: str, version: str, rt: str
) -> None:
    assert tortured(seed, strategy, version, PREEMPT_RT=rt, PROVE_RAW_LOCK_NESTING="y").result().violations == ()


class LooksBeforeTheFlipOnly(SrcuStruct):
    def readers_active(self, *indices: int) -> bool:
        return self.state != SCAN2 and super().readers_active(*indices)


class Nobody(SrcuStruct):
    def readers_active(self, *_indices: int) -> bool:
        return False


@pytest.mark.parametrize("planted", [LooksBeforeTheFlipOnly, Nobody])
def test_a_scan_that_passes_over_readers_is_caught(monkeypatch: pytest.MonkeyPatch, planted: type[SrcuStruct]) -> None:
    monkeypatch.setattr("rcuactors.rcu.srcu.SrcuStruct", planted)
    found = {kind for seed in range(10) for kind in tortured(seed, "timed", "v6.12").result().kinds}
    assert ViolationKind.USE_AFTER_FREE in found


# -- what the oracle judges --------------------------------------------------------------------------------------------


def freed_beside(reader: str, *, dereference: bool = True, early: bool = False) -> frozenset[ViolationKind]:
    """An object is given up while a reader of `reader` goes on: "same", "other" srcu_struct, or "rcu"."""

    async def script(k: Kernel) -> None:
        foo = k.struct("foo", rcu=k.rcu_head)
        mine, other = k.srcu_struct("mine"), k.srcu_struct("other")
        p = await k.kmalloc(foo)
        inside: list[bool] = []

        async def read() -> None:
            own = mine if reader == "same" else other
            with k.rcu_reader() if reader == "rcu" else k.srcu_reader(own):
                q = k.srcu_dereference_check(p, own, True) if dereference else None
                inside.append(True)
                for _ in range(40):
                    await burn(k, 1000)
                if q is not None:
                    k.deref(q)

        async def free(gone: Any) -> None:
            await k.kfree(gone)

        async def nothing(_gone: Any) -> None:
            pass

        task = await k.kthread_run(read, cpu=1)
        while not inside:
            await k.udelay(10)
        await k.call_srcu(mine, p.rcu, nothing if early else free)
        if early:
            await k.kfree(p)
        await k.kthread_join(task)
        await k.srcu_barrier(mine)

    return frozenset(ran(script).kinds)


def test_call_srcu_waits_for_a_reader_of_its_own() -> None:
    assert freed_beside("same") == frozenset()
    assert freed_beside("same", dereference=False) == frozenset()


def test_a_reader_of_another_srcu_struct_or_of_rcu_protects_nothing_of_it() -> None:
    """Who dereferenced the object in one has it freed under its feet: use after free. Who did not holds nothing up."""
    assert ViolationKind.USE_AFTER_FREE in freed_beside("other")
    assert freed_beside("other", dereference=False) == frozenset()
    assert freed_beside("rcu", dereference=False) == frozenset()


def test_a_reader_of_rcu_that_follows_the_pointer_is_caught() -> None:
    async def script(k: Kernel) -> None:
        mine = k.srcu_struct("mine")
        p = await k.kmalloc(64)
        inside: list[bool] = []

        async def read() -> None:
            with k.rcu_reader():
                q = k.rcu_dereference(p)
                inside.append(True)
                for _ in range(40):
                    await burn(k, 1000)
                k.deref(q)

        task = await k.kthread_run(read, cpu=1)
        while not inside:
            await k.udelay(10)
        await k.synchronize_srcu(mine)
        await k.kfree(p)
        await k.kthread_join(task)

    assert ran(script).kinds == {ViolationKind.USE_AFTER_FREE}


def test_freed_before_its_callback_it_is_judged_by_who_has_begun() -> None:
    """Nobody has dereferenced it: but a reader that began before call_srcu() may have found it."""
    assert ViolationKind.USE_AFTER_FREE in freed_beside("same", dereference=False, early=True)
    assert ViolationKind.USE_AFTER_FREE not in freed_beside("other", dereference=False, early=True)


def test_kfree_rcu_does_not_wait_for_readers_of_an_srcu_struct() -> None:
    async def script(k: Kernel) -> None:
        mine = k.srcu_struct("mine")
        p = await k.kmalloc(64)

        async def read() -> None:
            with k.srcu_reader(mine):
                q = k.srcu_dereference(p, mine)
                await k.msleep(500)
                k.deref(q)

        task = await k.kthread_run(read, cpu=1)
        await k.msleep(20)
        await k.kfree_rcu(p, "rcu")
        await k.kthread_join(task)

    assert ran(script, "v5.11").kinds == {ViolationKind.USE_AFTER_FREE}


# -- readers sleep -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", list(ERAS))
def test_a_reader_may_sleep_and_is_waited_for(version: str) -> None:
    order: list[str] = []

    async def script(k: Kernel) -> None:
        ssp = k.srcu_struct("mine")

        async def read() -> None:
            with k.srcu_reader(ssp):
                await k.msleep(50)
                order.append("reader")

        task = await k.kthread_run(read, cpu=1)
        await k.msleep(10)
        await k.synchronize_srcu(ssp)
        order.append("grace period")
        await k.kthread_join(task)

    assert ran(script, version, PROVE_RAW_LOCK_NESTING="y", DEBUG_ATOMIC_SLEEP="y").violations == ()
    assert order == ["reader", "grace period"]


def test_rcu_does_not_wait_for_it() -> None:
    took: list[float] = []

    async def script(k: Kernel) -> None:
        ssp = k.srcu_struct("mine")

        async def read() -> None:
            with k.srcu_reader(ssp):
                await k.msleep(500)

        task = await k.kthread_run(read, cpu=1)
        await k.msleep(10)
        began = k.now
        await k.synchronize_rcu()
        took.append((k.now - began) / MS)
        await k.kthread_join(task)

    assert ran(script).violations == ()
    assert took[0] < 50


def test_callbacks_run_in_a_worker_with_bottom_halves_off_and_the_barrier_waits_for_them() -> None:
    seen: list[tuple[bool, bool]] = []

    async def script(k: Kernel) -> None:
        ssp = k.srcu_struct("mine")

        async def callback() -> None:
            seen.append((k.in_interrupt() and not k.in_hardirq(), k.machine.current.comm.startswith("kworker/")))

        for _ in range(3):
            await k.call_srcu(ssp, callback)
        await k.srcu_barrier(ssp)
        assert len(seen) == 3
        # With nothing queued it comes back at once.
        await k.srcu_barrier(ssp)

    assert ran(script).violations == ()
    assert seen == [(True, True)] * 3


@pytest.mark.parametrize(("version", "cpus"), [("v5.11", {0, 1}), ("v6.1-stable", {0}), ("v6.12", {0})])
def test_callbacks_wait_on_their_cpu_and_from_v6_1_on_on_the_boot_cpu(version: str, cpus: set[int]) -> None:
    """SRCU_SIZE_SMALL: until somebody has to wait for its lock there is one list."""
    seen: set[int] = set()

    async def script(k: Kernel) -> None:
        ssp = k.srcu_struct("mine")

        async def callback() -> None:
            seen.add(k.raw_smp_processor_id())

        async def caller() -> None:
            await k.call_srcu(ssp, callback)

        for cpu in (0, 1):
            await k.kthread_join(await k.kthread_run(caller, cpu=cpu))
        await k.srcu_barrier(ssp)

    assert ran(script, version).violations == ()
    assert seen == cpus


def test_it_is_expedited_when_nobody_else_was_at_it_a_moment_ago() -> None:
    """srcu_might_be_idle(): the first is, one right behind it is not."""
    took: list[float] = []

    async def script(k: Kernel) -> None:
        ssp = k.srcu_struct("mine")
        await k.msleep(1)
        for _ in range(2):
            began = k.now
            await k.synchronize_srcu(ssp)
            took.append((k.now - began) / MS)

    assert ran(script).violations == ()
    assert took[0] < 1
    assert took[1] > 3


def test_an_index_that_was_never_given_out() -> None:
    """srcu_read_unlock(): WARN_ON_ONCE(idx & ~0x1); the bit below is used all the same."""

    async def script(k: Kernel) -> None:
        ssp = k.srcu_struct("s")
        for _ in range(2):
            k.srcu_read_unlock(ssp, k.srcu_read_lock(ssp) | 2)
        await k.synchronize_srcu(ssp)
        await k.cleanup_srcu_struct(ssp)

    result = ran(script)
    assert [each.title for each in result.violations] == ["WARNING: WARN_ON(idx & ~0x1) at srcu_read_unlock"]
    assert result.violations[0].kind is ViolationKind.BAD_UNLOCK


@pytest.mark.parametrize("watched", ["n", "y"])
def test_a_head_that_is_queued_twice(watched: str) -> None:
    """call_srcu(): debug objects leak it (srcu_leak_callback()); without them nobody but the model knows of it."""
    called: list[str] = []

    async def script(k: Kernel) -> None:
        async def first() -> None:
            called.append("first")

        async def second() -> None:
            called.append("second")

        ssp, head = k.srcu_struct("s"), k.rcu_head("h")
        await k.call_srcu(ssp, head, first)
        await k.call_srcu(ssp, head, second)
        await k.srcu_barrier(ssp)
        await k.cleanup_srcu_struct(ssp)

    said = "call_srcu(): Leaked duplicate callback"
    last = ran(script, DEBUG_OBJECTS_RCU_HEAD=watched).violations[-1]
    assert last.kind is ViolationKind.DOUBLE_FREE
    assert last.title == (f"WARNING: {said}" if watched == "y" else f"BUG: double free: {said}")
    assert called == ([] if watched == "y" else ["second", "second"])
