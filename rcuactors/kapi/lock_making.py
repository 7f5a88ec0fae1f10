"""Making locks of each type, and telling one type from another where a lock is given."""

from __future__ import annotations

import attrs

from ..context.locks import MAX_SUBCLASSES, Lock, LockKind
from ..errors import BadInput, described
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
    expect_await("local_lock", lock=lock)
    known = isinstance(lock, Lock)
    what = f"lock {lock.name} is a {lock.lock_class.kind.value}" if known else f"{described(lock)} is no lock"
    raise BadInput(f"{what}; this function takes a local_lock_t")


def is_lock(lock: object, what: str = "a lock") -> None:
    """Raises BadInput for what is none."""
    if not isinstance(lock, Lock):
        expect_await("lock", lock=lock)
        raise BadInput(f"{described(lock)} is no lock: {what} comes from k.spinlock(), k.mutex() and the like")


def expect(lock: Lock | LocalLock, *kinds: LockKind) -> None:
    """Raises BadInput unless it is a lock of one of these types."""
    if lock.__class__ is not Lock and not isinstance(lock, LocalLock):
        is_lock(lock)
    kind = LockKind.LOCAL_LOCK if isinstance(lock, LocalLock) else lock.lock_class.kind
    if kind not in kinds:
        wanted = " or ".join(one.value for one in kinds)
        raise BadInput(f"lock {lock.name} is a {kind.value}; this function takes a {wanted}")


def expect_subclass(lock: Lock, subclass: int) -> None:
    """Raises BadInput unless lockdep has such a subclass."""
    expect_await("subclass", subclass=subclass)
    if subclass.__class__ is not int or not 0 <= subclass < MAX_SUBCLASSES:
        raise BadInput(f"lock {lock.name}: subclass {described(subclass)} needs to be a whole number from 0 to 7")


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
