"""synchronize_rcu() whose callers the grace-period kthread wakes (rcuactors/rcu/sr_normal.py)."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rcuactors import Kernel, Run, RunOptions, ViolationKind, run, scenario
from rcuactors.engine.choice import Timed
from rcuactors.eras import ERAS
from rcuactors.explore.random import Random
from rcuactors.kernel.cpu import Cpu
from rcuactors.kernel.time.timeouts import msleep
from rcuactors.rcu.sr_normal import WAIT_HEADS, SynchronizeRequests

from .torture import Torture

HAVING = [name for name, era in ERAS.items() if era.rules.rcu.wakes_from_gp_up_to is not None]


def test_which_versions_have_it_and_on_which_machines() -> None:
    assert HAVING == ["v6.12.0", "v6.12", "v6.18", "v7.3"]
    machines = [(name, cpus, said) for name in ERAS for cpus in ("4", "17") for said in ("-1", "0", "1")]

    @scenario()
    async def script(k: Kernel) -> None:
        pass

    def has(name: str, cpus: str, said: str) -> bool:
        options = RunOptions(kernel=name, settings={"nr_cpus": cpus, "rcu_normal_wake_from_gp": said})
        return Run(script, options).machine.gp.requests is not None

    assert {machine for machine in machines if has(*machine)} == {
        *((name, cpus, "1") for name in HAVING for cpus in ("4", "17")),
        ("v6.18", "4", "-1"),
        ("v7.3", "4", "-1"),
        ("v7.3", "17", "-1"),
    }


def waits(
    callers: int, version: str, said: str, **given_settings: str
) -> tuple[list[float], int, SynchronizeRequests | None]:
    """How long each of so many callers at once waits, in milliseconds; how many callbacks that took."""
    took: list[float] = []
    invoked: list[int] = []

    async def script(k: Kernel) -> None:
        async def caller() -> None:
            began = k.now
            await k.synchronize_rcu()
            took.append((k.now - began) / 1e6)

        for task in [await k.kthread_run(caller, cpu=number % 2) for number in range(callers)]:
            await k.kthread_join(task)
        invoked.append(k.machine.callbacks.statistics().invoked)

    one = Run(
        scenario()(script),
        RunOptions(kernel=version, settings={"nr_cpus": "2", "rcu_normal_wake_from_gp": said, **given_settings}),
    )
    one.run()
    assert one.result().clean
    return took, invoked[0], one.machine.gp.requests


@pytest.mark.parametrize("version", HAVING)
@pytest.mark.parametrize("callers", [1, 5, 6, 40])
def test_it_queues_no_callback_and_wakes_all_soon(version: str, callers: int) -> None:
    with_callbacks, invoked, _ = waits(callers, version, "0")
    assert invoked == callers
    woken, invoked, requests = waits(callers, version, "1")
    assert invoked == 0
    assert requests is not None
    assert len(woken) == callers
    # The first begins a grace period at once, not at its CPU's next tick; those behind it need another.
    assert min(woken) < 0.6 * min(with_callbacks)
    assert max(woken) < max(with_callbacks) + 0.05


@pytest.mark.parametrize("version", HAVING)
def test_what_the_kthread_has_no_time_for_a_work_does(version: str) -> None:
    """More than five: rcu_sr_normal_gp_cleanup_work() on sync_wq, which is unbound in v6.18."""
    queued: list[str] = []

    async def script(k: Kernel) -> None:
        k.machine.probes.kernel.work_queued.listen(
            lambda work, wq: queued.append(f"{work.name} {wq.name} {wq.unbound}")
        )

        async def caller() -> None:
            await k.synchronize_rcu()

        # The first has a grace period of its own.
        for number in (6, 7):
            for task in [await k.kthread_run(caller, cpu=each % 2) for each in range(number)]:
                await k.kthread_join(task)

    run(scenario()(script), RunOptions(kernel=version, settings={"nr_cpus": "2", "rcu_normal_wake_from_gp": "1"}))
    unbound = version in ("v6.18", "v7.3")
    assert [each for each in queued if "sync_wq" in each] == [f"rcu_sr_normal_gp_cleanup_work sync_wq {unbound}"]


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 1 << 30),
    cpus=st.integers(1, 4),
    version=st.sampled_from(HAVING),
    strategy=st.sampled_from(["timed", "random"]),
    shape=st.sampled_from([{}, {"rcu_fanout": "2", "rcu_fanout_leaf": "2"}, {"PREEMPT": "n"}]),
)
def test_nobody_is_woken_before_the_readers_that_were_open_and_nobody_is_forgotten(
    seed: int, cpus: int, version: str, strategy: str, shape: dict[str, str]
) -> None:
    async def script(k: Kernel) -> None:
        await Torture(k, cpus, 6, sleeping=shape.get("PREEMPT") != "n").main(seed)

    chosen = Random() if strategy == "random" else Timed()
    given_settings = {"nr_cpus": str(cpus), "rcu_normal_wake_from_gp": "1", **shape}
    options = RunOptions(kernel=version, strategy=chosen, seed=seed, events=False, settings=given_settings)
    assert run(scenario()(script), options).kinds <= {ViolationKind.VOLUNTARY_SWITCH}


@pytest.mark.parametrize("version", ["v6.12", "v6.18"])
def test_when_the_work_is_late_wait_heads_run_out_and_callers_wait_for_another_grace_period(
    monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    """rcu_sr_normal_gp_init(): then it asks for another one, before which the work may have given some back."""
    used: list[int] = []

    class Late(SynchronizeRequests):
        async def _rcu_sr_normal_gp_cleanup_work(self, cpu: Cpu) -> None:
            await msleep(cpu.system, cpu.current, 40)
            used.append(self.heads_in_use)
            await super()._rcu_sr_normal_gp_cleanup_work(cpu)

    monkeypatch.setattr("rcuactors.rcu.sr_normal.SynchronizeRequests", Late)

    async def script(k: Kernel) -> None:
        async def caller() -> None:
            await k.synchronize_rcu()

        tasks = []
        for _ in range(20):
            tasks += [await k.kthread_run(caller, cpu=each % 2) for each in range(7)]
            await k.msleep(8)
        for task in tasks:
            await k.kthread_join(task)
        assert k.machine.gp.requests is not None
        assert k.machine.gp.requests.in_flight == 0

    options = RunOptions(kernel=version, settings={"nr_cpus": "2", "rcu_normal_wake_from_gp": "1"})
    assert run(scenario()(script), options).clean
    assert max(used) == WAIT_HEADS


def test_v7_3_sends_those_beyond_64_at_once_the_old_way_until_all_are_woken() -> None:
    _, invoked, requests = waits(80, "v7.3", "-1")
    assert invoked == 16
    assert requests is not None
    assert not requests.latched
    assert waits(80, "v6.18", "-1")[1] == 0


# -- the proof ---------------------------------------------------------------------------------------------------------


def overlapping(version: str) -> list[str]:
    """A synchronize_rcu() beside expedited grace periods, of which one was on its way when it took its cookie."""

    async def script(k: Kernel) -> None:
        async def reader(us: int) -> None:
            with k.rcu_reader():
                await k.udelay(us)

        async def expedited() -> None:
            await k.synchronize_rcu_expedited()

        async def normal() -> None:
            await k.synchronize_rcu()

        for us in (200, 1000, 5000, 9000, 13_000):
            tasks = [await k.kthread_run(lambda us=us: reader(us), cpu=1)]
            await k.udelay(20)
            tasks += [await k.kthread_run(expedited, cpu=2), await k.kthread_run(normal, cpu=3)]
            for task in tasks:
                await k.kthread_join(task)

    options = RunOptions(kernel=version, settings={"nr_cpus": "4", "rcu_normal_wake_from_gp": "1"})
    return [each.title for each in run(scenario()(script), options).violations]


def test_a_one_word_cookie_misses_a_grace_period_that_an_expedited_one_overlaps() -> None:
    """5a562b8b3f5d "rcu: Use _full() API to debug synchronize_rcu()": before, PROVE_RCU warns for nothing."""
    assert overlapping("v6.12") == ["WARNING: A full grace period is not passed yet: 0"]
    assert overlapping("v6.18") == []


@pytest.mark.parametrize(("said", "at_limit", "beyond"), [("-1", True, False), ("0", False, False), ("1", True, True)])
def test_up_to_how_many_cpus_the_kthread_wakes_them_itself(said: str, at_limit: bool, beyond: bool) -> None:
    """v6.18: rcu_normal_wake_from_gp is on by default up to 16 CPUs, the 16th included."""

    async def script(_k: Kernel) -> None:
        pass

    for cpus, wakes in ((16, at_limit), (17, beyond)):
        settings = {"nr_cpus": str(cpus), "rcu_normal_wake_from_gp": said}
        machine = Run(scenario()(script), RunOptions(kernel="v6.18", settings=settings)).machine
        assert (machine.callbacks.machine.requests is not None) is wakes
