"""Initialising: a function's variables as a place for timers, works and rcu_heads, and what is initialised anew.

Where something is initialised matters to debug objects (kernel/debugobjects.py): on a stack it has to be said
(`on_stack`), and what is active must not be initialised once more.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..errors import BadInput
from ..kernel.stack import StackFrame, on_task_stack
from ..kernel.time.hrtimer import Hrtimer
from ..kernel.time.timer import Timer
from ..kernel.workqueue import DelayedWork, Work
from .base import KernelBase

Initialised = Timer | Hrtimer | Work | DelayedWork


class Initialising(KernelBase):
    """What lies on a stack, and what is initialised once more."""

    @asynccontextmanager
    async def stack_frame(self, function: str = "function") -> AsyncIterator[StackFrame]:
        """The variables of a function, for `inside=`: on the stack that the running code is on, until it returns.

        What is active in them then is reported, and so is whatever is done with them later.
        """
        cpu = self._cpu
        frame = StackFrame(function, cpu.current if on_task_stack(cpu) else None)
        yield frame
        self._system.debug_objects.frame_goes(self._cpu, frame)
        frame.goes()

    async def reinit(self, member: Initialised) -> None:
        """timer_setup(), hrtimer_init(), INIT_WORK() or INIT_DELAYED_WORK() of what was initialised before.

        With debug objects what is active is told and stopped. Without them a timer fires all the same, when it was to;
        the worker that finds such a work oopses.
        """
        thread, debug_objects = self._thread, self._system.debug_objects
        if isinstance(member, DelayedWork):
            await self.reinit(member.work)
            await debug_objects.init(thread, member.timer)
            member.timer.init()
        elif isinstance(member, Work):
            await debug_objects.init(thread, member)
            member.init()
        elif isinstance(member, Timer | Hrtimer):
            await debug_objects.init(thread, member)
            if isinstance(member, Timer):
                member.init()
        else:
            raise BadInput(f"reinit({member!r}): takes a timer, an hrtimer, a work or a delayed work")
