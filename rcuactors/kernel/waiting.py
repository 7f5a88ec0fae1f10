"""Who waits for whom: deadlocks, soft lockups, and who is stuck when nothing moves any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from ..context.locks import LockKind
from ..context.trace import call_trace
from ..context.violation import ViolationKind

if TYPE_CHECKING:
    from ..context.processor import Sleeper
    from .cpu import Cpu
    from .system import System
    from .thread import Thread


_SOFT_LOCKUP_NS: Final = 20_000_000_000
"""Twice watchdog_thresh (kernel/watchdog.c)."""


def _find_cycle(start: Sleeper) -> list[Sleeper]:
    """The threads of the cycle that `start` closes, itself first; empty when there is none."""
    chain: list[Sleeper] = []
    at: Sleeper | None = start
    while at is not None and at.blocked_on is not None:
        chain.append(at)
        at = at.blocked_on.owner
        if at is start:
            return chain
        if at in chain:
            return []
    return []


def _edge(waiter: Sleeper) -> str:
    thread = cast("Thread", waiter)
    lock = waiter.blocked_on
    assert lock is not None
    owner = cast("Thread | None", lock.owner)
    holder = "nobody" if owner is None else "itself" if owner is thread else f"{owner} on CPU {owner.cpu.cpu_id}"
    kind = lock.lock_class.kind
    sleeps = kind is LockKind.MUTEX or (kind is not LockKind.RAW_SPINLOCK and thread.cpu.system.config.PREEMPT_RT)
    verb = "sleeps on" if sleeps else "spins on"
    return f" {thread} on CPU {thread.cpu.cpu_id} {verb} {lock.name}, held by {holder}"


def report_cycle(cpu: Cpu, waiter: Sleeper) -> bool:
    """Report a deadlock if the wait that just began closes a cycle."""
    cycle = _find_cycle(waiter)
    if not cycle:
        return False
    first = cycle[0]
    assert first.blocked_on is not None
    title = f"DEADLOCK: {first} waits for ever for {first.blocked_on.name}"
    lines = [title, *(_edge(member) for member in cycle), *cpu.judge.stack(cpu, call_trace())]
    cpu.judge.report(cpu, ViolationKind.DEADLOCK, title, "\n".join(lines))
    return True


def report_lockup(cpu: Cpu, spinner: Sleeper, began_ns: int) -> bool:
    """Report a CPU that has spun for as long as the kernel's watchdog waits.

    Ticks go on for ever, so the machine is never quiet.
    """
    if cpu.clock - began_ns < _SOFT_LOCKUP_NS:
        return False
    assert spinner.blocked_on is not None
    seconds = (cpu.clock - began_ns) // 1_000_000_000
    where = f"CPU#{cpu.cpu_id} stuck for {seconds}s on {spinner.blocked_on.name}!"
    title = f"DEADLOCK: soft lockup - {where} [{spinner.comm}:{spinner.pid}]"
    lines = [title, *describe_stuck(cpu.system), *cpu.judge.stack(cpu, call_trace())]
    cpu.judge.report(cpu, ViolationKind.DEADLOCK, title, "\n".join(lines))
    return True


def describe_stuck(system: System) -> list[str]:
    """One line for each thread that waits, lock waiters first, and one for each device that waits for a message."""
    threads = [
        thread
        for thread in system.threads
        if thread.state.value in ("sleeping", "waiting outside the model", "runnable")
    ]
    on_locks = [_edge(thread) for thread in threads if thread.blocked_on is not None]
    others = [
        f" {thread} on CPU {thread.cpu.cpu_id} waits for {thread.waiting_for or thread.state.value}"
        for thread in threads
        if thread.blocked_on is None and not thread.service
    ]
    return on_locks + others
