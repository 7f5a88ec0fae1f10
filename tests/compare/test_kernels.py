"""Kernels by name, and designs by name and by file."""

from __future__ import annotations

from pathlib import Path

import pytest

from rcuactors.builds import BUILDS
from rcuactors.compare.designs import find_designs
from rcuactors.compare.kernels import find_kernels
from rcuactors.compare.tasks import Plan, tasks_of
from rcuactors.designs import DESIGNS
from rcuactors.eras import DEBATED_ERA, ERAS
from rcuactors.errors import BadInput

MINE = '''"""A design."""


class Mine:
    """Never has a page."""

    name = "{name}"
    about = "never has a page"

    async def get_page(self, kvfree, cpu, krcp):
        """None."""
        return None

    async def missed(self, kvfree, cpu, krcp):
        """Nothing."""
'''


def test_builds_and_versions() -> None:
    assert [kernel.name for kernel in find_kernels(list(BUILDS), {})] == list(BUILDS)
    named = find_kernels(["rt", "v5.9", "v5.9:rt", f"{DEBATED_ERA}:plain"], {})
    assert [(kernel.name, kernel.version, kernel.build) for kernel in named] == [
        ("rt", DEBATED_ERA, "rt"),
        ("v5.9:plain", "v5.9", "plain"),
        ("v5.9:prove", "v5.9", "prove"),
        ("v5.9:rt", "v5.9", "rt"),
        ("plain", DEBATED_ERA, "plain"),
    ]
    assert named[0].config().PREEMPT_RT
    assert named[0].config().DEBUG_ATOMIC_SLEEP
    assert not named[0].config().PROVE_RAW_LOCK_NESTING


def test_the_users_settings_win() -> None:
    (kernel,) = find_kernels(["rt"], {"DEBUG_ATOMIC_SLEEP": "n"})
    assert not kernel.config().DEBUG_ATOMIC_SLEEP


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("rtt", "did you mean rt?"),
        ("v5.9:pove", "did you mean prove?"),
        ("v5.99", "did you mean v5.9?"),
        ("", "there are"),
    ],
)
def test_no_such_kernel(name: str, said: str) -> None:
    with pytest.raises(BadInput, match="--kernels") as caught:
        find_kernels([name], {})
    assert said in str(caught.value)


def test_designs(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(MINE.format(name="mine"), encoding="utf-8")
    found = find_designs(None, [str(file)])
    assert [design.name for design in found] == [*DESIGNS, "mine"]
    assert [design.make().name for design in found] == [*DESIGNS, "mine"]
    assert find_designs(["direct", "direct"], []) == find_designs(["direct"], [])


def test_a_version_stands_for_the_design_that_it_ships() -> None:
    (design,) = find_designs(["v5.9"], [])
    assert (design.name, design.version, design.make().name) == ("v5.9", "v5.9", ERAS["v5.9"].design)
    kernels = find_kernels(["plain", "rt"], {})
    plan = Plan(designs=find_designs(["direct", "v5.9"], []), kernels=kernels, measured=kernels)
    versions = {(task.design.name, task.kernel.version, task.options.kernel) for task in tasks_of(plan)}
    assert versions == {("direct", DEBATED_ERA, DEBATED_ERA), ("v5.9", "v5.9", "v5.9")}
    assert {task.kernel.name for task in tasks_of(plan)} == {"plain", "rt"}


def test_bad_designs(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="did you mean direct"):
        find_designs(["dirct"], [])
    for number in (1, 2):
        (tmp_path / f"d{number}.py").write_text(MINE.format(name="mine"), encoding="utf-8")
    with pytest.raises(BadInput, match="holds a design of that name, too: mine"):
        find_designs([], [str(tmp_path / "d1.py"), str(tmp_path / "d2.py")])
