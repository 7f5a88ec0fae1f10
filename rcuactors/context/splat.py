"""The texts of the kernel's reports, in the kernel's layout and print order.

From kernel/locking/lockdep.c, kernel/sched/core.c, lib/dump_stack.c. Pure functions from what was found to lines of
text. Where the kernel prints symbol+offset, these print the function's name, and file and line when the function is
the scenario's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from .waittype import WaitNumbers

if TYPE_CHECKING:
    from .context import Context
    from .locks import Lock


@attrs.frozen
class Ident:
    """The kernel's name in a report: release, and the first word of its version."""

    release: str
    version: str = "#1"

    def line(self) -> str:
        """`<release> <version> <taint text>`."""
        return f"{self.release} {self.version} Not tainted"


def lock_text(lock: Lock, site: str, numbers: WaitNumbers) -> str:
    """print_lock(): instance, class name, usage, wait types, where it was taken."""
    lock_class = lock.lock_class
    inner = numbers.of(lock_class.inner)
    outer = numbers.of(lock_class.outer) if lock_class.outer is not None else inner
    return f"{lock.address:016x} ({lock.name}){{{lock_class.usage()}}}-{{{outer}:{inner}}}, at: {site}"


def held_locks(ctx: Context, numbers: WaitNumbers, skip_last: bool = False) -> list[str]:
    """lockdep_print_held_locks()."""
    held = list(zip(ctx.held, ctx.held_sites, strict=True))
    if skip_last and held:
        held.pop()
    if not held:
        return [f"no locks held by {ctx.comm}/{ctx.pid}."]
    plural = "s" if len(held) > 1 else ""
    head = f"{len(held)} lock{plural} held by {ctx.comm}/{ctx.pid}:"
    return [head, *(f" #{index}: {lock_text(lock, site, numbers)}" for index, (lock, site) in enumerate(held))]


def dump_stack(ctx: Context, cpu_id: int, ident: Ident, trace: list[str]) -> list[str]:
    """dump_stack(): who and where."""
    head = f"CPU: {cpu_id} PID: {ctx.pid} Comm: {ctx.comm} Not tainted {ident.release} {ident.version}"
    return [head, "Call Trace:", *(f" {line}" for line in trace)]


def invalid_wait_context(
    ctx: Context, cpu_id: int, ident: Ident, numbers: WaitNumbers, lock: Lock, site: str, limit: int, trace: list[str]
) -> str:
    """print_lock_invalid_wait_context()."""
    bar = "=" * 29
    return "\n".join(
        [
            "",
            bar,
            "[ BUG: Invalid wait context ]",
            ident.line(),
            "-" * 29,
            f"{ctx.comm}/{ctx.pid} is trying to lock:",
            lock_text(lock, site, numbers),
            "other info that might help us debug this:",
            f"context-{{{limit}:{limit}}}",
            *held_locks(ctx, numbers),
            "stack backtrace:",
            *dump_stack(ctx, cpu_id, ident, trace),
        ]
    )


def recursive_locking(
    ctx: Context, cpu_id: int, ident: Ident, numbers: WaitNumbers, lock: Lock, site: str, trace: list[str]
) -> str:
    """print_deadlock_bug()."""
    index = max(at for at, held in enumerate(ctx.held) if held.lock_class is lock.lock_class)
    return "\n".join(
        [
            "",
            "=" * 44,
            "WARNING: possible recursive locking detected",
            ident.line(),
            "-" * 44,
            f"{ctx.comm}/{ctx.pid} is trying to acquire lock:",
            lock_text(lock, site, numbers),
            "",
            "but task is already holding lock:",
            lock_text(ctx.held[index], ctx.held_sites[index], numbers),
            "",
            "other info that might help us debug this:",
            " Possible unsafe locking scenario:",
            "",
            "       CPU0",
            "       ----",
            f"  lock({lock.name});",
            f"  lock({lock.name});",
            "",
            " *** DEADLOCK ***",
            "",
            " May be due to missing lock nesting notation",
            "",
            *held_locks(ctx, numbers),
            "",
            "stack backtrace:",
            *dump_stack(ctx, cpu_id, ident, trace),
        ]
    )


def bad_unlock(ctx: Context, cpu_id: int, ident: Ident, numbers: WaitNumbers, lock: Lock, trace: list[str]) -> str:
    """print_unlock_imbalance_bug()."""
    return "\n".join(
        [
            "",
            "=" * 37,
            "WARNING: bad unlock balance detected!",
            ident.line(),
            "-" * 37,
            f"{ctx.comm}/{ctx.pid} is trying to release lock ({lock.name}) at:",
            trace[0] if trace else "?",
            "but there are no more locks to release!" if not ctx.held else "but that lock is not held!",
            "",
            "other info that might help us debug this:",
            *held_locks(ctx, numbers),
            "",
            "stack backtrace:",
            *dump_stack(ctx, cpu_id, ident, trace),
        ]
    )


def _disabled_at(ctx: Context) -> list[str]:
    lines: list[str] = []
    if ctx.irqs_disabled and ctx.irqs_disabled_at:
        lines += ["hardirqs last disabled at:", f" {ctx.irqs_disabled_at}"]
    if ctx.preempt_count and ctx.preempt_disabled_at:
        lines += ["Preemption disabled at:", f" {ctx.preempt_disabled_at}"]
    return lines


def _locks_if_tracked(ctx: Context, numbers: WaitNumbers | None) -> list[str]:
    return held_locks(ctx, numbers) if numbers is not None else []


def scheduling_while_atomic(
    ctx: Context, cpu_id: int, ident: Ident, numbers: WaitNumbers | None, trace: list[str]
) -> str:
    """__schedule_bug(). The count printed includes schedule()'s own preempt_disable(), as the kernel's does."""
    return "\n".join(
        [
            f"BUG: scheduling while atomic: {ctx.comm}/{ctx.pid}/0x{ctx.preempt_count + 1:08x}",
            *_locks_if_tracked(ctx, numbers),
            "Modules linked in:",
            *_disabled_at(ctx),
            *dump_stack(ctx, cpu_id, ident, trace),
        ]
    )


@attrs.frozen(kw_only=True)
class SleepCheck:
    """What __might_resched() was asked: where, and whether the kernel has PREEMPT_RCU's nesting depth to print."""

    where: str
    preempt_rcu: bool
    expected_rcu_depth: int = 0


def sleeping_function(
    ctx: Context, cpu_id: int, ident: Ident, numbers: WaitNumbers | None, check: SleepCheck, trace: list[str]
) -> str:
    """__might_resched()."""
    depth = f"RCU nest depth: {ctx.rcu_nesting}, expected: {check.expected_rcu_depth}"
    return "\n".join(
        [
            f"BUG: sleeping function called from invalid context at {check.where}",
            (
                f"in_atomic(): {int(ctx.in_atomic())}, irqs_disabled(): {int(ctx.irqs_disabled)}, non_block: 0, "
                f"pid: {ctx.pid}, name: {ctx.comm}"
            ),
            f"preempt_count: {ctx.preempt_count:x}, expected: 0",
            *([depth] if check.preempt_rcu else []),
            *_locks_if_tracked(ctx, numbers),
            *_disabled_at(ctx),
            *dump_stack(ctx, cpu_id, ident, trace),
        ]
    )
