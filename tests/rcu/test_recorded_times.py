"""When grace periods end, against what real 6.1 kernels did at HZ=250.

Recorded were A1 (a reader that goes on after its unlock), A8 (regions and handlers as readers), A9 (synchronize_rcu()
beside an idle or a busy CPU) and B (sizes of rcu_do_batch()).
"""

from __future__ import annotations

from itertools import groupby

import attrs
import pytest

from rcuactors import Kernel, RunOptions, run, scenario

from .regions import BY_NAME, region

MS = 1_000_000
JIFFY = 4 * MS
RT = {"PREEMPT_RT": "y"}
NONE = {"PREEMPT": "n"}


def on_6_1(**settings: str) -> RunOptions:
    return RunOptions(kernel="v6.1-stable", settings=settings)


# -- A1: rcu_read_unlock() with something off -----------------------------------------------------------------


@attrs.define
class Reader:
    """A thread of CPU 1 whose section goes on after its unlock, and one of CPU 0 that waits for a grace period."""

    k: Kernel
    region: str
    entered: bool = False
    go: bool = False
    ended: int = 0
    synchronized: int = 0

    async def read(self) -> None:
        k = self.k
        goes_on = region(k, self.region)
        k.rcu_read_lock()
        self.entered = True
        while not self.go:
            await k.udelay(50)
        if self.region == "again":
            k.preempt_disable()
            k.rcu_read_unlock()
            await goes_on(k, True)
            await k.preempt_enable()
        else:
            await goes_on(k, True)
            k.rcu_read_unlock()
        await k.udelay(60_000)
        self.ended = k.now
        await goes_on(k, False)
        await k.udelay(5_000)

    async def synchronize(self) -> None:
        await self.k.synchronize_rcu()
        self.synchronized = self.k.now

    async def main(self, *, late: bool, preempted: bool) -> None:
        k = self.k
        reader = await k.kthread_run(self.read, cpu=1)
        while not self.entered:
            await k.msleep(1)
        if not late:
            waiter = await k.kthread_run(self.synchronize, cpu=0)
            await k.msleep(24)
        if preempted:
            await k.kthread_join(await k.kthread_run(k.udelay, 8_000, cpu=1, urgent=True, name="high"))
            await k.msleep(8)
        if late:
            waiter = await k.kthread_run(self.synchronize, cpu=0)
            await k.msleep(24)
        self.go = True
        await k.kthread_join(reader)
        await k.kthread_join(waiter)


@pytest.mark.parametrize("settings", [{}, RT, {"preempt_voluntary": "y"}], ids=["plain", "rt", "voluntary"])
@pytest.mark.parametrize("kernel", ["v5.9", "v6.1-stable"])
@pytest.mark.parametrize(
    "name", ["nothing", "preempt_disable", "local_irq_disable", "local_bh_disable", "spin", "again"]
)
@pytest.mark.parametrize(("late", "preempted"), [(False, True), (False, False), (True, True)])
def test_a_grace_period_waits_for_the_end_of_the_region_after_the_unlock(
    name: str, late: bool, preempted: bool, kernel: str, settings: dict[str, str]
) -> None:
    if preempted and "preempt_voluntary" in settings:
        pytest.skip("nobody is preempted there")

    async def script(k: Kernel) -> None:
        reader = Reader(k, name)
        await reader.main(late=late, preempted=preempted)
        after = reader.synchronized - reader.ended
        if name == "nothing":
            assert -60 * MS < after < -20 * MS
        else:
            # Recorded: 2 to 24 ms.
            assert 0 < after <= 6 * JIFFY

    assert run(scenario()(script), RunOptions(kernel=kernel, settings=settings)).clean


def test_who_was_preempted_and_unlocks_in_a_hardirqs_shadow_is_told_by_the_softirq() -> None:
    """use_softirq: in hardirq the report is left to RCU_SOFTIRQ, which comes on the way out."""

    async def script(k: Kernel) -> None:
        seen: list[int] = []
        node = k.machine.gp.root

        async def reader() -> None:
            k.rcu_read_lock()
            await k.kthread_run(k.udelay, 10, cpu=0, urgent=True, name="high")
            await k.udelay(100)
            assert len(node.blkd_tasks) == 1
            await k.raise_irq(handler)
            await k.udelay(10)
            seen.append(len(node.blkd_tasks))

        async def handler() -> None:
            k.rcu_read_unlock()
            seen.append(len(node.blkd_tasks))

        await k.kthread_join(await k.kthread_run(reader, cpu=0))
        assert seen == [1, 0]

    assert run(scenario()(script), PROVE_LOCKING="n").clean


@pytest.mark.parametrize(("kernel", "queued"), [("v6.1-stable", True), ("v5.11", False)])
def test_on_rt_the_end_of_a_boosted_reader_with_interrupts_off_queues_an_irq_work(kernel: str, queued: bool) -> None:
    async def script(k: Kernel) -> None:
        async def reader() -> None:
            k.rcu_read_lock()
            await k.kthread_run(k.udelay, 10, cpu=0, urgent=True, name="high")
            await k.udelay(100)
            rdp = k.machine.gp.data[0]
            k.local_irq_disable()
            k.rcu_read_unlock()
            assert rdp.defer_qs_iw_pending is queued
            # It is not queued twice, and room is made by the report.
            k.rcu_read_lock()
            k.rcu_read_unlock()
            await k.local_irq_enable()
            await k.udelay(10)
            assert not rdp.defer_qs_iw_pending
            assert not k.machine.gp.root.blkd_tasks

        await k.kthread_join(await k.kthread_run(reader, cpu=0))

    assert run(scenario()(script), RunOptions(kernel=kernel, settings=RT)).clean


# -- A8: regions and handlers ---------------------------------------------------------------------------------


HANDLERS = {
    "hardirq": lambda k, body: k.irq_work_queue(k.irq_work(body, hard=True)),
    "softirq": lambda k, body: k.tasklet_schedule(body),
    "nmi": lambda k, body: k.raise_nmi(body),
}


@pytest.mark.parametrize("settings", [{}, RT, NONE], ids=["plain", "rt", "none"])
@pytest.mark.parametrize("name", ["nothing", *BY_NAME, "spin", "raw", "read", "write", *HANDLERS])
def test_a_grace_period_waits_for_a_region_of_any_kind(name: str, settings: dict[str, str]) -> None:
    state = {"in": 0, "out": 0}

    async def script(k: Kernel) -> None:
        async def body() -> None:
            state["in"] = k.now
            await k.udelay(60_000)
            state["out"] = k.now

        async def busy() -> None:
            if name in HANDLERS:
                await HANDLERS[name](k, body)
            else:
                within = region(k, name)
                await within(k, True)
                await body()
                await within(k, False)
            await k.udelay(5_000)

        task = await k.kthread_run(busy, cpu=1)
        while not state["in"]:
            await k.udelay(10)
        state["began"] = k.now
        await k.synchronize_rcu()
        state["returned"] = k.now
        await k.kthread_join(task)

    assert run(scenario()(script), on_6_1(**settings)).clean
    # Without preemption the CPU says nothing before it switches, a few milliseconds later.
    if name == "nothing" and settings is not NONE:
        assert state["returned"] - state["began"] < 6 * JIFFY
    else:
        assert state["out"] < state["returned"] < state["out"] + 6 * JIFFY


# -- A9: how long it takes ------------------------------------------------------------------------------------


def synchronized(rounds: int = 3, **settings: str) -> list[float]:
    """Milliseconds that synchronize_rcu() took on an idle machine, again and again."""
    took: list[float] = []

    async def script(k: Kernel) -> None:
        for _ in range(rounds):
            began = k.now
            await k.synchronize_rcu()
            took.append((k.now - began) / MS)

    assert run(scenario()(script), on_6_1(**settings)).clean
    return took


@pytest.mark.parametrize(
    ("expected", "settings"),
    [
        (16, {}),
        (16, RT),
        (16, NONE),
        (12, {"nr_cpus": "1"}),
        (12, {"nr_cpus": "1", **RT}),
        (12, {"nr_cpus": "1", **NONE}),
        (52, {"jiffies_till_first_fqs": "10", "jiffies_till_next_fqs": "10"}),
        # From the same rules: 1 + (HZ > 250) + (HZ > 500) jiffies, which the timer wheel makes one more.
        (40, {"HZ": "100"}),
        (5 * 1000 / 300, {"HZ": "300"}),
        (6, {"HZ": "1000"}),
    ],
    ids=str,
)
def test_synchronize_rcu_on_an_idle_machine(expected: float, settings: dict[str, str]) -> None:
    """Recorded at HZ=250: 16 ms with two CPUs, 12 with one, 52 with jiffies_till_first_fqs=10."""
    assert synchronized(**settings) == pytest.approx([expected] * 3, abs=0.2)


def test_a_scan_at_once() -> None:
    """jiffies_till_first_fqs=0: the idle CPUs are seen at the start; one tick before that, one after. Not recorded."""
    assert synchronized(jiffies_till_first_fqs="0") == pytest.approx([8] * 3, abs=0.2)


def test_beside_a_preemptible_loop_ticks_do() -> None:
    """Recorded: 12 to 16 ms."""
    took: list[float] = []

    async def script(k: Kernel) -> None:
        done: list[bool] = []

        async def hog() -> None:
            while not done:
                await k.udelay(100)

        await k.kthread_run(hog, cpu=1)
        await k.msleep(20)
        for _ in range(3):
            began = k.now
            await k.synchronize_rcu()
            took.append((k.now - began) / MS)
        done.append(True)

    assert run(scenario()(script), on_6_1()).clean
    assert all(11 < each < 17 for each in took)


# -- B: how many callbacks at a time --------------------------------------------------------------------------


def batches(count: int, *, busy: bool, irqs_on: bool = False, **settings: str) -> list[int]:
    """How many callbacks each call of rcu_core() invoked."""
    served: list[int] = []

    async def script(k: Kernel) -> None:
        async def callback() -> None:
            served.append(k.machine.gp.data[1].softirqs)

        async def queue() -> None:
            flags = k.local_irq_save() if not irqs_on else False
            if irqs_on:
                k.preempt_disable()
            for _ in range(count):
                await k.call_rcu(callback)
            if irqs_on:
                await k.preempt_enable()
            await k.local_irq_restore(flags)
            while len(served) < count:
                if busy:
                    await k.udelay(10)
                else:
                    await k.msleep(40)

        await k.kthread_join(await k.kthread_run(queue, cpu=1))

    assert run(scenario()(script), on_6_1(**settings)).clean
    return [len(list(group)) for _, group in groupby(served)]


def test_ten_at_a_time_on_a_busy_cpu_and_all_on_an_idle_one() -> None:
    assert batches(100, busy=True) == [10] * 10
    assert batches(100, busy=False) == [100]
    assert batches(1000, busy=True) == [10] * 100


def test_of_a_long_queue_one_in_128() -> None:
    sizes = batches(5000, busy=True)
    assert sizes[:4] == [5000 >> 7, (5000 - 39) >> 7, (5000 - 39 - 38) >> 7, (5000 - 39 - 38 - 38) >> 7]
    assert sizes[-1] <= 10


def test_a_queue_that_has_grown_by_ten_thousand_is_bound_by_time_alone_if_interrupts_were_on() -> None:
    """Recorded: 3 ms, looked at every 32 callbacks; with interrupts off it stays 1 of 128."""
    assert max(batches(20_000, busy=True, irqs_on=True)) > 1000
    assert batches(20_000, busy=True)[0] == 20_000 >> 7


def test_a_batch_of_more_than_a_hundred_ends_after_three_milliseconds() -> None:
    served: list[int] = []

    async def script(k: Kernel) -> None:
        async def slow() -> None:
            served.append(k.machine.gp.data[0].softirqs)
            await k.udelay(10)

        flags = k.local_irq_save()
        for _ in range(60_000):
            await k.call_rcu(slow)
        await k.local_irq_restore(flags)
        while len(served) < 2000:
            await k.udelay(1000)

    run(scenario()(script), on_6_1())
    first = next(len(list(group)) for _, group in groupby(served))
    assert 60_000 >> 7 > first == 320
