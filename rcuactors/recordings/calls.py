"""One call of kvfree_call_rcu(), out of the kprobe on its entry.

The probe prints the two arguments, and they must be read with care. `head` is NULL in the one-argument form;
then `func` is the object. In the two-argument form `func` is the offset of the rcu_head inside the object up
to 6.1, and the object itself on 6.12; offsets are below one page, so the value tells. What the flags cannot
tell (a raw spinlock from any other way to switch interrupts off, an RCU reader from anybody) comes from the
rig's own note of the statement that it runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import attrs

from .ftrace import TraceLine, context_of

_CALL: Final = re.compile(r"\([^)]*\) head=(\S+) func=(\S+)(?: caller=([^\s+]+)\S*)?")
_STATEMENT: Final = re.compile(r"STMT cpu=\d+ (.+)", re.ASCII)

_OFFSETS: Final = 4096
"""The kernel's bound for "this function pointer is really an offset"."""
_PAGE: Final = 4096

_VMALLOC_AREAS: Final = (
    range(0xFFA0_0000_0000_0000, 0xFFD2_0000_0000_0000),
    range(0xFFFF_C900_0000_0000, 0xFFFF_E900_0000_0000),
)
"""x86-64's vmalloc area without KASLR, with five and with four levels of page tables."""
_FAR_ABOVE: Final = 1 << 40
"""With KASLR the areas move but keep their order: vmalloc lies above the direct map, as large as the memory is."""

_STATED_CONTEXTS: Final = {"rawspin": "raw_lock", "burstr": "raw_lock", "rcuread": "rcu_read"}
"""Only these two cannot be seen in the flags. `burstr` is the burst under a raw spinlock."""
_INTERRUPTS: Final = frozenset({"softirq", "hardirq", "nmi"})


@attrs.frozen
class Call:
    """One kvfree_call_rcu().

    `address` is the object itself, not its rcu_head. `kind` is slab or vmalloc. `caller` is '' where it was
    not recorded.
    """

    time_ns: int
    cpu: int
    comm: str
    pid: int
    flags: str
    context: str
    one_argument: bool
    kind: str
    address: int
    caller: str


@attrs.define
class Statements:
    """Which statement of the rig's script each task is running, by its pid."""

    _running: dict[int, tuple[str, ...]] = attrs.field(factory=dict, init=False)

    def note(self, line: TraceLine) -> None:
        """Take in one `runp` line. Statements that free nothing have no STMTEND: the next STMT ends them."""
        if (match := _STATEMENT.fullmatch(line.text)) is not None:
            self._running[line.pid] = tuple(match[1].split())
        elif line.text.startswith("STMTEND"):
            self._running.pop(line.pid, None)

    def of(self, pid: int) -> tuple[str, ...]:
        """The words of the statement that a task is running, none if it runs none."""
        return self._running.get(pid, ())


def parse_call(line: TraceLine, statement: tuple[str, ...]) -> Call | None:
    """The call that a kvfree_call_rcu line tells, or None if it is broken, as where a file is cut."""
    match = _CALL.fullmatch(line.text)
    if match is None:
        return None
    head, func = _number(match[1]), _number(match[2])
    if head is None or func is None:
        return None
    address = func if head == 0 or func >= _OFFSETS else head - func
    # A number that lost its last digits is no kernel address, or is an offset that no rcu_head can have.
    if address >> 63 != 1 or address >> 64 or head % 8 or (head and func < _OFFSETS and func % 8):
        return None
    return Call(
        line.time_ns,
        line.cpu,
        line.comm,
        line.pid,
        line.flags,
        _context(line.flags, statement),
        head == 0,
        "vmalloc" if _in_vmalloc_area(address) or "vmalloc" in statement else "slab",
        address,
        match[3] or "",
    )


def settle_kinds(calls: Iterable[Call]) -> tuple[Call, ...]:
    """Find the vmalloc objects of a kernel with KASLR: that takes a kmalloc object to compare with."""
    calls = tuple(calls)
    lowest = min((call.address for call in calls), default=0)
    return tuple(
        attrs.evolve(call, kind="vmalloc")
        if call.kind == "slab" and call.address % _PAGE == 0 and call.address - lowest >= _FAR_ABOVE
        else call
        for call in calls
    )


def _context(flags: str, statement: tuple[str, ...]) -> str:
    """The context of a call.

    The kprobe adds nothing of its own to the flags: calls of a plain loop have `.....`, those with preemption
    off `...1.`, those under raw_spin_lock_irqsave() `d..1.`. So the flags are the caller's, level by level,
    and need no correction. The statement is the task's: an interrupt that comes on top of it has a context of
    its own, and keeps it.
    """
    seen = context_of(flags)
    if seen in _INTERRUPTS:
        return seen
    return next((_STATED_CONTEXTS[word] for word in statement if word in _STATED_CONTEXTS), seen)


def _in_vmalloc_area(address: int) -> bool:
    return any(address in area for area in _VMALLOC_AREAS)


def _number(text: str) -> int | None:
    """A pointer or an offset as kprobes print it; NULL may be `0`, `0x0` or `(null)`."""
    if text == "(null)":
        return 0
    try:
        return int(text, 16) if text.startswith("0x") or len(text) == 16 else int(text)
    except ValueError:
        return None
