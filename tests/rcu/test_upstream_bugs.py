"""Bugs of RCU that were found upstream, each by a schedule on which it happens; the fixed version is right on all.

None is planted: the version's rule is modelled, and the bug is there because the rule is.
"""

from __future__ import annotations

from functools import cache

import attrs
import pytest

from rcuactors import Kernel, Result, RunOptions, ViolationKind, run, scenario
from rcuactors.engine.choice import Timed
from rcuactors.engine.decision import HOLD_UP, Decision
from rcuactors.eras import ERAS
from rcuactors.explore.record import Decisions, Record, Replay
from rcuactors.kernel.cpu import Cpu

MS = 1_000_000


class HeldUp(Timed):
    """Time is obeyed, but for one moment: the grace-period kthread is held up at that point of its, for so long.

    A point is where it has done one step and others may see that: of its points the first is the first of the run.
    """

    name = "held-up"
    holds_up = True

    def __init__(self, point: int, ns: int) -> None:
        super().__init__()
        self.point, self.ns = point, ns
        self.points = 0

    def choose(self, decision: Decision) -> int:
        if decision.kind is not HOLD_UP or not decision.option(0).startswith("rcu_preempt "):
            return 0
        self.points += 1
        return min(self.ns, decision.count - 1) if self.points == self.point else 0


# -- 85aad7cc4178 ------------------------------------------------------------------------------------------------------


async def a_cookie_between_two_counters(k: Kernel, kvfree: bool = False) -> None:
    """85aad7cc4178 "Fix get_state_synchronize_rcu_full() GP-start detection".

    A grace period begins: rcu_state.gp_seq says so, and the kthread has looked which CPUs there are. CPU 1 comes, and a
    reader there takes the object; an updater takes that away from it, and a cookie. That should name the end of the
    *next* grace period, since this one does not wait for CPU 1. The root node has not been set yet, and says that none
    is in progress: the cookie of it names the end of this one.

    CPU 2 asks for one grace period after the other, as traffic of call_rcu() does: cpu_up() itself waits for one, in
    cpus_write_lock(), so the one in question has to begin right behind that. With `kvfree` the cookie is kvfree_rcu()'s
    own, of the block that the object is in (its list has the other form), and who looks at it is kfree_rcu_monitor(),
    which a shrinker has called.
    """
    # From here on the steps of the kthread are points; and kvfree_rcu() has pages for its blocks.
    k.get_state_synchronize_rcu()
    await k.kvfree_rcu(await k.kmalloc(64), "rcu")
    done, shared = False, await k.kmalloc(64)
    await k.cpu_down(1)
    await k.msleep(60)

    async def reads() -> None:
        with k.rcu_reader():
            p = k.rcu_dereference(shared)
            await k.udelay(150_000 if kvfree else 90_000)
            k.deref(p)

    async def asks() -> None:
        while not done:
            k.start_poll_synchronize_rcu()
            await k.usleep_range(1000, 1000)

    await k.kthread_run(asks, cpu=2)
    await k.cpu_up(1)
    await k.kthread_run(reads, cpu=1)
    await k.udelay(100)
    if kvfree:
        await k.kvfree_rcu(shared, "rcu")
        await k.msleep(80)
        await k.drop_slab()
    else:
        cookie = k.get_state_synchronize_rcu_full()
        while not k.poll_state_synchronize_rcu_full(cookie):
            await k.msleep(4)
        await k.kfree(shared)
    done = True


def held_up_at(kernel: str, point: int, *, kvfree: bool = False) -> tuple[Result, Decisions]:
    """That run, and the decisions of it: one, in which the kthread was held up for 40 ms."""
    recorder = Record(HeldUp(point, 40 * MS))
    settings = {"nr_cpus": "3", "kvfree": "y" if kvfree else "n"}
    options = RunOptions(kernel=kernel, strategy=recorder, settings=settings)
    result = run(a_cookie_between_two_counters, options)
    assert recorder.decisions is not None
    return result, recorder.decisions


@cache
def held_up_anywhere(kernel: str) -> tuple[tuple[Result, Decisions], ...]:
    """All schedules with one such moment; the last of them has none any more."""
    tried = [held_up_at(kernel, 1)]
    while tried[-1][1].taken:
        tried.append(held_up_at(kernel, len(tried) + 1))
    assert len(tried) > 20
    return tuple(tried)


def behind_the_scan() -> int:
    """The point at which it goes wrong: of all moments it is one."""
    wrong = [number for number, (result, _) in enumerate(held_up_anywhere("v6.12.0"), 1) if not result.clean]
    assert len(wrong) == 1
    return wrong[0]


FROM_ROOT = ["v6.1.0", "v6.1-stable", "v6.6", "v6.12.0"]
FIXED = ["v6.12", "v6.18", "v7.3"]


def test_which_versions_take_cookies_of_the_root() -> None:
    polling = {name: era.rules.rcu for name, era in ERAS.items() if era.rules.rcu.polled_functions}
    assert [name for name, rules in polling.items() if rules.cookies_from_root] == FROM_ROOT
    assert [name for name, rules in polling.items() if not rules.cookies_from_root] == FIXED


@pytest.mark.parametrize("kernel", FROM_ROOT)
def test_a_cookie_of_the_root_node_frees_too_early_on_one_schedule(kernel: str) -> None:
    """Its recording is one decision, and runs again."""
    result, decisions = held_up_at(kernel, behind_the_scan())
    assert result.kinds == {ViolationKind.USE_AFTER_FREE}
    assert "reader reads/" in result.violations[0].text
    assert [taken.option for taken in decisions.taken] == ["rcu_preempt for 40000000 ns"]
    options = RunOptions(kernel=kernel, strategy=Replay(HeldUp(0, 0), decisions), settings={"nr_cpus": "3"})
    assert run(a_cookie_between_two_counters, options).kinds == result.kinds


@pytest.mark.one_in(3)
@pytest.mark.parametrize("kernel", FIXED)
def test_one_of_rcu_state_is_right_on_that_schedule(kernel: str) -> None:
    assert held_up_at(kernel, behind_the_scan())[0].clean


def test_and_on_all_others() -> None:
    assert all(result.clean for result, _ in held_up_anywhere("v6.12"))


@pytest.mark.parametrize(("guard", "kinds"), [(10, set()), (7, {ViolationKind.USE_AFTER_FREE})])
def test_the_fix_is_that_one_rule(monkeypatch: pytest.MonkeyPatch, guard: int, kinds: set[ViolationKind]) -> None:
    """v6.12.0 with cookies of rcu_state, as a neighbour: right, but for the guard that has to let the root lag."""
    point, base = behind_the_scan(), ERAS["v6.12.0"]
    rcu = attrs.evolve(base.rules.rcu, cookies_from_root=False, done_exact_guard=guard)
    monkeypatch.setitem(ERAS, base.name, attrs.evolve(base, rules=attrs.evolve(base.rules, rcu=rcu)))
    assert held_up_at(base.name, point)[0].kinds == kinds


@pytest.mark.parametrize(("kernel", "known"), [("v6.6", True), ("v6.12.0", True), ("v6.12", False), ("v6.18", False)])
def test_so_kvfree_rcu_frees_in_its_monitor_what_a_reader_holds(kernel: str, known: bool) -> None:
    """The versions that take cookies for it, and free by them at once; the list of known bugs has that."""
    result, _ = held_up_at(kernel, behind_the_scan(), kvfree=True)
    assert result.kinds == ({ViolationKind.USE_AFTER_FREE} if known else set())
    bugs = [bug for bug in ERAS[kernel].known_bugs if bug.commit == "85aad7cc4178"]
    assert bool(bugs) is known
    for violation in result.violations[:1]:
        assert bugs[0].explains(violation, "hrtimer-work")


# -- b41642c87716 ------------------------------------------------------------------------------------------------------


TRACED_MOST = 1000


async def a_tracer_reads_at_the_end_of_interrupts(k: Kernel, interrupts: list[int]) -> None:
    """b41642c87716 "rcu: Fix rcu_read_unlock() deadloop due to IRQ work".

    A reader that was preempted holds an expedited grace period up, and ends with interrupts off: an irq_work is to have
    the scheduler look. Somebody traces the end of interrupts, as a BPF program does, and has a reader of its own there,
    with interrupts off.
    """
    readers = k.machine.readers

    def traces(cpu: Cpu, _lasted_ns: int) -> None:
        if cpu.cpu_id == 1 and len(interrupts) < TRACED_MOST:
            interrupts.append(cpu.clock)
            readers.rcu_read_lock(cpu)
            readers.rcu_read_unlock(cpu)

    async def reads() -> None:
        k.rcu_read_lock()
        await k.udelay(3000)
        flags = k.local_irq_save()
        k.rcu_read_unlock()
        await k.local_irq_restore(flags)

    async def preempts() -> None:
        await k.usleep_range(300, 300)
        await k.udelay(200)

    async def asks() -> None:
        await k.usleep_range(100, 100)
        await k.synchronize_rcu_expedited()

    k.machine.probes.kernel.interrupt_left.listen(traces)
    tasks = [await k.kthread_run(reads, cpu=1), await k.kthread_run(preempts, cpu=1, urgent=True)]
    for task in [*tasks, await k.kthread_run(asks, cpu=0)]:
        await k.kthread_join(task)


WITHOUT_END = ["v5.9", "v5.11", "v6.1.0", "v6.1-stable", "v6.6", "v6.12.0"]


@pytest.mark.parametrize("kernel", ERAS)
def test_b41642c87716_each_interrupts_end_asks_for_the_next(kernel: str) -> None:
    """It would go on for ever; the tracer gives up after a thousand. With the fix the reader's thread comes to run."""
    interrupts: list[int] = []

    async def script(k: Kernel) -> None:
        await a_tracer_reads_at_the_end_of_interrupts(k, interrupts)

    assert run(scenario()(script), RunOptions(kernel=kernel), nr_cpus="2").clean
    assert (len(interrupts) == TRACED_MOST) is (kernel in WITHOUT_END)
    assert kernel in WITHOUT_END or len(interrupts) < 10


def test_b41642c87716_is_that_one_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupts: list[int] = []

    async def script(k: Kernel) -> None:
        await a_tracer_reads_at_the_end_of_interrupts(k, interrupts)

    base = ERAS["v6.12.0"]
    rcu = attrs.evolve(base.rules.rcu, deferral_ends_with_report=True)
    monkeypatch.setitem(ERAS, base.name, attrs.evolve(base, rules=attrs.evolve(base.rules, rcu=rcu)))
    assert run(scenario()(script), RunOptions(kernel=base.name), nr_cpus="2").clean
    assert len(interrupts) < 10


# -- 61399e0c5410 ------------------------------------------------------------------------------------------------------


async def readers_end_with_interrupts_off(k: Kernel) -> None:
    """61399e0c5410 "rcu: Fix racy re-initialization of irq_work causing hangs".

    Readers that were preempted hold expedited grace periods up, and end with interrupts off, one soon after the other.
    """

    async def reads() -> None:
        for _ in range(3):
            k.rcu_read_lock()
            await k.udelay(600)
            flags = k.local_irq_save()
            k.rcu_read_unlock()
            await k.local_irq_restore(flags)
            await k.udelay(300)

    async def preempts() -> None:
        for _ in range(12):
            await k.usleep_range(150, 150)
            await k.udelay(50)

    async def asks() -> None:
        for _ in range(40):
            await k.synchronize_rcu_expedited()
            await k.usleep_range(50, 50)

    tasks = [await k.kthread_run(reads, cpu=1), await k.kthread_run(preempts, cpu=1, urgent=True)]
    for task in [*tasks, await k.kthread_run(asks, cpu=0)]:
        await k.kthread_join(task)
    await k.msleep(20)
    await k.synchronize_rcu()


BY_TICKS = {"nr_cpus": "2", "HZ": "100", "irq_work_interrupt": "n"}


def test_61399e0c5410_an_irq_work_that_is_queued_is_initialised(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the first form of b41642c87716 a report makes room for the next while the work waits for a tick.

    So the list becomes a ring, and the tick comes to no end. No version here has both.
    """
    base = ERAS["v6.12"]
    rcu = attrs.evolve(base.rules.rcu, defer_qs_iw_initialised_anew=True)
    monkeypatch.setitem(ERAS, base.name, attrs.evolve(base, rules=attrs.evolve(base.rules, rcu=rcu)))
    result = run(scenario()(readers_end_with_interrupts_off), RunOptions(kernel=base.name, settings=BY_TICKS))
    stall = result.violations[0]
    assert stall.kind is ViolationKind.RCU_STALL
    assert "NMI backtrace for cpu 1" in stall.text
    assert " irq_work_run_list\n irq_work_tick\n" in stall.text
    interrupts = {**BY_TICKS, "irq_work_interrupt": "y"}
    assert run(scenario()(readers_end_with_interrupts_off), RunOptions(kernel=base.name, settings=interrupts)).clean


@pytest.mark.parametrize("kernel", ERAS)
def test_61399e0c5410_does_no_harm_where_the_handler_makes_room(kernel: str) -> None:
    """Nor where it is initialised once."""
    assert run(scenario()(readers_end_with_interrupts_off), RunOptions(kernel=kernel, settings=BY_TICKS)).clean
