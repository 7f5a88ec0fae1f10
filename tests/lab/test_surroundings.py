"""lab/surroundings.py: page caches that are cold or warm when a scenario begins, and bystanders meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rcuactors import BadInput, Kernel, run, scenario
from rcuactors.builds import BUILDS
from rcuactors.eras import ERAS
from rcuactors.lab.surroundings import HELD_BY

SURROUNDINGS = ("cold_caches", "warm_caches", "bystanders")


def caches(version: str, **settings: object) -> tuple[list[int], list[int]]:
    """Pages in each CPU's cache of kvfree_rcu() and in its page list when a scenario begins."""
    found: tuple[list[int], list[int]] = [], []

    async def script(k: Kernel) -> None:
        for cpu in k.online_cpus():
            found[0].append(len(k.machine.kvfree.krc(cpu).cache))
            await k.kthread_join(await k.kthread_run(count, k, cpu=cpu))

    async def count(k: Kernel) -> None:
        found[1].append(k.pcp_count())

    assert run(script, kernel=version, **settings).clean
    return found


@pytest.mark.parametrize("version", ERAS)
def test_cold_is_empty_on_each_cpu(version: str) -> None:
    assert caches(version, cold_caches=True) == ([0, 0], [0, 0])


@pytest.mark.parametrize("version", ERAS)
@pytest.mark.parametrize("build", ["plain", "prove", "all"])
def test_warm_is_filled_on_each_cpu_and_nothing_is_reported(version: str, build: str) -> None:
    cached, listed = caches(version, warm_caches=True, **BUILDS[build].settings)
    assert all(cached)
    assert all(listed)


def test_warm_objects_are_freed_before_the_scenario_begins() -> None:
    begun: list[int] = []

    async def script(k: Kernel) -> None:
        begun.append(k.machine.oracle.statistics().objects)

    run(script, kernel="v6.12")
    run(script, kernel="v6.12", warm_caches=True)
    assert begun == [0, 0]


@pytest.mark.parametrize("rt", [False, True])
@pytest.mark.parametrize("kind", ["raw_spin", "spin", "write", "mutex", "rt_mutex", "down_write"])
def test_a_bystander_holds_each_lock_when_the_scenario_wants_it(kind: str, rt: bool) -> None:
    waited: list[int] = []
    making = {"raw_spin": "raw_spinlock", "spin": "spinlock", "write": "rwlock", "down_write": "rwsem"}
    lock, unlock = (kind, "up_write") if kind == "down_write" else (f"{kind}_lock", f"{kind}_unlock")

    async def script(k: Kernel) -> None:
        mine = getattr(k, making.get(kind, kind))("mine")
        k.machine.probes.kernel.lock_taken.listen(
            lambda _cpu, taken, waited_ns: waited.append(waited_ns) if taken is mine else None
        )
        await getattr(k, lock)(mine)
        await getattr(k, unlock)(mine)

    assert run(script, bystanders=True, PREEMPT_RT=rt).clean
    assert max(waited) > 1000
    waited.clear()
    assert run(script, PREEMPT_RT=rt).clean
    assert waited == [0]


def test_every_type_of_lock_that_others_can_take_is_held() -> None:
    made: list[Callable[[str], object]] = []

    async def script(k: Kernel) -> None:
        made.extend([k.raw_spinlock, k.spinlock, k.rwlock, k.mutex, k.rwsem, k.rt_mutex])
        for make in made:
            make("one")
        await k.udelay(2000)

    assert run(script, bystanders=True, PROVE_RAW_LOCK_NESTING=True).clean
    assert len(HELD_BY) == len(made)


@pytest.mark.parametrize("build", BUILDS)
def test_bystanders_are_right_about_a_lock_of_interrupts(build: str) -> None:
    """Lockdep has nothing to say of how they hold it."""

    async def script(k: Kernel) -> None:
        raw, spin, done = k.raw_spinlock("raw"), k.spinlock("spin"), k.completion("done")

        async def handler() -> None:
            await k.raw_spin_lock(raw)
            await k.raw_spin_unlock(raw)

        async def tasklet() -> None:
            await k.spin_lock(spin)
            await k.spin_unlock(spin)
            await k.complete(done)

        for _ in range(3):
            await k.raise_irq(handler)
            await k.udelay(50)
        await k.tasklet_schedule(tasklet)
        await k.wait_for_completion(done)

    assert run(script, bystanders=True, **BUILDS[build].settings).clean


def test_a_lock_in_an_object_is_left_alone() -> None:
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(128)
        lock = k.spinlock("inside", inside=p)
        await k.spin_lock(lock)
        await k.spin_unlock(lock)
        await k.kfree(p)
        await k.udelay(500)

    assert run(script, bystanders=True).clean


def test_bystanders_do_not_keep_a_deadlock_from_being_seen() -> None:
    async def script(k: Kernel) -> None:
        await k.wait_for_completion(k.completion("what never comes"))

    result = run(script, bystanders=True, DETECT_HUNG_TASK=False)
    assert result.outcome() == "deadlock"
    assert result.end_ns < 10_000_000_000


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_a_scenario_that_begins_before_the_scheduler_has_none(name: str) -> None:
    @scenario(early_boot=True)
    async def early(k: Kernel) -> None:
        pass

    with pytest.raises(BadInput, match=f"^{name}=y: needs a scenario that begins when the scheduler runs"):
        run(early, **{name: True})


def test_cold_and_warm_at_once_is_refused() -> None:
    with pytest.raises(BadInput, match="cold_caches=y with warm_caches=y: needs one of them"):
        run(scenario()(_nothing), cold_caches=True, warm_caches=True)


async def _nothing(_k: Kernel) -> None:
    pass
