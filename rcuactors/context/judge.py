"""The judge: turns what a check found into a report of this kernel, at this time, on this CPU.

Whether a check exists at all is the configuration's business: might_sleep() says nothing without DEBUG_ATOMIC_SLEEP,
lockdep nothing without PROVE_LOCKING; schedule() always looks at preempt_count (kernel/sched/core.c,
schedule_debug()).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ..config import Config
from . import splat
from .splat import Ident, SleepCheck
from .trace import call_trace, scenario_line
from .violation import KernelBug, Reporter, Violation, ViolationKind
from .waittype import WaitNumbers

if TYPE_CHECKING:
    from .context import Context
    from .lockdep import Lockdep
    from .locks import Lock
    from .processor import Processor

_ONE_SECOND_NS = 1_000_000_000


@attrs.define(eq=False)
class Judge:
    """The checks of one run. `booting` silences might_sleep(), as system_state == SYSTEM_BOOTING does."""

    config: Config
    ident: Ident
    reporter: Reporter
    numbers: WaitNumbers
    booting: bool = False
    _last_sleep_report_ns: int | None = None

    @property
    def _lock_numbers(self) -> WaitNumbers | None:
        return self.numbers if self.config.lockdep else None

    def _violation(self, cpu: Processor, kind: ViolationKind, title: str, text: str) -> Violation:
        return Violation(kind=kind, title=title, time_ns=cpu.clock, cpu=cpu.cpu_id, context=cpu.ctx.kind(), text=text)

    def report(self, cpu: Processor, kind: ViolationKind, title: str, text: str) -> Violation:
        """Report with a ready text; returns what was reported. Raises its exception under panic_on_warn."""
        violation = self._violation(cpu, kind, title, text)
        self.reporter.report(violation)
        return violation

    def stack(self, cpu: Processor, trace: list[str]) -> list[str]:
        """dump_stack() for a report written elsewhere."""
        return splat.dump_stack(cpu.ctx, cpu.cpu_id, self.ident, trace)

    def invalid_wait_context(self, cpu: Processor, lock: Lock, lockdep: Lockdep, site: str) -> None:
        """A lock may have to wait longer than the context, or a held lock, allows."""
        ctx = cpu.ctx
        text = splat.invalid_wait_context(
            ctx, cpu.cpu_id, self.ident, self.numbers, lock, site, lockdep.context_limit(ctx), call_trace()
        )
        title = f"BUG: Invalid wait context: {lock.name} at {site}"
        self.report(cpu, ViolationKind.INVALID_WAIT_CONTEXT, title, text)

    def recursive_locking(self, cpu: Processor, lock: Lock, _lockdep: Lockdep, site: str) -> None:
        """A lock of this class is held already."""
        text = splat.recursive_locking(cpu.ctx, cpu.cpu_id, self.ident, self.numbers, lock, site, call_trace())
        self.report(
            cpu, ViolationKind.RECURSIVE_LOCKING, f"WARNING: possible recursive locking detected: {lock.name}", text
        )

    def bad_unlock(self, cpu: Processor, lock: Lock) -> None:
        """A lock is let go that is not held."""
        text = splat.bad_unlock(cpu.ctx, cpu.cpu_id, self.ident, self.numbers, lock, call_trace())
        self.report(cpu, ViolationKind.BAD_UNLOCK, f"WARNING: bad unlock balance detected: {lock.name}", text)

    def scheduling_while_atomic(self, cpu: Processor, ctx: Context, trace: list[str] | None = None) -> KernelBug | None:
        """The CPU is given up with a preempt_count. Returns what panic_on_warn wants raised."""
        shown = trace if trace is not None else call_trace()
        text = splat.scheduling_while_atomic(ctx, cpu.cpu_id, self.ident, self._lock_numbers, shown)
        title = f"BUG: scheduling while atomic: {ctx.comm}/{ctx.pid}/0x{ctx.preempt_count + 1:08x}"
        return self.reporter.note(self._violation(cpu, ViolationKind.SCHEDULING_WHILE_ATOMIC, title, text))

    def might_sleep(self, cpu: Processor, *, rt_lock: bool = False) -> None:
        """might_sleep(); with `rt_lock`, rtlock_might_resched(), which tolerates RCU readers.

        At most one report a second, as in the kernel.
        """
        if not self.config.DEBUG_ATOMIC_SLEEP:
            return
        ctx = cpu.ctx
        readers = 0 if rt_lock or not self.config.preemptible_kernel else ctx.rcu_nesting
        if not ctx.preempt_count and not ctx.irqs_disabled and not readers:
            return
        last = self._last_sleep_report_ns
        if self.booting or (last is not None and cpu.clock < last + _ONE_SECOND_NS):
            return
        self._last_sleep_report_ns = cpu.clock
        trace = call_trace()
        check = SleepCheck(
            where=scenario_line(trace),
            preempt_rcu=self.config.preemptible_kernel,
            expected_rcu_depth=ctx.rcu_nesting if rt_lock else 0,
        )
        text = splat.sleeping_function(ctx, cpu.cpu_id, self.ident, self._lock_numbers, check, trace)
        title = f"BUG: sleeping function called from invalid context at {check.where}"
        self.report(cpu, ViolationKind.SLEEPING_FUNCTION, title, text)
