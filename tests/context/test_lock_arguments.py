"""What the lock functions say to something that is no lock, or not one of theirs."""

from __future__ import annotations

from typing import Any

import pytest

from rcuactors import BadInput, Kernel
from rcuactors.testing import RcuLab


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
    ],
)
def test_a_lock_of_the_wrong_type_is_bad_input(rcu_lab: RcuLab, function: str, kind: str, wanted: str) -> None:
    async def script(k: Kernel) -> None:
        outcome = getattr(k, function)(getattr(k, kind)("its_name"))
        if hasattr(outcome, "__await__"):
            await outcome

    with pytest.raises(
        BadInput, match=rf"lock its_name is a \w+; this function takes a {wanted} \(test_lock_arguments\.py:\d+\)$"
    ):
        rcu_lab.run(script)


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

    for body, what in ((takes, "a lock"), (nests, "the nest lock"), (inits, "a lock")):
        with pytest.raises(BadInput, match=rf"{wrong!r} is no lock: {what} comes from k\.spinlock\(\)"):
            rcu_lab.run(body)
    with pytest.raises(
        BadInput,
        match=r"spinlock\(inside=.*\): needs what kmalloc\(\), .* or .* k.stack_frame\(\)",
    ):
        rcu_lab.run(contains)
