"""What a call does with interrupts off: whether a lock keeps others away there, or nothing but that.

An NMI comes there all the same. Where the call takes a lock, an NMI that makes the same call finds it taken; where it
takes none, it finds whatever is there half done, and nothing tells.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ..context.locks import Lock
from ..kernel.cpu import Cpu
from ..kernel.messages import Handler, Nmi
from ..machine import Machine


class Sections:
    """The sections with interrupts off that one CPU has gone through meanwhile. `unlocked`: one without a lock."""

    def __init__(self, machine: Machine, cpu_id: int) -> None:
        self._cpu_id = cpu_id
        self._watching = False
        self._locks: list[int] = []
        self.unlocked = False
        self._at_lock: Handler | None = None
        probes = machine.probes.kernel
        probes.irqs_off.listen(self._off)
        probes.irqs_on.listen(self._on)
        probes.lock_taken.listen(self._taken)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """While the call is made."""
        self._watching, self._locks = True, []
        yield
        self._watching = False

    @contextlib.contextmanager
    def nmi_at_first_lock(self, handler: Handler) -> Iterator[None]:
        """Meanwhile an NMI comes as soon as the CPU has got a lock, whichever it is; once."""
        self._at_lock = handler
        yield
        self._at_lock = None

    def _is_it(self, cpu: Cpu) -> bool:
        return self._watching and cpu.cpu_id == self._cpu_id

    def _off(self, cpu: Cpu, _nested: bool) -> None:
        if self._is_it(cpu):
            self._locks.append(0)

    def _taken(self, cpu: Cpu, _lock: Lock, _waited_ns: int) -> None:
        if self._at_lock is not None and cpu.cpu_id == self._cpu_id:
            handler, self._at_lock = self._at_lock, None
            cpu.post_nmi(Nmi(sender=cpu.name, time_ns=cpu.clock, handler=handler))
        if self._is_it(cpu):
            self._locks = [taken + 1 for taken in self._locks]

    def _on(self, cpu: Cpu, _nested: bool, _off_ns: int) -> None:
        if self._is_it(cpu) and self._locks:
            self.unlocked |= not self._locks.pop()
