"""The end of a CPU, and its beginning, on the CPU itself: take_cpu_down(), do_idle(), notify_cpu_starting().

take_cpu_down() runs in the stopper with interrupts off. From the moment the CPU is not online any more its interrupts
go elsewhere (__cpu_disable(), fixup_irqs()) and its clock event device is dead; what calls and irq_works it has been
sent it serves there and then (smpcfd_dying_cpu()). Then its idle thread tells RCU, tells whoever takes it down, and
stands still (cpuhp_report_idle_dead()) until it is started again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from ...marks import machinery
from ..completion import complete
from ..messages import DEVICE_ENTRY, HardIrq, WakeUp
from .states import CpuhpState

if TYPE_CHECKING:
    from ...engine.actor import Message
    from ..completion import Completion
    from ..cpu import Cpu
    from ..system import System
    from ..thread import Thread

Run = Callable[["Thread", int], Awaitable[None]]
"""Calls the callbacks of a CPU's states between AP_OFFLINE and AP_ONLINE."""


class Dying:
    """What a CPU does of it itself."""

    def __init__(self, system: System, teardown: Run, startup: Run) -> None:
        self._system = system
        self._teardown, self._startup = teardown, startup
        self._reports: dict[int, Completion] = {}
        """Who waits to hear that a CPU's idle thread is dead, or that it idles again."""
        self.dead: set[int] = set()
        """CPUs whose idle thread has ended."""
        self._comes: set[int] = set()

    def set_up(self) -> None:
        """What every version has."""
        self._system.hotplug.setup_state(CpuhpState.AP_SMPCFD_DYING, "smpcfd:dying", teardown=self.smpcfd_dying_cpu)

    # -- down --------------------------------------------------------------------------------------------------------

    def awaits(self, cpu_id: int, done: Completion) -> None:
        """Whom the CPU's idle thread has to tell."""
        self._reports[cpu_id] = done

    async def take_cpu_down(self, cpu: Cpu) -> None:
        """take_cpu_down(): __cpu_disable(), then the callbacks that were CPU_DYING's."""
        system = self._system
        cpu.online = False
        system.masks.set_cpu_online(cpu.cpu_id, False)
        system.hrtimers.tick_shutdown(cpu)
        await self._teardown(cpu.current, cpu.cpu_id)

    async def smpcfd_dying_cpu(self, thread: Thread, _cpu_id: int) -> None:
        """smpcfd_dying_cpu(): calls that other CPUs have sent, and irq_works, are served now."""
        cpu = thread.cpu
        for message in self._pending(cpu):
            if isinstance(message, WakeUp):
                cpu.ttwu_pending(message)
            elif isinstance(message, HardIrq):
                await self._serve(cpu, message)
            elif message.__class__ in cpu.hooks.on_message:
                cpu.hooks.on_message[message.__class__](cpu, message)
        await self._system.irq_works.irq_work_run(cpu)

    @staticmethod
    def _pending(cpu: Cpu) -> list[Message]:
        found: list[Message] = []
        while (message := cpu.mailbox.take_nowait()) is not None:
            found.append(message)
        return found

    async def _serve(self, cpu: Cpu, irq: HardIrq) -> None:
        """One interrupt that had not been taken: a call is made, a device's goes elsewhere, a timer's is nobody's."""
        if irq.line == "call_function_single":
            await irq.handler(cpu)
        elif irq.entry == DEVICE_ENTRY:
            self._system.conductor.post(self._system.cpu(min(self._system.masks.active)), irq)

    # -- the idle thread ---------------------------------------------------------------------------------------------

    @machinery
    async def idle_dead(self, cpu: Cpu) -> None:
        """do_idle() on a CPU that is not online: dead until it is started, and then cpuhp_online_idle()."""
        if cpu.cpu_id not in self.dead:
            self.dead.add(cpu.cpu_id)
            await self._report_idle_dead(cpu)
        while cpu.cpu_id not in self._comes:
            await cpu.conductor.block(cpu, "offline", listening=False)
        self._comes.discard(cpu.cpu_id)
        self.dead.discard(cpu.cpu_id)
        await self._start_secondary(cpu)

    async def _report_idle_dead(self, cpu: Cpu) -> None:
        """cpuhp_report_idle_dead(): RCU first, which does not watch from here on."""
        await self._system.hotplug.rcu.rcu_report_dead(cpu)
        for hook in cpu.hooks.on_idle:
            hook(cpu)
        done = self._reports.pop(cpu.cpu_id, None)
        if done is not None:
            await self._tell(cpu, done)

    async def _tell(self, cpu: Cpu, done: Completion) -> None:
        """cpuhp_complete_idle_dead(), which another CPU runs for it."""
        other = self._system.cpu(min(self._system.masks.online()))

        async def cpuhp_complete_idle_dead(on: Cpu) -> None:
            await complete(self._system, on, done)

        irq = HardIrq(
            sender=cpu.name,
            time_ns=cpu.clock,
            line="call_function_single",
            handler=cpuhp_complete_idle_dead,
            entry="sysvec_call_function_single",
        )
        self._system.conductor.post(other, irq)

    # -- up ----------------------------------------------------------------------------------------------------------

    def kick(self, waker: Cpu, cpu: Cpu, done: Completion) -> None:
        """__cpu_up(): a CPU that is dead, or was never there, begins."""
        self.awaits(cpu.cpu_id, done)
        self.dead.add(cpu.cpu_id)
        self._comes.add(cpu.cpu_id)
        cpu.clock = max(cpu.clock, waker.clock)
        if cpu.waiting_for == "offline":
            cpu.conductor.enqueue(cpu, cpu.clock)

    async def _start_secondary(self, cpu: Cpu) -> None:
        """start_secondary(), notify_cpu_starting(), cpuhp_online_idle()."""
        system = self._system
        flags = cpu.local_irq_save("start_secondary")
        await system.hotplug.rcu.rcu_cpu_starting(cpu)
        await self._startup(cpu.idle_thread, cpu.cpu_id)
        cpu.online = True
        system.masks.set_cpu_online(cpu.cpu_id, True)
        await cpu.local_irq_restore(flags)
        await complete(system, cpu, self._reports.pop(cpu.cpu_id))
