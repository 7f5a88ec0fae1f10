"""No report hangs on a file's name: modules are renamed in a copy of the tree, and every splat stays as it was.

Renamed are all modules of the floors from the engine to the designs, and the API; the packages keep their names.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

MOVED = ("engine", "context", "kernel", "rcu", "mm", "kvfree", "designs", "kapi")
SUFFIX = "_moved"

Splats = dict[str, list[str]]


def module_of(path: Path, top: Path) -> list[str]:
    """The dotted name below the directory that the package lies in, in parts; an __init__ is its package."""
    parts = list(path.relative_to(top).with_suffix("").parts)
    return parts[:-1] if parts[-1] == "__init__" else parts


def absolute(node: ast.ImportFrom, package: list[str]) -> list[str]:
    """What `from ... import` names, in parts, in a module of this package."""
    base = package[: len(package) - node.level + 1] if node.level else []
    return [*base, *(node.module.split(".") if node.module else [])]


def mended(source: str, package: list[str], moved: set[str]) -> str:
    """The source with its imports of the modules in `moved` mended, those by name in a string, too: "mm.zone"."""
    lines = source.splitlines(keepends=True)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and f"{package[0]}.{node.value}" in moved:
            at = node.lineno - 1
            lines[at] = lines[at].replace(f'"{node.value}"', f'"{node.value}{SUFFIX}"')
        if not isinstance(node, ast.ImportFrom):
            continue
        base = absolute(node, package)
        if ".".join(base) in moved:
            assert node.module is not None
            first = node.lineno - 1
            lines[first] = lines[first].replace(f"{node.module} import", f"{node.module}{SUFFIX} import", 1)
        # From the end, so that what is before stays where it was.
        for alias in reversed(node.names):
            if ".".join([*base, alias.name]) in moved:
                at, begins, ends = alias.lineno - 1, alias.col_offset, alias.end_col_offset
                new = f"{alias.name}{SUFFIX} as {alias.asname or alias.name}"
                lines[at] = lines[at][:begins] + new + lines[at][ends:]
    return "".join(lines)


def move_modules(tree: Path) -> int:
    """Rename the modules of a copy of the tree; how many there were."""
    package = tree / "rcuactors"
    paths = [path for room in MOVED for path in sorted((package / room).rglob("*.py")) if path.stem != "__init__"]
    moved = {".".join(module_of(path, tree)) for path in paths}
    for path in sorted(package.rglob("*.py")):
        parts = module_of(path, tree)
        own_package = parts if path.stem == "__init__" else parts[:-1]
        path.write_text(mended(path.read_text(), own_package, moved))
    for path in paths:
        path.rename(path.with_stem(f"{path.stem}{SUFFIX}"))
    return len(paths)


def copy_tree(root: Path, package: Path, to: Path) -> Path:
    """What the scenarios need to run from there: the package under test, the scenarios, and what says it is a tree."""
    shutil.copytree(package, to / "rcuactors", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(root / "scenarios", to / "scenarios", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "pyproject.toml", to)
    return to


def splats_of(root: Path, trees: Mapping[Path, Sequence[str]]) -> list[Splats]:
    """What the program tests/splats.py finds in each tree, side by side: in these scenarios, or in all."""
    programs = [
        subprocess.Popen(
            [sys.executable, "-B", str(root / "tests" / "splats.py"), str(tree), *names],
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for tree, names in trees.items()
    ]
    found: list[Splats] = []
    for program in programs:
        said, errors = program.communicate()
        assert program.returncode == 0, errors
        found.append(json.loads(said))
    return found


def differences(before: Splats, after: Splats) -> list[str]:
    """Which runs of the second have other splats than in the first."""
    return [key for key, texts in after.items() if texts != before[key]]


SOME = ("everywhere", "raw_lock_caller", "spin_under_raw")


@pytest.mark.parametrize("names", [SOME, pytest.param((), marks=pytest.mark.campaign)], ids=["some", "all"])
def test_every_splat_stays_as_it_was(names: tuple[str, ...], root: Path, package: Path, tmp_path: Path) -> None:
    """In scenarios that report much, and in the one that does what it may not everywhere; the others are a campaign."""
    plain = copy_tree(root, package, tmp_path / "plain")
    moved = copy_tree(root, package, tmp_path / "moved")
    unmarked = copy_tree(root, package, tmp_path / "unmarked")
    assert move_modules(moved) > 80
    # What it comes to where a mark is lost: the comparison sees that.
    for path in (unmarked / "rcuactors").rglob("*.py"):
        if path.stem != "__init__":
            path.write_text(path.read_text().replace("__trace__ = MACHINERY", ""))

    before, after, without = splats_of(root, {plain: names, moved: names, unmarked: ("everywhere",)})
    assert sum(len(texts) for texts in before.values()) > 200
    assert before.keys() == after.keys()
    assert differences(before, after) == []
    assert differences(before, without) != []


@pytest.mark.parametrize(
    ("source", "mended_source"),
    [
        ("from .zone import Zone\n", "from .zone_moved import Zone\n"),
        ("from ..mm.zone import Zone, zone\n", "from ..mm.zone_moved import Zone, zone\n"),
        ("from rcuactors.mm.zone import (\n    Zone,\n)\n", "from rcuactors.mm.zone_moved import (\n    Zone,\n)\n"),
        ("from . import gfp, zone\n", "from . import gfp_moved as gfp, zone_moved as zone\n"),
        ("from . import gfp as g\n", "from . import gfp_moved as g\n"),
        ("def f():\n    from .gfp import Gfp\n", "def f():\n    from .gfp_moved import Gfp\n"),
        ("from ..errors import zone\n", "from ..errors import zone\n"),
        ("from zone import gfp\n", "from zone import gfp\n"),
        ('HOMES = {"mm.zone": "zone"}\n', 'HOMES = {"mm.zone_moved": "zone"}\n'),
    ],
)
def test_imports_are_mended(source: str, mended_source: str) -> None:
    assert mended(source, ["rcuactors", "mm"], {"rcuactors.mm.zone", "rcuactors.mm.gfp"}) == mended_source
