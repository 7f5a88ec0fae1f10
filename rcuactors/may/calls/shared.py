"""What several share: RCU pointers, sequence counts and locks, notifier chains.

include/linux/rcupdate.h, seqlock.h, notifier.h.
"""

from __future__ import annotations

from typing import Final

from .form import Form, Undo, form


def _sequence_lock(begin: str, end: str, *, flags: bool = False) -> Form:
    words = "seqlock, flags" if flags else "seqlock"
    return form(f"{begin}({words})", needs="seqlock", undo=Undo(end, ("seqlock",), returned=flags))


_WRITER: Final = "the writer"


def _seqcounts() -> list[Form]:
    return [
        form("read_seqcount_begin(s)", needs="seqcount", spins=_WRITER),
        form("read_seqcount_retry(s, start)", needs="seqcount start"),
        form("write_seqcount_begin(s)", needs="seqcount", undo=Undo("write_seqcount_end")),
        form("read_seqbegin(sl)", needs="seqlock", spins=_WRITER),
        form("read_seqretry(sl, start)", needs="seqlock start"),
    ]


def _pointers() -> list[Form]:
    dereferences = [form(f"rcu_dereference{kind}(p)") for kind in ("", "_bh", "_sched", "_raw")]
    checks = [form(f"rcu_dereference{kind}check(p, c)", needs="p c", about=_C) for kind in ("_", "_bh_", "_sched_")]
    return [
        *dereferences,
        *checks,
        form("rcu_access_pointer(p)"),
        form("rcu_assign_pointer(p, v)", needs="object pointer none"),
        form("RCU_INIT_POINTER(p, v)", needs="object pointer none"),
        form("rcu_replace_pointer(rcu_ptr, ptr, c)", needs="object pointer none"),
        form("rcu_dereference_protected(p, c)", needs="p true", about="c, what keeps others away, is taken to hold"),
    ]


_C: Final = "c, which may stand for a reader, is taken not to hold"


def _chains() -> list[Form]:
    forms = []
    for kind in ("atomic", "blocking"):
        begin, end = (f"{kind}_notifier_chain_{what}" for what in ("register", "unregister"))
        forms += [
            form(f"{kind}_notifier_call_chain(nh, val, v)", needs=f"{kind}_chain action"),
            form(f"{begin}(nh, nb)", needs=f"{kind}_chain new_block"),
            form(f"{end}(nh, nb)", needs=f"{kind}_chain {kind}_block"),
        ]
    return forms


FORMS: Final = (
    *_pointers(),
    _sequence_lock("write_seqlock", "write_sequnlock"),
    _sequence_lock("write_seqlock_bh", "write_sequnlock_bh"),
    _sequence_lock("write_seqlock_irq", "write_sequnlock_irq"),
    _sequence_lock("write_seqlock_irqsave", "write_sequnlock_irqrestore", flags=True),
    _sequence_lock("read_seqlock_excl", "read_sequnlock_excl"),
    *_seqcounts(),
    *_chains(),
)
