"""What every subject of the API stands on: the machine, and the CPU that runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ..engine.errors import RunOver
from ..errors import BadInput
from ..kernel.cpu import Cpu
from ..machine import Machine

Action = Callable[[], Awaitable[None]]
"""A scenario's function that runs elsewhere: a handler, a work, a callback."""


def handler_of(action: Action) -> Callable[[Cpu], Awaitable[None]]:
    """A scenario's function as the machine calls handlers."""

    async def run_handler(_cpu: Cpu) -> None:
        await action()

    return run_handler


def not_negative(what: str, value: int) -> int:
    """The value. Raises BadInput unless it is a whole number, 0 or more."""
    if value.__class__ is not int or value < 0:
        raise BadInput(f"{what}({value!r}): needs a whole number, 0 or more")
    return value


class KernelBase:
    """Holds the machine."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._system = machine.system
        self._conductor = machine.conductor
        self._locks = machine.system.locks

    @property
    def machine(self) -> Machine:
        """What it all runs on: for tests and rigs, which look at what no kernel code sees."""
        return self._machine

    @property
    def _cpu(self) -> Cpu:
        """The CPU that has the baton.

        Raises RuntimeError when no code of the machine is running, RunOver when its run is over.
        """
        running = self._conductor.running
        if isinstance(running, Cpu):
            return running
        if self._conductor.over:
            raise RunOver
        raise RuntimeError(
            "the kernel's functions can only be called from a thread or handler of a running machine: "
            "start kernel threads with k.kthread_run() or k.open_nursery(), not with trio.open_nursery()"
        )

    async def _spend(self, cpu: Cpu, cost_ns: int) -> None:
        """Charge time and let others act."""
        cpu.clock += cost_ns
        if cpu.clock >= self._conductor.horizon or cpu.attention:
            await cpu.point()
