"""Looking on: what happened is told, once, when it happened; and to look on changes nothing."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from rcuactors import Kernel, Run, RunOptions, scenario
from rcuactors.context.locks import Lock
from rcuactors.engine.probe import Access, Probe, ProbeSet
from rcuactors.kernel.cpu import Cpu
from rcuactors.kernel.thread import Thread
from rcuactors.machine import Machine
from rcuactors.userfiles import load_scenario


def probes_of(machine: Machine) -> dict[str, Probe[Any]]:
    """By path from `machine.probes`."""
    found: dict[str, Probe[Any]] = {}
    for name in ("violation", "event", "engine", "kernel", "mm", "rcu", "kvfree"):
        part = getattr(machine.probes, name)
        if isinstance(part, Probe):
            found[name] = part
            continue
        assert isinstance(part, ProbeSet)
        fields = {field: getattr(part, field) for field in type(part).__annotations__}
        found |= {f"{name}.{field}": probe for field, probe in fields.items() if isinstance(probe, Probe)}
    return found


@scenario(settings={"nr_cpus": "3", "migrate": "y"})
async def everything(k: Kernel) -> None:
    """Something for each probe."""
    mutex, lock = k.mutex("M"), k.raw_spinlock("L")

    async def user() -> None:
        for _ in range(20):
            await k.mutex_lock(mutex)
            await k.raw_spin_lock(lock)
            await k.udelay(3)
            await k.raw_spin_unlock(lock)
            await k.mutex_unlock(mutex)
            with k.rcu_reader():
                await k.udelay(2)
            await k.kvfree_rcu(await k.kmalloc(64), "rcu")

    async def handler() -> None:
        await k.udelay(1)

    await k.synchronize_rcu_expedited()
    async with k.open_nursery() as nursery:
        for _ in range(3):
            await nursery.start_soon(user)
        await k.raise_irq(handler, cpu=1)
        await k.msleep(1)
    await k.free_page(await k.get_free_page())
    k.preempt_disable()
    work = k.work(handler)
    await k.schedule_work(work)
    await k.cancel_work(work)
    await k.preempt_enable()
    p = await k.kmalloc(8)
    await k.kfree(p)
    await k.kfree(p)


NAMES = sorted(probes_of(Run(everything).machine))


def heard_in(run: Run) -> Counter[str]:
    """How often each probe told something."""
    heard: Counter[str] = Counter()
    for name, probe in probes_of(run.machine).items():
        probe.listen(lambda *_told, name=name: heard.update([name]))
    run.run()
    return heard


def test_each_probe_tells_of_something() -> None:
    heard = heard_in(Run(everything, strategy="random", seed=1))
    assert sorted(heard) == NAMES
    for one, other in (("lock_taken", "lock_let_go"), ("preemption_off", "preemption_on"), ("irqs_off", "irqs_on")):
        assert heard[f"kernel.{one}"] == heard[f"kernel.{other}"] > 0
    for one, other in (("interrupt", "handler"), ("handler", "interrupt")):
        assert heard[f"kernel.{one}_entered"] == heard[f"kernel.{other}_left"]
    assert heard["kernel.softirq_entered"] == heard["kernel.softirq_left"]
    assert heard["kernel.work_queued"] == heard["kernel.work_started"] + heard["kernel.work_withdrawn"]
    assert heard["kernel.timer_left"] <= heard["kernel.timer_started"]
    assert heard["kernel.hrtimer_left"] <= heard["kernel.hrtimer_started"]
    assert heard["engine.message_taken"] <= heard["engine.message"]
    assert heard["kvfree.call_entered"] == heard["kvfree.call_left"] == heard["rcu.object_retired"] == 60
    assert heard["rcu.object_allocated"] == heard["rcu.object_freed"] == 61
    assert heard["rcu.reader_entered"] == heard["rcu.reader_left"] == 61


@pytest.mark.parametrize("name", NAMES)
def test_an_error_in_a_listener_ends_the_run_with_it(name: str) -> None:
    def fails(*_told: object) -> None:
        raise LookupError("in a listener")

    run = Run(everything, strategy="random", seed=1)
    probes_of(run.machine)[name].listen(fails)
    with pytest.raises(LookupError, match="in a listener"):
        run.run()


@pytest.mark.parametrize("strategy", ["timed", "random"])
@pytest.mark.parametrize("name", ["low_memory_fallback", "hardirq_caller", "slab_and_vmalloc"])
@pytest.mark.parametrize("build", [{}, {"PREEMPT_RT": "y"}, {"PREEMPT": "n"}])
def test_to_look_on_changes_nothing(name: str, build: dict[str, str], strategy: str) -> None:
    chosen, options = load_scenario(name), RunOptions(settings=build, strategy=strategy, seed=3)
    plain, watched = Run(chosen, options), Run(chosen, options)
    heard = heard_in(watched)
    assert watched.result() == plain.run()
    assert heard["event"] == plain.result().events


def test_listeners_are_told_in_their_order() -> None:
    told: list[int] = []
    probe: Probe[[int]] = Probe()
    probe.listen(told.append)
    probe.listen(lambda number: told.append(-number))
    probe(1)
    probe(2)
    assert told == [1, -1, 2, -2]


# -- how long --------------------------------------------------------------------------------------------------


def lock_times(script: Any, name: str, **words: Any) -> tuple[list[int], list[int]]:
    """(waited, held) of a lock, in the order in which it was told."""
    waited: list[int] = []
    held: list[int] = []
    run = Run(scenario()(script), **words)
    probes = run.machine.probes.kernel
    probes.lock_taken.listen(lambda _cpu, lock, ns: waited.append(ns) if lock.name == name else None)
    probes.lock_let_go.listen(lambda _cpu, lock, ns: held.append(ns) if lock.name == name else None)
    run.run()
    return waited, held


async def spinning(k: Kernel) -> None:
    lock = k.raw_spinlock("L")

    async def holder() -> None:
        await k.raw_spin_lock(lock)
        await k.udelay(30)
        await k.raw_spin_unlock(lock)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(holder, cpu=1)
        await k.udelay(20)
        await k.raw_spin_lock(lock)
        await k.udelay(5)
        await k.raw_spin_unlock(lock)


async def sleeping(k: Kernel) -> None:
    lock = k.mutex("L")

    async def holder() -> None:
        await k.mutex_lock(lock)
        await k.msleep(40)
        await k.mutex_unlock(lock)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(holder, cpu=1)
        await k.msleep(8)
        await k.mutex_lock(lock)
        await k.mutex_unlock(lock)


async def shared(k: Kernel) -> None:
    lock = k.rwlock("L")

    async def reader() -> None:
        await k.read_lock(lock)
        await k.udelay(30)
        await k.read_unlock(lock)

    async with k.open_nursery() as nursery:
        for cpu in (1, 2):
            await nursery.start_soon(reader, cpu=cpu)
        await k.udelay(20)
        await k.write_lock(lock)
        await k.udelay(5)
        await k.write_unlock(lock)


def test_how_long_a_lock_was_spun_for() -> None:
    waited, held = lock_times(spinning, "L")
    assert waited[0] == 0
    assert 5_000 < waited[1] < 15_000
    assert held == pytest.approx([30_000, 5_000], abs=100)


async def alone(k: Kernel) -> None:
    """Each kind of lock, and what the allocators and kvfree_rcu() take."""
    pairs = [
        (k.raw_spin_lock, k.raw_spin_unlock, k.raw_spinlock("raw")),
        (k.spin_lock, k.spin_unlock, k.spinlock("spin")),
        (k.read_lock, k.read_unlock, k.rwlock("read")),
        (k.write_lock, k.write_unlock, k.rwlock("write")),
        (k.down_read, k.up_read, k.rwsem("down_read")),
        (k.down_write, k.up_write, k.rwsem("down_write")),
        (k.mutex_lock, k.mutex_unlock, k.mutex("mutex")),
        (k.rt_mutex_lock, k.rt_mutex_unlock, k.rt_mutex("rt_mutex")),
        (k.local_lock, k.local_unlock, k.local_lock_t("local")),
    ]
    for take, let_go, lock in pairs:
        await take(lock)
        await k.udelay(1)
        await let_go(lock)
    for _ in range(40):
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")
    await k.free_page(await k.get_free_page())
    await k.rcu_barrier()


@pytest.mark.parametrize("version", ["v5.11", "v6.1-stable", "v6.18", "v7.3"])
@pytest.mark.parametrize("rt", ["n", "y"])
def test_who_is_alone_waits_for_no_lock_and_holds_each_for_a_while(version: str, rt: str) -> None:
    taken: list[tuple[str, int]] = []
    let_go: list[tuple[str, int]] = []
    off: list[int] = []
    run = Run(scenario()(alone), RunOptions(kernel=version, settings={"nr_cpus": "1", "PREEMPT_RT": rt}))
    probes = run.machine.probes.kernel
    probes.lock_taken.listen(lambda _cpu, lock, ns: taken.append((lock.name, ns)))
    probes.lock_let_go.listen(lambda _cpu, lock, ns: let_go.append((lock.name, ns)))
    probes.irqs_on.listen(lambda _cpu, _nested, ns: off.append(ns))
    assert run.run().clean
    assert {ns for _, ns in taken} == {0}
    assert {"raw", "spin", "read", "write", "down_read", "down_write", "mutex", "rt_mutex", "local"} <= dict(
        taken
    ).keys()
    if version != "v7.3":
        held = [ns for name, ns in let_go if name == "krc.lock"]
        assert sum(ns > 0 for ns in held) >= 40, "each call, those that are one step too"
        assert min(off) >= 0


def test_how_long_a_lock_was_slept_for() -> None:
    waited, held = lock_times(sleeping, "L")
    assert waited[0] == 0
    assert 20_000_000 < waited[1] < 40_000_000
    assert held[0] > waited[1]


def test_a_shared_lock_is_held_by_each_of_its_readers() -> None:
    waited, held = lock_times(shared, "L", nr_cpus=3)
    assert len(waited) == len(held) == 3
    assert held == pytest.approx([30_000, 30_000, 5_000], abs=100)
    assert 5_000 < waited[2] < 15_000


def test_a_call_that_is_one_step_tells_of_its_lock() -> None:
    """The second call finds a block with room."""

    async def script(k: Kernel) -> None:
        for _ in range(2):
            await k.kvfree_rcu(await k.kmalloc(64), "rcu")

    taken: list[str] = []
    off: list[int] = []
    run = Run(scenario()(script))
    run.machine.probes.kernel.lock_taken.listen(lambda _cpu, lock, _ns: taken.append(lock.name))
    run.machine.probes.kernel.irqs_on.listen(lambda _cpu, _nested, ns: off.append(ns))
    seen = []
    run.machine.probes.kvfree.call_entered.listen(lambda *_told: seen.append(len(taken)))
    run.machine.probes.kvfree.call_left.listen(lambda *_told: seen.append(len(taken)))
    run.run()
    assert taken[seen[2] : seen[3]] == ["krc.lock"]
    assert 50 < max(off) < 10_000


def test_how_long_interrupts_and_preemption_were_off() -> None:
    async def script(k: Kernel) -> None:
        k.preempt_disable()
        await k.udelay(7)
        flags = k.local_irq_save()
        await k.udelay(5)
        inner = k.local_irq_save()
        await k.udelay(2)
        await k.local_irq_restore(inner)
        await k.local_irq_restore(flags)
        k.preempt_disable()
        await k.preempt_enable()
        await k.preempt_enable()

    async def both(k: Kernel) -> None:
        probes = k.machine.probes.kernel
        probes.irqs_on.listen(lambda _cpu, nested, ns: irqs.append((nested, ns)))
        probes.preemption_on.listen(lambda _cpu, ns: preemption.append(ns))
        await script(k)

    irqs: list[tuple[bool, int]] = []
    preemption: list[int] = []
    Run(scenario()(both)).run()
    assert irqs[:2] == [(True, 2_000), (False, 7_000)]
    assert preemption[0] == 14_000


def test_who_was_switched_to_and_why() -> None:
    switches: list[tuple[str, str, bool]] = []

    async def script(k: Kernel) -> None:
        async def other() -> None:
            await k.udelay(1)

        await k.kthread_join(await k.kthread_run(other, cpu=0, name="other"))

    def switched(_cpu: Cpu, leaving: Thread, following: Thread, preempted: bool) -> None:
        switches.append((leaving.comm, following.comm, preempted))

    run = Run(scenario()(script))
    run.machine.probes.kernel.switched.listen(switched)
    run.run()
    assert ("script", "other", False) in switches
    assert ("other", "script", False) in switches


def test_accesses_of_a_lock_are_told_to_who_listens_to_nothing_else() -> None:
    told: list[tuple[str, Access]] = []

    def accessed(what: object, access: Access) -> None:
        if isinstance(what, Lock) and what.name == "L":
            told.append((what.name, access))

    run = Run(scenario()(spinning))
    run.machine.probes.engine.access.listen(accessed)
    run.run()
    assert told == [("L", Access.ACQUIRE), ("L", Access.RELEASE)] * 2
