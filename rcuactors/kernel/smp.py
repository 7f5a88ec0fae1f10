"""Calls to another CPU (kernel/smp.c): smp_call_function_single() has a function run there in hardirq context.

The caller keeps its CPU meanwhile: preemption is off, and with `wait` it spins until the function has returned
(csd_lock_wait()). On the caller's own CPU it is a plain call with interrupts off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .hotplug.states import ENXIO
from .locking import contention
from .messages import Handler, HardIrq

if TYPE_CHECKING:
    from .cpu import Cpu
    from .system import System


class CrossCalls:
    """The calls of all CPUs."""

    def __init__(self, system: System) -> None:
        self._system = system

    async def smp_call_function_single(self, cpu: Cpu, target: Cpu, function: Handler, *, wait: bool) -> int:
        """smp_call_function_single(): run a function on a CPU; with `wait`, until it has returned.

        0, or -ENXIO for a CPU that is not online.
        """
        cpu.preempt_disable("smp_call_function_single")
        result = 0
        if not target.online:
            result = ENXIO
        elif target is cpu:
            flags = cpu.local_irq_save("smp_call_function_single")
            try:
                await function(cpu)
            except Exception as error:
                # As on any other CPU, where it would be nothing to whoever is running.
                raise cpu.conductor.ended_by(error) from error
            await cpu.local_irq_restore(flags)
        else:
            await self._interrupt(cpu, target, function, wait=wait)
        await cpu.preempt_enable()
        return result

    async def _interrupt(self, cpu: Cpu, target: Cpu, function: Handler, *, wait: bool) -> None:
        finished: list[bool] = []
        caller = cpu.current

        async def flush_smp_call_function_queue(on: Cpu) -> None:
            await function(on)
            self._system.handed_over(on, finished)
            finished.append(True)
            contention.poke(on, caller)

        irq = HardIrq(
            sender=cpu.name,
            time_ns=cpu.clock,
            line="call_function_single",
            handler=flush_smp_call_function_queue,
            entry="sysvec_call_function_single",
        )
        self._system.conductor.post(target, irq)
        cpu.clock += self._system.costs.ipi_ns
        if wait:
            reason = f"smp_call_function_single() on CPU {target.cpu_id}"
            await contention.busy_wait(caller, lambda: bool(finished), reason)
            self._system.taken_over(caller.cpu, finished)
        elif cpu.clock >= cpu.conductor.horizon:
            await cpu.point()
