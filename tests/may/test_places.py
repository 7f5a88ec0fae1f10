"""may/places.py: contexts by the kernel's names, and what stands in what."""

from __future__ import annotations

import pytest

from rcuactors.errors import BadInput
from rcuactors.lab.contexts import CONTEXTS
from rcuactors.may.places import BY_NAME, all_places, find_place


@pytest.mark.parametrize(
    ("names", "contexts"),
    [
        (["spin_lock"], ("spin",)),
        (["raw_spinlock_t"], ("raw_spin",)),
        (["spin_lock_irqsave()"], ("spin_irqsave",)),
        (["spin_lock(&dev->lock)"], ("spin",)),
        (["rcu"], ("rcu_read",)),
        (["softirq"], ("softirq_tasklet",)),
        (["irq_work"], ("irqwork_nonhard",)),
        (["HARDIRQ"], ("hardirq",)),
        (["raw_spin", "spin"], ("raw_spin", "spin")),
        (["spin_lock", "hardirq"], ("hardirq", "spin")),
        (["rcu_read_lock", "process"], ("rcu_read",)),
        (["mutex", "mutex"], ("mutex",)),
        (["spin_lock_bh"], ("bh_disable", "spin")),
        (["rwlock_t"], ("write_lock",)),
    ],
)
def test_names_and_nesting(names: list[str], contexts: tuple[str, ...]) -> None:
    assert find_place(names).contexts == contexts


def test_every_context_of_the_laboratory_has_a_name_and_its_own() -> None:
    assert set(BY_NAME.values()) == set(CONTEXTS)
    assert all(BY_NAME[name] == name for name in CONTEXTS)
    assert len({name.casefold() for name in BY_NAME}) == len(BY_NAME)


def test_tables_have_contexts_whose_names_differ() -> None:
    shown = [place.names for place in all_places()]
    assert len(set(shown)) == len(shown) > 20


def test_only_one_handler_at_a_time() -> None:
    with pytest.raises(BadInput, match="--in hardirq and --in tasklet: only one of them"):
        find_place(["hardirq", "softirq"])


def test_a_name_that_is_not_known() -> None:
    with pytest.raises(BadInput, match=r"--in spin_lok: did you mean spin_lock\? there are process, preempt_disable, "):
        find_place(["spin_lok"])


def test_what_lockdep_does_not_see_is_what_stands_alone() -> None:
    assert find_place(["preempt_disable"]).unseen == "preempt_disable()"
    assert find_place(["local_irq_save"]).unseen == "local_irq_disable()"
    assert find_place(["hardirq", "preempt_disable"]).unseen == ""
    assert find_place(["spin_lock"]).unseen == ""
