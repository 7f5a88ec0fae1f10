"""Versions with one rule changed, where no version here has a bug, or none has it mended: what the commit changed.

`with neighbours():` has them be found by name, as the versions are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import attrs

from rcuactors.eras import ERAS, Era, find_era
from rcuactors.kernel.cpu import Cpu
from rcuactors.kvfree.krc import Krc
from rcuactors.kvfree.parts.arming import TodoFlag


class NotRepeated(TodoFlag):
    """Before 594aa5975b9b: what a monitor had to leave where it was is nobody's any more."""

    async def attempted(self, cpu: Cpu, krcp: Krc, *, stayed: bool) -> None:
        """It was run, and that is that."""


def _changed(name: str, base: str, floor: str, **rules: Any) -> Era:
    """That version but for these rules of one floor."""
    era = find_era(base)
    changed = attrs.evolve(getattr(era.rules, floor), **rules)
    return attrs.evolve(era, name=name, rules=attrs.evolve(era.rules, **{floor: changed}))


def _hotplug_not_held_off(name: str, base: str) -> Era:
    """Before 67ea9d353d0b: kvfree_rcu_barrier_on_cache() flushes the sheaves of CPUs that may be on their way out."""
    sheaves = find_era(base).rules.mm.sheaves
    assert sheaves is not None
    return _changed(name, base, "mm", sheaves=attrs.evolve(sheaves, on_cache_reads_cpus=False))


NOT_REPEATED: Final = "v5.11-before-594aa5975b9b"
SECTION_LAST: Final = "v7.3-with-89038cc87d80"
HOTPLUG_MEANWHILE: Final = "v7.3-before-67ea9d353d0b"

NEIGHBOURS: Final = (
    _changed(NOT_REPEATED, "v5.11", "kvfree", arming=NotRepeated),
    _changed(SECTION_LAST, "v7.3", "kernel", rt_section_ends_last=True),
    _hotplug_not_held_off(HOTPLUG_MEANWHILE, "v7.3"),
)


@contextmanager
def neighbours() -> Iterator[None]:
    """As long as it lasts they are among the versions."""
    ERAS.update({era.name: era for era in NEIGHBOURS})
    try:
        yield
    finally:
        for era in NEIGHBOURS:
            del ERAS[era.name]
