"""One call of kvfree_call_rcu(), out of the kprobe on its entry.

The probe prints the two arguments, which are read by the form of the recording (forms.py). What the flags cannot
tell (a raw spinlock from any other way to switch interrupts off, an RCU reader from anybody) comes from the
rig's own note of the statement that it runs. Of these statements some do other things than free: they are deeds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import attrs

from ..traces.forms import Form
from ..traces.lines import TraceLine, context_of

_CALL: Final = re.compile(r"\([^)]*\) head=(\S+) func=(\S+)(?: caller=([^\s+]+)\S*)?")
_STATEMENT: Final = re.compile(r"STMT cpu=\d+ (.+)", re.ASCII)

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
_DONE_AT_ONCE: Final = frozenset({"barrier", "drop_slab", "shrink", "sync_expedited"})
_LOOPS: Final = frozenset({"gploop", "synchronize_rcu"})
"""Each of their calls is recorded, and made at its time: a loop of the machine's own would keep another time."""
_INTERRUPTS: Final = frozenset({"softirq", "hardirq", "nmi"})


@attrs.frozen
class Call:
    """One kvfree_call_rcu().

    `address` is the object itself, not its rcu_head, which is `offset` into it (0 in the one-argument form). `kind`
    is slab or vmalloc. `caller` is '' where it was not recorded.
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
    offset: int = 0


@attrs.frozen
class Deed:
    """What the rig's script did beside freeing: `what` is the statement's word, `number` its first number, or 0.

    `synchronize_rcu` is one call, also where the statement is a loop of them.
    """

    time_ns: int
    cpu: int
    comm: str
    pid: int
    what: str
    number: int = 0


@attrs.define
class Statements:
    """Which statement of the rig's script each task is running, by its pid."""

    _running: dict[int, tuple[str, ...]] = attrs.field(factory=dict, init=False)

    def note(self, line: TraceLine) -> Deed | None:
        """Take in one `runp` line. Statements that free nothing have no STMTEND: the next STMT ends them.

        Returns what the statement does, if that is a deed, and is done when it begins.
        """
        if (match := _STATEMENT.fullmatch(line.text)) is not None:
            words = self._running[line.pid] = tuple(match[1].split())
            return _deed(line, words) if words and words[0] in _DONE_AT_ONCE else None
        if line.text.startswith("STMTEND"):
            self._running.pop(line.pid, None)
        return None

    def waited(self, line: TraceLine) -> Deed | None:
        """A call of synchronize_rcu(): a deed where the statement says so, else kvfree_rcu()'s own."""
        words = self.of(line.pid)
        return _deed(line, ("synchronize_rcu",)) if words and words[0] in _LOOPS else None

    def ends(self, line: TraceLine) -> bool:
        """Whether a `runp` line is the end of what its task is running."""
        return line.text.startswith("STMTEND") and line.pid in self._running

    def of(self, pid: int) -> tuple[str, ...]:
        """The words of the statement that a task is running, none if it runs none."""
        return self._running.get(pid, ())


def arguments_of(line: TraceLine) -> tuple[int, int] | None:
    """The two arguments that a kvfree_call_rcu line tells, or None if it is broken, as where a file is cut."""
    match = _CALL.fullmatch(line.text)
    head, func = (None, None) if match is None else (_number(match[1]), _number(match[2]))
    return None if head is None or func is None else (head, func)


def parse_call(line: TraceLine, statement: tuple[str, ...], form: Form) -> Call | None:
    """The call that a kvfree_call_rcu line tells, or None if it is broken, or none of that form."""
    match, arguments = _CALL.fullmatch(line.text), arguments_of(line)
    if match is None or arguments is None:
        return None
    head, func = arguments
    found = form.object_of(head, func)
    # A number that lost its last digits is no kernel address, or is an offset that no rcu_head can have.
    if found is None or found[0] >> 63 != 1 or found[0] >> 64 or head % 8:
        return None
    address, offset = found
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
        offset,
    )


def stated_context(statement: tuple[str, ...]) -> str:
    """The context that a statement says it frees in; process where it says none."""
    stated = {**_STATED_CONTEXTS, "preemptoff": "preempt_off", "irqoff": "irqs_off"}
    stated |= {word: word for word in _INTERRUPTS}
    return next((stated[word] for word in statement if word in stated), "process")


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


def _deed(line: TraceLine, words: tuple[str, ...]) -> Deed:
    number = next((int(word) for word in words[1:] if word.isascii() and word.isdecimal()), 0)
    return Deed(line.time_ns, line.cpu, line.comm, line.pid, words[0], number)


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
