"""The kernel's API as a scenario calls it: `Kernel`, put together from its subjects.

The names are the kernel's; `await` marks a point.

A plain function is one step of this CPU that the others see as a whole. An `async` one is a point at which another
CPU may act, an interrupt may arrive, time may pass; whether it also gives up this CPU is decided by the context and
the configuration, and judged there.
"""

from __future__ import annotations

from .contexts import Contexts
from .interrupts import Interrupts
from .locking import Locking
from .memory import Memory
from .rcu import Rcu
from .threads import Threads


class Kernel(Threads, Contexts, Locking, Interrupts, Rcu, Memory):
    """One machine's kernel, as code that runs on it sees it.

    Every method acts for whatever runs on the CPU that has the baton.
    """


__all__ = ["Kernel"]
