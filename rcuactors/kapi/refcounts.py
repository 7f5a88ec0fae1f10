"""refcount_t and struct kref (include/linux/refcount.h, kref.h): who holds an object, and what its last holder does."""

from __future__ import annotations

from ..context.locks import Lock, LockKind
from ..kernel import atomic, refcount
from ..kernel.refcount import Kref, Refcount
from .atomic_steps import fits
from .base import Inside, begun
from .lock_making import expect
from .objects import Objects, OnObject


class Refcounts(Objects):
    """refcount_t: each operation is one step, legal in every context, but for those that take a lock.

    What would go below 0, up from 0, or out of an int saturates and is told once (lib/refcount.c). Raises BadInput for
    what no int holds.
    """

    def refcount_t(self, name: str = "refcount", *, inside: Inside | None = None) -> Refcount:
        """refcount_t, which is 0: to be set by refcount_set(). Reports show its name."""
        return self._member(inside, Refcount(name))

    def refcount_set(self, r: Refcount, n: int) -> None:
        """refcount_set(): orders nothing."""
        atomic.write(self._cpu, r, fits("refcount_set", "n", n))

    def refcount_read(self, r: Refcount) -> int:
        """refcount_read(): orders nothing."""
        return atomic.read(self._cpu, r)

    def refcount_add(self, i: int, r: Refcount) -> None:
        """refcount_add(): by who has a reference already."""
        refcount.refcount_add(self._cpu, fits("refcount_add", "i", i), r)

    def refcount_inc(self, r: Refcount) -> None:
        """refcount_inc(): one more, by who has a reference already."""
        refcount.refcount_add(self._cpu, 1, r)

    def refcount_add_not_zero(self, i: int, r: Refcount) -> bool:
        """refcount_add_not_zero(): whether it was not 0, and there are more now."""
        return refcount.refcount_add_not_zero(self._cpu, fits("refcount_add_not_zero", "i", i), r)

    def refcount_inc_not_zero(self, r: Refcount) -> bool:
        """refcount_inc_not_zero(): by a reader that has found the object, and may be too late."""
        return refcount.refcount_add_not_zero(self._cpu, 1, r)

    def refcount_sub_and_test(self, i: int, r: Refcount) -> bool:
        """refcount_sub_and_test(): whether that was the last."""
        return refcount.refcount_sub_and_test(self._cpu, fits("refcount_sub_and_test", "i", i), r)

    def refcount_dec_and_test(self, r: Refcount) -> bool:
        """refcount_dec_and_test(): whether that was the last."""
        return refcount.refcount_sub_and_test(self._cpu, 1, r)

    def refcount_dec(self, r: Refcount) -> None:
        """refcount_dec(): of one that is not the last, which is told."""
        refcount.refcount_dec(self._cpu, r)

    def refcount_dec_if_one(self, r: Refcount) -> bool:
        """refcount_dec_if_one(): whether it was 1, and is 0."""
        return refcount.refcount_dec_if_one(self._cpu, r)

    def refcount_dec_not_one(self, r: Refcount) -> bool:
        """refcount_dec_not_one(): whether it was not 1, and is one less."""
        return refcount.refcount_dec_not_one(self._cpu, r)

    async def refcount_dec_and_lock(self, r: Refcount, lock: Lock) -> bool:
        """refcount_dec_and_lock(): whether that was the last; then the spinlock_t is held, or else not."""
        expect(lock, LockKind.SPINLOCK)
        if self.refcount_dec_not_one(r):
            return False
        cpu = await self._locks.spin_lock(self._thread, lock)
        if self.refcount_dec_and_test(r):
            return True
        await self._locks.spin_unlock(cpu, lock)
        return False

    async def refcount_dec_and_mutex_lock(self, r: Refcount, lock: Lock) -> bool:
        """refcount_dec_and_mutex_lock(): the same with a mutex. May sleep."""
        expect(lock, LockKind.MUTEX)
        if self.refcount_dec_not_one(r):
            return False
        await self._locks.mutex_lock(self._thread, lock)
        if self.refcount_dec_and_test(r):
            return True
        await self._locks.mutex_unlock(self._thread, lock)
        return False


class Krefs(Refcounts):
    """struct kref. `release` is called with the object that the kref is in; it frees it."""

    def kref(self, name: str = "kref", *, inside: Inside | None = None) -> Kref:
        """Struct kref, to be set by kref_init()."""
        return self._member(inside, Kref(Refcount(name)))

    def kref_init(self, kref: Kref) -> None:
        """kref_init(): one reference, the caller's."""
        atomic.write(self._cpu, kref.refcount, 1)

    def kref_read(self, kref: Kref) -> int:
        """kref_read(): how many there are."""
        return atomic.read(self._cpu, kref.refcount)

    def kref_get(self, kref: Kref) -> None:
        """kref_get(): one more, by who has one already."""
        refcount.refcount_add(self._cpu, 1, kref.refcount)

    def kref_get_unless_zero(self, kref: Kref) -> bool:
        """kref_get_unless_zero(): by a reader that has found the object. Whether there was one left, and it has one."""
        return refcount.refcount_add_not_zero(self._cpu, 1, kref.refcount)

    async def kref_put(self, kref: Kref, release: OnObject) -> int:
        """kref_put(): give one back; the last one calls `release`. 1 if that was called, else 0."""
        if not refcount.refcount_sub_and_test(self._cpu, 1, kref.refcount):
            return 0
        await self._release(kref, release)
        return 1

    async def kref_put_lock(self, kref: Kref, release: OnObject, lock: Lock) -> int:
        """kref_put_lock(): the same; `release` is called with the spinlock_t held, and lets it go."""
        if not await self.refcount_dec_and_lock(kref.refcount, lock):
            return 0
        await self._release(kref, release)
        return 1

    async def kref_put_mutex(self, kref: Kref, release: OnObject, lock: Lock) -> int:
        """kref_put_mutex(): the same with a mutex. May sleep."""
        if not await self.refcount_dec_and_mutex_lock(kref.refcount, lock):
            return 0
        await self._release(kref, release)
        return 1

    @staticmethod
    async def _release(kref: Kref, release: OnObject) -> None:
        await begun(release, kref.inside)
