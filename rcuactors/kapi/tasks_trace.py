"""RCU Tasks Trace (include/linux/rcupdate_trace.h): readers in code that BPF programs may be attached to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from ..errors import BadInput
from ..kernel.cpu import Cpu
from ..mm.objects import KObject
from ..rcu.data import RcuHead
from ..rcu.tasks_trace import TasksTrace
from .base import Action, begun, handler_of, name_of
from .rcu import Pointer, Rcu


class TasksTraceRcu(Rcu):
    """Its readers, who may sleep, and who waits for these."""

    @property
    def _tasks_trace(self) -> TasksTrace:
        return self._machine.srcu.tasks_trace

    def rcu_read_lock_trace(self) -> None:
        """Enter a reader of RCU Tasks Trace; it may sleep inside."""
        self._tasks_trace.rcu_read_lock_trace(self._cpu)

    def rcu_read_unlock_trace(self) -> None:
        """Leave it."""
        self._tasks_trace.rcu_read_unlock_trace(self._cpu)

    @contextmanager
    def rcu_trace_reader(self) -> Iterator[None]:
        """A reader as a `with` block."""
        self.rcu_read_lock_trace()
        # As in C nothing unwinds.
        yield
        self.rcu_read_unlock_trace()

    def rcu_read_lock_trace_held(self) -> bool:
        """In such a reader, as far as lockdep knows; always True while that is off."""
        return not self._watching() or self._tasks_trace.rcu_read_lock_trace_held(self._cpu)

    def rcu_dereference_trace(self, p: Pointer) -> Pointer:
        """rcu_dereference_check(p, rcu_read_lock_trace_held()): a pointer that such readers may follow."""
        cpu, trace = self._cpu, self._tasks_trace
        self._machine.readers.check_dereference(cpu, trace.rcu_read_lock_trace_held(cpu), "rcu_dereference_check")
        if p is not None:
            self._machine.oracle.dereferenced(trace.reader_of(cpu), p)
        return p

    async def call_rcu_tasks_trace(
        self, head: RcuHead | Action, function: Callable[..., Awaitable[None]] | None = None, *, name: str = ""
    ) -> None:
        """Have a function run, in a thread with bottom halves off, when all such readers of now have ended.

        call_rcu_tasks_trace(function), or call_rcu_tasks_trace(head, function) with an rcu_head, as with call_rcu().
        Not from an NMI, nor from what may be below itself: it takes a raw lock with interrupts off.
        """
        trace, thread = self._tasks_trace, self._thread
        if not isinstance(head, RcuHead):
            handler = handler_of(head)
            await trace.call_rcu_tasks_trace(thread, handler, RcuHead(handler, name or name_of(head)))
            return
        if function is None:
            raise BadInput("call_rcu_tasks_trace(head, function): the function is missing")
        called, inside, oracle = function, head.inside, self._machine.oracle

        async def _callback(_cpu: Cpu) -> None:
            await (begun(called) if inside is None else begun(called, inside))
            if isinstance(inside, KObject):
                oracle.srcu_callback_ran(inside)

        if isinstance(inside, KObject) and not head.queued:
            oracle.given_to_srcu(inside, trace.domain())
        head.name = name or name_of(called)
        await trace.call_rcu_tasks_trace(thread, _callback, head)

    async def synchronize_rcu_tasks_trace(self) -> None:
        """Sleep until all such readers of now have ended."""
        await self._tasks_trace.synchronize_rcu_tasks_trace(self._thread)

    async def rcu_barrier_tasks_trace(self) -> None:
        """Sleep until every callback of call_rcu_tasks_trace() queued so far was called."""
        await self._tasks_trace.rcu_barrier_tasks_trace(self._thread)
