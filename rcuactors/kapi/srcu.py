"""SRCU (include/linux/srcu.h): readers that may sleep."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from ..context.trace import caller_site
from ..errors import BadInput
from ..kernel.cpu import Cpu
from ..mm.objects import KObject
from ..rcu.data import RcuHead
from ..rcu.srcu_struct import SrcuStruct
from .base import Action, begun, handler_of, name_of
from .rcu import Pointer, Rcu


class SleepableRcu(Rcu):
    """srcu_structs, their readers, and who waits for these."""

    def srcu_struct(self, name: str) -> SrcuStruct:
        """DEFINE_SRCU(name): a static one, which lockdep knows by its name."""
        return self._machine.srcu.init_srcu_struct(name)

    def init_srcu_struct(self, name: str) -> SrcuStruct:
        """init_srcu_struct(&...): one that is made by the code that runs; lockdep tells them apart by the place."""
        return self._machine.srcu.init_srcu_struct(name, caller_site())

    async def cleanup_srcu_struct(self, ssp: SrcuStruct) -> None:
        """It is not needed any more. The kernel warns where somebody reads, or waits for a callback, and keeps it."""
        await self._machine.srcu.cleanup_srcu_struct(self._thread, ssp)

    def srcu_read_lock(self, ssp: SrcuStruct) -> int:
        """Enter a reader of that srcu_struct, and get what srcu_read_unlock() needs; it may sleep inside."""
        return self._machine.srcu.srcu_read_lock(self._cpu, ssp)

    def srcu_read_unlock(self, ssp: SrcuStruct, idx: int) -> None:
        """Leave it."""
        self._machine.srcu.srcu_read_unlock(self._cpu, ssp, idx)

    @contextmanager
    def srcu_reader(self, ssp: SrcuStruct) -> Iterator[None]:
        """A reader as a `with` block."""
        idx = self.srcu_read_lock(ssp)
        # As in C nothing unwinds.
        yield
        self.srcu_read_unlock(ssp, idx)

    def srcu_read_lock_held(self, ssp: SrcuStruct) -> bool:
        """In a reader of that srcu_struct, as far as lockdep knows; always True while that is off."""
        return not self._watching() or self._machine.srcu.srcu_read_lock_held(self._cpu, ssp)

    def srcu_dereference(self, p: Pointer, ssp: SrcuStruct) -> Pointer:
        """Take a pointer that readers of that srcu_struct may follow; lockdep wants the caller to be one."""
        return self.srcu_dereference_check(p, ssp, False)

    def srcu_dereference_check(self, p: Pointer, ssp: SrcuStruct, c: bool) -> Pointer:
        """The same where `c` may stand for that."""
        cpu, srcu = self._cpu, self._machine.srcu
        held = c or srcu.srcu_read_lock_held(cpu, ssp)
        self._machine.readers.check_dereference(cpu, held, "rcu_dereference_check")
        if p is not None:
            self._machine.oracle.dereferenced(srcu.reader_of(cpu, ssp), p)
        return p

    async def call_srcu(
        self,
        ssp: SrcuStruct,
        head: RcuHead | Action,
        function: Callable[..., Awaitable[None]] | None = None,
        *,
        name: str = "",
    ) -> None:
        """Have a function run, in a worker with bottom halves off, when all that read now have ended.

        call_srcu(ssp, function), or call_srcu(ssp, head, function) with an rcu_head, as with call_rcu(): then the
        function is called with the object that the head is in, if it is in one.
        """
        srcu, thread = self._machine.srcu, self._thread
        if not isinstance(head, RcuHead):
            handler = handler_of(head)
            await srcu.call_srcu(thread, ssp, handler, RcuHead(handler, name or name_of(head)))
            return
        if function is None:
            raise BadInput("call_srcu(ssp, head, function): the function is missing")
        called, inside, oracle = function, head.inside, self._machine.oracle

        async def _callback(_cpu: Cpu) -> None:
            await (begun(called) if inside is None else begun(called, inside))
            if isinstance(inside, KObject):
                oracle.srcu_callback_ran(inside)

        if isinstance(inside, KObject) and not head.queued:
            oracle.given_to_srcu(inside, ssp)
        head.name = name or name_of(called)
        await srcu.call_srcu(thread, ssp, _callback, head)

    async def synchronize_srcu(self, ssp: SrcuStruct) -> None:
        """Sleep until all that read now have ended."""
        await self._machine.srcu.synchronize_srcu(self._thread, ssp)

    async def synchronize_srcu_expedited(self, ssp: SrcuStruct) -> None:
        """The same in a hurry."""
        await self._machine.srcu.synchronize_srcu_expedited(self._thread, ssp)

    async def srcu_barrier(self, ssp: SrcuStruct) -> None:
        """Sleep until every callback of call_srcu() queued so far was called."""
        await self._machine.srcu.srcu_barrier(self._thread, ssp)
