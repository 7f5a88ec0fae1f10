"""context/splat.py: the layouts of the kernel's reports, line by line, against its source and real reports.

The REAL_ texts are heads of reports that a 6.1.192 kernel printed when a test module in it did what the scenario of
the test does.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest

from rcuactors import Kernel
from rcuactors.testing import RcuLab

Script = Callable[[Kernel], Awaitable[None]]

BAR = "=" * 29
REAL_INVALID_WAIT_RAW_SPIN = """
=============================
[ BUG: Invalid wait context ]
6.1.192 #1 Tainted: G           O
-----------------------------
nest_runner/41 is trying to lock:
ffffffffa00032f8 (op_spin){....}-{3:3}, at: body+0x237/0x7d0 [nest]
other info that might help us debug this:
context-{5:5}
1 lock held by nest_runner/41:
 #0: ffffffffa00034d8 (ctx_raw){+.+.}-{2:2}, at: runner.cold+0x388/0xc96 [nest]
stack backtrace:
CPU: 1 PID: 41 Comm: nest_runner Tainted: G           O       6.1.192 #1
Call Trace:
"""
REAL_INVALID_WAIT_HARDIRQ_SPIN = """
=============================
[ BUG: Invalid wait context ]
6.1.192 #1 Tainted: G           O
-----------------------------
nest_runner/41 is trying to lock:
ffffffffa00032f8 (op_spin){....}-{3:3}, at: body+0x237/0x7d0 [nest]
other info that might help us debug this:
context-{2:2}
no locks held by nest_runner/41.
stack backtrace:
CPU: 1 PID: 41 Comm: nest_runner Tainted: G           O       6.1.192 #1
Call Trace:
"""
REAL_SLEEPING_RAW_MUTEX = """\
BUG: sleeping function called from invalid context at kernel/locking/mutex.c:580
in_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: 41, name: nest_runner
preempt_count: 1, expected: 0
RCU nest depth: 0, expected: 0
1 lock held by nest_runner/41:
 #0: ffffffffa00034d8 (ctx_raw){+.+.}-{2:2}, at: runner.cold+0x388/0xc96 [nest]
CPU: 1 PID: 41 Comm: nest_runner Tainted: G           O       6.1.192 #1
Call Trace:
"""
REAL_SLEEPING_RCU_MUTEX = """\
BUG: sleeping function called from invalid context at kernel/locking/mutex.c:580
in_atomic(): 0, irqs_disabled(): 0, non_block: 0, pid: 41, name: nest_runner
preempt_count: 0, expected: 0
RCU nest depth: 1, expected: 0
1 lock held by nest_runner/41:
 #0: ffffffff81c0f1a0 (rcu_read_lock){....}-{1:3}, at: runner.cold+0x52/0xc96 [nest]
CPU: 1 PID: 41 Comm: nest_runner Tainted: G           O       6.1.192 #1
Call Trace:
"""
REAL_SCHEDULING_PREEMPT_OFF = """\
BUG: scheduling while atomic: nest_runner/41/0x00000002
no locks held by nest_runner/41.
Modules linked in: nest(O)
CPU: 1 PID: 41 Comm: nest_runner Tainted: G        W  O       6.1.192 #1
Call Trace:
"""


async def raw_spin(k: Kernel) -> None:
    await k.raw_spin_lock(k.raw_spinlock("ctx_raw"))
    await k.spin_lock(k.spinlock("op_spin"))


async def hardirq_spin(k: Kernel) -> None:
    async def irq() -> None:
        await k.spin_lock(k.spinlock("op_spin"))

    await k.raise_irq(irq)
    await k.udelay(5)


async def raw_mutex(k: Kernel) -> None:
    await k.raw_spin_lock(k.raw_spinlock("ctx_raw"))
    await k.mutex_lock(k.mutex("op_mutex"))


async def rcu_mutex(k: Kernel) -> None:
    with k.rcu_reader():
        await k.mutex_lock(k.mutex("op_mutex"))


async def preempt_off_sleep(k: Kernel) -> None:
    k.preempt_disable()
    await k.msleep(1)


def first_report(rcu_lab: RcuLab, script: Script, start: str, **settings: object) -> str:
    """The first report that begins with a text, of a script in a thread called nest_runner on CPU 1."""

    async def main(k: Kernel) -> None:
        async with k.open_nursery() as nursery:
            await nursery.start_soon(script, k, cpu=1, name="nest_runner")

    result = rcu_lab.run(main, **{"kernel": "v5.11", **settings})
    return next(violation.text for violation in result.violations if violation.title.startswith(start))


def shape(text: str) -> list[str]:
    """A report's head up to its call trace, without what differs between two machines that do the same."""
    head = text.partition("Call Trace:")[0]
    # Printed by kernels with DEBUG_PREEMPT, which the recorded ones were not.
    head = re.sub(r"Preemption disabled at:\n .*\n", "", head)
    for pattern, same in (
        (r"\b[0-9a-f]{16}\b", "ADDRESS"),
        (r"at: .*", "at: SITE"),
        (r"context at \S+", "context at SITE"),
        (r"(nest_runner/|PID: |pid: )\d+", r"\1PID"),
        (r"^\d+\.\d+\.\d+ #1 (Tainted: [A-Z ]+|Not tainted)$", "RELEASE TAINT"),
        (r"(Tainted: [A-Z ]+?|Not tainted) +\d+\.\d+\.\d+ #1 *$", "TAINT RELEASE"),
        (r"Modules linked in:.*", "Modules linked in:"),
    ):
        head = re.sub(pattern, same, head, flags=re.MULTILINE)
    return head.splitlines()


@pytest.mark.parametrize(
    ("script", "start", "settings", "real"),
    [
        pytest.param(raw_spin, "BUG: Invalid", {"PROVE_RAW_LOCK_NESTING": True}, REAL_INVALID_WAIT_RAW_SPIN),
        pytest.param(
            hardirq_spin,
            "BUG: Invalid",
            {"kernel": "v6.1-stable", "PROVE_RAW_LOCK_NESTING": True},
            REAL_INVALID_WAIT_HARDIRQ_SPIN,
        ),
        (
            raw_mutex,
            "BUG: sleeping",
            {"PROVE_RAW_LOCK_NESTING": True, "DEBUG_ATOMIC_SLEEP": True},
            REAL_SLEEPING_RAW_MUTEX,
        ),
        pytest.param(
            rcu_mutex,
            "BUG: sleeping",
            {"PROVE_RAW_LOCK_NESTING": True, "DEBUG_ATOMIC_SLEEP": True},
            REAL_SLEEPING_RCU_MUTEX,
        ),
        (preempt_off_sleep, "BUG: scheduling", {"PROVE_RAW_LOCK_NESTING": True}, REAL_SCHEDULING_PREEMPT_OFF),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_the_head_of_a_report_is_what_a_real_kernel_printed(
    rcu_lab: RcuLab, script: Script, start: str, settings: dict[str, object], real: str
) -> None:
    assert shape(first_report(rcu_lab, script, start, **settings)) == shape(real)


def lines_of(text: str) -> list[str]:
    return re.sub(r"\b[0-9a-f]{16}\b", "ADDRESS", text).splitlines()


def site(function: Callable[..., object], offset: int) -> str:
    code = function.__code__  # type: ignore[attr-defined]
    return f"{code.co_name} (test_splat.py:{code.co_firstlineno + offset})"


def test_invalid_wait_context(rcu_lab: RcuLab) -> None:
    """print_lock_invalid_wait_context(), with the site of each lock and the trace down to the scenario's line."""
    text = first_report(rcu_lab, raw_spin, "BUG: Invalid", PROVE_RAW_LOCK_NESTING=True)
    assert lines_of(text) == [
        "",
        BAR,
        "[ BUG: Invalid wait context ]",
        "5.11.0 #1 Not tainted",
        "-" * 29,
        "nest_runner/21 is trying to lock:",
        f"ADDRESS (op_spin){{....}}-{{3:3}}, at: {site(raw_spin, 2)}",
        "other info that might help us debug this:",
        "context-{5:5}",
        "1 lock held by nest_runner/21:",
        f" #0: ADDRESS (ctx_raw){{+.+.}}-{{2:2}}, at: {site(raw_spin, 1)}",
        "stack backtrace:",
        "CPU: 1 PID: 21 Comm: nest_runner Not tainted 5.11.0 #1",
        "Call Trace:",
        " spin_lock",
        f" {site(raw_spin, 2)}",
        " kthread",
    ]


def test_scheduling_while_atomic(rcu_lab: RcuLab) -> None:
    """__schedule_bug(): the count is that of the kernel, which has already disabled preemption once more."""
    text = first_report(rcu_lab, preempt_off_sleep, "BUG: scheduling")
    assert lines_of(text)[:7] == [
        "BUG: scheduling while atomic: nest_runner/21/0x00000002",
        "no locks held by nest_runner/21.",
        "Modules linked in:",
        "Preemption disabled at:",
        f" {site(preempt_off_sleep, 1)}",
        "CPU: 1 PID: 21 Comm: nest_runner Not tainted 5.11.0 #1",
        "Call Trace:",
    ]
    assert lines_of(text)[-2:] == [f" {site(preempt_off_sleep, 2)}", " kthread"]


def test_sleeping_function(rcu_lab: RcuLab) -> None:
    """__might_resched()."""
    text = first_report(rcu_lab, raw_mutex, "BUG: sleeping", DEBUG_ATOMIC_SLEEP=True)
    line = site(raw_mutex, 2).partition("(")[2].removesuffix(")")
    assert lines_of(text) == [
        f"BUG: sleeping function called from invalid context at {line}",
        "in_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: 21, name: nest_runner",
        "preempt_count: 1, expected: 0",
        "RCU nest depth: 0, expected: 0",
        "1 lock held by nest_runner/21:",
        f" #0: ADDRESS (ctx_raw){{+.+.}}-{{2:2}}, at: {site(raw_mutex, 1)}",
        "Preemption disabled at:",
        f" {site(raw_mutex, 1)}",
        "CPU: 1 PID: 21 Comm: nest_runner Not tainted 5.11.0 #1",
        "Call Trace:",
        " mutex_lock",
        f" {site(raw_mutex, 2)}",
        " kthread",
    ]


def test_sleeping_function_without_preempt_rcu_and_lockdep(rcu_lab: RcuLab) -> None:
    text = first_report(
        rcu_lab, raw_mutex, "BUG: sleeping", DEBUG_ATOMIC_SLEEP=True, PREEMPT=False, PROVE_LOCKING=False
    )
    assert "RCU nest depth" not in text
    assert "held by" not in text


async def recursion(k: Kernel) -> None:
    one, other = k.mutex("same"), k.mutex("same")
    await k.mutex_lock(one)
    await k.mutex_lock(other)


def test_recursive_locking(rcu_lab: RcuLab) -> None:
    """print_deadlock_bug()."""
    text = first_report(rcu_lab, recursion, "WARNING: possible recursive")
    assert lines_of(text) == [
        "",
        "=" * 44,
        "WARNING: possible recursive locking detected",
        "5.11.0 #1 Not tainted",
        "-" * 44,
        "nest_runner/21 is trying to acquire lock:",
        f"ADDRESS (same){{+.+.}}-{{3:3}}, at: {site(recursion, 3)}",
        "",
        "but task is already holding lock:",
        f"ADDRESS (same){{+.+.}}-{{3:3}}, at: {site(recursion, 2)}",
        "",
        "other info that might help us debug this:",
        " Possible unsafe locking scenario:",
        "",
        "       CPU0",
        "       ----",
        "  lock(same);",
        "  lock(same);",
        "",
        " *** DEADLOCK ***",
        "",
        " May be due to missing lock nesting notation",
        "",
        "1 lock held by nest_runner/21:",
        f" #0: ADDRESS (same){{+.+.}}-{{3:3}}, at: {site(recursion, 2)}",
        "",
        "stack backtrace:",
        "CPU: 1 PID: 21 Comm: nest_runner Not tainted 5.11.0 #1",
        "Call Trace:",
        " mutex_lock",
        f" {site(recursion, 3)}",
        " kthread",
    ]


async def irqs_off_sleep(k: Kernel) -> None:
    k.local_irq_disable()
    k.might_sleep()


def test_reports_with_interrupts_off_say_since_where(rcu_lab: RcuLab) -> None:
    text = first_report(rcu_lab, irqs_off_sleep, "BUG: sleeping", DEBUG_ATOMIC_SLEEP=True)
    assert "in_atomic(): 0, irqs_disabled(): 1," in text
    assert f"hardirqs last disabled at:\n {site(irqs_off_sleep, 1)}\n" in text


async def many_locks(k: Kernel) -> None:
    for number in range(3):
        await k.mutex_lock(k.mutex(f"m{number}"))
    k.preempt_disable()
    k.might_sleep()


def test_held_locks_are_counted_and_numbered(rcu_lab: RcuLab) -> None:
    text = first_report(rcu_lab, many_locks, "BUG: sleeping", DEBUG_ATOMIC_SLEEP=True)
    lines = lines_of(text)
    at = lines.index("3 locks held by nest_runner/21:")
    for number, line in enumerate(lines[at + 1 : at + 4]):
        assert line.startswith(f" #{number}: ADDRESS (m{number}){{")
