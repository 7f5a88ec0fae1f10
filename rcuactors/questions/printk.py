"""printk() of the kernels that were asked: what it costs to say something.

It is heard nowhere but on the question's console. In an NMI, or what looks like one, it leaves the rest to an irq_work
(vprintk() in kernel/printk/printk_safe.c). On a live console it takes the locks of the console and of the serial port;
that one is a spinlock_t, to which lockdep objects in hardirq and under a raw lock, and is off from there
(serial8250_console_write()); v6.12 and later tell it that it may. With the console quiet, as most questions were put,
it takes none. On PREEMPT_RT of v6.12.0 and later an irq_work wakes a thread, pr/legacy, for each line; on the machines
that were asked that one is thought to be on the first CPU.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..context import preempt
from ..context.locks import LockKind
from ..kernel.cpu import Cpu
from ..kernel.irq.irq_work import IrqWork
from ..kernel.thread import Thread
from ..machine import Machine
from ..report.console import ConsoleReport, Entry

PORT_LOCK: Final = "&port_lock_key"
CONSOLE_LOCKS: Final = frozenset({PORT_LOCK, "console_lock", "console_owner"})
"""What a printk on a live console takes."""

_REPORT_NS: Final = 7_000_000
"""What printing a report took where "sleeping function called from invalid context" was recorded: the median of 60."""


def about_console(entry: Entry) -> bool:
    """Whether it is a report of what printing itself has done, which is no part of a question."""
    if not isinstance(entry, ConsoleReport):
        return False
    named = {entry.lock.name} if entry.lock is not None else set()
    return bool((named | {lock.name for lock in entry.held or ()}) & CONSOLE_LOCKS)


class Printk:
    """The console of one machine."""

    def __init__(self, machine: Machine, *, live: bool) -> None:
        self.lines: list[str] = []
        self._machine = machine
        self._port_lock = machine.system.lock_factory.make(PORT_LOCK, LockKind.SPINLOCK)
        told = machine.system.rules.consoles_tell_lockdep
        self._live = live and told and not machine.setup.config.PREEMPT_RT
        self._wake_up_klogd = IrqWork("wake_up_klogd_work_func", self._wake_up_klogd_work_func, lazy=True)
        self._offloads = machine.setup.config.PREEMPT_RT and machine.system.rules.printk_has_thread
        self._legacy: Thread | None = None
        machine.system.hooks.on_printk.append(lambda _, text: self.printk([text]))

    def report(self, lines: Iterable[str]) -> None:
        """The kernel's report, which takes its time: on the machines that were asked more than a jiffy."""
        self.printk(lines)
        self._machine.this_cpu.clock += _REPORT_NS

    def printk(self, lines: Iterable[str]) -> None:
        """Lines on the console."""
        self.lines += lines
        cpu = self._machine.this_cpu
        if preempt.in_nmi(cpu.ctx.preempt_count) or self._offloads:
            self._machine.system.irq_works.irq_work_queue_irqoff(cpu, self._wake_up_klogd)
        elif self._live:
            self._serial8250_console_write(cpu)

    async def _wake_up_klogd_work_func(self, cpu: Cpu) -> None:
        """wake_up_klogd_work_func(): nobody reads the log, but pr/legacy, where there is one."""
        if not self._offloads:
            return
        system = self._machine.system
        if self._legacy is None:
            first = system.cpus[min(system.masks.online())]
            self._legacy = system.create_thread(first, "pr/legacy", self._legacy_kthread_func, service=True)
        await cpu.wake_up_process(self._legacy)

    async def _legacy_kthread_func(self) -> None:
        """legacy_kthread_func(), with a console that is to be quiet."""
        while True:
            assert self._legacy is not None
            await self._legacy.sleep("lines to print")

    def _serial8250_console_write(self, cpu: Cpu) -> None:
        lockdep = self._machine.system.lockdep
        if lockdep.on:
            lockdep.acquire(cpu, self._port_lock, site="serial8250_console_write")
        if lockdep.on:
            lockdep.release(cpu, self._port_lock)
