"""builds.py: what each build switches on, and that a kernel built so finds what it is built to find."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, run, scenario
from rcuactors.builds import BUILDS, USUAL_BUILDS, find_build
from rcuactors.config import Config, with_settings
from rcuactors.errors import BadInput

CHECKS = ("PROVE_LOCKING", "PROVE_RAW_LOCK_NESTING", "DEBUG_ATOMIC_SLEEP", "KASAN")


def config(name: str) -> Config:
    return with_settings(Config(), BUILDS[name].settings)


@pytest.mark.parametrize(
    ("name", "checks", "rt"),
    [
        ("plain", ("PROVE_LOCKING",), False),
        ("prove", ("PROVE_LOCKING", "PROVE_RAW_LOCK_NESTING"), False),
        ("rt", ("PROVE_LOCKING", "DEBUG_ATOMIC_SLEEP"), True),
        ("all", CHECKS, False),
    ],
)
def test_what_a_build_checks(name: str, checks: tuple[str, ...], rt: bool) -> None:
    built = config(name)
    assert tuple(check for check in CHECKS if getattr(built, check)) == checks
    assert built.PREEMPT_RT is rt
    # What changes the machine and reports nothing is in no build, and lockdep stops as the kernel's does.
    others = ("page_owner", "debug_pagealloc", "lockdep_keep_going", "panic_on_warn")
    assert [name for name in others if getattr(built, name)] == []


def test_all_of_them_are_held_to() -> None:
    assert list(BUILDS) == ["plain", "prove", "rt", "all"]
    assert set(USUAL_BUILDS) < set(BUILDS)
    assert all(name == build.name and build.about for name, build in BUILDS.items())


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("plain", "clean"),
        ("prove", "invalid-wait-context"),
        ("rt", "sleeping-function"),
        ("all", "invalid-wait-context"),
    ],
)
def test_an_uncontended_spinlock_under_a_raw_lock(name: str, found: str) -> None:
    """The mistake that a kernel with PREEMPT_RT alone keeps silent about until somebody else holds the lock."""

    async def script(k: Kernel) -> None:
        raw, lock = k.raw_spinlock("R"), k.spinlock("S")
        await k.raw_spin_lock(raw)
        await k.spin_lock(lock)
        await k.spin_unlock(lock)
        await k.raw_spin_unlock(raw)

    assert run(scenario()(script), **BUILDS[name].settings).outcome() == found
    assert run(scenario()(script), PREEMPT_RT="y").outcome() == "clean"


def test_no_such_build() -> None:
    assert find_build("rt", "--build") is BUILDS["rt"]
    with pytest.raises(BadInput, match=r"^--build rtt: did you mean rt[?] there are plain, prove, rt, all$"):
        find_build("rtt", "--build")
