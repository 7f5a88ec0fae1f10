"""A design maps a version's rules to its own, before the machine is built (rcuactors/kvfree/rules.py, rules_with())."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from rcuactors import BadInput, Kernel, Run, RunOptions, run, scenario
from rcuactors.context.locks import LockKind
from rcuactors.designs import DESIGNS, make_design
from rcuactors.designs.hrtimer_work import HrtimerWork
from rcuactors.designs.kmalloc_nolock import CAPACITY
from rcuactors.eras import ERAS, find_era
from rcuactors.kvfree.rules import DesignExtras, EraRules, rules_with
from rcuactors.mm.slab.sheaf import SheafLayer

CHANGING = {
    "raw-zone-lock": {"mm.zone_lock"},
    "no-locks-flag": {"mm.no_locks"},
    "no-locks-flag-late": {"mm.no_locks"},
    "gfp-zero": {"mm.no_locks"},
    "kmalloc-nolock": {"kvfree.block_capacity", "kvfree.page_cache"},
    "sheaves": {"mm.sheaves"},
    "nolock-sheaves": {"mm.sheaves"},
}


def differences(before: EraRules, after: EraRules) -> set[str]:
    return {
        f"{floor}.{field.name}"
        for floor in ("kernel", "mm", "kvfree")
        for field in attrs.fields(type(getattr(before, floor)))
        if getattr(getattr(before, floor), field.name) != getattr(getattr(after, floor), field.name)
    }


@pytest.mark.parametrize("kernel", list(ERAS))
@pytest.mark.parametrize("design", list(DESIGNS))
def test_what_each_bundled_design_changes(design: str, kernel: str) -> None:
    rules = find_era(kernel).rules
    changed = CHANGING.get(design, set())
    if rules.mm.sheaves is not None and rules.mm.sheaves.every_cache:
        # That is what the version's own slab does.
        changed = changed - {"mm.sheaves"}
    assert differences(rules, rules_with(make_design(design), rules)) == changed


def test_the_machine_is_built_by_them_and_the_version_stays_as_it_is() -> None:
    async def script(k: Kernel) -> None:
        machine = k.machine
        seen.append((machine.pages.zone.lock.lock_class.kind, machine.kvfree.rules.block_capacity))
        assert isinstance(machine.slab.sheaves, SheafLayer) == (machine.kvfree.source.name == "sheaves")

    seen: list[Any] = []
    for design in ("direct", "raw-zone-lock", "kmalloc-nolock", "sheaves", "direct"):
        assert run(scenario()(script), RunOptions(design=design), kernel="v5.11").clean
    plain, raw = LockKind.SPINLOCK, LockKind.RAW_SPINLOCK
    assert seen == [(plain, 510), (raw, 510), (plain, CAPACITY), (plain, 510), (plain, 510)]


def test_a_cache_that_a_design_does_without_cannot_be_had_by_a_setting() -> None:
    async def script(k: Kernel) -> None:
        assert k.machine.kvfree.min_cached_objs == 0

    for settings in ({}, {"rcu_min_cached_objs": "7"}):
        one = Run(scenario()(script), RunOptions(design="kmalloc-nolock", settings=settings))
        assert one.run().clean


class Careless(HrtimerWork):
    """One whose rules() does something else."""

    name = "careless"

    def __init__(self, made: Any) -> None:
        self._made = made

    def rules(self, era_rules: EraRules) -> Any:
        return self._made(era_rules)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda _rules: None, r"design careless: rules\(\) returned None: needs the rules that it was given"),
        (lambda rules: rules.mm, r"design careless: rules\(\) returned MmRules"),
        (
            lambda rules: attrs.evolve(rules, mm=attrs.evolve(rules.mm, zone_lock=LockKind.MUTEX)),
            r"zone_lock=LockKind.MUTEX: needs LockKind.SPINLOCK or LockKind.RAW_SPINLOCK",
        ),
        (
            lambda rules: attrs.evolve(rules, kvfree=attrs.evolve(rules.kvfree, block_capacity=0)),
            "block_capacity=0: needs a number from 1 to 512",
        ),
    ],
)
def test_rules_that_are_none_are_bad_input(made: Any, said: str) -> None:
    async def script(k: Kernel) -> None:
        pass

    with pytest.raises(BadInput, match=said):
        run(scenario()(script), RunOptions(design=Careless(made)))


def test_rules_are_frozen() -> None:
    class Writing(HrtimerWork):
        name = "writing"

        def rules(self, era_rules: EraRules) -> EraRules:
            era_rules.kvfree.block_capacity = 3  # type: ignore[misc]
            return era_rules

    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        rules_with(Writing(), find_era("v5.11").rules)


def test_the_methods_that_a_design_need_not_have_are_those_that_it_has_when_it_has_them() -> None:
    assert set(vars(DesignExtras(make_design("direct"))).values()) == {None}
    assert DesignExtras(make_design("kmalloc-nolock")).rules is not None
