"""The modelled kernel versions, one file each: which rules a version has, floor by floor, and which design it ships.

A version that is much like another evolves its rules, so its file reads as what changed. Where a difference goes:

* kvfree_rcu(): `kvfree/parts/`, a file for each difference, named in `KvfreeRules` (kvfree/rules.py).
* the allocators: `MmRules` (mm/rules.py).
* interrupts, threads, workqueues, timers: `KernelRules` (kernel/rules.py).
* RCU: `RcuRules` (rcu/rules.py).
* lockdep: `LockdepRules` (context/lockdep/rules.py).

A new version is one file here and a line in `ERAS`.
"""

from __future__ import annotations

from typing import Final

from ..spelling import no_such
from .era import Era
from .known import KnownBug
from .v5_9 import V5_9
from .v5_11 import V5_11
from .v6_1_0 import V6_1_0
from .v6_1_stable import V6_1_STABLE
from .v6_6 import V6_6
from .v6_12 import V6_12
from .v6_12_0 import V6_12_0
from .v6_18 import V6_18
from .v7_3 import V7_3

__all__ = [
    "DEBATED_ERA",
    "DEFAULT_ERA",
    "ERAS",
    "V5_9",
    "V5_11",
    "V6_1_0",
    "V6_1_STABLE",
    "V6_6",
    "V6_12",
    "V6_12_0",
    "V6_18",
    "V7_3",
    "Era",
    "KnownBug",
    "find_era",
]

ERAS: Final = {era.name: era for era in (V5_9, V5_11, V6_1_0, V6_1_STABLE, V6_6, V6_12_0, V6_12, V6_18, V7_3)}
DEFAULT_ERA: Final = V6_12.name
"""The newest that recordings judge: what is run unless a version is named."""
DEBATED_ERA: Final = V5_11.name
"""What designs are compared on unless a version is named: where the debate was."""


def find_era(name: str) -> Era:
    """The version of that name. Raises BadInput."""
    if name not in ERAS:
        raise no_such("kernel", name, ERAS)
    return ERAS[name]
