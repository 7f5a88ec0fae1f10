"""The oracle's own book of readers: where each begins and ends by the kernel-doc of call_rcu() (kernel/rcu/tree.c).

"Read-side critical sections are delimited by rcu_read_lock() and rcu_read_unlock(), and may be nested. In addition
[...] regions of code across which interrupts, preemption, or softirqs have been disabled also serve as RCU read-side
critical sections. This includes hardware interrupt handlers, softirq handlers, and NMI handlers." What overlaps is one
reader, from the first beginning to the last end: one that calls rcu_read_unlock() with preemption off goes on until it
is on again. Nothing here looks at the state of RCU itself, only at the context that runs, and at calls.

A reader is opened by name (rcu_read_lock(), preempt_disable()...), or, where a lock or a handler makes the region, by
the first rcu_dereference() in it. What ends it asks here only if one is open (`Context.reader`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from ..context import preempt
from ..marks import MACHINERY

if TYPE_CHECKING:
    from ..context.context import Context
    from ..kernel.cpu import Cpu
    from ..kernel.system import System
    from ..kernel.thread import Thread
    from .oracle import Oracle, Reader, Tracked

__trace__ = MACHINERY

_OFF: Final = preempt.PREEMPT_MASK | preempt.SOFTIRQ_MASK


def level_of(preempt_count: int) -> int:
    """0: a thread; 1: a softirq handler on top of it; 2: a hardirq handler; 3: an NMI's."""
    if preempt_count & preempt.NMI_MASK:
        return 3
    if preempt_count & preempt.HARDIRQ_MASK:
        return 2
    return int(preempt.in_serving_softirq(preempt_count))


@attrs.frozen(eq=False)
class ReaderBook:
    """Which readers are open."""

    system: System
    oracle: Oracle

    def __attrs_post_init__(self) -> None:
        self.system.hooks.readers_end_by(self.look)
        self.oracle.is_told_who_frees(self._running)

    def enters(self, cpu: Cpu, site: str, *, named: bool = True) -> None:
        """A section opens that leaves no trace in the context: its end is told by `leaves`.

        Not `named` is a spinlock_t of PREEMPT_RT, that of its local_bh_disable() and so of its softirqs included.
        """
        reader = self._reader_here(cpu.ctx) or self._open(cpu, site)
        reader.named |= named
        reader.depth += 1

    def begins(self, cpu: Cpu, site: str) -> Reader:
        """By name a region begins, whose end shows in the context; or it is part of a reader that is open already."""
        reader = self._reader_here(cpu.ctx) or self._open(cpu, site)
        reader.named = True
        return reader

    def preempt_disabled(self, cpu: Cpu, site: str) -> None:
        """Preemption is off now, by name; the context of a kernel without PREEMPT_COUNT does not show it."""
        if self.system.config.preempt_count:
            self.begins(cpu, site)
        else:
            self.enters(cpu, site)

    def preempt_enabled(self, cpu: Cpu) -> None:
        """Preemption is about to be on again, by name."""
        if not self.system.config.preempt_count:
            self.leaves(cpu)

    def leaves(self, cpu: Cpu) -> None:
        """A section closes; the reader ends unless the context goes on being one."""
        reader = self._reader_here(cpu.ctx)
        if reader is not None and reader.depth:
            reader.depth -= 1
            self.look(cpu)

    def look(self, cpu: Cpu) -> None:
        """Something has ended that may have been the rest of a reader."""
        ctx = cpu.ctx
        reader = ctx.reader
        while reader is not None and _has_ended(ctx, reader):
            self.oracle.reader_leaves(reader)
            reader = ctx.reader = reader.outer

    def gives_up_cpu(self, thread: Thread) -> None:
        """A thread switches by itself: that ends a region which nothing but preemption, softirqs or interrupts make.

        schedule() comes back with all of them on (kernel/sched/core.c, __schedule_bug()); what it thinks of that it has
        said. A section goes on.
        """
        ctx = thread.ctx
        reader = ctx.reader
        if reader is not None and not reader.level and not reader.depth:
            self.oracle.reader_leaves(reader)
            ctx.reader = reader.outer

    def thread_ends(self, cpu: Cpu) -> None:
        """Its reader, if it is in one, ends with it (exit_rcu())."""
        ctx = cpu.ctx
        while ctx.reader is not None:
            self.oracle.reader_leaves(ctx.reader)
            ctx.reader = ctx.reader.outer

    def dereferenced(self, cpu: Cpu, item: Tracked, site: str) -> None:
        """By any form of rcu_dereference(): if this is a reader, it may hold the object to its end."""
        ctx = cpu.ctx
        reader = self._reader_here(ctx)
        if reader is None and _is_region(ctx):
            reader = self._open(cpu, site)
        self.oracle.dereferenced(reader, item)

    def used(self, cpu: Cpu, item: Tracked) -> None:
        """The object is used: a reader that was opened by name is one that may need it to its end.

        In a handler, or under a lock, a use says nothing of the kind: that may be what keeps the object.
        """
        reader = self._reader_here(cpu.ctx)
        self.oracle.used(reader if reader is not None and reader.named else None, item)

    def _open(self, cpu: Cpu, site: str) -> Reader:
        ctx = cpu.ctx
        reader = self.oracle.reader_enters(str(cpu.current), site)
        reader.level, reader.outer = level_of(ctx.preempt_count), ctx.reader
        ctx.reader = reader
        return reader

    @staticmethod
    def _reader_here(ctx: Context) -> Reader | None:
        """What is open of this thread or handler itself, not of what it has interrupted."""
        reader = ctx.reader
        return reader if reader is not None and reader.level == level_of(ctx.preempt_count) else None

    def _running(self) -> Reader | None:
        running = self.system.conductor.running
        found = next((cpu for cpu in self.system.cpus.values() if cpu is running), None)
        return self._reader_here(found.ctx) if found is not None else None


def _is_region(ctx: Context) -> bool:
    return ctx.irqs_disabled or bool(ctx.preempt_count & (_OFF | preempt.HARDIRQ_MASK | preempt.NMI_MASK))


def _has_ended(ctx: Context, reader: Reader) -> bool:
    if reader.level:
        return level_of(ctx.preempt_count) < reader.level
    return not reader.depth and not ctx.irqs_disabled and not ctx.preempt_count & _OFF
