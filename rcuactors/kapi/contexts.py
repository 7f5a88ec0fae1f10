"""Contexts: preemption, interrupts and bottom halves off and on, and what can be asked about them."""

from __future__ import annotations

from ..context import preempt
from ..context.lockdep import demands
from ..context.trace import caller_site
from .arguments import checks_itself
from .base import KernelBase
from .lock_making import expect_flags


class Contexts(KernelBase):
    """preempt_disable() and its kin (include/linux: preempt.h, irqflags.h, bottom_half.h)."""

    def preempt_disable(self) -> None:
        """Preemption off; nests, and is an RCU reader. Leaves no trace in a kernel without PREEMPT_COUNT."""
        cpu, site = self._cpu, caller_site()
        cpu.preempt_disable(site)
        self._machine.book.preempt_disabled(cpu, site)

    async def preempt_enable(self) -> None:
        """Preemption on again; a thread that waited for it takes over now."""
        cpu = self._cpu
        self._machine.book.preempt_enabled(cpu)
        await cpu.preempt_enable()

    def local_irq_save(self) -> bool:
        """Interrupts of this CPU off, which is an RCU reader; returns the flags to restore."""
        cpu, site = self._cpu, caller_site()
        flags = cpu.local_irq_save(site)
        self._machine.book.begins(cpu, site)
        return flags

    @checks_itself
    async def local_irq_restore(self, flags: bool) -> None:
        """Interrupts as the flags say. Raises BadInput for what is none."""
        expect_flags("local_irq_restore", flags)
        await self._cpu.local_irq_restore(flags)

    def local_irq_disable(self) -> None:
        """Interrupts of this CPU off, which is an RCU reader."""
        cpu, site = self._cpu, caller_site()
        cpu.local_irq_save(site)
        self._machine.book.begins(cpu, site)

    async def local_irq_enable(self) -> None:
        """Interrupts on, whatever they were."""
        await self._cpu.local_irq_enable()

    async def local_bh_disable(self) -> None:
        """Bottom halves off; nests, and is an RCU reader.

        On PREEMPT_RT this leaves preempt_count alone, and the outermost one may sleep (kernel/softirq.c).
        """
        cpu = await self._system.softirqs.local_bh_disable(self._thread)
        self._machine.book.bottom_halves_off(cpu, caller_site())

    async def local_bh_enable(self) -> None:
        """Bottom halves on again; what was raised meanwhile is served now."""
        await self._system.softirqs.local_bh_enable(self._cpu)

    def preemptible(self) -> bool:
        """preemptible(): the constant False in a kernel without PREEMPT_COUNT."""
        return self._system.config.preempt_count and self._cpu.ctx.preemptible()

    def in_atomic(self) -> bool:
        """in_atomic(): a preempt_count other than 0."""
        return self._cpu.ctx.in_atomic()

    def irqs_disabled(self) -> bool:
        """irqs_disabled()."""
        return self._cpu.ctx.irqs_disabled

    def in_hardirq(self) -> bool:
        """in_hardirq()."""
        return preempt.in_hardirq(self._cpu.ctx.preempt_count)

    def in_serving_softirq(self) -> bool:
        """in_serving_softirq()."""
        ctx = self._cpu.ctx
        return preempt.in_serving_softirq(ctx.preempt_count) or ctx.softirq_thread

    def in_nmi(self) -> bool:
        """in_nmi()."""
        return preempt.in_nmi(self._cpu.ctx.preempt_count)

    def in_task(self) -> bool:
        """in_task(): none of NMI, hardirq, serving softirq."""
        ctx = self._cpu.ctx
        return preempt.in_task(ctx.preempt_count) and not ctx.softirq_thread

    def in_softirq(self) -> bool:
        """in_softirq(): serving a softirq, or bottom halves off."""
        ctx = self._cpu.ctx
        return bool(ctx.preempt_count & preempt.SOFTIRQ_MASK) or ctx.softirq_disable_cnt > 0

    def irq_count(self) -> int:
        """irq_count(): the fields of NMI, hardirq and softirq."""
        ctx = self._cpu.ctx
        return ctx.preempt_count & preempt.INTERRUPT_MASK | ctx.softirq_disable_cnt * preempt.SOFTIRQ_DISABLE_OFFSET

    def in_interrupt(self) -> bool:
        """in_interrupt(): NMI, hardirq, softirq, or bottom halves off."""
        ctx = self._cpu.ctx
        return preempt.in_interrupt(ctx.preempt_count) or ctx.softirq_disable_cnt > 0

    def preempt_count(self) -> int:
        """preempt_count()."""
        return self._cpu.ctx.preempt_count

    def might_sleep(self) -> None:
        """might_sleep(): says so at once if this context may not, in a kernel with DEBUG_ATOMIC_SLEEP."""
        self._cpu.judge.might_sleep(self._cpu)

    def lockdep_assert_irqs_disabled(self) -> None:
        """lockdep_assert_irqs_disabled(): a warning if they are on, once for each place, in a kernel with lockdep."""
        cpu = self._cpu
        if not cpu.ctx.irqs_disabled:
            demands.warn_on_once(self._system.lockdep, cpu, "debug_locks && hardirqs_enabled", caller_site())

    def lockdep_assert_irqs_enabled(self) -> None:
        """lockdep_assert_irqs_enabled(): a warning if they are off."""
        demands.assert_irqs_enabled(self._system.lockdep, self._cpu, caller_site())

    def lockdep_assert_preemption_disabled(self) -> None:
        """lockdep_assert_preemption_disabled(): a warning where the caller could be preempted."""
        cpu = self._cpu
        if self._system.config.preempt_count and cpu.ctx.preemptible():
            demands.warn_on_once(self._system.lockdep, cpu, "debug_locks && preemptible()", caller_site())

    def lockdep_assert_preemption_enabled(self) -> None:
        """lockdep_assert_preemption_enabled(): a warning where the caller could not."""
        cpu = self._cpu
        if self._system.config.preempt_count and not cpu.ctx.preemptible():
            demands.warn_on_once(self._system.lockdep, cpu, "debug_locks && !preemptible()", caller_site())

    @property
    def PREEMPT_RT(self) -> bool:  # noqa: N802 - the kernel's name
        """IS_ENABLED(CONFIG_PREEMPT_RT)."""
        return self._system.config.PREEMPT_RT
