"""The rcu_node tree, its shape, and the steps in which grace periods begin and end (rcuactors/rcu/nodes.py, gp.py)."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rcuactors import Kernel, Run, RunOptions, ViolationKind, run, scenario
from rcuactors.config import Config
from rcuactors.engine.decision import Decision
from rcuactors.engine.events import ListSink
from rcuactors.errors import BadInput
from rcuactors.explore.random import Random
from rcuactors.rcu.geometry import rcu_init_geometry
from rcuactors.rcu.messages import GpKthreadWoken
from rcuactors.rcu.nodes import RcuNode

from .torture import KERNELS, tortured

TALL = {"rcu_fanout": "2", "rcu_fanout_leaf": "2"}


# -- a leaf whose CPUs come and go ------------------------------------------------------------------------------------


@pytest.mark.parametrize("readers", [False, True])
@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("before", [set[int](), {0}, {0, 1}])
@pytest.mark.parametrize("after", [set[int](), {0}, {0, 1}])
def test_a_leaf_takes_note_of_cpus_when_a_grace_period_begins(
    before: set[int], after: set[int], waits: bool, readers: bool
) -> None:
    """rcu_gp_init(): without CPUs it stays in the tree as long as readers are left that were switched out on them."""
    leaf = RcuNode(1, 0, 1, 0, None, 0, 0)
    leaf.offline, leaf.offline_next, leaf.wait_blkd_tasks = set(before), set(after), waits
    if readers:
        leaf.blkd_tasks[0] = None  # type: ignore[assignment]
    assert leaf.scan_hotplug() is (before != after or waits)
    assert leaf.offline == after
    assert leaf.has_cpus() is (after != {0, 1})
    gone = before != {0, 1} and after == {0, 1}
    assert leaf.wait_blkd_tasks is (after == {0, 1} and readers and (waits or gone))
    leaf.offline_next.add(7)
    assert 7 not in leaf.offline


# -- the shape ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cpus", "fanout", "leaf", "nodes"),
    [
        (1, 64, 16, (1,)),
        (16, 64, 16, (1,)),
        (17, 64, 16, (1, 2)),
        (1024, 64, 16, (1, 64)),
        (1025, 64, 16, (1, 2, 65)),
        (4, 2, 2, (1, 2)),
        (8, 2, 2, (1, 2, 4)),
        (16, 2, 2, (1, 2, 4, 8)),
    ],
)
def test_as_few_levels_as_will_do(cpus: int, fanout: int, leaf: int, nodes: tuple[int, ...]) -> None:
    assert rcu_init_geometry(Config(nr_cpus=cpus, rcu_fanout=fanout, rcu_fanout_leaf=leaf)).nodes == nodes


def test_cpus_are_dealt_out_evenly() -> None:
    geometry = rcu_init_geometry(Config(nr_cpus=17))
    assert [geometry.span(1, index) for index in (0, 1)] == [(0, 8), (9, 16)]
    assert geometry.span(0, 0) == (0, 16)


@pytest.mark.parametrize("cpus", [3, 7, 13, 64, 200])
def test_every_cpu_has_one_leaf_and_each_level_serves_them_all(cpus: int) -> None:
    geometry = rcu_init_geometry(Config(nr_cpus=cpus, rcu_fanout=4, rcu_fanout_leaf=4))
    for level, count in enumerate(geometry.nodes):
        spans = [geometry.span(level, index) for index in range(count)]
        assert [first for first, _ in spans] == [0, *(last + 1 for _, last in spans[:-1])]
        assert spans[-1][1] == cpus - 1


def test_a_tree_of_four_levels_may_be_too_small() -> None:
    with pytest.raises(
        BadInput, match=r"^rcu_fanout=2 and rcu_fanout_leaf=2 with nr_cpus=17: a tree of four levels has"
    ):
        Config(nr_cpus=17, rcu_fanout=2, rcu_fanout_leaf=2)


# -- its steps ---------------------------------------------------------------------------------------------------------


class Uniform(Random):
    """Each option is as likely as any other."""

    def choose(self, decision: Decision) -> int:
        return int(self._draw() * decision.count)


def seen_by_a_looker(kernel: str, settings: dict[str, str], *, polls: bool, seed: int = 1) -> set[tuple[int, ...]]:
    """What somebody sees who looks at all counters at every moment of a few grace periods; rcu_state's is the first."""
    seen: set[tuple[int, ...]] = set()

    async def script(k: Kernel) -> None:
        gp, done = k.machine.gp, False

        async def looker() -> None:
            start = gp.gp_seq
            while not done:
                if polls:
                    k.get_state_synchronize_rcu()
                nodes = [node.gp_seq for node in gp.tree.breadth_first()]
                seen.add(tuple(seq - start for seq in (gp.gp_seq, *nodes) if gp.gp_seq <= start + 5))
                await k.udelay(1)

        for cpu in range(k.machine.setup.config.nr_cpus):
            k.machine.gp.tree.mynode(cpu)
        await k.kthread_run(looker, cpu=1)
        await k.synchronize_rcu()
        done = True

    run(script, RunOptions(kernel=kernel, strategy=Uniform(), seed=seed, settings={"nr_cpus": "4", **settings}))
    return seen


def test_who_polls_sees_the_root_begin_after_rcu_state_and_end_before_it() -> None:
    seen = set().union(*(seen_by_a_looker("v6.12", {}, polls=True, seed=seed) for seed in range(12)))
    assert (1, 0) in seen
    assert (1, 1) in seen
    assert (1, 4) in seen
    assert (0, 1) not in seen
    assert (4, 1) not in seen


def test_where_nobody_could_tell_it_is_one_step() -> None:
    seen = set().union(*(seen_by_a_looker("v5.11", {}, polls=False, seed=seed) for seed in range(12)))
    assert all(state == root for state, root in filter(None, seen))


def test_in_a_tree_of_levels_each_node_is_a_step_and_the_root_is_the_first() -> None:
    seen = set().union(*(seen_by_a_looker("v5.11", TALL, polls=False, seed=seed) for seed in range(30)))
    starting = sorted(nodes for state, *nodes in filter(None, seen) if state == 1 and max(nodes) <= 1)
    assert [0, 0, 0] in starting
    assert [1, 0, 0] in starting
    assert [1, 1, 1] in starting
    assert all(nodes in ([0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]) for nodes in starting)


def test_a_quiescent_state_goes_up_from_leaf_to_root() -> None:
    """The reader on CPU 3 keeps its leaf waiting, and so the root; the other leaf is through long before."""

    async def script(k: Kernel) -> None:
        gp, tree = k.machine.gp, k.machine.gp.tree

        async def reads() -> None:
            with k.rcu_reader():
                await k.udelay(50_000)

        async def idles() -> None:
            await k.udelay(10)

        for cpu in (1, 2):
            await k.kthread_run(idles, cpu=cpu)
        await k.kthread_run(reads, cpu=3)
        await k.udelay(20)
        k.machine.polled.start_poll_synchronize_rcu(k.machine.this_cpu)
        await k.msleep(30)
        root, (first, second) = tree.root, tree.leaves()
        assert gp.in_progress
        assert (list(first.qsmask), list(second.qsmask)) == ([], [3])
        assert list(root.kids) == [second.grpnum]
        assert not root.qsmask
        await k.msleep(60)
        assert gp.completed == 1

    assert run(script, RunOptions(kernel="v6.12", settings={"nr_cpus": "4", **TALL})).clean


def test_a_reader_that_was_switched_out_is_waited_for_at_the_leaf_where_that_was() -> None:
    async def script(k: Kernel) -> None:
        tree = k.machine.gp.tree

        async def reads() -> None:
            with k.rcu_reader():
                await k.udelay(60_000)

        async def urgent() -> None:
            await k.udelay(20_000)

        await k.kthread_run(reads, cpu=3)
        await k.udelay(20)
        await k.kthread_run(urgent, cpu=3, urgent=True)
        await k.udelay(20)
        k.machine.polled.start_poll_synchronize_rcu(k.machine.this_cpu)
        await k.msleep(12)
        first, second = tree.leaves()
        assert not first.blkd_tasks
        assert [thread.comm for thread in second.gp_tasks.values()] == ["reads"]
        await k.synchronize_rcu()
        assert not second.blkd_tasks

    assert run(script, RunOptions(kernel="v6.12", settings={"nr_cpus": "4", **TALL})).clean


def test_a_stall_names_the_leaf_of_a_reader() -> None:
    async def script(k: Kernel) -> None:
        async def reads() -> None:
            with k.rcu_reader():
                await k.udelay(9_000_000)

        async def urgent() -> None:
            await k.udelay(9_500_000)

        await k.kthread_run(reads, cpu=3)
        await k.udelay(20)
        await k.kthread_run(urgent, cpu=3, urgent=True)
        await k.synchronize_rcu()

    settings = {"nr_cpus": "4", "rcu_cpu_stall_timeout": "3", "PROVE_LOCKING": "n", **TALL}
    stalls = run(script, RunOptions(kernel="v6.12", settings=settings)).violations
    assert {violation.kind for violation in stalls} == {ViolationKind.RCU_STALL}
    assert "Tasks blocked on level-1 rcu_node (CPUs 2-3): P" in stalls[0].text


@pytest.mark.parametrize("kernel", ["v5.9", "v6.12"])
def test_of_a_large_machine_only_the_leaves_that_were_touched_are_made(kernel: str) -> None:
    async def script(k: Kernel) -> None:
        async def free() -> None:
            await k.kvfree_rcu(await k.kmalloc(64), "rcu")

        async with k.open_nursery() as nursery:
            for cpu in (0, 5, 500, 1023):
                await nursery.start_soon(free, cpu=cpu)
        await k.synchronize_rcu()

    one = Run(scenario()(script), RunOptions(kernel=kernel, settings={"nr_cpus": "1024"}))
    one.run()
    assert one.result().clean
    assert [leaf.grplo for leaf in one.machine.gp.tree.leaves()] == [0, 496, 1008]


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 1 << 30),
    cpus=st.integers(3, 9),
    kernel=st.sampled_from(sorted(KERNELS)),
    strategy=st.sampled_from(["timed", "random"]),
)
def test_no_grace_period_ends_too_early_in_a_tree_that_is_set_step_by_step(
    seed: int, cpus: int, kernel: str, strategy: str
) -> None:
    one = tortured(seed, cpus, kernel, strategy, steps=4, shape="tall")
    assert one.result().kinds <= {ViolationKind.VOLUNTARY_SWITCH}
    assert one.machine.gp.completed > 0


def test_a_reader_in_the_first_interrupt_of_a_cpu_is_waited_for() -> None:
    """Its leaf is there from the moment at which the CPU is."""

    async def script(k: Kernel) -> None:
        shared = await k.kmalloc(64)

        async def reads() -> None:
            with k.rcu_reader():
                p = k.rcu_dereference(shared)
                await k.udelay(30_000)
                k.deref(p)

        await k.raise_irq(reads, cpu=3)
        await k.udelay(10)
        await k.synchronize_rcu()
        await k.kfree(shared)

    assert run(script, RunOptions(kernel="v5.11", settings={"nr_cpus": "4", **TALL})).clean


def test_on_rt_a_wake_up_for_nothing_does_not_lose_the_next_scan() -> None:
    """Whoever asked for a grace period wakes the kthread, which had begun it by itself and may not run just now."""

    async def script(k: Kernel) -> None:
        gp, cpu = k.machine.gp, k.machine.this_cpu

        async def touches() -> None:
            await k.udelay(10)

        await k.kthread_run(touches, cpu=1)
        await k.msleep(20)
        cookie = k.start_poll_synchronize_rcu()
        await k.udelay(50)
        assert gp.in_progress
        k.preempt_disable()
        k.machine.conductor.post(gp, GpKthreadWoken(sender=cpu.name, time_ns=cpu.clock, cpu=cpu))
        await k.udelay(1000)
        await k.preempt_enable()
        await k.msleep(200)
        assert k.poll_state_synchronize_rcu(cookie)

    assert run(script, RunOptions(kernel="v6.12", settings={"nr_cpus": "2", "PREEMPT_RT": "y"})).clean


# -- CPUs that come and go, as RCU sees them ---------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", ["v5.9", "v6.1-stable", "v6.12"])
def test_a_grace_period_does_not_wait_for_a_cpu_that_has_gone(kernel: str) -> None:
    async def script(k: Kernel) -> None:
        gp, hotplug = k.machine.gp, k.machine.rcu_hotplug
        ran: list[int] = []

        async def goes() -> None:
            flags = k.local_irq_save()
            await hotplug.rcu_report_dead(k.machine.this_cpu)
            ran.append(1)
            await k.udelay(80_000)
            await hotplug.rcu_cpu_starting(k.machine.this_cpu)
            await k.local_irq_restore(flags)

        await k.kthread_run(goes, cpu=1)
        await k.udelay(50)
        assert ran
        await k.synchronize_rcu()
        assert gp.completed
        assert not gp.tree.is_online(1)
        await k.msleep(100)
        assert gp.tree.is_online(1)

    assert run(script, RunOptions(kernel=kernel, settings={"nr_cpus": "2"})).clean


def test_one_that_goes_while_it_is_waited_for_reports_that_itself() -> None:
    async def script(k: Kernel) -> None:
        gp, hotplug = k.machine.gp, k.machine.rcu_hotplug

        async def goes() -> None:
            flags = k.local_irq_save()
            await k.udelay(30_000)
            assert 1 in gp.root.qsmask
            await hotplug.rcutree_dying_cpu(k.machine.current, 1)
            await hotplug.rcu_report_dead(k.machine.this_cpu)
            assert 1 not in gp.root.qsmask
            await k.udelay(30_000)
            assert gp.completed == 1
            await hotplug.rcu_cpu_starting(k.machine.this_cpu)
            await k.local_irq_restore(flags)

        await k.kthread_run(goes, cpu=1)
        await k.udelay(50)
        await k.synchronize_rcu()
        assert not gp.tree.is_online(1)

    seen = ListSink()
    assert run(script, RunOptions(kernel="v6.12", settings={"nr_cpus": "2"}, sinks=(seen,))).clean
    assert [event.text for event in seen.events if " cpu" in event.text] == ["rcu_preempt -1199 cpuofl-bgp"]


def test_callbacks_of_a_dead_cpu_are_invoked_on_the_one_that_took_it_down() -> None:
    async def script(k: Kernel) -> None:
        hotplug, where = k.machine.rcu_hotplug, []

        async def called() -> None:
            where.append(k.smp_processor_id())

        async def queues() -> None:
            for _ in range(3):
                await k.call_rcu(called)

        await k.kthread_run(queues, cpu=1)
        await k.udelay(50)
        await hotplug.rcutree_migrate_callbacks(k.machine.current, 1)
        assert not k.machine.callbacks.data[1].cblist.n_cbs()
        await k.rcu_barrier()
        assert where == [0, 0, 0]

    assert run(script, RunOptions(kernel="v6.12", settings={"nr_cpus": "2"})).clean


def test_readers_of_a_leaf_whose_cpus_have_all_gone_are_waited_for() -> None:
    """wait_blkd_tasks."""

    async def script(k: Kernel) -> None:
        gp, hotplug = k.machine.gp, k.machine.rcu_hotplug

        async def reads() -> None:
            with k.rcu_reader():
                await k.udelay(40_000)

        async def goes() -> None:
            await k.udelay(10_000)
            flags = k.local_irq_save()
            await hotplug.rcu_report_dead(k.machine.this_cpu)
            await k.udelay(30)
            await k.local_irq_restore(flags)
            await k.udelay(5_000)

        async def other() -> None:
            await hotplug.rcu_report_dead(k.machine.this_cpu)

        await k.kthread_run(other, cpu=2)
        await k.kthread_run(reads, cpu=3)
        await k.udelay(30)
        await k.kthread_run(goes, cpu=3, urgent=True)
        await k.udelay(10_500)
        leaf = gp.tree.mynode(3)
        assert leaf.blkd_tasks
        k.machine.polled.start_poll_synchronize_rcu(k.machine.this_cpu)
        await k.msleep(8)
        assert gp.in_progress
        assert leaf.wait_blkd_tasks
        assert leaf.gp_tasks
        assert not leaf.qsmask
        await k.msleep(100)
        assert gp.completed == 1
        await k.synchronize_rcu()
        assert not leaf.wait_blkd_tasks

    assert run(script, RunOptions(kernel="v6.12", settings={"nr_cpus": "4", **TALL})).clean


@pytest.mark.parametrize("down", [(), (1,), (2, 3), (1, 2, 3)])
@pytest.mark.parametrize("touched", [(1,), (1, 2, 3)])
def test_levels_and_gone_cpus_in_every_order(down: tuple[int, ...], touched: tuple[int, ...]) -> None:
    """Masks that are set, reported and changed in any order end with nobody waited for."""

    async def script(k: Kernel) -> None:
        hotplug = k.machine.rcu_hotplug

        async def here(cpu: int) -> None:
            if cpu in down:
                await hotplug.rcu_report_dead(k.machine.this_cpu)

        for cpu in sorted({*touched, *down}):
            await k.kthread_run(here, cpu, cpu=cpu)
        await k.msleep(1)
        await k.synchronize_rcu()
        for cpu in down:
            await hotplug.rcu_cpu_starting(k.machine.system.cpu(cpu))
        await k.synchronize_rcu()
        assert k.machine.gp.completed == 2

    assert run(script, RunOptions(kernel="v6.12", settings={"nr_cpus": "4", **TALL})).clean
