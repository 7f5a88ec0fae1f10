"""Torture that is the same each time (torture.py, test_cpus_in_torture.py): what comes of it is written down, too.

So a change shows that makes no grace period wrong, but another one: see tests/outcomes.
"""

from __future__ import annotations

import random
from typing import Final

import pytest

from rcuactors import Kernel, ViolationKind, run, scenario
from rcuactors.eras import ERAS

from .test_cpus_in_torture import EXACT, WithCpus
from .torture import KERNELS, SHAPES, Torture

OFFLOADED: Final[dict[str, dict[str, str]]] = {
    "no": {},
    "yes": {"rcu_nocbs": "y"},
    "lazy": {"rcu_nocbs": "y", "RCU_LAZY": "y"},
}
SEEDS: Final = range(80)


@pytest.mark.parametrize("seed", SEEDS)
def test_none_ends_too_early(seed: int) -> None:
    """Every version, build and shape of the tree; by turns with CPUs that come and go, expedited, and offloaded."""
    rng = random.Random(f"torture {seed}")
    cpus, kernel, hotplug = rng.randrange(2, 5), rng.choice(sorted(KERNELS)), seed % 3 == 0
    settings = {"nr_cpus": str(cpus), **KERNELS[kernel], **SHAPES[rng.choice(sorted(SHAPES))]}
    settings |= OFFLOADED[rng.choice(sorted(OFFLOADED))]
    settings["rcu_expedited"] = "y" if seed % 3 == 1 else "n"
    versions = EXACT if hotplug else list(ERAS)

    @scenario()
    async def script(k: Kernel) -> None:
        made = WithCpus if hotplug else Torture
        await made(k, cpus, 2, sleeping=kernel != "none").main(seed)

    strategy = rng.choice(["timed", "random"])
    result = run(script, kernel=versions[seed % len(versions)], seed=seed, strategy=strategy, **settings)
    assert result.kinds <= {ViolationKind.VOLUNTARY_SWITCH}
    assert result.counters.grace_periods > 0 or settings["rcu_expedited"] == "y"
