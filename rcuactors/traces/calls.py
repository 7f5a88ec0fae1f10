"""One call of kvfree_call_rcu(), out of the kprobe on its entry.

The probe prints the two arguments, which are read by the form of the trace (forms.py). What the flags cannot tell (a
raw spinlock from any other way to switch interrupts off, an RCU reader from anybody) comes from the rig's own note of
the statement that it runs.
"""

from __future__ import annotations

import re
from typing import Final

import attrs

from .events import Call, Statement
from .forms import BY_OFFSET, Form, form_of_call
from .lines import TraceLine
from .values import NoNumber, kernel_pointer, number

_CALL: Final = re.compile(r"\([^)]*\) \w+=(\S+) \w+=(\S+)(?: (?:.* )?caller=([^\s+]+)\S*)?(?: .*)?")

PAGE: Final = 4096

_VMALLOC_AREAS: Final = (
    range(0xFFA0_0000_0000_0000, 0xFFD2_0000_0000_0000),
    range(0xFFFF_C900_0000_0000, 0xFFFF_E900_0000_0000),
)
"""x86-64's vmalloc area without KASLR, with five and with four levels of page tables."""
FAR_ABOVE: Final = 1 << 40
"""With KASLR the areas move but keep their order: vmalloc lies above the direct map, as large as the memory is."""

_STATED_CONTEXTS: Final = {"rawspin": "raw_lock", "burstr": "raw_lock", "rcuread": "rcu_read"}
"""Only these two cannot be seen in the flags. `burstr` is the burst under a raw spinlock."""
_INTERRUPTS: Final = frozenset({"softirq", "hardirq", "nmi"})


@attrs.define
class CallReader:
    """Reads calls one after the other. `default` is the form of a trace that does not show one."""

    default: Form = BY_OFFSET
    form: Form | None = None
    _running: dict[int, tuple[str, ...]] = attrs.field(factory=dict, init=False)
    """The statement that each task of the rig is in, by its pid."""
    _lowest: int = attrs.field(default=1 << 64, init=False)

    def note(self, statement: Statement) -> None:
        """Take in what a task of the rig does next."""
        if statement.ends:
            self._running.pop(statement.pid, None)
        else:
            self._running[statement.pid] = statement.words

    def statement_of(self, pid: int) -> tuple[str, ...]:
        """The words of the statement that a task is running, none if it runs none."""
        return self._running.get(pid, ())

    def read(self, line: TraceLine, context: str, at: int) -> Call | None:
        """The call that a line tells; None if it is none. Raises NoNumber where its arguments are no call's."""
        match = _CALL.fullmatch(line.text)
        if match is None:
            return None
        head, func = kernel_pointer(match[1]), number(match[2])
        if self.form is None:
            self.form = form_of_call(head, func)
        found = (self.form or self.default).object_of(head, func)
        # A number that lost its last digits is no kernel address, or is an offset that no rcu_head can have.
        if found is None or found[0] >> 63 != 1 or found[0] >> 64 or head % 8:
            shown = form_of_call(head, func)
            if shown is not None and shown is not self.form and shown.object_of(head, func) is not None:
                raise NoNumber(f"{match[1]}, {match[2]}: not as the kernel that the trace names has it")
            raise NoNumber(f"{match[1]}, {match[2]}: no object and its rcu_head")
        address, offset = found
        statement = self.statement_of(line.pid)
        return Call(
            line.time_ns,
            line.cpu,
            line.comm,
            line.pid,
            line.flags,
            _context(context, statement),
            head == 0,
            "vmalloc" if "vmalloc" in statement or self._is_vmalloc(address) else "slab",
            address,
            match[3] or "",
            offset,
            number=at,
        )

    def _is_vmalloc(self, address: int) -> bool:
        self._lowest = min(self._lowest, address)
        if any(address in area for area in _VMALLOC_AREAS):
            return True
        return address % PAGE == 0 and address - self._lowest >= FAR_ABOVE


def stated_context(statement: tuple[str, ...]) -> str:
    """The context that a statement says it frees in; process where it says none."""
    stated = {**_STATED_CONTEXTS, "preemptoff": "preempt_off", "irqoff": "irqs_off"}
    stated |= {word: word for word in _INTERRUPTS}
    return next((stated[word] for word in statement if word in stated), "process")


def _context(seen: str, statement: tuple[str, ...]) -> str:
    """The context of a call.

    The kprobe adds nothing of its own to the flags: calls of a plain loop have `.....`, those with preemption
    off `...1.`, those under raw_spin_lock_irqsave() `d..1.`. So the flags are the caller's, level by level,
    and need no correction. The statement is the task's: an interrupt that comes on top of it has a context of
    its own, and keeps it.
    """
    if seen in _INTERRUPTS:
        return seen
    return next((_STATED_CONTEXTS[word] for word in statement if word in _STATED_CONTEXTS), seen)
