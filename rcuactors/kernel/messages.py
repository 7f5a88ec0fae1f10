"""What actors of this floor tell each other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import attrs

from ..engine.actor import Message

if TYPE_CHECKING:
    from .cpu import Cpu
    from .thread import Thread

DEVICE_ENTRY: Final = "common_interrupt"

Handler = Callable[["Cpu"], Awaitable[None]]


@attrs.frozen(kw_only=True)
class HardIrq(Message):
    """A device or another CPU interrupts a CPU.

    `threadable`: PREEMPT_RT would run the handler in a thread, so lockdep lets it take spinlock_t. `entry` is the
    function through which it enters the kernel.
    """

    line: str
    handler: Handler
    threadable: bool = False
    entry: str = DEVICE_ENTRY


@attrs.frozen(kw_only=True)
class Nmi(Message):
    """A non-maskable interrupt; interrupts off do not keep it away."""

    handler: Handler


@attrs.frozen(kw_only=True)
class WakeUp(Message):
    """A thread of the receiving CPU may run again (the reschedule interrupt).

    `sleep` is the number of the sleep that this ends, so that a late message ends no other.
    """

    thread: Thread
    sleep: int


@attrs.frozen(kw_only=True)
class HrtimerArmed(Message):
    """A CPU programmed its clock event device."""

    cpu: Cpu
    expires_ns: int


@attrs.frozen(kw_only=True)
class HrtimerCancelled(Message):
    """A CPU has nothing to wait for any more."""

    cpu: Cpu


@attrs.frozen(kw_only=True)
class WorkerSleeping(Message):
    """A worker went to sleep in the middle of an item while others wait in its pool."""

    pool: object
