"""The judge: turns what a check found into a report of this kernel, at this time, on this CPU.

Whether a check exists at all is the configuration's business: might_sleep() says nothing without DEBUG_ATOMIC_SLEEP,
lockdep nothing without PROVE_LOCKING; schedule() always looks at preempt_count (kernel/sched/core.c,
schedule_debug()).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

import attrs

from ..config import Config
from . import preempt, splat
from .memory import FREED, RETIRED
from .splat import Ident, LockTracking, Scene, SleepCheck
from .trace import call_trace, caller_site, scenario_line
from .violation import KERNEL, ORACLE, KernelBug, Reporter, Violation, ViolationKind, exception_for
from .waittype import WaitNumbers

if TYPE_CHECKING:
    from .context import Context
    from .locks import Lock
    from .memory import Memory, Used
    from .processor import Processor

_SHADOW = 0xDFFFFC0000000000
"""KASAN_SHADOW_OFFSET: of eight bytes of memory one tells which may be used."""
_ONE_SECOND_NS = 1_000_000_000


@attrs.define(eq=False)
class Judge:
    """The checks of one run.

    `booting` silences might_sleep(), as system_state == SYSTEM_BOOTING does. `debug_locks` is lockdep's to switch off.
    """

    config: Config
    ident: Ident
    reporter: Reporter
    numbers: WaitNumbers
    booting: bool = False
    debug_locks: bool = True
    _last_sleep_report_ns: int | None = None
    _warned: set[str] = attrs.field(factory=set)
    _sleepless: list[tuple[Lock, str]] = attrs.field(factory=list)

    def never_sleep_in(self, section: Lock, flavour: str) -> None:
        """Have rcu_sleep_check() look for a map that says that one is in a reader, of the flavour `RCU`, `RCU-bh`..."""
        self._sleepless.append((section, flavour))

    def booted(self) -> None:
        """system_state is no longer SYSTEM_BOOTING."""
        self.booting = False

    # -- what a report consists of -----------------------------------------------------------------------------------

    def scene(self, cpu: Processor, ctx: Context | None = None) -> Scene:
        """Who is on the CPU, on which kernel."""
        tracking = LockTracking.NOT_BUILT
        if self.config.lockdep:
            tracking = LockTracking.ON if self.debug_locks else LockTracking.TURNED_OFF
        return Scene(ctx=ctx or cpu.ctx, cpu_id=cpu.cpu_id, ident=self.ident, numbers=self.numbers, tracking=tracking)

    def _violation(
        self,
        cpu: Processor,
        kind: ViolationKind,
        title: str,
        text: str,
        trace: Sequence[str] | None = None,
        by: str = KERNEL,
    ) -> Violation:
        ctx = cpu.ctx
        shown = tuple(trace if trace is not None else call_trace())
        return Violation(
            kind=kind,
            title=title,
            time_ns=cpu.clock,
            cpu=cpu.cpu_id,
            context=ctx.kind(),
            text=text,
            line=scenario_line(shown),
            trace=shown,
            held=tuple(
                f"{held.lock.name} ({held.lock.lock_class.kind.value}) taken at {held.site}" for held in ctx.held
            )
            if self.debug_locks
            else (),
            preempt_disabled_at=ctx.preempt_disabled_at if ctx.preempt_count else "",
            irqs_disabled_at=ctx.irqs_disabled_at if ctx.irqs_disabled else "",
            by=by,
        )

    def report(
        self,
        cpu: Processor,
        kind: ViolationKind,
        title: str,
        text: str,
        by: str = KERNEL,
        *,
        trace: Sequence[str] | None = None,
    ) -> Violation:
        """Report with a ready text; returns what was reported. Raises its exception under panic_on_warn.

        `trace` is for what is told of another thread than the running one.
        """
        violation = self._violation(cpu, kind, title, text, trace, by=by)
        self.reporter.report(violation)
        return violation

    def report_of_lockdep(self, cpu: Processor, kind: ViolationKind, title: str, text: str) -> None:
        """The same for lockdep, which goes off with its first report: debug_locks_off()."""
        violation = self._violation(cpu, kind, title, text)
        self.debug_locks = self.config.lockdep_keep_going
        self.reporter.report(violation)

    def stack(self, cpu: Processor, trace: Sequence[str]) -> list[str]:
        """dump_stack() for a report written elsewhere."""
        return splat.stack(self.scene(cpu), trace)

    def warn(self, cpu: Processor, kind: ViolationKind, message: str, function: str) -> None:
        """WARN() with a message in a kernel function."""
        text = splat.warning(self.scene(cpu), message, function, call_trace())
        self.report(cpu, kind, f"WARNING: {message}", text)

    def warn_once(self, cpu: Processor, kind: ViolationKind, message: str, function: str, *, place: str = "") -> None:
        """WARN_ONCE(): the same, once for each place: `place` where the message says more than that."""
        if self.first_time(f"{function}: {place or message}"):
            self.warn(cpu, kind, message, function)

    def warn_on_once(self, cpu: Processor, kind: ViolationKind, condition: str, function: str) -> None:
        """WARN_ON_ONCE(): the kernel prints the place, not the condition, which the title here has."""
        if self.first_time(f"{function}: {condition}"):
            self.warn_on(cpu, kind, condition, function)

    def warn_on(self, cpu: Processor, kind: ViolationKind, condition: str, function: str) -> None:
        """WARN_ON(): the same, each time."""
        text = splat.warning(self.scene(cpu), "", function, call_trace())
        self.report(cpu, kind, f"WARNING: WARN_ON({condition}) at {function}", text)

    def first_time(self, said: str) -> bool:
        """Whether that is said for the first time (DO_ONCE_LITE()); from now on it was."""
        if said in self._warned:
            return False
        self._warned.add(said)
        return True

    # -- memory ------------------------------------------------------------------------------------------------------

    def used(self, cpu: Processor, memory: Used, what: str) -> None:
        """Something that lies in `memory` is used, or the memory itself: reported when that is free."""
        if memory.state == FREED:
            self._use_after_free(cpu, memory, f"{what} in {memory} after it was freed", kasan=self.config.KASAN)
        elif memory.state == RETIRED:
            self.used_while_retired(cpu, memory, f"{what} in {memory}")

    def used_while_retired(self, cpu: Processor, memory: Used, what: str) -> None:
        """The same of what was given to kvfree_rcu(): nobody but a reader may, when it is freed is chance."""
        ctx = cpu.ctx
        off = ctx.preempt_count or ctx.spinning_locks or ctx.irqs_disabled or ctx.softirq_disable_cnt
        if not off and not ctx.rcu_nesting and ctx.reader is None:
            said = f"{what}, which was given to kvfree_rcu() and which no reader keeps any more"
            self._use_after_free(cpu, memory, said, kasan=False)

    def _use_after_free(self, cpu: Processor, memory: Used, said: str, *, kasan: bool) -> None:
        """kasan_report(), with KASAN: then the title is the kernel's. Without it the kernel is silent."""
        trace = call_trace()
        title = f"BUG: KASAN: use-after-free in {trace[0]}" if kasan else f"BUG: use-after-free: use of {said}"
        text = splat.use_after_free(self.scene(cpu), title, f"use of {said}", memory.history(), trace)
        violation = self._violation(cpu, ViolationKind.USE_AFTER_FREE, title, text, by=KERNEL if kasan else ORACLE)
        if kasan:
            self.lockdep_unreliable()
        self.reporter.report(violation)

    def lockdep_unreliable(self) -> None:
        """add_taint(TAINT_BAD_PAGE, LOCKDEP_NOW_UNRELIABLE): "Disabling lock debugging due to kernel taint".

        So do KASAN (end_report()) and the slab allocator (object_err()) with what they report of memory.
        """
        self.ident.taint("B")
        self.debug_locks = self.debug_locks and self.config.lockdep_keep_going

    def general_protection_fault(self, cpu: Processor, memory: Memory, said: str, address: int | None = None) -> None:
        """Something in `memory` is taken for a pointer, and is none: in an interrupt that is the end of the machine."""
        text = splat.general_protection(self.scene(cpu), call_trace(), address)
        title = text.partition("\n")[0]
        text = "\n".join([text, f"{said} in {memory}", *memory.history()])
        self.report(cpu, ViolationKind.USE_AFTER_FREE, title, text)

    def poison_fault(self, cpu: Processor, kind: ViolationKind, address: int) -> Violation:
        """A pointer that is poison is followed. Returns what was reported."""
        text = splat.general_protection(self.scene(cpu), call_trace(), address)
        return self.report(cpu, kind, text.partition("\n")[0], text)

    # -- the scheduler's and RCU's checks ----------------------------------------------------------------------------

    def scheduling_while_atomic(self, cpu: Processor, ctx: Context, trace: list[str] | None = None) -> KernelBug | None:
        """The CPU is given up with a preempt_count. Returns what panic_on_warn wants raised."""
        shown = trace if trace is not None else call_trace()
        # With schedule()'s own preempt_disable(), where that counts.
        count = ctx.preempt_count + self.config.preempt_count
        text = splat.scheduling_while_atomic(self.scene(cpu, ctx), count, shown)
        title = f"BUG: scheduling while atomic: {ctx.comm}/{ctx.pid}/0x{count:08x}"
        found = self._violation(cpu, ViolationKind.SCHEDULING_WHILE_ATOMIC, title, text, shown)
        return self.reporter.note(found) or self._rcu_sleep_check(cpu, ctx, "__schedule", shown)

    def voluntary_switch_in_reader(
        self, cpu: Processor, ctx: Context, trace: list[str] | None = None
    ) -> KernelBug | None:
        """A reader of PREEMPT_RCU gives up its CPU by itself: rcu_note_context_switch(), a WARN_ONCE().

        Returns what panic_on_warn wants raised.
        """
        message = "Voluntary context switch within RCU read-side critical section!"
        if message in self._warned:
            return None
        self._warned.add(message)
        shown = trace if trace is not None else call_trace()
        text = splat.warning(self.scene(cpu, ctx), message, "rcu_note_context_switch", shown)
        return self.reporter.note(
            self._violation(cpu, ViolationKind.VOLUNTARY_SWITCH, f"WARNING: {message}", text, shown)
        )

    def suspicious_rcu(self, cpu: Processor, message: str, scheduler_active: int = 2) -> None:
        """RCU_LOCKDEP_WARN(): once for each place that says so, while lockdep is on (debug_lockdep_rcu_enabled()).

        In an NMI it says nothing: lockdep is off there.
        """
        error = self._suspicious(cpu, cpu.ctx, message, caller_site(), scheduler_active=scheduler_active)
        if error is not None:
            raise error

    def _suspicious(
        self,
        cpu: Processor,
        ctx: Context,
        message: str,
        place: str,
        trace: Sequence[str] | None = None,
        scheduler_active: int = 2,
    ) -> KernelBug | None:
        said = f"{place}: {message}"
        watching = self.config.lockdep and self.debug_locks and not preempt.in_nmi(ctx.preempt_count)
        if not watching or said in self._warned:
            return None
        self._warned.add(said)
        trace = trace if trace is not None else call_trace()
        text = splat.suspicious_rcu(self.scene(cpu, ctx), scenario_line(trace), message, scheduler_active, trace)
        title = f"WARNING: suspicious RCU usage: {message}"
        return self.reporter.note(self._violation(cpu, ViolationKind.SUSPICIOUS_RCU, title, text, trace))

    def _rcu_sleep_check(
        self, cpu: Processor, ctx: Context, place: str, trace: Sequence[str] | None = None
    ) -> KernelBug | None:
        """rcu_sleep_check(): nobody sleeps in a reader that must not be switched out.

        Which readers those are on this kernel, the RCU floor says by `never_sleep_in`. Returns what panic_on_warn wants
        raised.
        """
        error = None
        for section, flavour in self._sleepless:
            if ctx.holds(section):
                message = f"Illegal context switch in {flavour} read-side critical section"
                error = error or self._suspicious(cpu, ctx, message, place, trace)
        return error

    def kernel_bug(
        self, cpu: Processor, condition: str, function: str, kind: ViolationKind = ViolationKind.BAD_CONTEXT
    ) -> NoReturn:
        """BUG_ON(): the condition has come true in a kernel function. Raises KernelBug."""
        text = splat.kernel_bug(self.scene(cpu), function, call_trace())
        title = f"kernel BUG at {function}: BUG_ON({condition})"
        raise exception_for(self.report(cpu, kind, title, text))

    def null_dereference(self, cpu: Processor, address: int, *, call: bool = False) -> Violation:
        """The kernel reads from an address near 0, or `call`s it; returns what was reported.

        With KASAN it is the read of the address's shadow that faults (CONFIG_KASAN_INLINE).
        """
        if self.config.KASAN and not call:
            text = splat.general_protection(self.scene(cpu), call_trace(), _SHADOW + (address >> 3))
            text = f"{text}\nKASAN: null-ptr-deref in range [{address & ~7:#018x}-{address | 7:#018x}]"
        else:
            text = splat.null_dereference(self.scene(cpu), address, call_trace())
        return self.report(cpu, ViolationKind.NULL_DEREFERENCE, text.partition("\n")[0], text)

    def rtmutex_deadlock(self, cpu: Processor) -> None:
        """rt_mutex_handle_deadlock(): a task waits for an rt_mutex that is its own."""
        self.warn(
            cpu,
            ViolationKind.RTMUTEX_DEADLOCK,
            "rtmutex deadlock detected",
            "rt_mutex_handle_deadlock",
        )

    def might_sleep(self, cpu: Processor, *, rt_lock: bool = False) -> None:
        """might_sleep(); with `rt_lock`, rtlock_might_resched(), which tolerates RCU readers.

        At most one report a second, as in the kernel, beside those of rcu_sleep_check().
        """
        if not self.config.DEBUG_ATOMIC_SLEEP:
            return
        ctx = cpu.ctx
        if ctx.held:
            error = self._rcu_sleep_check(cpu, ctx, "__might_resched")
            if error is not None:
                raise error
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
        text = splat.sleeping_function(self.scene(cpu), check, trace)
        title = f"BUG: sleeping function called from invalid context at {check.where}"
        self.report(cpu, ViolationKind.SLEEPING_FUNCTION, title, text)
