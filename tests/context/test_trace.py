"""context/trace.py: the kernel's functions by name, the scenario's lines by file and line, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from rcuactors import Kernel, ViolationKind
from rcuactors.context import trace
from rcuactors.context.waittype import WaitNumbers, WaitType
from rcuactors.testing import RcuLab


async def caller(k: Kernel) -> None:
    await helper(k)


async def helper(k: Kernel) -> None:
    k.preempt_disable()
    await k.synchronize_rcu()


def trace_of(rcu_lab: RcuLab, script: object) -> list[str]:
    text = rcu_lab.run(script, PROVE_LOCKING=False).violations[0].text  # type: ignore[arg-type]
    return [line.strip() for line in text.partition("Call Trace:\n")[2].splitlines()]


def test_a_trace_reads_like_the_kernels(rcu_lab: RcuLab) -> None:
    shown = trace_of(rcu_lab, caller)
    assert shown[-3:] == [
        f"helper (test_trace.py:{helper.__code__.co_firstlineno + 2})",
        f"caller (test_trace.py:{caller.__code__.co_firstlineno + 1})",
        "kthread",
    ]
    assert "synchronize_rcu" in shown
    assert not any(line.startswith("_") or "conductor" in line or "wrap" in line for line in shown)


async def waits(k: Kernel) -> None:
    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.cancel()
        k.preempt_disable()
        await trio.lowlevel.cancel_shielded_checkpoint()


def test_trios_own_frames_are_left_out(rcu_lab: RcuLab) -> None:
    assert trace_of(rcu_lab, waits) == [f"waits (test_trace.py:{waits.__code__.co_firstlineno + 4})", "kthread"]


def test_an_interrupts_trace_goes_on_into_who_was_interrupted(rcu_lab: RcuLab) -> None:
    async def interrupted(k: Kernel) -> None:
        async def irq() -> None:
            await k.msleep(1)

        await k.raise_irq(irq)

    shown = trace_of(rcu_lab, interrupted)
    names = [line.partition(" ")[0] for line in shown]
    assert names.index("irq") < names.index("interrupted")


@pytest.mark.parametrize("kind", ["", "_bh", "_sched"])
def test_a_readers_place_is_the_line_that_entered(rcu_lab: RcuLab, kind: str) -> None:
    """rcu_read_lock() is inline: a real 6.1 names its caller, `(rcu_read_lock){....}-{1:3}, at: runner.cold+0x52`."""

    async def reader(k: Kernel) -> None:
        p, lock = await k.kmalloc(64), k.mutex("m")
        if kind == "_bh":
            await k.rcu_read_lock_bh()
        else:
            getattr(k, f"rcu_read_lock{kind}")()
        await k.mutex_lock(lock)
        k.rcu_dereference(p)
        await k.kfree(p)

    first = reader.__code__.co_firstlineno
    place = f"reader (test_trace.py:{first + 3 if kind == '_bh' else first + 5})"
    found = rcu_lab.run(reader, PROVE_RAW_LOCK_NESTING=True).violations
    assert found[0].held[0].startswith(f"rcu_read_lock{kind} ")
    assert found[0].held[0].endswith(f" taken at {place}")
    assert f"(rcu_read_lock{kind}){{....}}-{{1:" in found[0].text
    assert f", at: {place}" in found[0].text
    assert found[0].preempt_disabled_at == (place if kind else "")
    freed = next(violation for violation in found if violation.kind is ViolationKind.USE_AFTER_FREE)
    assert f"reader reader/20 entered at {place}" in freed.text


def test_a_thread_that_ends_badly_is_told_of_by_do_exit(rcu_lab: RcuLab) -> None:
    async def leaks(k: Kernel) -> None:
        k.preempt_disable()

    (found,) = rcu_lab.run(leaks).violations
    assert found.trace == ("do_exit", "kthread")
    assert found.line == "do_exit"


def test_a_scenario_beside_the_package_with_a_longer_name_is_a_scenario(tmp_path: Path) -> None:
    path = Path(trace.__file__).parent.parent.parent / "rcuactors-scenarios" / "mine.py"
    code = compile("def mine(): pass", str(path), "exec").co_consts[0]
    assert trace.site_of(code, 7) == "mine (mine.py:7)"


def test_the_innermost_scenario_line_is_named() -> None:
    assert trace.scenario_line(["mutex_lock", "f (a.py:3)", "g (b.py:4)"]) == "a.py:3"
    assert trace.scenario_line(["schedule"]) == "schedule"
    assert trace.scenario_line([]) == "?"


@pytest.mark.parametrize(("proved", "numbers"), [(True, [0, 1, 2, 3, 4, 5]), (False, [0, 1, 2, 2, 3, 4])])
def test_wait_types_have_the_kernels_numbers(proved: bool, numbers: list[int]) -> None:
    """include/linux/lockdep_types.h: LD_WAIT_CONFIG is LD_WAIT_SPIN without PROVE_RAW_LOCK_NESTING."""
    order = (WaitType.INV, WaitType.FREE, WaitType.SPIN, WaitType.CONFIG, WaitType.SLEEP, WaitType.MAX)
    assert [WaitNumbers(proved).of(wait) for wait in order] == numbers
