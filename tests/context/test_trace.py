"""context/trace.py: the kernel's functions by name, the scenario's lines by file and line, and nothing else."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from typing import Any

import pytest
import trio

from rcuactors import Kernel, ViolationKind
from rcuactors.context import trace
from rcuactors.context.waittype import WaitNumbers, WaitType
from rcuactors.marks import Mark, inline, machinery, stands_for
from rcuactors.testing import RcuLab

Decorator = Callable[[Any], Any] | None


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

    (found,) = rcu_lab.run(leaks, kernel="v5.11").violations
    assert found.trace == ("do_exit", "kthread")
    assert found.line == "do_exit"


def run_in(names: dict[str, Any], source: str, function: str) -> None:
    """Call a function of a module that has these names."""
    exec(compile(source, "somewhere/mine.py", "exec"), names)  # noqa: S102 - it is the module that is tested
    names[function]()


def trace_in(names: dict[str, Any], source: str, function: str = "f") -> list[str]:
    """The trace from where it calls `look()` to this test."""
    said: list[list[str]] = []
    names["look"] = lambda: said.append(trace.call_trace(sys._getframe(1)))
    run_in(names, source, function)
    return list(itertools.takewhile(lambda line: not line.startswith("run_in"), said[0]))


def place_in(names: dict[str, Any], source: str, function: str = "f") -> str:
    """The place of whatever calls `look()`."""
    said: list[str] = []
    names["look"] = lambda: said.append(trace.caller_site())
    run_in(names, source, function)
    return said[0]


PLAIN = "def f():\n    look()\n"
DEEP = "def f():\n    _g()\n\ndef _g():\n    h()\n\ndef h():\n    look()\n"


@pytest.mark.parametrize(
    ("names", "source", "shown"),
    [
        ({}, PLAIN, ["f (mine.py:2)"]),
        ({"__name__": "f", "__package__": ""}, PLAIN, ["f (mine.py:2)"]),
        ({"__trace__": "somebody's own"}, PLAIN, ["f (mine.py:2)"]),
        ({"__trace__": Mark.KERNEL}, PLAIN, ["f"]),
        ({"__trace__": Mark.KERNEL}, DEEP, ["h", "f"]),
        ({"__trace__": Mark.LOCKING}, DEEP, ["h", "f"]),
        ({"__trace__": Mark.MACHINERY}, DEEP, []),
        ({"__name__": "rcuactors.mm.new", "__package__": "rcuactors.mm"}, PLAIN, ["f"]),
        ({"__name__": "rcuactors.mm.new.room", "__package__": "rcuactors.mm.new"}, PLAIN, ["f (mine.py:2)"]),
        ({"__name__": "rcuactors.mm", "__package__": "rcuactors.mm"}, PLAIN, []),
        ({"__name__": "rcuactors.new", "__package__": "rcuactors"}, PLAIN, []),
        ({"__name__": "elsewhere.new", "__package__": "elsewhere"}, PLAIN, ["f (mine.py:2)"]),
    ],
)
def test_a_module_says_what_its_functions_are_and_else_the_package_around_it(
    names: dict[str, Any], source: str, shown: list[str]
) -> None:
    assert trace_in(dict(names), source) == shown


def test_a_bottom_ends_a_trace_and_a_place() -> None:
    assert trace_in({"__trace__": Mark.BOTTOM}, PLAIN) == []
    assert place_in({"__trace__": Mark.BOTTOM}, DEEP) == "swapper"


@pytest.mark.parametrize(
    ("decorator", "in_trace", "as_place"),
    [
        (None, ["f", "g"], "f"),
        (machinery, ["g"], "g"),
        (inline, ["f", "g"], "g"),
        (stands_for("rmqueue_pcplist"), ["rmqueue_pcplist", "g"], "rmqueue_pcplist"),
    ],
)
def test_a_function_may_differ_from_its_module(decorator: Decorator, in_trace: list[str], as_place: str) -> None:
    names: dict[str, Any] = {"__trace__": Mark.KERNEL, "mark": decorator or (lambda function: function)}
    source = "@mark\ndef f():\n    look()\n\ndef g():\n    f()\n"
    assert trace_in(dict(names), source, "g") == in_trace
    assert place_in(names, source, "g") == as_place


def test_a_helper_can_stand_for_a_kernel_function_in_a_module_of_machinery() -> None:
    names = {"__trace__": Mark.MACHINERY, "mark": stands_for("rmqueue_pcplist")}
    assert trace_in(names, "@mark\ndef _f():\n    look()\n\ndef g():\n    _f()\n", "g") == ["rmqueue_pcplist"]


def test_a_mark_leaves_the_function_as_it_is() -> None:
    def f() -> None: ...

    assert inline(f) is machinery(f) is stands_for("other")(f) is f
    assert f.__dict__ == {}


def test_two_functions_that_are_equal_as_code_keep_their_own_marks() -> None:
    """Code objects are compared by what they do, not by the file that they came from."""
    own: dict[str, Any] = {"__trace__": Mark.KERNEL, "mark": stands_for("other")}
    foreign: dict[str, Any] = {"__trace__": Mark.KERNEL, "mark": lambda function: function}
    source = "@mark\ndef f():\n    look()\n"
    assert trace_in(own, source) == ["other"]
    assert trace_in(foreign, source) == ["f"]
    assert own["f"].__code__ == foreign["f"].__code__


def test_unlocking_is_told_by_who_called_into_the_locks() -> None:
    """_RET_IP_ of an unlock: helpers and the lock's own functions are looked through, other kernel functions not."""
    said: list[str] = []
    locks: dict[str, Any] = {"__trace__": Mark.LOCKING, "look": lambda: said.append(trace.site_of_unlock())}
    run_in(locks, DEEP, "f")
    run_in({"__trace__": Mark.KERNEL, "locks_f": locks["f"]}, "def user():\n    locks_f()\n", "user")
    assert said[0].startswith("run_in (test_trace.py:")
    assert said[1:] == ["user"]


def test_an_origin_is_told_by_line() -> None:
    origin = trace.origin_of(sys._getframe())
    line = test_an_origin_is_told_by_line.__code__.co_firstlineno + 1
    assert trace.site_of(origin) == f"test_an_origin_is_told_by_line (test_trace.py:{line})"


def test_the_innermost_scenario_line_is_named() -> None:
    assert trace.scenario_line(["mutex_lock", "f (a.py:3)", "g (b.py:4)"]) == "a.py:3"
    assert trace.scenario_line(["schedule"]) == "schedule"
    assert trace.scenario_line([]) == "?"


@pytest.mark.parametrize(("proved", "numbers"), [(True, [0, 1, 2, 3, 4, 5]), (False, [0, 1, 2, 2, 3, 4])])
def test_wait_types_have_the_kernels_numbers(proved: bool, numbers: list[int]) -> None:
    """include/linux/lockdep_types.h: LD_WAIT_CONFIG is LD_WAIT_SPIN without PROVE_RAW_LOCK_NESTING."""
    order = (WaitType.INV, WaitType.FREE, WaitType.SPIN, WaitType.CONFIG, WaitType.SLEEP, WaitType.MAX)
    assert [WaitNumbers(proved).of(wait) for wait in order] == numbers


def test_a_trace_that_is_kept_reads_as_it_would_have_been_told() -> None:
    def told() -> tuple[list[str], trace.KeptTrace]:
        return trace.call_trace(), trace.keep_trace()

    def elsewhere() -> None:
        """The place of this call is further down, and is told no more when the kept one is read."""

    lines, kept = told()
    elsewhere()
    assert kept.lines() == lines
    assert any(line.startswith("told (test_trace.py:") for line in lines)
    assert trace.KeptTrace().lines() == []
