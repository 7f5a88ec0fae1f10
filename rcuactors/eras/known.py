"""Bugs that a version is known to have: each is a list's line in the version's file.

A report of a run on that version is one of them when kind, function and design fit; any other is news. The list is read
by campaigns of random runs (campaign/), which tell news from what is known.
"""

from __future__ import annotations

from typing import Final

import attrs

from ..context.violation import Violation, ViolationKind


@attrs.frozen
class KnownBug:
    """One of them.

    `commit` is the one that mends it. `function` is the kernel function in whose call the report is made, or, where
    freed memory is used, the free was: it stands in that call trace. `designs` are those that have it, none for all.
    When it `spoils` the machine, as who sleeps with a raw lock does, a deadlock may come of it, or objects that nobody
    frees.
    """

    commit: str
    kind: ViolationKind
    function: str
    what: str
    designs: tuple[str, ...] = ()
    spoils: bool = False

    def explains(self, violation: Violation, design: str) -> bool:
        """Whether that report, on a kernel with that design, is this bug."""
        return (
            violation.kind is self.kind
            and (self.function in violation.trace or self.function in _freed_by(violation.text))
            and (not self.designs or design in self.designs)
        )


def _freed_by(text: str) -> list[str]:
    """The call trace of who freed the memory that a report is about, if it has one."""
    lines = [line.strip() for line in text.partition("\n Freed by ")[2].splitlines()[1:]]
    return lines[: next((at for at, line in enumerate(lines) if line.startswith("CPU: ")), len(lines))]


AN_NMI_CALLS_KFREE_RCU: Final = tuple(
    KnownBug(
        "3bc999d944b3",
        kind,
        "kvfree_call_rcu",
        "kfree_rcu() in an NMI waits for krcp->lock, which the CPU may hold (7.3 has kfree_rcu_nolock())",
        spoils=True,
    )
    for kind in (ViolationKind.INCONSISTENT_LOCK_STATE, ViolationKind.DEADLOCK)
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
