"""Expedited grace periods on a tree of several nodes (rcu/exp_select.py, exp_nodes.py), and CPUs in motion."""

from __future__ import annotations

import contextlib
import re

import attrs
import pytest

from rcuactors import Kernel, RunOptions, ViolationKind, run, scenario
from rcuactors.engine.events import Event
from rcuactors.eras import ERAS
from rcuactors.explore.random import Random
from rcuactors.kernel.cpu import Cpu
from rcuactors.kernel.thread import Thread
from rcuactors.rcu.exp_select import ExpeditedSelection
from rcuactors.rcu.nodes import RcuNode
from rcuactors.rcu.seq import snap

TALL = {"rcu_fanout": "2", "rcu_fanout_leaf": "2", "nr_cpus": "4"}


@attrs.define
class Sink:
    seen: list[Event] = attrs.field(factory=list)

    def take(self, event: Event) -> None:
        self.seen.append(event)


async def beside(k: Kernel, cpus: dict[int, int], *, reading: bool) -> None:
    """One expedited grace period, asked for on CPU 0, beside CPUs that are busy for so many microseconds each."""
    inside: list[int] = []

    async def busy(us: int) -> None:
        with k.rcu_reader() if reading else contextlib.nullcontext():
            inside.append(us)
            for _ in range(us // 100):
                await k.udelay(100)

    tasks = [await k.kthread_run(lambda us=us: busy(us), cpu=cpu) for cpu, us in cpus.items()]
    while len(inside) < len(cpus):
        await k.udelay(1)
    await k.synchronize_rcu_expedited()
    for task in tasks:
        await k.kthread_join(task)


@pytest.mark.parametrize("version", list(ERAS))
def test_each_leaf_but_the_last_is_looked_through_by_a_work_or_a_thread_of_its_own(
    monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    """sync_rcu_exp_select_cpus(): on rcu_par_gp_wq, and since v6.9 by the leaf's kthread worker."""
    ran: set[tuple[str, int]] = set()

    class Noted(ExpeditedSelection):
        async def sync_rcu_exp_select_node_cpus(self, thread: Thread, leaf: RcuNode) -> None:
            ran.add((thread.comm.rstrip("0123456789:"), leaf.grplo))
            await super().sync_rcu_exp_select_node_cpus(thread, leaf)

    monkeypatch.setattr("rcuactors.rcu.expedited.ExpeditedSelection", Noted)

    async def script(k: Kernel) -> None:
        await beside(k, {1: 500, 2: 500, 3: 500}, reading=True)

    assert run(scenario()(script), RunOptions(kernel=version, settings=TALL)).violations == ()
    by_work = list(ERAS).index(version) < list(ERAS).index("v6.12.0")
    first, last = ("kworker/", "kworker/") if by_work else ("rcu_exp_par_gp_", "rcu_exp_gp_kthr")
    assert ran == {(first, 0), (last, 2)}


@pytest.mark.parametrize("version", ["v6.1-stable", "v6.12", "v6.18"])
@pytest.mark.parametrize("busy", [(1,), (2,), (1, 3), (1, 2, 3)])
def test_it_is_over_when_the_last_leaf_has_reported(version: str, busy: tuple[int, ...]) -> None:
    took: list[int] = []

    async def script(k: Kernel) -> None:
        began = k.now
        await beside(k, {cpu: 1000 * cpu for cpu in busy}, reading=True)
        root = k.machine.gp.root
        assert root.exp.done()
        took.append(k.now - began)

    assert run(scenario()(script), RunOptions(kernel=version, settings=TALL)).violations == ()
    assert 1000 * max(busy) <= took[0] / 1000 < 1000 * max(busy) + 300


def test_a_stall_names_the_nodes_that_wait() -> None:
    async def script(k: Kernel) -> None:
        await beside(k, {1: 4_000_000, 3: 4_000_000}, reading=True)

    settings = {**TALL, "rcu_cpu_stall_timeout": "3", "PROVE_LOCKING": "n"}
    result = run(scenario()(script), RunOptions(kernel="v6.12", settings=settings, max_steps=30_000_000))
    (stall,) = [each for each in result.violations if each.kind is ViolationKind.RCU_STALL]
    lines = stall.text.split("\n")
    assert re.sub(r"\d+ jiffies", "N jiffies", lines[0]) == (
        "rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-...D 3-...D } N jiffies s: 1 root: 0x3/."
    )
    assert lines[1] == "rcu: blocking rcu_node structures (internal RCU debug): l=1:0-1:0x2/. l=1:2-3:0x2/."


def test_who_comes_by_another_leaf_waits_at_the_root() -> None:
    """exp_funnel_lock(): of many at once, from all leaves, some find that another's grace period was enough."""
    ended: list[int] = []

    async def script(k: Kernel) -> None:
        async def caller() -> None:
            await k.synchronize_rcu_expedited()

        async with k.open_nursery() as nursery:
            for number in range(16):
                await nursery.start_soon(caller, cpu=number % 4)
        ended.append(k.machine.callbacks.expedited.completed)

    assert run(scenario()(script), RunOptions(kernel="v6.12", settings=TALL)).violations == ()
    assert 1 < ended[0] < 16


@pytest.mark.parametrize("at", ["leaf", "root"])
def test_who_finds_that_somebody_has_gone_before_waits_though_the_mutex_is_free(at: str) -> None:
    """exp_funnel_lock(): who has left a mark at the leaf or at the root may not have come to the mutex yet."""
    ended: list[list[int]] = []

    async def script(k: Kernel) -> None:
        expedited = k.machine.callbacks.expedited
        machine = expedited.machine
        node = machine.root if at == "root" else machine.data[3].mynode
        before = node.exp.exp_seq_rq
        done: list[int] = []

        async def caller(number: int) -> None:
            await k.synchronize_rcu_expedited()
            done.append(number)

        node.exp.exp_seq_rq = snap(machine.expedited_sequence)
        waits = await k.kthread_run(caller, 3, cpu=3)
        await k.msleep(1)
        assert done == []
        node.exp.exp_seq_rq = before
        await k.kthread_join(await k.kthread_run(caller, 0, cpu=0))
        await k.kthread_join(waits)
        ended.append([expedited.completed, *sorted(done)])

    assert run(scenario()(script), RunOptions(kernel="v6.12", settings=TALL)).violations == ()
    assert ended == [[1, 0, 3]]


# -- CPUs in motion ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v5.11", "v6.1-stable", "v6.12", "v6.18"])
def test_a_cpu_on_its_way_is_tried_again_until_it_is_there_or_gone(version: str) -> None:
    """Between cpu_online_mask and qsmaskinitnext a CPU cannot be interrupted, and is not known to be quiescent."""
    sink = Sink()

    async def script(k: Kernel) -> None:
        async def motion() -> None:
            await k.cpu_down(1)
            await k.cpu_up(1)

        async def asks() -> None:
            for _ in range(3):
                await k.synchronize_rcu_expedited()

        tasks = [await k.kthread_run(body, cpu=cpu) for cpu, body in ((0, motion), (2, asks), (3, asks))]
        for task in tasks:
            await k.kthread_join(task)

    settings = {**TALL, "PROVE_LOCKING": "n"}
    for seed in range(25):
        options = RunOptions(kernel=version, strategy=Random(), seed=seed, settings=settings, sinks=(sink,))
        assert run(scenario()(script), options).violations == ()
    assert {event.text.split()[-1] for event in sink.seen if event.name == "rcu_exp_grace_period"} >= {"start", "end"}


@pytest.mark.parametrize("forgets", [True, False])
def test_a_driver_that_moves_on_to_a_cpu_which_it_would_have_asked(
    monkeypatch: pytest.MonkeyPatch, forgets: bool
) -> None:
    """81f6d49cce2d "rcu/exp: Mark current CPU as exp-QS in IPI loop second pass": on v5.11 that never ends.

    There the driver is bound as long as its CPU is online; the thread of later versions is moved more readily.
    """
    assert ERAS["v5.11"].rules.rcu.exp_forgets_own_cpu
    era = ERAS["v6.12"]
    assert not era.rules.rcu.exp_forgets_own_cpu
    rules = attrs.evolve(era.rules, rcu=attrs.evolve(era.rules.rcu, exp_forgets_own_cpu=forgets))
    monkeypatch.setitem(ERAS, "neighbour", attrs.evolve(era, name="neighbour", rules=rules))

    class Moves(ExpeditedSelection):
        """Somebody in user space has said just then where that thread is to run (sched_setaffinity())."""

        async def _is_quiescent(self, thread: Thread, leaf: RcuNode, target: Cpu, idle_entries: int) -> bool:
            if target.cpu_id == 1:
                await self.system.migration.set_cpus_allowed_ptr(thread, thread, frozenset({1}))
            return await super()._is_quiescent(thread, leaf, target, idle_entries)

    monkeypatch.setattr("rcuactors.rcu.expedited.ExpeditedSelection", Moves)

    async def script(k: Kernel) -> None:
        await beside(k, {1: 20_000}, reading=False)

    settings = {"nr_cpus": "2", "PROVE_LOCKING": "n", "rcu_cpu_stall_timeout": "3"}
    result = run(scenario()(script), RunOptions(kernel="neighbour", settings=settings))
    assert (ViolationKind.RCU_STALL in result.kinds) is forgets
    assert forgets or not result.kinds
