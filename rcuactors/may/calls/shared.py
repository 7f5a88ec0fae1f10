"""What several share: RCU pointers, counts, sequence locks, notifier chains.

include/linux/rcupdate.h, atomic.h, refcount.h, kref.h, seqlock.h, notifier.h.
"""

from __future__ import annotations

from typing import Final

from ..things import Things
from .form import Form, Undo, form


def _sequence_lock(begin: str, end: str, *, flags: bool = False) -> Form:
    words = "seqlock, flags" if flags else "seqlock"
    return form(f"{begin}({words})", needs="seqlock", undo=Undo(end, ("seqlock",), returned=flags))


async def _kref_put(things: Things) -> None:
    """Not the last reference: what release() may do is its own matter."""
    things.k.kref_get(things["kref"])
    await things.k.kref_put(things["kref"], things["release"])


FORMS: Final = (
    form("rcu_dereference(p)"),
    form("rcu_dereference_bh(p)"),
    form("rcu_dereference_sched(p)"),
    form("atomic_read(v)", needs="atomic"),
    form("atomic_inc(v)", needs="atomic"),
    form("atomic_dec(v)", needs="atomic"),
    form("atomic_dec_and_test(v)", needs="atomic"),
    form("refcount_inc(r)", needs="refcount"),
    form("refcount_dec_and_test(r)", needs="refcount"),
    form("kref_get(kref)"),
    Form(name="kref_put", words=("kref", "release"), act=_kref_put, needs=("kref", "release")),
    form("smp_mb()"),
    _sequence_lock("write_seqlock", "write_sequnlock"),
    _sequence_lock("write_seqlock_bh", "write_sequnlock_bh"),
    _sequence_lock("write_seqlock_irq", "write_sequnlock_irq"),
    _sequence_lock("write_seqlock_irqsave", "write_sequnlock_irqrestore", flags=True),
    _sequence_lock("read_seqlock_excl", "read_sequnlock_excl"),
    form("atomic_notifier_call_chain(nh, val, v)", needs="atomic_chain action"),
    form("blocking_notifier_call_chain(nh, val, v)", needs="blocking_chain action"),
)
