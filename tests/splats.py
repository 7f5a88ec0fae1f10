"""A program: the splats of every scenario on every kernel and build, as JSON, by the package in the folder given.

With names after the folder, of these scenarios only.

Besides the bundled scenarios one of its own, which does what it may not in one context after another, on builds where
every check is on and goes on: its reports name many more functions.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

EVERYWHERE = '''"""Calls of many kinds in contexts of many kinds."""

from rcuactors import Kernel, scenario
from tests.one_argument import one_argument


@scenario()
async def everywhere(k: Kernel) -> None:
    raw, spin, rw = k.raw_spinlock("raw"), k.spinlock("spin"), k.rwlock("rw")
    mutex, sem = k.mutex("mutex"), k.rwsem("sem")

    async def everything() -> None:
        await k.spin_lock(spin)
        await k.spin_unlock(spin)
        await k.read_lock(rw)
        await k.read_unlock(rw)
        pointers = [await k.kmalloc(64), await k.vmalloc(8192), await k.kmalloc(4096)]
        for p in pointers:
            if p is not None:
                await one_argument(k, p)
        await k.mutex_lock(mutex)
        await k.mutex_unlock(mutex)
        await k.down_read(sem)
        await k.up_read(sem)
        await k.msleep(1)

    async def atomic() -> None:
        await k.spin_lock(spin)
        await k.spin_unlock(spin)
        for size in (64, 4096):
            p = await k.kmalloc(size)
            if p is not None:
                await one_argument(k, p)

    async def holder() -> None:
        await k.mutex_lock(mutex)
        await k.spin_lock(spin)
        await k.msleep(3)
        await k.spin_unlock(spin)
        await k.mutex_unlock(mutex)

    await everything()
    await k.cold_caches()
    await k.kthread_run(holder, name="holder", cpu=1)
    await k.msleep(1)
    await everything()
    flags = await k.raw_spin_lock_irqsave(raw)
    await everything()
    await k.raw_spin_unlock_irqrestore(raw, flags)
    k.rcu_read_lock()
    await everything()
    k.rcu_read_unlock()
    await k.rcu_read_lock_bh()
    await atomic()
    await k.rcu_read_unlock_bh()
    k.rcu_read_lock_sched()
    await everything()
    await k.rcu_read_unlock_sched()
    await k.raise_irq(atomic)
    await k.raise_nmi(atomic)
    k.preempt_disable()
    await k.raw_spin_unlock(raw)
    k.rcu_read_unlock()
'''

BUILDS = {
    "plain": {},
    "prove": {"PROVE_RAW_LOCK_NESTING": "y"},
    "rt": {"PREEMPT_RT": "y"},
}
EVERY_CHECK = {"DEBUG_ATOMIC_SLEEP": "y", "lockdep_keep_going": "y", "KASAN": "y", "page_owner": "y"}
SMALLER = {
    "cold_cache_burst": {"objects": "2500", "burst": "2500"},
    "flood": {"objects": "3000"},
}
"""Fewer objects where there are many: what is found is the same."""


def splats(tree: Path, names: list[str]) -> dict[str, list[str]]:
    """Scenario, kernel and build -> the splats in full."""
    import rcuactors
    from rcuactors.eras import ERAS
    from rcuactors.userfiles import find_scenarios, load_scenario

    assert Path(rcuactors.__file__).is_relative_to(tree), rcuactors.__file__
    own = tree / "everywhere.py"
    own.write_text(EVERYWHERE)
    found: dict[str, list[str]] = {}
    for name in names or [*find_scenarios(), own.stem]:
        chosen = load_scenario(own if name == own.stem else name)
        more = EVERY_CHECK if name == own.stem else {}
        for number, (kernel, design) in enumerate((*((name, None) for name in ERAS), ("v5.9", "direct"))):
            # Every report there is in every build; the scenarios' few in one build after the other.
            builds = BUILDS if name == own.stem else tuple(BUILDS)[number % 3 : number % 3 + 1]
            for build in builds:
                settings = BUILDS[build]
                chosen_settings = {**settings, **more, **SMALLER.get(chosen.name, {})}
                options = rcuactors.RunOptions(kernel=kernel, design=design, settings=chosen_settings)
                result = rcuactors.run(chosen, options)
                key = f"{chosen.name} {kernel} {design or ''} {build}"
                found[key] = [violation.text for violation in result.violations]
    return found


if __name__ == "__main__":
    json.dump(splats(Path(sys.argv[1]), sys.argv[2:]), sys.stdout)
