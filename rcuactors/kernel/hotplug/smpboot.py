"""Threads of which each CPU has one (kernel/smpboot.c): ksoftirqd/N, irq_work/N, and PREEMPT_RT's ktimers/N and rcuc/N.

They are parked before their CPU goes, each when it has done what it is at, and no wake-up counts from then on
(kthread_park()); what they were for is served on the way out of interrupts as long as the CPU takes any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..thread import ThreadState
from ..time.timeouts import sleep_ns
from .states import CpuhpState

if TYPE_CHECKING:
    from ..system import System
    from ..thread import Thread


class SmpbootThreads:
    """smpboot's callbacks, for all such threads."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._threads: dict[int, list[tuple[Thread, str]]] = {}
        self._parked: set[int] = set()

    def set_up(self) -> None:
        """Every version has them."""
        self._system.hotplug.setup_state(
            CpuhpState.AP_SMPBOOT_THREADS,
            "smpboot/threads:online",
            startup=self.smpboot_unpark_threads,
            teardown=self.smpboot_park_threads,
        )

    def smpboot_register(self, thread: Thread, rests_in: str) -> None:
        """__smpboot_create_thread(): it is one of its CPU's; `rests_in` is what it waits for when it has nothing."""
        thread.per_cpu = True
        cpu_id = thread.cpu.cpu_id
        self._threads.setdefault(cpu_id, []).append((thread, rests_in))
        if cpu_id in self._parked or not thread.cpu.online:
            # The kernel has it since boot, and has parked it.
            thread.state = ThreadState.PARKED

    async def smpboot_park_threads(self, me: Thread, cpu_id: int) -> None:
        """smpboot_park_threads(): the last one first."""
        for thread, rests_in in reversed(self._threads.get(cpu_id, [])):
            while thread.state is not ThreadState.SLEEPING or thread.waiting_for != rests_in:
                await sleep_ns(self._system, me, self._system.config.jiffy_ns)
            thread.state = ThreadState.PARKED
            thread.sleeps += 1
        self._parked.add(cpu_id)

    async def smpboot_unpark_threads(self, me: Thread, cpu_id: int) -> None:
        """smpboot_unpark_threads(): each looks whether there is something to do."""
        self._parked.discard(cpu_id)
        for thread, _ in self._threads.get(cpu_id, []):
            thread.state = ThreadState.SLEEPING
            await me.cpu.wake_up_process(thread)
