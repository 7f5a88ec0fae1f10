"""What can be heard of CPUs, threads and locks, and what has to be noted for it: since when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ..engine.probe import Access, Group, Probe, ProbeSet, group, probe
from ..marks import MACHINERY

if TYPE_CHECKING:
    from ..context.locks import Lock
    from ..context.processor import Sleeper
    from .cpu import Cpu
    from .messages import HardIrq, Nmi
    from .thread import Thread
    from .time.hrtimer import Hrtimer
    from .time.timer import Timer
    from .workqueue.work import Work
    from .workqueue.workqueue import Workqueue

__trace__ = MACHINERY


@attrs.define(eq=False)
class KernelProbes(ProbeSet):
    """CPUs, threads, locks."""

    locks: Group = group()
    lock_wanted: Probe[[Cpu, Lock]] = probe("locks")
    """(cpu, lock) Somebody has it: the thread or handler that runs there waits from now on. A mutex's waiter that has
    spun and goes to sleep wants it twice."""
    lock_taken: Probe[[Cpu, Lock, int]] = probe("locks")
    """(cpu, lock, waited_ns) The thread or handler that runs there has got a lock, of any type, shared ones too, after
    so long from when it asked. Of what it waited it may have slept, or served interrupts, a part."""
    lock_let_go: Probe[[Cpu, Lock, int]] = probe("locks")
    """(cpu, lock, held_ns) It lets go of the lock; 0 ns where nobody listened when it was taken."""
    irqs: Group = group()
    irqs_off: Probe[[Cpu, bool]] = probe("irqs")
    """(cpu, nested) Interrupts were turned off, by local_irq_save(), by an interrupt or NMI, or again after softirqs;
    nested: they were off already."""
    irqs_on: Probe[[Cpu, bool, int]] = probe("irqs")
    """(cpu, nested, off_ns) The end of the section that began last; nested: they stay off."""
    preemption: Group = group()
    preemption_off: Probe[[Cpu]] = probe("preemption")
    """(cpu) preempt_count has left 0: by preempt_disable(), a lock that spins, bottom halves, an interrupt."""
    preemption_on: Probe[[Cpu, int]] = probe("preemption")
    """(cpu, off_ns) preempt_count is 0 again."""
    interrupts: Group = group()
    """These two, and what else an interrupt does: interrupts and preemption off."""
    interrupt_entered: Probe[[Cpu]] = probe("interrupts")
    """(cpu) A hardware interrupt or an NMI begins, on the stack of whoever runs there."""
    interrupt_left: Probe[[Cpu, int]] = probe("interrupts")
    """(cpu, lasted_ns) It ends, with the softirqs that came after it, and those that interrupted it."""
    handler_entered: Probe[[Cpu, HardIrq | Nmi]] = probe("interrupts")
    """(cpu, message) Its handler is called: which interrupt it is."""
    handler_left: Probe[[Cpu]] = probe("interrupts")
    """(cpu) The handler has returned; softirqs may follow."""
    softirq_entered: Probe[[Cpu, int]] = probe()
    """(cpu, vector) The function of that softirq is called: on the stack of whoever runs there, or by a thread that
    serves softirqs."""
    softirq_left: Probe[[Cpu, int]] = probe()
    """(cpu, vector) It has returned."""
    switches: Group = group()
    switched: Probe[[Cpu, Thread, Thread, bool]] = probe("switches")
    """(cpu, leaving, following, preempted) The CPU goes on with another thread, after the cost of that; preempted: the
    one that leaves wants to run on, or waits for a spinlock_t of PREEMPT_RT."""
    woken: Probe[[Cpu, Thread]] = probe("switches")
    """(cpu, thread) A thread is runnable again, on that CPU's run queue."""
    migrated: Probe[[Thread, Cpu, Cpu]] = probe()
    """(thread, source, target) A thread that does not run belongs to another CPU from now on."""
    timer_started: Probe[[Timer, int]] = probe()
    """(timer, delay_jiffies) A timer was put into a base, to expire in so many jiffies or later."""
    timer_left: Probe[[Cpu, Timer, bool]] = probe()
    """(cpu, timer, expired) It is in no base any more: its function is about to be called, or somebody has deleted
    it."""
    hrtimer_started: Probe[[Cpu, Hrtimer]] = probe()
    """(cpu, timer) A high-resolution timer was put into a queue, or moved within; the ticks' too."""
    hrtimer_left: Probe[[Cpu, Hrtimer, bool]] = probe()
    """(cpu, timer, expired) It waits no more: its function is about to be called, or somebody has cancelled it."""
    work_queued: Probe[[Work, Workqueue]] = probe()
    """(work, workqueue) A work was put on its pool's list."""
    work_started: Probe[[Work, Workqueue, Thread]] = probe()
    """(work, workqueue, worker) The worker begins on it."""
    work_ended: Probe[[Work, Thread]] = probe()
    """(work, worker) Its function has returned."""
    work_withdrawn: Probe[[Work]] = probe()
    """(work) Somebody has taken it off its list."""


@attrs.define(eq=False)
class Since:
    """When things began that somebody wants to know the length of. Kept only while there is such a one."""

    told: KernelProbes
    access: Probe[[object, Access]]
    _locks: dict[tuple[int, int], int] = attrs.field(factory=dict)
    """By lock and who has it."""
    _irqs: dict[int, list[int]] = attrs.field(factory=dict)
    """By CPU: the sections that lie in each other."""
    _preemption: dict[int, int] = attrs.field(factory=dict)
    """By context: it goes with its thread."""

    def __attrs_post_init__(self) -> None:
        told = self.told
        self.access.told_with(told.locks)
        self.access.told_with(told.switches)
        told.irqs.reaches(told.interrupts)
        told.preemption.reaches(told.interrupts)

    def lock_taken(self, cpu: Cpu, lock: Lock, waited_ns: int) -> None:
        """A lock was got."""
        self._locks[id(lock), id(cpu.current)] = cpu.clock
        if self.access.on:
            self.access(lock, Access.ACQUIRE)
        self.told.lock_taken(cpu, lock, waited_ns)

    def lock_let_go(self, cpu: Cpu, lock: Lock, holder: Sleeper) -> None:
        """A lock is let go of, after all that passed under it."""
        now = cpu.clock
        if self.access.on:
            self.access(lock, Access.RELEASE)
        self.told.lock_let_go(cpu, lock, now - self._locks.pop((id(lock), id(holder)), now))

    def irqs_off(self, cpu: Cpu, *, nested: bool) -> None:
        """A section begins."""
        if not nested:
            self._irqs[cpu.cpu_id] = []
        self._irqs.setdefault(cpu.cpu_id, []).append(cpu.clock)
        self.told.irqs_off(cpu, nested)

    def irqs_on(self, cpu: Cpu, *, nested: bool) -> None:
        """A section ends."""
        begun, now = self._irqs.get(cpu.cpu_id), cpu.clock
        self.told.irqs_on(cpu, nested, now - (begun.pop() if begun else now))

    def preemption_off(self, cpu: Cpu) -> None:
        """The outermost section begins."""
        self._preemption[id(cpu.ctx)] = cpu.clock
        self.told.preemption_off(cpu)

    def preemption_on(self, cpu: Cpu) -> None:
        """It ends."""
        now = cpu.clock
        self.told.preemption_on(cpu, now - self._preemption.pop(id(cpu.ctx), now))
