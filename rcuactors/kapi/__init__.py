"""The kernel's API as a scenario calls it: `Kernel`, put together from its subjects.

The names are the kernel's, and so are the units, unless a name says otherwise (`_ns`, `_us`, `_jiffies`). A plain
function is one step of this CPU that the others see as a whole. An `async` one is a point at which another CPU may
act, an interrupt may arrive, time may pass; whether it also gives up this CPU is decided by the context and the
configuration, and judged there.

Each public function refuses what does not fit the annotations of its arguments (arguments.py).
"""

from __future__ import annotations

from .arguments import refusing_wrong_arguments
from .atomic_longs import AtomicLongs
from .atomics import Atomics
from .atomics64 import Atomic64s
from .bits import Bits
from .bug import Bugs
from .caches import Caches
from .contexts import Contexts
from .cpu_hotplug import CpuHotplugs
from .initialising import Initialising
from .kvfree import VersionedKvfreeRcu
from .lists import HashLists, Lists
from .modules import Modules
from .notifiers import Notifiers
from .percpu import PerCpuVariables
from .polled import PolledRcu
from .refcounts import Krefs
from .seqlocks import Seqlocks
from .shrinkers import Shrinkers
from .srcu import SleepableRcu
from .tasks_trace import TasksTraceRcu
from .wait_queues import WaitQueues


@refusing_wrong_arguments
class Kernel(
    Caches,
    Initialising,
    PerCpuVariables,
    Contexts,
    WaitQueues,
    Shrinkers,
    PolledRcu,
    VersionedKvfreeRcu,
    Modules,
    CpuHotplugs,
    SleepableRcu,
    TasksTraceRcu,
    AtomicLongs,
    Atomic64s,
    Atomics,
    Bits,
    Krefs,
    Seqlocks,
    Lists,
    HashLists,
    Notifiers,
    Bugs,
):
    """One machine's kernel, as code that runs on it sees it.

    Every method acts for whatever runs on the CPU that has the baton; where none has, those that need a CPU raise
    RuntimeError. Under panic_on_warn, what a call makes the kernel report is raised from that call, as a KernelBug.
    """


__all__ = ["Kernel"]
