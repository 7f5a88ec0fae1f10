"""Who waits for whom: deadlocks, soft lockups, and who is stuck when nothing moves any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, cast

from ...context.trace import call_trace
from ...context.violation import ORACLE, ViolationKind
from ...marks import MACHINERY

__trace__ = MACHINERY

if TYPE_CHECKING:
    from ...config import Config
    from ...context.locks import Lock
    from ...context.processor import Sleeper
    from ..cpu import Cpu
    from ..system import System
    from ..thread import Thread


_SOFT_LOCKUP_NS: Final = 20_000_000_000
"""Twice watchdog_thresh (kernel/watchdog.c)."""


def _find_cycle(start: Sleeper) -> list[Sleeper]:
    """The threads of the cycle that `start` closes, itself first; empty when there is none.

    A lock that is held shared has several holders, and whoever wants it alone waits for each of them.
    """
    chain: list[Sleeper] = [start]
    seen = {id(start)}
    left = [_holders(start)]
    while left:
        for holder in left[-1]:
            if holder is start:
                return chain
            if id(holder) not in seen:
                seen.add(id(holder))
                chain.append(holder)
                left.append(_holders(holder))
                break
        else:
            left.pop()
            chain.pop()
    return []


def _awaited(waiter: Sleeper) -> Lock | None:
    """The lock it waits for. Who was given one just has not run since, and waits for nobody any more."""
    lock = waiter.blocked_on
    return lock if lock is not None and waiter in lock.waiters else None


def _holders(waiter: Sleeper) -> Iterator[Sleeper]:
    lock = _awaited(waiter)
    return iter(lock.holders() if lock is not None else ())


def _edge(waiter: Sleeper) -> str:
    thread = cast("Thread", waiter)
    lock = waiter.blocked_on
    assert lock is not None
    if _awaited(waiter) is None:
        return f" {thread} on CPU {thread.cpu.cpu_id} was given {lock.name} and has not run since"
    holders = [cast("Thread", holder) for holder in lock.holders()]
    names = ["itself" if holder is thread else f"{holder} on CPU {holder.cpu.cpu_id}" for holder in holders]
    verb = "spins on" if thread.spins else "sleeps on"
    return f" {thread} on CPU {thread.cpu.cpu_id} {verb} {lock.name}, held by {' and '.join(names) or 'nobody'}"


def report_cycle(cpu: Cpu, waiter: Sleeper, *, first: Callable[[], None] | None = None) -> bool:
    """Report a deadlock if the wait that just began closes a cycle; `first` is called before."""
    cycle = _find_cycle(waiter)
    if not cycle:
        return False
    if first is not None:
        first()
    assert cycle[0].blocked_on is not None
    title = f"DEADLOCK: {waiter} waits for ever for {cycle[0].blocked_on.name}"
    lines = [title, *(_edge(member) for member in cycle), *cpu.judge.stack(cpu, call_trace())]
    cpu.judge.report(cpu, ViolationKind.DEADLOCK, title, "\n".join(lines), ORACLE)
    return True


def beyond_stalls_ns(config: Config) -> int:
    """How long the kernel itself may take to tell of a CPU that holds up a grace period (kernel/rcu/tree_stall.h)."""
    seconds = max(3, min(300, config.rcu_cpu_stall_timeout)) + 5 * config.lockdep
    return (seconds + 1) * 1_000_000_000


def report_lockup(cpu: Cpu, spinner: Sleeper, began_ns: int, what: str, at_least_ns: int = 0) -> bool:
    """Report a CPU that has spun on `what` for as long as the kernel's watchdog waits, or as long as is said.

    Ticks go on for ever, so the machine is never quiet.
    """
    if cpu.clock - began_ns < max(_SOFT_LOCKUP_NS, at_least_ns):
        return False
    seconds = (cpu.clock - began_ns) // 1_000_000_000
    where = f"CPU#{cpu.cpu_id} stuck for {seconds}s on {what}!"
    title = f"DEADLOCK: soft lockup - {where} [{spinner.comm}:{spinner.pid}]"
    lines = [title, *describe_stuck(cpu.system), *cpu.judge.stack(cpu, call_trace())]
    cpu.judge.report(cpu, ViolationKind.DEADLOCK, title, "\n".join(lines), ORACLE)
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
