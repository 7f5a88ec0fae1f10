"""What the lock functions say to something that is no lock, or not one of theirs."""

from __future__ import annotations

from typing import Any

import pytest

from rcuactors import BadInput, Kernel
from rcuactors.context.locks import LockFactory, LockKind
from rcuactors.testing import RcuLab

TAKEN = {
    "raw_spinlock": ("raw_spinlock_t", "raw_spin_lock()"),
    "spinlock": ("spinlock_t", "spin_lock()"),
    "mutex": ("mutex", "mutex_lock()"),
    "local_lock_t": ("local_lock_t", "local_lock()"),
    "rwlock": ("rwlock_t", "read_lock()"),
    "rwsem": ("rw_semaphore", "down_read()"),
    "rt_mutex": ("rt_mutex", "rt_mutex_lock()"),
}


@pytest.mark.parametrize(
    ("function", "kind", "wanted"),
    [
        ("raw_spin_lock", "spinlock", "raw_spinlock_t"),
        ("raw_spin_unlock", "mutex", "raw_spinlock_t"),
        ("raw_spin_trylock", "spinlock", "raw_spinlock_t"),
        ("raw_spin_lock_irqsave", "spinlock", "raw_spinlock_t"),
        ("spin_lock", "raw_spinlock", "spinlock_t"),
        ("spin_unlock", "mutex", "spinlock_t"),
        ("spin_trylock", "raw_spinlock", "spinlock_t"),
        ("spin_lock_irqsave", "mutex", "spinlock_t"),
        ("local_lock", "spinlock", "local_lock_t"),
        ("local_unlock", "mutex", "local_lock_t"),
        ("mutex_lock", "raw_spinlock", "mutex"),
        ("mutex_unlock", "spinlock", "mutex"),
        ("mutex_trylock", "local_lock_t", "mutex"),
        ("spin_lock_nest_lock", "rwlock", "spinlock_t"),
        ("read_lock_irqsave", "rwsem", "rwlock_t"),
        ("down_write", "rt_mutex", "rw_semaphore"),
        ("rt_mutex_lock", "mutex", "rt_mutex"),
    ],
)
def test_a_lock_of_the_wrong_type_is_bad_input(rcu_lab: RcuLab, function: str, kind: str, wanted: str) -> None:
    async def script(k: Kernel) -> None:
        more = [k.spinlock("other")] if function == "spin_lock_nest_lock" else []
        outcome = getattr(k, function)(getattr(k, kind)("its_name"), *more)
        if hasattr(outcome, "__await__"):
            await outcome

    with pytest.raises(BadInput) as caught:
        rcu_lab.run(script)
    kind_is, takes = TAKEN[kind]
    text, _, place = str(caught.value).rpartition(" (")
    assert text == f"{function}(lock={kind_is} 'its_name'): needs a {wanted}; {takes} takes a {kind_is}"
    assert place.startswith("test_lock_arguments.py:")


@pytest.mark.parametrize("wrong", [None, "S", 7])
def test_what_is_no_lock(rcu_lab: RcuLab, wrong: Any) -> None:
    async def takes(k: Kernel) -> None:
        await k.spin_lock(wrong)

    async def nests(k: Kernel) -> None:
        await k.spin_lock_nest_lock(k.spinlock("S"), wrong)

    async def inits(k: Kernel) -> None:
        k.lock_init(wrong)

    async def contains(k: Kernel) -> None:
        k.spinlock("S", inside=wrong or 0)

    for body, what in ((takes, "spin_lock(lock"), (nests, "spin_lock_nest_lock(nest_lock"), (inits, "lock_init(lock")):
        with pytest.raises(BadInput) as caught:
            rcu_lab.run(body)
        said = f"{what}={wrong!r}): needs a lock, from k.spinlock(), k.mutex() and the like (test_lock_arguments.py:"
        assert str(caught.value).startswith(said)
    with pytest.raises(
        BadInput,
        match=r"spinlock\(inside=.*\): needs what kmalloc\(\), .* or .* k.stack_frame\(\)",
    ):
        rcu_lab.run(contains)


@pytest.mark.parametrize("name", ["", "two\nlines", "a bell\a", 7, None, b"bytes"])
@pytest.mark.parametrize("kind", [LockKind.MUTEX, LockKind.RAW_SPINLOCK])
def test_a_locks_name_is_one_line_of_text(name: Any, kind: LockKind) -> None:
    with pytest.raises(BadInput, match=r"the name of a lock needs to be a printable text") as refused:
        LockFactory().make(name, kind)
    assert str(refused.value).startswith(f"{kind.value} {name!r}: ")
    assert LockFactory().make("&foo->lock", kind).name == "&foo->lock"
