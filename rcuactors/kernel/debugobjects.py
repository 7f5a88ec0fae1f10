"""Debug objects (lib/debugobjects.c): what lies in an object, and must not be active when the object goes.

debug_check_no_obj_freed(). Each floor says of its kinds (struct debug_obj_descr) what active means and how the kernel
puts it right; one machine serves them all. The kernel looks with DEBUG_OBJECTS_FREE and the kind's own option, and
puts it right then (fixup_free()): the timer is deleted, the work cancelled, and neither ever runs. Without these
options it says nothing and does nothing, and what was active goes on in freed memory; the oracle tells of it.

A use of a member whose object is free is a use of freed memory (`used()`); with debug objects the kernel knows it, too:
the tracked state went with the object ("not available").
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs

from ..config import Config
from ..context import splat
from ..context.memory import FREED, Memory
from ..context.trace import call_trace
from ..context.violation import KERNEL, ORACLE, ViolationKind
from ..marks import MACHINERY

__trace__ = MACHINERY

if TYPE_CHECKING:
    from .cpu import Cpu
    from .thread import Thread

_PRINTED: Final = 5
"""debug_print_object() says so often that something is wrong, and then no more."""


class Member(Protocol):
    """What can be a member of an object. `inside` is the object, if it is."""

    inside: Memory | None

    @property
    def name(self) -> str:
        """As reports call it."""
        ...


@attrs.frozen(kw_only=True)
class Descr:
    """struct debug_obj_descr. `option` turns the kernel's look on; `active_state` is what reports say of it.

    `hint` is what the kernel would call: the function's name for timers and works, nothing for an rcu_head.
    `fixup_free` is None when there is nothing that could put it right.
    """

    name: str
    option: Callable[[Config], bool]
    active: Callable[[Any], bool]
    hint: Callable[[Any], str] = lambda _: "0x0"
    active_state: int = 0
    fixup_free: Callable[[Thread, Any], Awaitable[None]] | None = None


class DebugObjects:
    """The tracker of one machine."""

    def __init__(self, config: Config) -> None:
        """`members_exist` is set with the first member: until then no object need be looked through."""
        self._config = config
        self._descrs: dict[type, Descr] = {}
        self._printed = 0
        self._going: list[Memory] = []
        self.members_exist = False

    def register(self, kind: type, descr: Descr) -> None:
        """From now on members of this type are of that kind."""
        self._descrs[kind] = descr

    def put_in(self, memory: Memory, member: Member) -> None:
        """Make something a member of an object."""
        self.members_exist = True
        member.inside = memory
        memory.add(member)

    def _kernel_looks(self, descr: Descr) -> bool:
        return descr.option(self._config) and self._printed < _PRINTED

    def print_object(
        self, cpu: Cpu, descr: Descr, member: Member, what: str, state: str, *, free: bool = False
    ) -> None:
        """debug_print_object(): a WARN(), as often as the kernel has it; what only we see is the oracle's."""
        kernel = self._kernel_looks(descr) and (self._config.DEBUG_OBJECTS_FREE or not free)
        self._printed += kernel
        message = (
            f"ODEBUG: {what} {state} (active state {descr.active_state}) object type: {descr.name} "
            f"hint: {descr.hint(member)}"
        )
        trace = call_trace()
        text = splat.warning(cpu.judge.scene(cpu), message, "debug_print_object", trace)
        kind = ViolationKind.FREE_ACTIVE if free else ViolationKind.DEBUG_OBJECTS
        if member.inside is not None:
            text += f"\n{member.name} in {member.inside}\n" + "\n".join(member.inside.history())
        title = f"WARNING: {message}" if kernel else f"BUG: {what} {state}: {descr.name} {member.name}"
        cpu.judge.report(cpu, kind, title, text, KERNEL if kernel else ORACLE)

    async def debug_check_no_obj_freed(self, thread: Thread, members: list[Member]) -> None:
        """debug_check_no_obj_freed(): what is active in an object that goes is told, and put right."""
        for member in list(members):
            descr = self._descrs.get(type(member))
            if descr is None or not descr.active(member):
                continue
            fixes = self._config.DEBUG_OBJECTS_FREE and descr.option(self._config)
            self.print_object(thread.cpu, descr, member, "free", "active", free=True)
            if fixes and descr.fixup_free is not None and member.inside is not None:
                self._going.append(member.inside)
                await descr.fixup_free(thread, member)
                self._going.remove(member.inside)

    def used(self, cpu: Cpu, member: Member, what: str = "") -> None:
        """A member is used. `what` is how debug objects call that, where they look: `assert_init`, `activate`."""
        memory = member.inside
        if memory is None or memory in self._going:
            return
        descr = self._descrs.get(type(member))
        if (
            memory.state == FREED
            and what
            and descr is not None
            and descr.option(self._config)
            and self._config.DEBUG_OBJECTS_FREE
        ):
            self.print_object(cpu, descr, member, what, "not available")
        cpu.judge.used(cpu, memory, member.name)
