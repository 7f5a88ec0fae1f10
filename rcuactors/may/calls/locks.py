"""Locks, and what else begins a section: include/linux/spinlock.h, mutex.h, rwlock.h, rwsem.h, rtmutex.h, preempt.h.

Each is asked for together with its unlock. While a lock is contended another CPU holds it.
"""

from __future__ import annotations

from typing import Any, Final

from .form import Form, Undo, Worst, form

SPINLOCK: Final = "spinlock_t"
MUTEX: Final = "mutex"

_SPINNING: Final = (("raw_spin", "raw_lock"), ("spin", "spin_lock"))


def _pair(lock: str, unlock: str, word: str, *, flags: bool = False, tries: str = "") -> Form:
    more: dict[str, Any] = {"undo": Undo(unlock, (word,), returned=flags), "tries": tries}
    words = f"{word}, flags" if flags else word
    return form(f"{lock}({words})", needs=word, worst=Worst.LOCK, lock=word, **more)


def _spinning() -> list[Form]:
    forms = []
    for kind, word in _SPINNING:
        tried = SPINLOCK if kind == "spin" else "raw_spinlock_t"
        forms += [
            _pair(f"{kind}_lock", f"{kind}_unlock", word),
            _pair(f"{kind}_lock_irqsave", f"{kind}_unlock_irqrestore", word, flags=True),
            _pair(f"{kind}_lock_irq", f"{kind}_unlock_irq", word),
            _pair(f"{kind}_lock_bh", f"{kind}_unlock_bh", word),
            _pair(f"{kind}_trylock", f"{kind}_unlock", word, tries=tried),
            _pair(f"{kind}_trylock_irqsave", f"{kind}_unlock_irqrestore", word, flags=True, tries=tried),
        ]
    return [
        *forms,
        _pair("spin_trylock_irq", "spin_unlock_irq", "spin_lock", tries=SPINLOCK),
        _pair("spin_trylock_bh", "spin_unlock_bh", "spin_lock", tries=SPINLOCK),
    ]


def _reading_and_writing() -> list[Form]:
    forms = []
    for kind in ("read", "write"):
        forms += [
            _pair(f"{kind}_lock", f"{kind}_unlock", "rwlock"),
            _pair(f"{kind}_lock_irqsave", f"{kind}_unlock_irqrestore", "rwlock", flags=True),
            _pair(f"{kind}_lock_irq", f"{kind}_unlock_irq", "rwlock"),
            _pair(f"{kind}_lock_bh", f"{kind}_unlock_bh", "rwlock"),
            _pair(f"{kind}_trylock", f"{kind}_unlock", "rwlock", tries=SPINLOCK),
            _pair(f"down_{kind}", f"up_{kind}", "rwsem"),
            _pair(f"down_{kind}_trylock", f"up_{kind}", "rwsem", tries="rw_semaphore"),
        ]
    return forms


def _sleeping() -> list[Form]:
    return [
        _pair("mutex_lock", "mutex_unlock", "mutex"),
        _pair("mutex_trylock", "mutex_unlock", "mutex", tries=MUTEX),
        _pair("rt_mutex_lock", "rt_mutex_unlock", "rt_mutex"),
        _pair("rt_mutex_trylock", "rt_mutex_unlock", "rt_mutex", tries=MUTEX),
    ]


def _section(begin: str, end: str, word: str = "", *, flags: bool = False, returned: bool = False) -> Form:
    words = ", ".join(filter(None, (word, "flags" if flags else "")))
    return form(f"{begin}({words})", needs=word, undo=Undo(end, tuple(word.split()), returned=flags or returned))


def _sections() -> list[Form]:
    return [
        _section("local_lock", "local_unlock", "local_lock"),
        _section("local_lock_irq", "local_unlock_irq", "local_lock"),
        _section("local_lock_irqsave", "local_unlock_irqrestore", "local_lock", flags=True),
        _section("preempt_disable", "preempt_enable"),
        _section("migrate_disable", "migrate_enable"),
        _section("local_irq_disable", "local_irq_enable"),
        _section("local_irq_save", "local_irq_restore", flags=True),
        _section("local_bh_disable", "local_bh_enable"),
        _section("get_cpu", "put_cpu"),
        _section("rcu_read_lock", "rcu_read_unlock"),
        _section("rcu_read_lock_bh", "rcu_read_unlock_bh"),
        _section("rcu_read_lock_sched", "rcu_read_unlock_sched"),
        _section("rcu_read_lock_trace", "rcu_read_unlock_trace"),
        _section("srcu_read_lock", "srcu_read_unlock", "srcu", returned=True),
        _section("cpus_read_lock", "cpus_read_unlock"),
        _section("cpus_read_trylock", "cpus_read_unlock"),
    ]


def _nested() -> list[Form]:
    return [
        form(f"{lock}({word}, subclass)", undo=Undo(unlock, (word,)), worst=Worst.LOCK, lock=word)
        for lock, unlock, word in (
            ("raw_spin_lock_nested", "raw_spin_unlock", "raw_lock"),
            ("spin_lock_nested", "spin_unlock", "spin_lock"),
            ("mutex_lock_nested", "mutex_unlock", "mutex"),
        )
    ]


FORMS: Final = (*_spinning(), *_reading_and_writing(), *_sleeping(), *_nested(), *_sections())
