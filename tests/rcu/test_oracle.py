"""The oracle and its book of readers by themselves (rcuactors/rcu/oracle.py, book.py)."""

from __future__ import annotations

import attrs
import pytest

from rcuactors import Kernel, ViolationKind, run, scenario
from rcuactors.rcu.oracle import FREED, LIVE, RETIRED, Oracle

from .regions import BY_NAME, by_lock


@attrs.define(eq=False)
class Thing:
    """An object as the oracle sees it."""

    address: int
    size: int = 64
    state: int = LIVE
    retired_serial: int = 0
    retired_ns: int = 0
    allocated_at: str = "here"
    freed_by: object = None
    allocated_by: object = None
    retired_by: object = None

    def history(self) -> list[str]:
        return ["allocated here"]


@attrs.define(eq=False)
class Bench:
    """An oracle, and what it has said."""

    said: list[tuple[ViolationKind, str]] = attrs.field(factory=list)
    oracle: Oracle = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.oracle = Oracle(lambda kind, title, _lines, _by="": self.said.append((kind, title)))

    def thing(self, address: int = 0x1000) -> Thing:
        made = Thing(address)
        self.oracle.allocated(made)
        return made

    @property
    def kinds(self) -> list[str]:
        return [kind.value for kind, _ in self.said]


def test_who_was_open_when_it_was_retired_may_hold_it() -> None:
    bench = Bench()
    thing, reader = bench.thing(), bench.oracle.reader_enters("reader", "site")
    bench.oracle.retired(thing, 5)
    assert (thing.state, thing.retired_ns) == (RETIRED, 5)
    assert bench.oracle.freed([thing], "kfree") == [thing]
    assert bench.kinds == ["use-after-free"]
    bench.oracle.reader_leaves(reader)


def test_who_has_left_before_it_is_freed_does_not_hold_it() -> None:
    bench = Bench()
    thing, reader = bench.thing(), bench.oracle.reader_enters("reader", "site")
    bench.oracle.dereferenced(reader, thing)
    bench.oracle.retired(thing, 5)
    bench.oracle.reader_leaves(reader)
    bench.oracle.reader_leaves(reader)
    bench.oracle.freed([thing], "kfree")
    assert not bench.said
    assert thing.state == FREED


def test_who_came_after_it_was_retired_does_not_hold_it_unless_he_has_found_it() -> None:
    for finds in (False, True):
        bench = Bench()
        thing = bench.thing()
        bench.oracle.retired(thing, 5)
        reader = bench.oracle.reader_enters("reader", "site")
        if finds:
            bench.oracle.dereferenced(reader, thing)
        bench.oracle.freed([thing], "kfree")
        assert bench.kinds == (["use-after-free"] if finds else [])


def test_the_oldest_reader_decides_and_the_others_are_named() -> None:
    bench = Bench()
    texts: list[list[str]] = []
    oracle = Oracle(lambda _kind, _title, lines, _by="": texts.append(lines))
    thing = bench.thing()
    oracle.allocated(thing)
    first, second = oracle.reader_enters("first", "a"), oracle.reader_enters("second", "b")
    oracle.retired(thing, 0)
    oracle.reader_enters("third", "c")
    oracle.freed([thing], "kfree")
    assert [line for line in texts[0] if line.startswith("reader")] == [
        "reader first entered at a",
        "reader second entered at b",
    ]
    oracle.reader_leaves(first)
    oracle.reader_leaves(second)


def test_what_was_never_retired_is_held_by_who_dereferenced_it_only() -> None:
    for held in (False, True):
        bench = Bench()
        thing, other = bench.thing(), bench.thing(0x2000)
        reader = bench.oracle.reader_enters("reader", "site")
        bench.oracle.dereferenced(reader, thing if held else other)
        bench.oracle.freed([thing], "kfree")
        assert bench.kinds == (["use-after-free"] if held else [])


def test_an_address_that_was_used_before_is_another_object() -> None:
    bench = Bench()
    old, reader = bench.thing(), bench.oracle.reader_enters("reader", "site")
    bench.oracle.dereferenced(reader, old)
    bench.oracle.freed([old], "kfree")
    bench.said.clear()
    bench.oracle.freed([bench.thing()], "kfree")
    assert not bench.said


def test_a_use_binds_others_but_not_oneself() -> None:
    for freed_by in ("himself", "another"):
        bench = Bench()
        thing, reader = bench.thing(), bench.oracle.reader_enters("reader", "site")
        bench.oracle.used(reader, thing)
        bench.oracle.is_told_who_frees(lambda reader=reader, who=freed_by: reader if who == "himself" else None)
        bench.oracle.freed([thing], "kfree")
        assert bench.kinds == ([] if freed_by == "himself" else ["use-after-free"])


def test_a_use_after_the_free_is_told_with_and_without_a_reader() -> None:
    bench = Bench()
    thing = bench.thing()
    bench.oracle.freed([thing], "kfree")
    bench.oracle.dereferenced(None, thing)
    bench.oracle.used(bench.oracle.reader_enters("reader", "site"), thing)
    assert bench.kinds == ["use-after-free"] * 2


def test_retired_twice_freed_twice_retired_after_it_was_freed() -> None:
    bench = Bench()
    thing = bench.thing()
    bench.oracle.retired(thing, 1)
    bench.oracle.retired(thing, 2)
    assert bench.said[0][1].endswith("given to kvfree_rcu() again")
    assert thing.retired_ns == 1
    assert bench.oracle.freed([thing], "kfree") == [thing]
    assert bench.oracle.freed([thing], "kfree") == []
    bench.oracle.retired(thing, 3)
    assert bench.kinds == ["double-free"] * 3
    assert bench.said[-1][1].endswith("after it was freed")


def test_the_end_of_a_run_tells_what_was_lost_and_what_leaked() -> None:
    bench = Bench()
    lost, leaked = bench.thing(), bench.thing(0x2000)
    bench.oracle.retired(lost, 0)
    bench.oracle.end_of_run(machine_idle=False)
    assert bench.kinds == ["leak"]
    bench.oracle.end_of_run(machine_idle=True)
    assert bench.kinds[1:] == ["never-freed", "leak"]
    found = bench.oracle.statistics()
    assert (found.objects, found.bytes, leaked.state) == (2, 128, LIVE)


# -- the book: where a reader begins and ends ---------------------------------------------------------------


KERNELS: dict[str, dict[str, str]] = {
    "plain": {},
    "rt": {"PREEMPT_RT": "y"},
    "none": {"PREEMPT": "n"},
    "uncounted": {"PREEMPT": "n", "PROVE_LOCKING": "n"},
}


def readers(k: Kernel) -> int:
    return k.machine.oracle.statistics().sections


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("name", BY_NAME)
def test_a_region_by_name_is_a_reader_from_its_beginning_to_its_end(name: str, kernel: str) -> None:
    async def script(k: Kernel) -> None:
        for _ in range(2):
            before = k.machine.oracle.statistics().sections_entered
            await BY_NAME[name](k, True)
            await BY_NAME[name](k, True)
            assert readers(k) == 1
            await BY_NAME[name](k, False)
            assert readers(k) == (0 if name.startswith("local_irq") else 1)
            await BY_NAME[name](k, False)
            assert readers(k) == 0
            assert k.machine.oracle.statistics().sections_entered == before + 1

    assert run(scenario()(script), **KERNELS[kernel]).clean


@pytest.mark.parametrize("kernel", ["plain", "none"])
@pytest.mark.parametrize("second", ["preempt_disable", "local_irq_disable", "local_bh_disable", "rcu_read_lock"])
@pytest.mark.parametrize("first", ["preempt_disable", "local_irq_disable", "local_bh_disable", "rcu_read_lock"])
def test_what_overlaps_is_one_reader(first: str, second: str, kernel: str) -> None:
    async def script(k: Kernel) -> None:
        await BY_NAME[first](k, True)
        await BY_NAME[second](k, True)
        await BY_NAME[first](k, False)
        assert readers(k) == (1 if first != second or first != "local_irq_disable" else 0)
        await BY_NAME[second](k, False)
        assert readers(k) == 0
        assert k.machine.oracle.statistics().sections_entered == 1

    if {first, second} != {"local_bh_disable", "local_irq_disable"}:
        assert run(scenario()(script), **KERNELS[kernel]).clean


@pytest.mark.parametrize("lock", ["raw", "spin", "read", "write"])
def test_under_a_lock_the_first_dereference_opens_a_reader_that_the_unlock_ends(lock: str) -> None:
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)
        under = by_lock(k)[lock]
        await under(k, True)
        assert readers(k) == 0
        k.rcu_dereference_raw(p)
        assert readers(k) == 1
        await under(k, False)
        assert readers(k) == 0
        await k.kfree(p)

    assert run(scenario()(script)).clean


@pytest.mark.parametrize("where", ["hardirq", "nmi", "softirq"])
def test_a_handler_is_a_reader_of_its_own_on_top_of_the_one_that_it_interrupts(where: str) -> None:
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)
        seen: list[int] = []

        async def handler() -> None:
            k.rcu_dereference_raw(p)
            seen.append(readers(k))

        async def raise_softirq() -> None:
            await k.tasklet_schedule(handler)

        k.rcu_read_lock()
        if where == "nmi":
            await k.raise_nmi(handler)
        else:
            await k.raise_irq(handler if where == "hardirq" else raise_softirq)
        await k.udelay(10)
        assert seen == [2]
        assert readers(k) == 1
        k.rcu_read_unlock()
        assert readers(k) == 0
        await k.kfree(p)

    assert run(scenario()(script)).clean


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_reader_ends_with_its_thread(kernel: str) -> None:
    async def script(k: Kernel) -> None:
        async def leaks() -> None:
            k.rcu_read_lock()

        await k.kthread_join(await k.kthread_run(leaks, cpu=1))
        await k.msleep(10)
        assert readers(k) == 0
        # And so it does for RCU.
        await k.synchronize_rcu()

    found = run(scenario()(script), **KERNELS[kernel], kernel="v5.11").kinds
    assert found <= {ViolationKind.LOCK_HELD_AT_EXIT, ViolationKind.BAD_CONTEXT}
    assert bool(found) is (kernel != "uncounted")


@pytest.mark.parametrize("name", BY_NAME)
def test_who_sleeps_in_a_region_has_ended_it_unless_it_is_a_section(name: str) -> None:
    async def script(k: Kernel) -> None:
        await BY_NAME[name](k, True)
        await k.usleep_range(10, 10)
        assert readers(k) == int(name.startswith("rcu"))

    run(scenario()(script))


# -- what the book makes the oracle say -----------------------------------------------------------------------


@pytest.mark.parametrize("how", ["rcu_dereference_raw", "deref"])
@pytest.mark.parametrize("name", BY_NAME)
def test_kfree_at_once_under_a_reader_of_any_kind_is_a_use_after_free(name: str, how: str) -> None:
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)
        started = k.completion("started")

        async def reader() -> None:
            await BY_NAME[name](k, True)
            getattr(k, how)(p)
            await k.complete(started)
            await k.udelay(5000)
            await BY_NAME[name](k, False)

        async with k.open_nursery() as nursery:
            await nursery.start_soon(reader, cpu=1)
            await k.wait_for_completion(started)
            await k.kfree(p)

    assert run(scenario()(script)).kinds == {ViolationKind.USE_AFTER_FREE}


@pytest.mark.parametrize("where", ["hardirq", "softirq", "nmi", "raw lock"])
def test_kfree_at_once_under_a_handler_or_a_lock_that_dereferenced_it_is_one_too(where: str) -> None:
    async def script(k: Kernel, frees: bool = True) -> None:
        p = await k.kmalloc(64)
        lock, state = k.raw_spinlock("L"), [False]

        async def region() -> None:
            k.rcu_dereference_raw(p)
            state[0] = True
            await k.udelay(5000)

        async def reader() -> None:
            if where == "raw lock":
                await k.raw_spin_lock(lock)
                await region()
                await k.raw_spin_unlock(lock)
            elif where == "softirq":
                await k.tasklet_schedule(region)
            elif where == "nmi":
                await k.raise_nmi(region)
            else:
                await k.raise_irq(region)
            await k.udelay(10)

        async with k.open_nursery() as nursery:
            await nursery.start_soon(reader, cpu=1)
            while not state[0]:
                await k.cpu_relax()
            if frees:
                await k.kfree(p)
            else:
                await k.kvfree_rcu(p, "rcu")

    assert run(scenario()(script)).kinds == {ViolationKind.USE_AFTER_FREE}
    assert run(scenario()(script), frees="n").clean


def test_what_one_has_used_oneself_one_may_free() -> None:
    async def script(k: Kernel) -> None:
        lock = k.raw_spinlock("L")
        for name in BY_NAME:
            p, q = await k.kmalloc(64), await k.kmalloc(64)
            await BY_NAME[name](k, True)
            k.deref(p)
            await k.kfree(p)
            await BY_NAME[name](k, False)
            await k.raw_spin_lock(lock)
            k.rcu_dereference_raw(q)
            await k.kfree(q)
            await k.raw_spin_unlock(lock)

    assert run(scenario()(script)).clean


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("outer", ["spin", "read", "write", "local_bh_disable", "rcu_read_lock"])
def test_what_another_lock_keeps_may_be_freed_by_whoever_has_that_one(outer: str, kernel: str) -> None:
    """A lock is no reader by name, on PREEMPT_RT neither, where it opens a section of rcu_read_lock()."""

    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)
        keeps, done, within = k.spinlock("keeps"), k.completion("used"), (by_lock(k) | BY_NAME)[outer]

        async def user() -> None:
            await within(k, True)
            await k.spin_lock(keeps)
            k.deref(p)
            await k.spin_unlock(keeps)
            await k.complete(done)
            await k.udelay(3000)
            await within(k, False)

        async with k.open_nursery() as nursery:
            await nursery.start_soon(user, cpu=1)
            await k.wait_for_completion(done)
            await k.spin_lock(keeps)
            await k.spin_unlock(keeps)
            await k.kfree(p)

    found = run(scenario()(script), **KERNELS[kernel]).outcome()
    assert found == ("use-after-free" if outer in BY_NAME else "clean")


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("outer", ["nothing", "rcu_read_lock"])
def test_a_softirq_that_bottom_halves_held_up_may_free_what_was_used_meanwhile(outer: str, kernel: str) -> None:
    """local_bh_enable() of PREEMPT_RT serves it inside the section that its caller has ended (kernel/softirq.c)."""

    async def script(k: Kernel) -> None:
        p = await k.kmalloc(64)

        async def free() -> None:
            await k.kfree(p)

        if outer == "rcu_read_lock":
            k.rcu_read_lock()
        await k.local_bh_disable()
        await k.tasklet_schedule(free)
        k.rcu_dereference_raw(p)
        await k.udelay(1000)
        await k.local_bh_enable()
        if outer == "rcu_read_lock":
            k.rcu_read_unlock()
        await k.msleep(1)

    found = run(scenario()(script), **KERNELS[kernel]).outcome()
    assert found == ("clean" if outer == "nothing" else "use-after-free")


@pytest.mark.parametrize("rt", ["n", "y"])
@pytest.mark.parametrize("where", ["softirq", "lock"])
def test_what_was_used_in_a_handler_or_under_a_lock_may_be_freed_before_its_end(where: str, rt: str) -> None:
    """On PREEMPT_RT, too, where a spinlock_t, and so a softirq, is a read-side section: that is none by name."""

    @scenario()
    async def script(k: Kernel) -> None:
        p, lock, done = await k.kmalloc(64), k.spinlock("lock"), k.completion("done")

        async def uses() -> None:
            k.deref(p)
            await k.complete(done)
            await k.udelay(100)

        async def other() -> None:
            if where == "softirq":
                await k.tasklet_schedule(uses)
            else:
                await k.spin_lock(lock)
                await uses()
                await k.spin_unlock(lock)

        await k.kthread_run(other, cpu=1)
        await k.wait_for_completion(done)
        await k.kfree(p)

    assert run(script, PREEMPT_RT=rt).clean
