"""Shrinkers (mm/vmscan.c, since v6.7 mm/shrinker.c): who is asked for memory, and how long one is asked that goes.

Before v6.7 whoever registers one, or takes one away, has shrinker_rwsem for writing, which shrink_slab() holds for
reading while it goes through all of them: it is waited for, goes no further than the shrinker that it is at, and does
not begin while somebody waits. From then on each has a count of who is at it, and only those are waited for
(shrinker_try_get(), shrinker_put()). Held against the kernel's text: mm/vmscan.c of v5.9, v6.1 and v6.6,
mm/shrinker.c of v6.12.

Lockdep knows the lock: before v6.7 shrinker_rwsem, under which shrinkers are asked, so that a lock which a scan takes
must not be held by who registers or unregisters one; from then on shrinker_mutex, which shrink_slab() does not take.
That a scan is waited for there it is not told: a completion has no lockdep map. What is allocated under the lock
(debugfs, memory cgroups) is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import TYPE_CHECKING, Final

import attrs

from ..context.locks import READ, WRITE, Lock, LockKind
from ..kernel.completion import Completion, complete, wait_for_completion

if TYPE_CHECKING:
    from ..kernel.system import System
    from ..kernel.thread import Thread

_SHRINK_BATCH: Final = 128


@attrs.frozen(eq=False)
class Shrinker:
    """struct shrinker.

    `count` answers 0 when there is nothing, `scan` answers how many objects it let go, or None (SHRINK_STOP).
    """

    name: str
    count: Callable[[Thread], Awaitable[int]]
    scan: Callable[[Thread, int], Awaitable[int | None]]


class Shrinkers:
    """All of them. `by_reference`: each has a count of who is at it."""

    def __init__(self, system: System, *, by_reference: bool) -> None:
        self._system = system
        self._by_reference = by_reference
        self.registered: list[Shrinker] = []
        self._walks = 0
        self._at = Counter[Shrinker]()
        self._leaving = dict[Shrinker, Completion]()
        self._writers: list[Completion] = []

    @cached_property
    def _lock(self) -> Lock:
        """What lockdep knows of it. Who waits for whom follows from what is kept here."""
        name, kind = ("shrinker_mutex", LockKind.MUTEX) if self._by_reference else ("shrinker_rwsem", LockKind.RWSEM)
        return self._system.lock_factory.make(name, kind)

    def _acquire(self, thread: Thread, site: str, read: int = WRITE) -> None:
        if self._system.lockdep.on:
            self._system.lockdep.acquire(thread.cpu, self._lock, read=read, trylock=read == READ, site=site)

    def _release(self, thread: Thread) -> None:
        if self._system.lockdep.on:
            self._system.lockdep.release(thread.cpu, self._lock)

    async def register_shrinker(self, thread: Thread, shrinker: Shrinker) -> None:
        """register_shrinker(), from v6.7 on shrinker_register(). Might sleep, and says so."""
        thread.cpu.judge.might_sleep(thread.cpu)
        self._acquire(thread, "shrinker_register" if self._by_reference else "register_shrinker_prepared")
        if not self._by_reference:
            await self._wait_for_readers(thread)
        self.registered.append(shrinker)
        self._release(thread)

    async def unregister_shrinker(self, thread: Thread, shrinker: Shrinker) -> None:
        """unregister_shrinker(), from v6.7 on shrinker_free(): nobody is at it any more. Might sleep, and says so."""
        thread.cpu.judge.might_sleep(thread.cpu)
        if self._by_reference and self._at[shrinker]:
            done = self._leaving[shrinker] = self._system.new_completion(f"shrinker {shrinker.name}")
            await wait_for_completion(self._system, thread, done)
            del self._leaving[shrinker]
        self._acquire(thread, "shrinker_free" if self._by_reference else "unregister_shrinker")
        if not self._by_reference:
            await self._wait_for_readers(thread)
        self.registered.remove(shrinker)
        self._release(thread)

    async def _wait_for_readers(self, thread: Thread) -> None:
        """down_write(&shrinker_rwsem), which is let go in the same breath: readers are waited for."""
        if self._walks:
            done = self._system.new_completion("shrinker_rwsem")
            self._writers.append(done)
            await wait_for_completion(self._system, thread, done)

    async def shrink_slab(self, thread: Thread, priority: int) -> int:
        """shrink_slab(): ask each of them; how many objects were let go."""
        if self._writers:
            return 0  # down_read_trylock()
        freed = 0
        self._walks += 1
        if not self._by_reference:
            self._acquire(thread, "shrink_slab", READ)
        for shrinker in tuple(self.registered):
            if not self._try_get(shrinker):
                continue
            freed += await self._do_shrink_slab(thread, shrinker, priority)
            await self._put(thread, shrinker)
            if self._writers:
                freed = freed or 1
                break
        if not self._by_reference:
            self._release(thread)
        self._walks -= 1
        while self._writers and not self._walks:
            await complete(self._system, thread.cpu, self._writers.pop(0))
        return freed

    def _try_get(self, shrinker: Shrinker) -> bool:
        """shrinker_try_get(): not when the last one has left who was at it while it goes."""
        if shrinker not in self.registered or (shrinker in self._leaving and not self._at[shrinker]):
            return False
        self._at[shrinker] += 1
        return True

    async def _put(self, thread: Thread, shrinker: Shrinker) -> None:
        """shrinker_put()."""
        self._at[shrinker] -= 1
        if not self._at[shrinker] and shrinker in self._leaving:
            await complete(self._system, thread.cpu, self._leaving[shrinker])

    async def _do_shrink_slab(self, thread: Thread, shrinker: Shrinker, priority: int) -> int:
        """do_shrink_slab(), with the default of two seeks; how many objects were let go."""
        thread.cpu.clock += self._system.costs.shrinker_ns
        freeable, freed = await shrinker.count(thread), 0
        total = min((freeable >> priority) * 2, 2 * freeable)
        while total >= _SHRINK_BATCH or (total and total >= freeable):
            scanned = min(_SHRINK_BATCH, total)
            gone = await shrinker.scan(thread, scanned)
            if gone is None:
                break
            freed += gone
            total -= scanned
        return freed
