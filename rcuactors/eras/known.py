"""Bugs that a version is known to have: each is a list's line in the version's file.

A report of a run on that version is one of them when kind, function and design fit; any other is news. The list is read
by campaigns of random runs (campaign/), which tell news from what is known.
"""

from __future__ import annotations

import re
from typing import Final

import attrs

from ..context.violation import Violation, ViolationKind

_DONE: Final = re.compile("\n ?(?:Freed|Cancelled|Taken) by ")
"""What such a trace begins with, in a report's lines."""


@attrs.frozen
class KnownBug:
    """One of them.

    `commit` is the one that mends it. Where no mend is known it is `unmended`, and `commit` is the one that brought it.
    `function` is the kernel function in whose call the report is made, or, where freed memory is used, the free was,
    or, where objects wait for ever, their monitor was taken back, or, where a cache goes with objects in it, one was
    taken to be freed: it stands in that call trace. `designs` are those that have it, none for all.
    `context` is that in which it is reported, where it is known by that.
    When it `spoils` the machine, as who sleeps with a raw lock does, a deadlock may come of it, or objects that nobody
    frees.
    """

    commit: str
    kind: ViolationKind
    function: str
    what: str
    designs: tuple[str, ...] = ()
    spoils: bool = False
    unmended: bool = False
    context: str = ""

    @property
    def label(self) -> str:
        """The commit, as a list has it."""
        return f"since {self.commit}" if self.unmended else self.commit

    def explains(self, violation: Violation, design: str) -> bool:
        """Whether that report, on a kernel with that design, is this bug."""
        return (
            violation.kind is self.kind
            and (self.function in violation.trace or self.function in done_by(violation.text))
            and (not self.designs or design in self.designs)
            and self.context in ("", violation.context)
        )


def done_by(text: str) -> list[str]:
    """The call trace of who freed the memory that a report is about, or took objects or a monitor, if it has one."""
    lines = [line.strip() for line in _DONE.split(text, maxsplit=1)[-1].splitlines()[1:]] if _DONE.search(text) else []
    return lines[: next((at for at, line in enumerate(lines) if not line or line.startswith("CPU: ")), len(lines))]


AN_NMI_CALLS_KFREE_RCU: Final = tuple(
    KnownBug(
        "3bc999d944b3",
        kind,
        "kvfree_call_rcu",
        "kfree_rcu() in an NMI waits for krcp->lock, which the CPU may hold (7.3 has kfree_rcu_nolock())",
        spoils=True,
        context=context,
    )
    for kind, context in ((ViolationKind.INCONSISTENT_LOCK_STATE, ""), (ViolationKind.DEADLOCK, "nmi"))
)

OBJECTS_REMAIN_IN_A_CACHE: Final = KnownBug(
    "6c6c47b063b5",
    ViolationKind.LEAK,
    "kmem_cache_destroy",
    "a cache goes while kvfree_rcu() has objects of it, for which no barrier waits (v6.12 mends it)",
)

FLUSHED_WITHOUT_RESCUER: Final = KnownBug(
    "dfd3df31c9db",
    ViolationKind.FLUSH_DEPENDENCY,
    "kvfree_rcu_barrier",
    "kvfree_rcu_barrier(), called under memory reclaim, flushes works of system_unbound_wq, which has no rescuer",
)

MONITOR_TAKEN_BACK: Final = KnownBug(
    "2b55d6a42d14",
    ViolationKind.NEVER_FREED,
    "kvfree_rcu_barrier",
    "the barrier takes back a monitor that a newer kvfree_rcu() has armed, whose objects wait for the CPU's next call",
    unmended=True,
)

MISSED_BY_THE_BARRIER: Final = KnownBug(
    "2b55d6a42d14",
    ViolationKind.LEAK,
    "kvfree_rcu_drain_ready",
    "the barrier does not wait for what a shrinker's kfree_rcu_monitor() frees by itself: a cache goes meanwhile",
    unmended=True,
)

TIMER_OF_A_DEAD_CPU: Final = KnownBug(
    "5c0930ccaad5",
    ViolationKind.HUNG_TASK,
    "_cpu_down",
    "a CPU goes with timers, and who waits in one of its callbacks for a thread that sleeps there waits for ever",
    spoils=True,
)

BARRIER_LOST_BY_DEOFFLOADING: Final = KnownBug(
    "2996980e20b7",
    ViolationKind.BAD_CONTEXT,
    "rcu_nocb_cpu_deoffload",
    "a CPU's thread parks with the callback of an rcu_barrier() that came meanwhile, and its caller waits for ever",
    spoils=True,
)

SECTION_LEFT_BEFORE_THE_LOCK: Final = KnownBug(
    "89038cc87d80",
    ViolationKind.USE_AFTER_FREE,
    "rt_spin_unlock",
    "on PREEMPT_RT a lock's section ends before it is let go, maybe in an object that kfree_rcu() frees meanwhile",
)

POOL_FILLED_UNDER_RAW_LOCKS: Final = KnownBug(
    "0cce06ba859a",
    ViolationKind.INVALID_WAIT_CONTEXT,
    "fill_pool",
    "debug objects fill their pool by the page allocator, whatever is held (v6.4 has lockdep look away)",
)

POOL_FILLED_IN_ATOMIC_CONTEXT: Final = tuple(
    KnownBug(
        "4bedcc28469a",
        kind,
        "fill_pool",
        "debug objects fill their pool where PREEMPT_RT's page allocator may not sleep (v5.15 mends it)",
        spoils=kind is ViolationKind.SCHEDULING_WHILE_ATOMIC,
    )
    for kind in (
        ViolationKind.SLEEPING_FUNCTION,
        ViolationKind.SCHEDULING_WHILE_ATOMIC,
        ViolationKind.INCONSISTENT_LOCK_STATE,
        ViolationKind.UNSAFE_LOCK_ORDER,
    )
)

AUX_STACK_TAKES_SPINLOCK_T: Final = tuple(
    KnownBug(
        "78564b943487",
        kind,
        "kasan_record_aux_stack",
        "KASAN saves call_rcu()'s stack with a spinlock_t, and maybe memory (until 300c0c5e7218), whatever is held",
        spoils=kind is ViolationKind.SCHEDULING_WHILE_ATOMIC,
    )
    for kind in (
        ViolationKind.INVALID_WAIT_CONTEXT,
        ViolationKind.SLEEPING_FUNCTION,
        ViolationKind.SCHEDULING_WHILE_ATOMIC,
        ViolationKind.INCONSISTENT_LOCK_STATE,
        ViolationKind.UNSAFE_LOCK_ORDER,
    )
)
