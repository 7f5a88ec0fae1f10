"""KCSAN: plain accesses that nothing orders, and all that does (kernel/kcsan.py)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rcuactors import Kernel, KernelBug, Result, run, scenario

Side = Callable[[Kernel, Any], Awaitable[None]]


def two_cpus(left: Side, right: Side, after_us: int = 100, **settings: Any) -> Result:
    """The one on CPU 0 and the other, somewhat later, on CPU 1, with an object of both."""

    @scenario()
    async def script(k: Kernel) -> None:
        foo = k.struct(
            "foo",
            value=0,
            flag=0,
            next=None,
            lock=k.spinlock,
            mutex=k.mutex,
            count=k.atomic_t,
            refs=k.refcount_t,
            done=k.completion,
            queue=k.wait_queue_head,
            seq=k.seqlock_t,
            node=k.list_head,
            rcu=k.rcu_head,
        )
        p = await k.kmalloc(foo)

        async def second() -> None:
            await k.udelay(after_us)
            await right(k, p)

        async with k.open_nursery() as nursery:
            await nursery.start_soon(second, cpu=1)
            await left(k, p)
        await k.kfree(p)

    return run(script, KCSAN=True, **settings)


async def write(_k: Kernel, p: Any) -> None:
    p.value = 7


async def write_the_same(_k: Kernel, p: Any) -> None:
    p.value = 0


async def increment(_k: Kernel, p: Any) -> None:
    p.value += 1


async def read(_k: Kernel, p: Any) -> None:
    _ = p.value


async def read_once(k: Kernel, p: Any) -> None:
    k.READ_ONCE(p, "value")


async def write_once(k: Kernel, p: Any) -> None:
    k.WRITE_ONCE(p, "value", 7)


async def other_field(_k: Kernel, p: Any) -> None:
    p.flag = 7


RACES: list[tuple[Side, Side, bool, bool]] = [
    (write, read, True, True),
    (read, write, True, True),
    (increment, increment, True, True),
    (increment, read, True, True),
    (write, write, False, True),
    (write_the_same, read, False, True),
    (read, write_the_same, False, True),
    (read, read, False, False),
    (write, read_once, False, False),
    (write_once, write_once, False, False),
    (write_once, read, False, False),
    (other_field, read, False, False),
]
"""Two sides, whether KCSAN reports them, and whether with KCSAN_STRICT."""


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    ("left", "right", "told", "told_strictly"), RACES, ids=lambda value: getattr(value, "__name__", "")
)
def test_two_plain_accesses_of_two_cpus(left: Side, right: Side, told: bool, told_strictly: bool, strict: bool) -> None:
    result = two_cpus(left, right, KCSAN_STRICT=strict)
    assert result.outcome() == ("data-race" if (told_strictly if strict else told) else "clean")


def test_without_kcsan_nobody_says_anything() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(k.struct("foo", value=0))
        async with k.open_nursery() as nursery:
            await nursery.start_soon(increment, k, p, cpu=1)
            await increment(k, p)
        await k.kfree(p)

    assert run(script).clean
    assert run(script, KCSAN=True).outcome() == "data-race"


def test_the_report_is_the_kernels() -> None:
    (found,) = two_cpus(write, read).violations
    lines = found.text.splitlines()
    assert lines[0] == lines[-1] == "=" * 66
    assert lines[1] == found.title
    assert found.title.startswith("BUG: KCSAN: data-race in read (test_kcsan.py:")
    assert " / write (test_kcsan.py:" in found.title
    assert lines[3].startswith("read to 0xffff888")
    assert lines[3].endswith(" of 8 bytes by task 21 on cpu 1:")
    assert lines[4].startswith(" read (test_kcsan.py:")
    written = next(line for line in lines if line.startswith("write to "))
    assert written.endswith(" of 8 bytes by task 20 on cpu 0:")
    assert "Reported by Kernel Concurrency Sanitizer on:" in lines
    assert found.by == "kernel"
    assert "value changed: 0 -> 7" in two_cpus(read, write).violations[0].text


def test_a_pair_of_places_is_told_once_in_three_seconds() -> None:
    def often(ms: int) -> Side:
        async def increments(k: Kernel, p: Any) -> None:
            for _ in range(3):
                p.value += 1
                await k.msleep(ms)

        return increments

    few, many = (len(two_cpus(often(ms), often(ms)).violations) for ms in (1, 4000))
    assert few < many


def test_panic_on_warn_ends_the_run_there() -> None:
    with pytest.raises(KernelBug, match="KCSAN: data-race"):
        two_cpus(write, read, panic_on_warn=True)


def test_a_handler_and_what_it_interrupts_are_of_one_cpu() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(k.struct("foo", value=0))

        async def handler() -> None:
            p.value += 1

        p.value += 1
        await k.raise_irq(handler)
        await k.udelay(10)
        p.value += 1
        await k.raise_irq(handler, cpu=1)
        await k.udelay(10)
        p.value += 1
        await k.kfree(p)

    (found,) = run(script, KCSAN=True).violations
    assert " by interrupt on cpu 1:" in found.text


def test_what_a_variable_of_the_scenario_points_to_is_known_to_who_dereferences_it_first() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        config: Any = None

        async def reads() -> None:
            await k.udelay(100)
            with k.rcu_reader():
                _ = k.rcu_dereference(config).value

        async with k.open_nursery() as nursery:
            await nursery.start_soon(reads, cpu=1)
            new = await k.kmalloc(k.struct("foo", value=0))
            new.value = 7
            config = new
            await k.udelay(200)
            new.value = 8  # in place, with a reader there
        await k.kfree(config)

    (found,) = run(script, KCSAN=True).violations
    assert "value changed: 7 -> 8" in found.text


def test_lists_are_changed_under_a_lock_and_read_under_rcu() -> None:
    def script_of(lock: bool) -> Result:
        @scenario()
        async def script(k: Kernel) -> None:
            foos, spin = k.list_head("foos"), k.spinlock("spin")
            foo = k.struct("foo", value=0, node=k.list_head, rcu=k.rcu_head)

            async def adds(delay_us: int) -> None:
                await k.udelay(delay_us)
                p = await k.kmalloc(foo)
                p.value = 3
                if lock:
                    await k.spin_lock(spin)
                k.list_add_rcu(p.node, foos)
                if lock:
                    await k.spin_unlock(spin)
                await k.udelay(20)
                with k.rcu_reader():
                    for each in k.list_for_each_entry_rcu(foos, "node"):
                        _ = each.value

            async with k.open_nursery() as nursery:
                await nursery.start_soon(adds, 5, cpu=1)
                await adds(10)
            for p in k.list_for_each_entry_safe(foos, "node"):
                k.list_del_rcu(p.node)
                await k.kfree_rcu(p, "rcu")

        return run(script, KCSAN=True)

    assert script_of(True).clean
    assert "data-race" in script_of(False).outcome()
