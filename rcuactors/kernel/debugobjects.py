"""Debug objects (lib/debugobjects.c): what lies in an object, and must not be active when the object goes.

debug_check_no_obj_freed(). Each floor says of its kinds (struct debug_obj_descr) what active means and how the kernel
puts it right; one machine serves them all. The kernel looks with DEBUG_OBJECTS_FREE and the kind's own option, and
puts it right then (fixup_free()): the timer is deleted, the work cancelled, and neither ever runs. Without these
options it says nothing and does nothing, and what was active goes on in freed memory; the oracle tells of it.

A use of a member whose object is free is a use of freed memory (`used()`); with debug objects the kernel knows it, too:
the tracked state went with the object ("not available"). So it knows what nobody has initialised, and puts that right
as well (fixup_assert_init()): such a timer calls stub_timer(). What is initialised while it is active is told and
stopped first (fixup_init()); and what is initialised is looked at for where it lies (debug_object_is_on_stack()): what
lies on the stack of the running thread has to be initialised as such, and nothing else (stack.py).

Looked up in lib/debugobjects.c of the mainline at 03c601927b67, whose lookup_object_or_alloc() 6.1.192 has, too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs

from ..config import Config
from ..context import splat
from ..context.memory import Memory
from ..context.trace import call_trace
from ..context.violation import KERNEL, ORACLE, ViolationKind
from ..marks import MACHINERY
from .debugobjects_pool import ObjPool
from .locking import contention
from .stack import StackFrame, on_task_stack, stack_of

__trace__ = MACHINERY

if TYPE_CHECKING:
    from .cpu import Cpu
    from .debugobjects_pool import PoolMemory
    from .rules import KernelRules
    from .system import System
    from .thread import Thread

_DATA: Final = 0xFFFFFFFF82A00000
_PRINTED: Final = 5
"""debug_print_object() says so often that something is wrong, and then no more."""


class Member(Protocol):
    """What can be a member of an object. `inside` is the object, if it is."""

    inside: Memory | None

    @property
    def name(self) -> str:
        """As reports call it."""
        ...


class Tracked(Member, Protocol):
    """A member of a kind that debug objects watch. `known`: its state is tracked."""

    known: bool


class TrackedMemory(Memory, Protocol):
    """An object, with what lies in it."""

    members: list[Any] | None


@attrs.define(eq=False)
class Unnamed:
    """What is tracked in an object whose members the scenario has not described."""

    inside: Memory | None
    name: str = "rcu_head"
    known: bool = False


@attrs.frozen(kw_only=True)
class Descr:
    """struct debug_obj_descr. `option` turns the kernel's look on; `active_state` is what reports say of it.

    `hint` is what the kernel would call: the function's name for timers and works, nothing for an rcu_head.
    `stop` makes it inactive, as fixup_free() and fixup_init() do; None where there is nothing that could put it right.
    `stub` is fixup_assert_init(): makes of something that nobody has initialised what does no harm. `static` says that
    whatever is not known counts as a static one, which needs no initialising (is_static_object()).
    """

    name: str
    option: Callable[[Config], bool]
    active: Callable[[Any], bool]
    hint: Callable[[Any], str] = lambda _: "0x0"
    active_state: int = 0
    stop: Callable[[Thread, Any], Awaitable[None]] | None = None
    stub: Callable[[Any], None] | None = None
    static: bool = False


def _address(member: Member) -> int:
    """Where it lies: in which object, for what is a variable of the kernel that is its data."""
    memory = member.inside
    return memory.address if memory is not None else _DATA


def _inactive(descr: Descr, member: Member) -> bool:
    return not descr.active(member)


class DebugObjects:
    """The tracker of one machine."""

    def __init__(self, config: Config, rules: KernelRules) -> None:
        """`members_exist` is set with the first member: until then no object need be looked through."""
        self._config = config
        self._rules = rules
        self.pool: ObjPool | None = None
        self._warns_in = rules.on_stack_warns_in
        self._stack_printed = 0
        self._descrs: dict[type, Descr] = {}
        self._printed = 0
        self._going: list[Memory] = []
        self.members_exist = False

    def takes_memory_from(self, system: System, memory: PoolMemory) -> None:
        """debug_objects_mem_init(), in a kernel with debug objects. Raises BadInput for a pool that cannot be so."""
        config = self._config
        if config.DEBUG_OBJECTS_TIMERS or config.DEBUG_OBJECTS_WORK or config.DEBUG_OBJECTS_RCU_HEAD:
            self.pool = ObjPool(system, self._rules.debug_objects, memory)
            self.members_exist = True

    def watches(self, descr: Descr) -> bool:
        """The kernel tracks this kind, and has not switched that off (debug_objects_enabled)."""
        return self.pool is not None and self.pool.enabled and descr.option(self._config)

    def register(self, kind: type, descr: Descr) -> None:
        """From now on members of this type are of that kind."""
        self._descrs[kind] = descr

    def put_in(self, cpu: Cpu, memory: Memory, member: Member, *, on_stack: bool = False) -> None:
        """Make something a member of an object, or of a function's frame; `on_stack`: initialised as such."""
        self.members_exist = True
        member.inside = memory
        memory.add(member)
        descr = self._descrs.get(type(member))
        if descr is not None and (on_stack or not descr.static):
            self._know(cpu, descr, member)
            self._is_on_stack(cpu, descr, memory, on_stack=on_stack)

    def _know(self, cpu: Cpu, descr: Descr, member: Any) -> None:
        """lookup_object_or_alloc()."""
        if member.known:
            return
        member.known = True
        if self.pool is not None and self.watches(descr):
            memory = None if self._config.DEBUG_OBJECTS_FREE else member.inside
            self.pool.alloc_object(cpu, (memory.address, member.name) if memory is not None else None)

    def _forget(self, cpu: Cpu, descr: Descr, member: Any) -> None:
        """free_object() of what was tracked."""
        if member.known:
            member.known = False
            if self.pool is not None and descr.option(self._config):
                self.pool.free_object(cpu)

    # -- rcu_heads, whose first use is where tracking begins ----------------------------------------------------------

    async def activates(self, thread: Thread, member: Tracked) -> None:
        """debug_object_activate() of what needs no initialising, as far as it concerns the pool."""
        descr = self._descrs[type(member)]
        if self.pool is None or not self.watches(descr):
            return
        await self.pool.debug_objects_fill_pool(thread, tracked=member.known)
        if not member.known and member.inside is None:
            self._know(thread.cpu, descr, member)

    async def activates_in(self, thread: Thread, memory: TrackedMemory, kind: type) -> None:
        """The same of something of that kind in an object, of which nobody has said where in it it lies."""
        if self.pool is None or not self.watches(descr := self._descrs[kind]):
            return
        known: Any = next((member for member in memory.members or () if isinstance(member, kind | Unnamed)), None)
        tracked = known is not None and known.known
        await self.pool.debug_objects_fill_pool(thread, tracked=tracked)
        if known is None:
            known = Unnamed(memory)
            memory.add(known)
        self._know(thread.cpu, descr, known)

    # -- where it lies -----------------------------------------------------------------------------------------------

    def init_on_stack(self, cpu: Cpu, kind: type) -> None:
        """debug_object_init_on_stack() of what a kernel function has among its variables."""
        if not on_task_stack(cpu):
            self._is_on_stack(cpu, self._descrs[kind], None, on_stack=True)

    def _is_on_stack(self, cpu: Cpu, descr: Descr, memory: Memory | None, *, on_stack: bool) -> None:
        """debug_object_is_on_stack(); of a kernel function's variable `memory` is None, and it is on no thread's."""
        there = isinstance(memory, StackFrame) and memory.of_task is cpu.current
        if there == on_stack or not self.watches(descr) or self._stack_printed >= _PRINTED:
            return
        self._stack_printed += 1
        said = "is on stack {}, but NOT annotated" if there else "is NOT on stack {}, but annotated"
        title = f"ODEBUG: object {memory or ''}".rstrip() + f" {said.format(f'{stack_of(cpu.current):016x}')}."
        text = f"{title}\n{splat.warning(cpu.judge.scene(cpu), '', self._warns_in, call_trace())}"
        cpu.judge.report(cpu, ViolationKind.DEBUG_OBJECTS, title, text)

    # -- what it says ------------------------------------------------------------------------------------------------

    def _kernel_looks(self, descr: Descr) -> bool:
        return self.watches(descr) and self._printed < _PRINTED

    def print_object(
        self, cpu: Cpu, descr: Descr, member: Member, what: str, state: str, *, free: bool = False
    ) -> None:
        """debug_print_object(): a WARN(), as often as the kernel has it; what only we see is the oracle's."""
        kernel = self._kernel_looks(descr) and (self._config.DEBUG_OBJECTS_FREE or not free)
        self._printed += kernel
        words = cpu.judge.ident.words
        address = f"object: {_address(member):016x} " if words.odebug_address else ""
        message = (
            f"ODEBUG: {what} {state} (active state {descr.active_state}) {address}object type: {descr.name} "
            f"hint: {descr.hint(member)}"
        )
        trace = call_trace()
        text = splat.warning(cpu.judge.scene(cpu), message, "debug_print_object", trace)
        kind = ViolationKind.FREE_ACTIVE if free else ViolationKind.DEBUG_OBJECTS
        if member.inside is not None:
            text += f"\n{member.name} in {member.inside}\n" + "\n".join(member.inside.history())
        title = f"WARNING: {message}" if kernel else f"BUG: {what} {state}: {descr.name} {member.name}"
        cpu.judge.report(cpu, kind, title, text, KERNEL if kernel else ORACLE)

    async def init(self, thread: Thread, member: Tracked) -> None:
        """debug_object_init() of something that was initialised before: it must not be active."""
        descr = self._descrs[type(member)]
        if descr.active(member):
            self.print_object(thread.cpu, descr, member, "init", "active")
            if self.watches(descr) and descr.stop is not None:
                await descr.stop(thread, member)
        if self.pool is not None:
            await self.pool.debug_objects_fill_pool(thread)
        self._know(thread.cpu, descr, member)

    async def debug_check_no_obj_freed(self, thread: Thread, members: list[Member]) -> None:
        """debug_check_no_obj_freed(): what is active in an object that goes is told, and put right.

        Where nothing could do that, it is looked at again and again, until it is active no more.
        """
        for member in list(members):
            descr = self._descrs.get(type(member))
            if descr is None:
                continue
            looks = self._config.DEBUG_OBJECTS_FREE and self.watches(descr)
            if descr.active(member):
                self.print_object(thread.cpu, descr, member, "free", "active", free=True)
                if looks and descr.stop is not None:
                    await self._put_right(thread, descr.stop, member)
                else:
                    await self.repeat(thread, descr, member, partial(_inactive, descr, member))
            if looks:
                self._forget(thread.cpu, descr, member)

    async def _put_right(self, thread: Thread, stop: Callable[[Thread, Any], Awaitable[None]], member: Member) -> None:
        """The fixup: that uses the member is nobody's use of what goes."""
        memory = member.inside
        if memory is not None:
            self._going.append(memory)
        await stop(thread, member)
        if memory is not None:
            self._going.remove(memory)

    def frame_goes(self, cpu: Cpu, frame: StackFrame) -> None:
        """A function returns. The kernel does not look at what is active among its variables."""
        for member in frame.members:
            descr = self._descrs.get(type(member))
            if descr is not None and descr.active(member):
                title = f"BUG: free active: {descr.name} {member.name} in {frame}"
                text = "\n".join([title, *frame.history()])
                cpu.judge.report(cpu, ViolationKind.FREE_ACTIVE, title, text, ORACLE)

    async def repeat(self, thread: Thread, descr: Descr, member: Member, done: Callable[[], bool]) -> None:
        """The loop of debug_check_no_obj_freed() around what it cannot put right, from its second turn on."""
        if not (self._config.DEBUG_OBJECTS_FREE and self.watches(descr)):
            return
        while self._kernel_looks(descr) and not done():
            self.print_object(thread.cpu, descr, member, "free", "active", free=True)
        await contention.poll(thread, done, f"{descr.name} {member.name} to be inactive")

    def used(self, cpu: Cpu, member: Member, what: str = "") -> None:
        """A member is used. `what` is how debug objects call that, where they look: `assert_init`, `activate`."""
        if what:
            self.tell(cpu, member, what)
        memory = member.inside
        if memory is not None and memory not in self._going:
            cpu.judge.used(cpu, memory, member.name)

    def activate_static(self, cpu: Cpu, member: Tracked) -> None:
        """debug_object_activate() of what needs no initialising: the first time it is looked at where it lies."""
        if not member.known and member.inside is not None:
            self._know(cpu, self._descrs[type(member)], member)
            self._is_on_stack(cpu, self._descrs[type(member)], member.inside, on_stack=False)

    def tell(self, cpu: Cpu, member: Any, what: str) -> None:
        """Debug objects hear that it is used: of what they do not know they say so, and make something of it."""
        descr = self._descrs[type(member)]
        if member.known or not self.watches(descr):
            return
        self.print_object(cpu, descr, member, what, "not available")
        if descr.stub is not None:
            descr.stub(member)
            self._know(cpu, descr, member)
