"""What of a report is told in a line: who called whom, down to where it sleeps or locks, and which lock that is."""

from __future__ import annotations

import re
from typing import Final

from ..context.violation import Violation
from ..lock_matrix.verdict import offence_in

CALLER: Final = "caller"
"""The function that makes the call, in traces."""

_RT_LOCKING: Final = ("rt_spin_lock", "rt_read_lock", "rt_write_lock")
"""These say that they sleep when lockdep has the lock already."""
_NAMED: Final = re.compile(r"^WARNING: [a-z- ]+: (?P<lock>\S+)$")


def chain_of(violation: Violation, called: str) -> tuple[str, ...]:
    """The functions from the call on, the outermost first; all of the trace where the call is not in it.

    `called` is what stands in C: often that is inline, or a macro, and in no trace.
    """
    trace = list(violation.trace)
    if CALLER not in trace:
        return tuple(reversed(trace))
    chain = tuple(reversed(trace[: trace.index(CALLER)]))
    return chain if chain[:1] == (called,) else (called, *chain)


def lock_of(violation: Violation) -> str:
    """The lock that is being taken, if it is one."""
    offence = offence_in(violation.text)
    if offence is not None:
        return offence.lock.partition("{")[0]
    named = _NAMED.match(violation.title)
    if named is not None:
        return named["lock"]
    innermost = violation.trace[0] if violation.trace else ""
    if violation.held and innermost in _RT_LOCKING:
        return violation.held[-1].partition(" (")[0]
    return ""
