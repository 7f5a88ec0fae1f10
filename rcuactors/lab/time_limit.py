"""Ends what does not end by itself, after so much virtual time, whatever its CPUs are stuck in."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from ..engine.actor import Message
from ..engine.device import Device
from ..kernel.cpu import Cpu
from ..machine import Machine
from ..marks import machinery


@attrs.frozen(kw_only=True)
class _Begun(Message):
    """A thread to the time limit: what is limited begins."""


class TimeLimit(Device):
    """A device of the machine: `out_of_time` is called so long after `begin`."""

    def __init__(self, machine: Machine, limit_ns: int, out_of_time: Callable[[], None]) -> None:
        super().__init__(name="time_limit", index=machine.system.next_actor_index())
        self._conductor = machine.conductor
        self._limit_ns = limit_ns
        self._out_of_time = out_of_time
        machine.system.add_device(self)

    def begin(self, sender: str) -> None:
        """From now on the time counts. Called by a thread of that name."""
        running = self._conductor.running
        assert isinstance(running, Cpu)
        self._conductor.post(self, _Begun(sender=sender, time_ns=running.clock))

    @machinery
    async def main(self) -> None:
        """Wait for the beginning, and from there as long as is given."""
        begun = await self._conductor.receive(self)
        assert begun is not None
        await self._conductor.receive(self, begun.time_ns + self._limit_ns)
        self._out_of_time()
