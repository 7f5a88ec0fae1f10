"""Threads that PREEMPT_RT has on each CPU for some softirqs: ktimers/N for timers, rcuc/N for RCU's core.

kernel/softirq.c (timersd), kernel/rcu/tree.c (rcu_cpu_thread_spec), kernel/smpboot.c (smpboot_thread_fn()).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import attrs

from ..thread import Urgency

if TYPE_CHECKING:
    from ..cpu import Cpu
    from ..system import System
    from ..thread import Thread


@attrs.frozen(eq=False)
class OwnThread:
    """One of each CPU: how its name begins, for which vectors it is, and one round of what it does."""

    name: str
    vectors: int
    round: Callable[[Cpu], Awaitable[None]]
    _threads: dict[int, Thread] = attrs.field(factory=dict)

    def of(self, cpu: Cpu, system: System) -> Thread:
        """The CPU's, which is made when it is wanted first."""
        return self._threads.get(cpu.cpu_id) or self._create(cpu, system)

    def _create(self, cpu: Cpu, system: System) -> Thread:
        async def smpboot_thread_fn() -> None:
            thread = cpu.current
            while True:
                if not cpu.threads_pending & self.vectors:
                    await thread.sleep(self.name)
                    continue
                await self.round(cpu)
                if cpu.attention:
                    await cpu.point()

        name = f"{self.name}/{cpu.cpu_id}"
        thread = system.create_thread(cpu, name, smpboot_thread_fn, urgency=Urgency.HIGH, fair=False, service=True)
        system.hotplug.smpboot.smpboot_register(thread, self.name)
        self._threads[cpu.cpu_id] = thread
        return thread
