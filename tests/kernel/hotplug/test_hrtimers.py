"""hrtimers that are left on a CPU that goes: commits 5c0930ccaad5, dad6a09f3148, 53dac345395c.

Each is shown on a version that has the bug, or on one put together from a version's rules and the one that the fix
changed, and the same workload is right with the fix.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from rcuactors import Kernel, Violation, ViolationKind
from rcuactors.eras import ERAS
from rcuactors.testing import RcuLab

Compose = Callable[..., str]


@pytest.fixture
def compose(monkeypatch: pytest.MonkeyPatch) -> Compose:
    """A version like `base` but for these rules of its kernel, under a name by which a run finds it; that name."""

    def composed(base: str, **kernel: bool) -> str:
        era = ERAS[base]
        rules = attrs.evolve(era.rules, kernel=attrs.evolve(era.rules.kernel, **kernel))
        neighbour = attrs.evolve(era, name=f"{base}+{'+'.join(kernel)}", rules=rules)
        monkeypatch.setitem(ERAS, neighbour.name, neighbour)
        return neighbour.name

    return composed


# -- the refill's timer ------------------------------------------------------------------------------------------------


async def refill_on_a_dying_cpu(k: Kernel) -> None:
    """A driver's DYING callback frees by kvfree_rcu() on a cold cache, and the CPU comes back.

    What vmalloc() gave goes to no sheaf, in any version.
    """

    async def dying(_cpu: int) -> None:
        await k.kvfree_rcu(p, "rcu")

    p = await k.vmalloc(64)
    await k.cold_caches()
    setup = await k.cpuhp_setup_state_nocalls("CPUHP_AP_PERF_X86_STARTING", "test:starting", teardown=dying)
    assert await k.cpu_down(1) == 0
    await k.cpuhp_remove_state_nocalls(setup)
    await k.msleep(20)
    assert await k.cpu_up(1) == 0

    async def again() -> None:
        for _ in range(3):
            await k.kvfree_rcu(await k.vmalloc(64), "rcu")
            await k.msleep(20)

    await k.kthread_join(await k.kthread_run(again, cpu=1))
    await k.msleep(12_000)


def refill(lab: RcuLab, kernel: str) -> tuple[bool, list[Violation]]:
    """Whether CPU 1's cache is filled again, and what was reported. Nothing is lost but the timer."""
    prepared = lab.prepare(refill_on_a_dying_cpu, kernel=kernel, nr_cpus=2)
    result = prepared.run()
    assert not prepared.machine.oracle.statistics().objects
    return bool(prepared.machine.kvfree.krc(1).cache), list(result.violations)


@pytest.mark.parametrize("name", list(ERAS))
def test_the_refill_timer_of_a_dying_cpu(rcu_lab: RcuLab, name: str) -> None:
    """It is lost where hrtimers have left already and nothing moves this one: work_in_progress stays set for ever.

    That is v6.12.0, which has commit 5c0930ccaad5 and no 53dac345395c; it warns (dad6a09f3148). Older kernels fetch
    what is left from the dead CPU, newer ones queue it on another CPU.
    """
    filled, violations = refill(rcu_lab, name)
    lost = name == "v6.12.0"
    assert [found.title for found in violations] == [
        "WARNING: WARN_ON(!base->cpu_base->online) at enqueue_hrtimer"
    ] * lost
    assert filled is not lost


def test_it_is_lost_in_silence_before_dad6a09f3148(rcu_lab: RcuLab, compose: Compose) -> None:
    assert refill(rcu_lab, compose("v6.12.0", offline_hrtimers_are_told=False)) == (False, [])


def test_53dac345395c_alone_mends_it(rcu_lab: RcuLab, compose: Compose) -> None:
    assert refill(rcu_lab, compose("v6.12.0", offline_hrtimers_move=True)) == (True, [])


# -- who waits for a timer of a dead CPU -------------------------------------------------------------------------------


async def waits_for_a_sleeper(k: Kernel) -> None:
    """A driver's DEAD callback waits for a thread that sleeps, and whose timer is the dead CPU's."""
    done = k.completion("the sleeper's end")

    async def sleeper() -> None:
        await k.usleep_range(100_000, 100_000)
        await k.complete(done)

    async def dead(_cpu: int) -> None:
        await k.wait_for_completion(done)

    await k.cpuhp_setup_state_nocalls("CPUHP_BP_PREPARE_DYN", "test:dead", teardown=dead)
    await k.kthread_run(sleeper, cpu=1)
    await k.msleep(4)
    assert await k.cpu_down(1) == 0


@pytest.mark.parametrize("name", list(ERAS))
def test_the_control_cpu_waits_for_a_timer_that_nobody_serves(rcu_lab: RcuLab, name: str) -> None:
    """Before 5c0930ccaad5 timers are fetched from the dead CPU behind that callback: it waits for ever."""
    result = rcu_lab.run(waits_for_a_sleeper, kernel=name, nr_cpus=2)
    hangs = not ERAS[name].rules.kernel.hrtimers_leave_dying_cpus
    assert hangs is (name in ("v5.9", "v5.11", "v6.1.0", "v6.6"))
    assert [found.kind for found in result.violations][:1] == [ViolationKind.DEADLOCK] * hangs


def test_5c0930ccaad5_alone_mends_it(rcu_lab: RcuLab, compose: Compose) -> None:
    kernel = compose("v6.6", hrtimers_leave_dying_cpus=True)
    assert rcu_lab.run(waits_for_a_sleeper, kernel=kernel, nr_cpus=2).clean


@pytest.mark.parametrize("name", list(ERAS))
def test_timers_that_were_due_when_the_cpu_died(rcu_lab: RcuLab, name: str) -> None:
    """One whose interrupt has not been served any more, and one that waited for its softirq."""
    seen: list[str] = []

    async def main(k: Kernel) -> None:
        async def hard() -> None:
            seen.append("hard")

        async def soft() -> None:
            seen.append("soft")

        async def going(_cpu: int) -> None:
            k.local_irq_disable()
            await k.hrtimer_start(k.hrtimer(hard, hard=True), 0)
            await k.hrtimer_start(k.hrtimer(soft, soft=True), 0)

        await k.cpuhp_setup_state_nocalls("CPUHP_AP_PERF_X86_STARTING", "test:starting", teardown=going)
        assert await k.cpu_down(1) == 0
        await k.msleep(20)

    result = rcu_lab.run(main, kernel=name, nr_cpus=2)
    assert result.clean is (name != "v6.12.0")
    assert sorted(seen) == (["hard", "soft"] if name != "v6.12.0" else [])
