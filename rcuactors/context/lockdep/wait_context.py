"""The wait-context rule (kernel/locking/lockdep.c: task_wait_context(), check_wait_context()).

Of the held locks of the same irq context, and of the context itself, the strictest inner type is the limit; a lock
whose outer type is above it is reported. Trylocks are not checked, but count once they are held. A wait-override map
sets the limit to its own type, up or down.
"""

from __future__ import annotations

from ..locks import LockClass, LockKind
from ..waittype import WaitNumbers, WaitType
from .chains import IN_HARDIRQ, IN_SOFTIRQ, THREADABLE, ChainNode


def task_wait_context(code: int, numbers: WaitNumbers) -> int:
    """task_wait_context(): what the context itself allows."""
    if code & IN_HARDIRQ:
        return numbers.of(WaitType.CONFIG if code & THREADABLE else WaitType.SPIN)
    return numbers.of(WaitType.CONFIG if code & IN_SOFTIRQ else WaitType.MAX)


def held_in(irq_context: int, parent: ChainNode | None) -> ChainNode | None:
    """The chain of what is held in this irq context: none where the innermost lock is another one's."""
    return parent if parent is not None and parent.irq_context == irq_context else None


def allowed(held: ChainNode | None, code: int, numbers: WaitNumbers) -> int:
    """check_wait_context(): the strictest of the context and of what is held in it."""
    if held is None:
        return task_wait_context(code, numbers)
    return held.limit if held.overridden else min(task_wait_context(code, numbers), held.limit)


def limit_with(held: ChainNode | None, lock_class: LockClass, numbers: WaitNumbers) -> tuple[int, bool]:
    """(limit, overridden) once this lock is held as well, under `held` of its irq context."""
    inner = numbers.of(lock_class.inner)
    if lock_class.kind is LockKind.OVERRIDE:
        return inner, True
    before, overridden = (held.limit, held.overridden) if held is not None else (numbers.of(WaitType.MAX), False)
    return (min(before, inner) if inner else before), overridden
