"""What code demands of its caller (include/linux/lockdep.h): lockdep_assert_held() and its kin.

They are warnings of a kernel with lockdep, for as long as lockdep is on; it stays on after them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import preempt
from ..trace import caller_site, keep_trace
from ..violation import ViolationKind
from .graph import add_usage
from .usage import USED, usage_bit

if TYPE_CHECKING:
    from ..locks import Lock
    from ..processor import Processor
    from .validator import Lockdep


def warn_on_once(lockdep: Lockdep, cpu: Processor, condition: str, function: str) -> None:
    """WARN_ON_ONCE(debug_locks && ...), of the demands about contexts; `function` has it."""
    if lockdep.on:
        cpu.judge.warn_on_once(cpu, ViolationKind.BAD_CONTEXT, condition, function)


def assert_irqs_enabled(lockdep: Lockdep, cpu: Processor, function: str) -> None:
    """lockdep_assert_irqs_enabled(): interrupt handlers have them off."""
    ctx = cpu.ctx
    if ctx.irqs_disabled or preempt.in_hardirq(ctx.preempt_count):
        warn_on_once(lockdep, cpu, "debug_locks && !hardirqs_enabled", function)


def assert_held(lockdep: Lockdep, cpu: Processor, lock: Lock, condition: str, *, read: bool | None = None) -> None:
    """lockdep_assert_held() and its kin: WARN_ON(debug_locks && !...); with `read`, taken in that way."""
    held = next((held for held in cpu.ctx.held if held.lock is lock), None)
    if lockdep.on and (held is None or (read is not None and bool(held.node.read) is not read)):
        _warn_on(cpu, f"debug_locks && !{condition}")


def assert_not_held(lockdep: Lockdep, cpu: Processor, lock: Lock) -> None:
    """lockdep_assert_not_held()."""
    if lockdep.on and cpu.ctx.holds(lock):
        _warn_on(cpu, "debug_locks && lockdep_is_held(l) == LOCK_STATE_HELD")


def _warn_on(cpu: Processor, condition: str) -> None:
    cpu.judge.warn_on(cpu, ViolationKind.BAD_CONTEXT, condition, caller_site())


def used_before(lock: Lock) -> None:
    """Threads have taken a lock of this class with interrupts and bottom halves on, long before the run began."""
    lock_class, trace = lock.lock_class, keep_trace()
    for bit in (usage_bit(0, enabled=True, read=False), usage_bit(1, enabled=True, read=False), USED):
        if not lock_class.usage_mask >> bit & 1:
            add_usage(lock_class, bit, trace)
