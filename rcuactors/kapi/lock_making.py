"""Making locks of each type, and telling one type from another where a lock is given."""

from __future__ import annotations

import sys
from typing import Final

import attrs

from ..context.locks import MAX_SUBCLASSES, Lock, LockKind
from ..errors import BadInput, bad_value, described
from ..kernel.cpu import Cpu
from ..kernel.percpu import PerCpu
from .arguments import checks_itself, expect_await, wrong_argument
from .base import Inside, KernelBase


@attrs.frozen(eq=False)
class LocalLock:
    """A local_lock_t in a per-CPU variable."""

    name: str
    of: PerCpu[Lock]


def of_this_cpu(lock: LocalLock, cpu: Cpu) -> Lock:
    """The CPU's own. Raises BadInput for any other lock."""
    if isinstance(lock, LocalLock):
        return lock.of[cpu.cpu_id]
    raise _wrong_lock("lock", lock, LockKind.LOCAL_LOCK)


def is_lock(lock: object, name: str = "lock") -> None:
    """Raises BadInput for what is none; `name` is the argument's."""
    if not isinstance(lock, Lock):
        raise _wrong_lock(name, lock)


def _wrong_lock(name: str, lock: object, *kinds: LockKind) -> BadInput:
    """The error for another lock than of these types, with what takes such a one; or for what is no lock at all."""
    function = _called()
    if not isinstance(lock, Lock | LocalLock):
        made = "k.local_lock_t()" if kinds == (LockKind.LOCAL_LOCK,) else "k.spinlock(), k.mutex() and the like"
        return wrong_argument(function, name, lock, f"a lock, from {made}")
    kind = kind_of(lock)
    wanted = " or ".join(one.value for one in kinds)
    taken = f"; {_TAKEN_BY[kind]} takes a {kind.value}" if kind in _TAKEN_BY else ""
    return bad_value(f"{function}({name}={kind.value} {lock.name!r})", f"a {wanted}{taken}")


_TAKEN_BY: Final = {
    LockKind.RAW_SPINLOCK: "raw_spin_lock()",
    LockKind.SPINLOCK: "spin_lock()",
    LockKind.LOCAL_LOCK: "local_lock()",
    LockKind.RWLOCK: "read_lock()",
    LockKind.MUTEX: "mutex_lock()",
    LockKind.RWSEM: "down_read()",
    LockKind.RT_MUTEX: "rt_mutex_lock()",
}


def _called() -> str:
    """Which function of the API the scenario has called: the outermost of those that are under way."""
    name, frame = "", sys._getframe(1)
    while frame.f_globals.get("__package__") == __package__ and frame.f_back is not None:
        name, frame = frame.f_code.co_name, frame.f_back
    return name


def kind_of(lock: Lock | LocalLock) -> LockKind:
    """Its type."""
    return LockKind.LOCAL_LOCK if isinstance(lock, LocalLock) else lock.lock_class.kind


def expect(lock: Lock | LocalLock, *kinds: LockKind) -> None:
    """Raises BadInput unless it is a lock of one of these types."""
    if (lock.__class__ is not Lock and not isinstance(lock, LocalLock)) or kind_of(lock) not in kinds:
        raise _wrong_lock("lock", lock, *kinds)


def expect_subclass(subclass: int) -> None:
    """Raises BadInput unless lockdep has such a subclass."""
    expect_await("subclass", subclass=subclass)
    if subclass.__class__ is not int or not 0 <= subclass < MAX_SUBCLASSES:
        raise bad_value(
            f"{_called()}(subclass={described(subclass)})", f"a whole number from 0 to {MAX_SUBCLASSES - 1}"
        )


def expect_flags(what: str, flags: bool) -> None:
    """Raises BadInput for what no *_irqsave() returned."""
    if flags.__class__ is not bool:
        raise wrong_argument(
            what, "flags", flags, f"what {what.replace('unlock', 'lock').replace('restore', 'save')}() returned"
        )


class LockMaking(KernelBase):
    """Locks of each type.

    Two locks of the same name and type are of one lockdep class. `inside` puts the lock into an object from kmalloc()
    or vmalloc(): freeing that while the lock is held is reported, and so is everything that is done with the lock when
    the object is free.
    """

    def _make(self, name: str, kind: LockKind, inside: Inside | None) -> Lock:
        if inside is None:
            return self._system.lock_factory.make(name, kind)
        self._expect_object(inside)
        lock = self._system.lock_factory.make(name, kind, address=inside.place_for_member())
        return self._member(inside, lock)

    def raw_spinlock(self, name: str, *, inside: Inside | None = None) -> Lock:
        """DEFINE_RAW_SPINLOCK(name)."""
        return self._make(name, LockKind.RAW_SPINLOCK, inside)

    def spinlock(self, name: str, *, inside: Inside | None = None) -> Lock:
        """DEFINE_SPINLOCK(name)."""
        return self._make(name, LockKind.SPINLOCK, inside)

    def rwlock(self, name: str, *, inside: Inside | None = None) -> Lock:
        """DEFINE_RWLOCK(name)."""
        return self._make(name, LockKind.RWLOCK, inside)

    def local_lock_t(self, name: str) -> LocalLock:
        """DEFINE_PER_CPU(local_lock_t, name): each CPU has its own. To lockdep they are of one class."""
        make = self._system.lock_factory.make
        first = make(name, LockKind.LOCAL_LOCK)
        return LocalLock(
            name, PerCpu(lambda cpu: make(name, LockKind.LOCAL_LOCK) if cpu else first, self._system.masks)
        )

    def mutex(self, name: str, *, inside: Inside | None = None) -> Lock:
        """DEFINE_MUTEX(name)."""
        return self._make(name, LockKind.MUTEX, inside)

    def rwsem(self, name: str, *, inside: Inside | None = None) -> Lock:
        """DECLARE_RWSEM(name)."""
        return self._make(name, LockKind.RWSEM, inside)

    def rt_mutex(self, name: str, *, inside: Inside | None = None) -> Lock:
        """DEFINE_RT_MUTEX(name)."""
        return self._make(name, LockKind.RT_MUTEX, inside)

    @checks_itself
    def lock_init(self, lock: Lock) -> None:
        """spin_lock_init(), mutex_init() and the like on a lock that exists: reported if it is held."""
        is_lock(lock)
        if lock.inside is not None:
            self._cpu.judge.used(self._cpu, lock.inside, lock.name)
        self._system.lockdep.check_no_locks_freed(self._cpu, lock.address, 1)

    def this_rq_lock(self) -> Lock:
        """The lock of this CPU's run queue, &rq->lock, which the scheduler holds when it changes who runs."""
        return self._cpu.runqueue.lock

    def zone_lock(self) -> Lock:
        """&zone->lock of the page allocator."""
        return self._machine.pages.zone.lock
