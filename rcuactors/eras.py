"""The modelled kernel versions, as values: which rules each has and which design it ships.

Sources: kernel/rcu/tree.c at v5.9, and at commit 56292e8609e3 (v5.11; in stable 5.10 as 9b81af9c8455).
"""

from __future__ import annotations

from typing import Final

import attrs

from .errors import BadInput
from .kvfree.rules import KvfreeRules, RecycleTo


@attrs.frozen(kw_only=True)
class Era:
    """One version.

    `release` is what `uname -r` and splats say; `design` is how it gets pages unless the user chooses otherwise.
    """

    name: str
    release: str
    about: str
    design: str
    kvfree: KvfreeRules


V5_9: Final = Era(
    name="v5.9",
    release="5.9.0",
    about="a page is asked for in the caller's context, under krcp->lock; skipped on PREEMPT_RT",
    design="skip-on-rt",
    kvfree=KvfreeRules(
        block_capacity=510,
        drain_jiffies_divisor=50,
        min_cached_objs=2,
        boot_prefill=True,
        recycle_to=RecycleTo.CURRENT_CPU,
    ),
)

V5_11: Final = Era(
    name="v5.11",
    release="5.11.0",
    about="page cache refilled by an hrtimer and a workqueue (commit 56292e8609e3)",
    design="hrtimer-work",
    kvfree=KvfreeRules(
        block_capacity=510,
        drain_jiffies_divisor=50,
        min_cached_objs=5,
        boot_prefill=False,
        recycle_to=RecycleTo.OWN_CPU,
    ),
)

ERAS: Final = {era.name: era for era in (V5_9, V5_11)}
DEFAULT_ERA: Final = V5_11.name


def find_era(name: str) -> Era:
    """The version of that name. Raises BadInput."""
    if name not in ERAS:
        raise BadInput(f"kernel {name}: there are {', '.join(ERAS)}")
    return ERAS[name]
