"""What is one step on one CPU: atomics, bits, barriers, single accesses to fields, counts of references.

include/linux/atomic.h, bitops.h, bit_spinlock.h, include/asm-generic/barrier.h, include/linux/refcount.h, kref.h.
"""

from __future__ import annotations

from typing import Final

from ..things import Things
from .form import Form, Undo, form

_BIT: Final = "bit object word"


def _atomics(kind: str) -> list[Form]:
    """In C's order of arguments: `atomic_add(i, v)`, `atomic_cmpxchg(v, old, new)`. By what each takes besides `v`.

    `kind`: `atomic`, `atomic64` or `atomic_long`.
    """
    alone = (
        *("read", "read_acquire", "inc", "dec", "inc_return", "dec_return", "fetch_inc", "fetch_dec"),
        *("inc_and_test", "dec_and_test", "inc_not_zero", "dec_if_positive"),
    )
    before = (
        *("add", "sub", "and", "andnot", "or", "xor", "add_return", "sub_return", "fetch_add", "fetch_sub"),
        *("fetch_and", "fetch_or", "sub_and_test", "add_negative"),
    )
    behind = {
        **dict.fromkeys(("set", "set_release"), "i"),
        "xchg": "new",
        "cmpxchg": "old, new",
        **dict.fromkeys(("add_unless", "fetch_add_unless"), "a, u"),
    }
    return [
        *(form(f"{kind}_{name}(v)", needs=kind) for name in alone),
        *(form(f"{kind}_{name}(i, v)", needs=f"i {kind}") for name in before),
        *(form(f"{kind}_{name}(v, {more})", needs=f"{kind} {more.replace(',', '')}") for name, more in behind.items()),
    ]


def _bits() -> list[Form]:
    plain = ("test_bit", "set_bit", "clear_bit", "clear_bit_unlock", "test_and_set_bit", "test_and_clear_bit")
    unlock = Undo("bit_spin_unlock")
    return [
        *(form(f"{name}(nr, addr)", needs=_BIT) for name in plain),
        form("bit_spin_lock(bitnum, addr)", needs=_BIT, undo=unlock, spins="who has the bit"),
        form("bit_spin_trylock(bitnum, addr)", needs=_BIT, undo=unlock),
        form("bit_spin_is_locked(bitnum, addr)", needs=_BIT),
    ]


def _fields() -> list[Form]:
    return [
        form("READ_ONCE(x)", needs="object word"),
        form("WRITE_ONCE(x, val)", needs="object word i"),
        form("smp_load_acquire(p)", needs="object word"),
        form("smp_store_release(p, v)", needs="object word i"),
        form("xchg(ptr, new)", needs="object word new"),
        form("cmpxchg(ptr, old, new)", needs="object word old new"),
        *(form(f"smp_{kind}mb()") for kind in ("", "r", "w")),
    ]


def _last_kref(name: str, lock: str = "", unlock: str = "") -> Form:
    """Of the last reference, which is the worst case: its lock is taken then. What release() does is its own matter."""
    needs = tuple(filter(None, ("kref", lock)))

    async def put(things: Things) -> None:
        k, kref, locks = things.k, things["kref"], [things[each] for each in needs[1:]]

        async def release(_object: object) -> None:
            for each in locks:
                await getattr(k, unlock)(each)

        k.kref_init(kref)
        await getattr(k, name)(kref, release, *locks)

    return Form(name=name, words=("kref", "release", *needs[1:]), act=put, needs=needs, about=_LAST)


def _last_count(name: str, lock: str, unlock: str) -> Form:
    async def dec(things: Things) -> None:
        k, count = things.k, things["refcount"]
        k.refcount_set(count, 1)
        if await getattr(k, name)(count, things[lock]):
            await getattr(k, unlock)(things[lock])

    return Form(name=name, words=("r", lock), act=dec, needs=("refcount", lock), about=_LAST)


_LAST: Final = "of the last reference, which is the worst case; what is done to the object then is another question"


def _references() -> list[Form]:
    alone = ("read", "inc", "inc_not_zero", "dec", "dec_and_test", "dec_if_one", "dec_not_one")
    return [
        *(form(f"refcount_{name}(r)", needs="refcount") for name in alone),
        form("refcount_set(r, n)", needs="refcount i"),
        *(form(f"refcount_{name}(i, r)", needs="i refcount") for name in ("add", "add_not_zero", "sub_and_test")),
        _last_count("refcount_dec_and_lock", "spin_lock", "spin_unlock"),
        _last_count("refcount_dec_and_mutex_lock", "mutex", "mutex_unlock"),
        *(form(f"{name}(kref)") for name in ("kref_init", "kref_get", "kref_get_unless_zero", "kref_read")),
        _last_kref("kref_put"),
        _last_kref("kref_put_mutex", "mutex", "mutex_unlock"),
        _last_kref("kref_put_lock", "spin_lock", "spin_unlock"),
    ]


WIDER: Final = ("atomic64", "atomic_long")
"""They go through what those of atomic_t go through, call by call."""

FORMS: Final = (
    *_atomics("atomic"),
    *_bits(),
    *_fields(),
    *_references(),
    *(each for kind in WIDER for each in _atomics(kind)),
)
