"""Watchdogs: khungtaskd (kernel/hung_task.c), and others that look from time to time.

khungtaskd looks every hung_task_timeout_secs at every thread. One that sleeps uninterruptibly and has not run since
the last look is reported, and again at every look after that: so a wait is told between one and two timeouts after it
began (check_hung_task()). An interruptible sleep is never told, nor a worker without a work, which is TASK_IDLE.

Ours looks in timer interrupts. On a machine that sleeps there is none until its next timer, in which the looks that
fell due meanwhile are made up for: nothing has changed. And it looks when nothing moves any more: then it is told what
the kernel would have said at its next looks, since the machine waits for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ..context import splat
from ..context.splat import LockTracking
from ..context.trace import scenario_line, suspended_trace
from ..context.violation import Reporter, Violation, ViolationKind
from ..marks import MACHINERY
from .show_task import sched_show_task
from .thread import Thread, ThreadState

if TYPE_CHECKING:
    from .cpu import Cpu
    from .system import System

__trace__ = MACHINERY

NEVER: Final = 1 << 62
_SECOND_NS: Final = 1_000_000_000
_WARNINGS: Final = 10
"""sysctl_hung_task_warnings: it says no more than so many."""


class Watchdogs:
    """What looks from time to time whether something does not go on; `next_ns` is when."""

    def __init__(self, system: System) -> None:
        self._system = system
        self.hung_tasks = HungTasks(system)
        self._dogs: list[tuple[int, Callable[[Cpu, int], None]]] = []
        self._due: list[int] = []
        self.next_ns = NEVER
        config = system.config
        if config.DETECT_HUNG_TASK:
            self.every(config.hung_task_timeout_secs, self.hung_tasks.look)

    def every(self, seconds: int, look: Callable[[Cpu, int], None]) -> None:
        """Have it look every so many seconds; 0: never. It is told on which CPU, and for which moment."""
        if seconds:
            self._dogs.append((seconds * _SECOND_NS, look))
            self._due.append(seconds * _SECOND_NS)
            self.next_ns = min(self._due)

    def look(self, cpu: Cpu) -> None:
        """Those that are due look, each as often as it is due."""
        while self.next_ns <= cpu.clock:
            now = self.next_ns
            for index, (period, look) in enumerate(self._dogs):
                if self._due[index] <= now:
                    self._due[index] += period
                    look(cpu, now)
            self.next_ns = min(self._due)


def is_uninterruptible(thread: Thread) -> bool:
    """TASK_UNINTERRUPTIBLE. A thread of the machine itself waits for something to do, unless it waits in the middle."""
    if thread.state is not ThreadState.SLEEPING or thread.interruptible or not thread.switched_out:
        return False
    return not thread.service or thread.in_work != "" or thread.at_work or thread.blocked_on is not None


class HungTasks:
    """khungtaskd."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._seen: dict[int, tuple[int, int]] = {}
        """pid -> (which of its sleeps it is, when it was first seen in it)."""
        self.warnings = _WARNINGS

    def look(self, cpu: Cpu, now: int) -> None:
        """check_hung_uninterruptible_tasks()."""
        seen: dict[int, tuple[int, int]] = {}
        timeout = self._system.config.hung_task_timeout_secs
        for thread in self._system.threads:
            if not is_uninterruptible(thread):
                continue
            sleep, since = self._seen.get(thread.pid, (-1, 0))
            if sleep != thread.sleeps:
                seen[thread.pid] = thread.sleeps, now
                continue
            seen[thread.pid] = sleep, since
            if now - since >= timeout * _SECOND_NS and self.warnings:
                self.warnings -= 1
                self._tell(cpu, thread, (now - since) // _SECOND_NS)
        self._seen = seen

    def stuck_for_ever(self) -> list[Thread]:
        """When nothing moves any more: workers that sleep uninterruptibly in a work, and others at work."""
        if not (self._system.config.DETECT_HUNG_TASK and self._system.config.hung_task_timeout_secs):
            return []
        return [
            thread
            for thread in self._system.threads
            if (thread.in_work or thread.at_work) and is_uninterruptible(thread)
        ]

    def tell_of_the_stuck(self, reporter: Reporter) -> None:
        """Nothing will end their sleep: what will be said of each."""
        for thread in self.stuck_for_ever():
            lines = self.text(thread, self._system.config.hung_task_timeout_secs)
            trace = self.trace(thread)
            reporter.report(
                Violation(
                    kind=ViolationKind.HUNG_TASK,
                    title=lines[0],
                    time_ns=self._system.conductor.now,
                    cpu=thread.cpu.cpu_id,
                    context="process",
                    text="\n".join(lines),
                    line=scenario_line(trace),
                    trace=tuple(trace),
                )
            )

    def text(self, thread: Thread, seconds: int) -> list[str]:
        """check_hung_task(), sched_show_task(), debug_show_all_locks()."""
        judge = self._system.judge
        scene = judge.scene(thread.cpu, thread.ctx)
        lines = [
            f"INFO: task {thread.comm}:{thread.pid} blocked for more than {seconds} seconds.",
            f"      {scene.ident.tainted} {scene.ident.release} {scene.ident.version}",
            '"echo 0 > /proc/sys/kernel/hung_task_timeout_secs" disables this message.',
            *sched_show_task(thread),
            "Call Trace:",
            *(f" {line}" for line in self.trace(thread)),
        ]
        if scene.tracking is LockTracking.ON:
            lines += ["", "Showing all locks held in the system:"]
            for other in self._system.threads:
                if other.ctx.held:
                    lines += splat.held_locks(judge.scene(other.cpu, other.ctx))
            lines += ["", "============================================="]
        return lines

    def trace(self, thread: Thread) -> list[str]:
        """The stack of a thread that sleeps."""
        return suspended_trace(thread.strand.coroutine)

    def _tell(self, cpu: Cpu, thread: Thread, seconds: int) -> None:
        lines = self.text(thread, seconds)
        cpu.judge.report(cpu, ViolationKind.HUNG_TASK, lines[0], "\n".join(lines), trace=self.trace(thread))
