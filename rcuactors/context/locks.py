"""The kernel's locks as things: types, lock classes, who holds them and who waits.

What can be done with them is in locking.py. A class is all that lockdep tells apart: name, type and nesting subclass
(kernel/locking/lockdep.c, struct lock_class).
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Hashable
from typing import TYPE_CHECKING, Final

import attrs

from ..errors import BadInput
from .lockdep.validated import Validated
from .waittype import WaitType

if TYPE_CHECKING:
    from .lockdep.graph import Edge
    from .memory import Memory
    from .processor import Sleeper
    from .trace import KeptTrace


class LockKind(enum.Enum):
    """The type in C."""

    # As WaitType's: locks are made by the dozen in each run.
    __hash__ = object.__hash__

    RAW_SPINLOCK = "raw_spinlock_t"
    SPINLOCK = "spinlock_t"
    LOCAL_LOCK = "local_lock_t"
    RWLOCK = "rwlock_t"
    MUTEX = "mutex"
    RWSEM = "rw_semaphore"
    RT_MUTEX = "rt_mutex"
    MAP = "lockdep map"
    OVERRIDE = "wait-override map"


WRITE: Final = 0
READ: Final = 1
"""Shared, and a later reader may have to wait behind a writer that waits."""
RECURSIVE_READ: Final = 2
"""Shared, and a writer that waits does not hold this reader up."""

MAX_SUBCLASSES: Final = 8
"""MAX_LOCKDEP_SUBCLASSES."""

_KEYS: Final = itertools.count(1)
"""No two classes of one process have the same key, so that another machine's lock is not taken for one's own."""

_WAIT: Final = {
    LockKind.RAW_SPINLOCK: WaitType.SPIN,
    LockKind.SPINLOCK: WaitType.CONFIG,
    LockKind.LOCAL_LOCK: WaitType.CONFIG,
    LockKind.RWLOCK: WaitType.CONFIG,
    LockKind.MUTEX: WaitType.SLEEP,
    LockKind.RWSEM: WaitType.SLEEP,
    LockKind.RT_MUTEX: WaitType.SLEEP,
    LockKind.MAP: WaitType.INV,
}


@attrs.define(eq=False)
class LockClass:
    """struct lock_class: the locks that are one to lockdep.

    `usage_mask` has the bits of lockdep/usage.py, `traces` where each was first set; `after` and `before` are the edges
    of the dependency graph. `below` are the classes that edges lead to, over whatever others; `usage_below` has the
    bits of this class and of all those, `usage_above` of it and of all from which edges lead here.

    A class with `check` off (the RCU maps) takes part in the wait-context rule only, as an acquisition with check=0
    does in the kernel.
    """

    name: str
    key: int
    kind: LockKind
    inner: WaitType
    outer: WaitType | None = None
    subclass: int = 0
    check: bool = True
    per_cpu: bool = False
    """LD_LOCK_PERCPU: a local_lock cannot be contended by an interrupt of another CPU."""
    usage_mask: int = 0
    usage_above: int = 0
    usage_below: int = 0
    traces: dict[int, KeptTrace] = attrs.field(factory=dict)
    after: dict[LockClass, Edge] = attrs.field(factory=dict)
    before: dict[LockClass, Edge] = attrs.field(factory=dict)
    below: frozenset[LockClass] = frozenset()

    @property
    def shown(self) -> str:
        """__print_lock_name(): the name, and the subclass if there is one."""
        return f"{self.name}/{self.subclass}" if self.subclass else self.name

    def nested(self, key: int, subclass: int) -> LockClass:
        """Another class like this one, of which nothing is known yet."""
        return LockClass(self.name, key, self.kind, self.inner, self.outer, subclass, self.check, self.per_cpu)


@attrs.define(eq=False)
class Lock:
    """One lock. `waiters` are threads in the order in which they came; `readers` hold it shared.

    `waiting_readers` are those of the waiters that want it shared.
    """

    lock_class: LockClass
    address: int
    owner: Sleeper | None = None
    waiters: list[Sleeper] = attrs.field(factory=list)
    readers: list[Sleeper] = attrs.field(factory=list)
    waiting_readers: list[Sleeper] = attrs.field(factory=list)
    classes: dict[int, LockClass] = attrs.field(factory=dict)
    """The classes of the nesting subclasses used so far, shared by the locks of one class."""
    factory: LockFactory | None = None
    """Who has made it."""
    inside: Memory | None = None
    """The object that it is a member of."""

    @property
    def name(self) -> str:
        """The class's name, as lockdep prints it."""
        return self.lock_class.name

    def holders(self) -> list[Sleeper]:
        """Who keeps it: the owner, or the readers."""
        return [self.owner] if self.owner is not None else list(self.readers)

    def pass_on(self) -> list[Sleeper]:
        """Let go of by its last holder: give it to the first waiter, or to the readers at the head of the queue.

        Returns who has it now, in order.
        """
        self.owner = None
        if not self.waiters:
            return []
        if self.waiters[0] not in self.waiting_readers:
            if self.readers:
                return []
            self.owner = self.waiters.pop(0)
            return [self.owner]
        granted: list[Sleeper] = []
        while self.waiters and self.waiters[0] in self.waiting_readers:
            reader = self.waiters.pop(0)
            self.waiting_readers.remove(reader)
            self.readers.append(reader)
            granted.append(reader)
        return granted


@attrs.frozen
class MapSpec:
    """struct lockdep_map: one that is no lock.

    With `check` off it is entered by readers (rcu_read_lock()); with it on, it stands for a dependency (fs_reclaim).
    """

    name: str
    inner: WaitType
    outer: WaitType | None = None
    check: bool = False
    per_cpu: bool = False


def _expect_name(kind: LockKind, name: object) -> None:
    if not isinstance(name, str) or not name or not name.isprintable():
        raise BadInput(f"{kind.value} {name!r}: the name of a lock needs to be a printable text")


class LockFactory:
    """Makes locks; locks of the same name and kind are of one class. Addresses are made up, the same in every run."""

    def __init__(self, validated: Validated | None = None) -> None:
        self.validated = Validated() if validated is None else validated
        self._classes: dict[tuple[str, LockKind, object], dict[int, LockClass]] = {}
        self._maps: list[LockClass] = []
        self._numbers: dict[Hashable, int] = {}
        """How many classes of each sort were asked for."""
        self._addresses = itertools.count(0xFFFFFFFF82A00000, 0x40)

    def make(self, name: str, kind: LockKind, *, address: int | None = None, key: object = None) -> Lock:
        """A lock of the class `name`, at an address of its own or inside an object.

        `key` (struct lock_class_key) tells classes of one name apart: it is hashable, or None.

        Raises BadInput for a name that cannot be printed in a line.
        """
        classes = self._classes.get((name, kind, key))
        if classes is None:
            _expect_name(kind, name)
            lock_class = self._class((name, kind), name, kind, _WAIT[kind], per_cpu=kind is LockKind.LOCAL_LOCK)
            classes = self._classes[name, kind, key] = {0: lock_class}
        place = next(self._addresses) if address is None else address
        return Lock(classes[0], place, classes=classes, factory=self)

    def _class(
        self,
        sort: Hashable,
        name: str,
        kind: LockKind,
        inner: WaitType,
        outer: WaitType | None = None,
        *,
        check: bool = True,
        per_cpu: bool = False,
    ) -> LockClass:
        """The next class of that sort."""
        number = self._numbers.get(sort, 0)
        self._numbers[sort] = number + 1
        known = self.validated.classes[sort]
        if number == len(known):
            known.append(LockClass(name, next(_KEYS), kind, inner, outer, check=check, per_cpu=per_cpu))
        return known[number]

    def lock_classes(self) -> list[LockClass]:
        """Those that were made so far, subclasses and lockdep maps included, in the order of making."""
        named = [lock_class for classes in self._classes.values() for lock_class in classes.values()]
        return sorted([*named, *self._maps], key=lambda lock_class: lock_class.key)

    def made(self, lock: Lock) -> bool:
        """It is one of this factory's, not another machine's."""
        return lock.factory is self

    def class_of(self, lock: Lock, subclass: int) -> LockClass:
        """look_up_lock_class(): the class of a nested acquisition."""
        found = lock.classes.get(subclass)
        if found is None:
            known = self.validated.classes[lock.lock_class.key, subclass]
            if not known:
                known.append(lock.lock_class.nested(next(_KEYS), subclass))
            found = lock.classes[subclass] = known[0]
        return found

    def make_map(self, spec: MapSpec) -> Lock:
        """A lockdep map of a class of its own."""
        return self._lock_of(
            self._class(spec, spec.name, LockKind.MAP, spec.inner, spec.outer, check=spec.check, per_cpu=spec.per_cpu)
        )

    def make_override(self, name: str, *, inner: WaitType) -> Lock:
        """DEFINE_WAIT_OVERRIDE_MAP(): while it is held, its type is the limit, whatever was held before."""
        return self._lock_of(self._class((name, inner), name, LockKind.OVERRIDE, inner))

    def _lock_of(self, lock_class: LockClass) -> Lock:
        """The only lock of its class."""
        self._maps.append(lock_class)
        return Lock(lock_class, next(self._addresses), classes={0: lock_class}, factory=self)
