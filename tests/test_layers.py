"""The floors of the design: a package imports only from floors below its own, and for types alone from its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

# A package or module -> its floor. Modules at the package's top that everybody may use stand below the ground floor.
FLOORS = {
    "errors": -1,
    "config": -1,
    "spelling": -1,
    "builds": -1,
    "marks": -1,
    "engine": 0,
    "context": 1,
    "kernel": 2,
    "rcu": 3,
    "mm": 3,
    "kvfree": 4,
    "designs": 4,
    "machine": 5,
    "eras": 5,
    "kapi": 5,
    "expectation": 5,
    "scenario": 5,
    "userfiles": 5,
    "lab": 5,
    "runs": 5,
    "__init__": 6,
    "explore": 6,
    "recordings": 6,
    "traces": 6,
    "timeline": 6,
    "page": 6,
    "exports": 6,
    "picture": 6,
    "describe": 6,
    "conform": 6,
    "report": 6,
    "story": 6,
    "selftest": 6,
    "lock_matrix": 6,
    "may": 6,
    "questions": 6,
    "compare": 6,
    "campaign": 6,
    "hunt": 6,
    "things": 6,
    "check": 6,
    "drawn": 6,
    "selfcheck": 6,
    "reference": 6,
    "templates": 7,
    "testing": 7,
    "cli": 7,
    "__main__": 8,
}

# Siblings of one floor that are built in this order: each may use those before it.
ORDERED = (
    ("errors", "spelling", "config", "builds", "marks"),
    ("kvfree", "designs"),
    ("eras", "machine", "kapi", "expectation", "scenario", "userfiles", "lab", "runs"),
    ("explore", "report", "story", "hunt", "check"),
    ("explore", "drawn", "selfcheck"),
    ("hunt", "things", "picture"),
    ("report", "questions"),
    ("hunt", "reference"),
    ("report", "lock_matrix", "may", "reference"),
    ("report", "traces", "describe"),
    ("traces", "recordings"),
    ("traces", "conform"),
    ("explore", "traces", "recordings", "hunt", "timeline"),
    ("traces", "timeline", "exports"),
    ("timeline", "page", "compare", "picture"),
    ("report", "hunt", "traces", "recordings", "conform", "compare", "picture"),
    ("explore", "report", "compare"),
)

# What a lower floor may use of a higher one all the same, and why.
EXCEPTIONS = {
    ("runs.options", "explore"): "a strategy by name: that is on floor 0 but for the room that it stands in",
    ("hunt.schedule", "__init__"): "the version of the package, which a schedule file names",
    ("__init__", "cli"): "script() runs a scenario file as the command line would, and imports that when it is called",
}


@attrs.frozen
class Import:
    """`importer` imports `imported`, both dotted below the package; `typing_only` when only a type checker runs it."""

    importer: str
    imported: str
    typing_only: bool
    line: int


def is_typing_guard(node: ast.If) -> bool:
    return ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def statements(nodes: list[ast.stmt], typing_only: bool = False) -> Iterator[tuple[ast.stmt, bool]]:
    """Every statement of a module, however deep, with whether only a type checker reads it."""
    for node in nodes:
        yield node, typing_only
        if isinstance(node, ast.If):
            yield from statements(node.body, typing_only or is_typing_guard(node))
            yield from statements(node.orelse, typing_only)
            continue
        for field in ("body", "orelse", "finalbody"):
            yield from statements(getattr(node, field, []), typing_only)
        for part in (*getattr(node, "handlers", []), *getattr(node, "cases", [])):
            yield from statements(part.body, typing_only)


def targets(node: ast.stmt, module: list[str], top: str) -> Iterator[str]:
    """What a statement imports from the package `top`, dotted below it."""
    if isinstance(node, ast.Import):
        names = [alias.name.split(".") for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        base = [top, *module[: len(module) - node.level]] if node.level else []
        base += node.module.split(".") if node.module else []
        names = [[*base, alias.name] for alias in node.names] if base == [top] else [base]
    else:
        return
    yield from (".".join(name[1:]) or "__init__" for name in names if name[0] == top)


def imports_of(package: Path) -> Iterator[Import]:
    """Every import of the package's own modules by one another."""
    for path in sorted(package.rglob("*.py")):
        parts = list(path.relative_to(package).with_suffix("").parts)
        if parts[0].startswith(("_scenarios", "_docs")):
            continue
        importer = ".".join(parts)
        for node, typing_only in statements(ast.parse(path.read_text()).body):
            for name in targets(node, parts, package.name):
                first = name.partition(".")[0]
                is_module = first in FLOORS or (package / first).exists() or (package / f"{first}.py").exists()
                # Anything else is an attribute of the package itself.
                imported = name if is_module else "__init__"
                yield Import(importer, imported, typing_only, node.lineno)


def floor_of(module: str) -> int | None:
    return FLOORS.get(module.partition(".")[0])


def in_order(first: str, second: str) -> bool:
    """Of two siblings, `second` may use `first`."""
    return any(first in line and second in line and line.index(first) < line.index(second) for line in ORDERED)


def complaint(one: Import) -> str | None:
    """What is wrong with an import; None when it is in order."""
    importer, imported = one.importer.partition(".")[0], one.imported.partition(".")[0]
    here, there = floor_of(one.importer), floor_of(one.imported)
    if here is None or there is None:
        return f"{one.importer}:{one.line}: which floor is {importer if here is None else imported}?"
    if importer == imported or there < here:
        return None
    if there == here and (one.typing_only or in_order(imported, importer)):
        return None
    if (one.importer, one.imported) in EXCEPTIONS:
        return None
    how = "names a type of" if one.typing_only else "imports"
    return f"{one.importer}:{one.line}: floor {here} {how} {one.imported} of floor {there}"


def complaints(package: Path) -> list[str]:
    return [text for one in imports_of(package) if (text := complaint(one)) is not None]


def test_every_package_imports_only_from_below(package: Path) -> None:
    assert complaints(package) == []


def test_every_module_has_a_floor_and_every_floor_its_modules(package: Path) -> None:
    names = {path.stem if path.is_file() else path.name for path in package.iterdir() if path.suffix in ("", ".py")}
    names -= {"__pycache__", "_scenarios", "_docs"}
    assert {name for name in names if name not in FLOORS} == set()
    assert set(FLOORS) - names == set()


def test_the_check_sees_every_import_of_the_package(package: Path) -> None:
    seen = list(imports_of(package))
    assert len(seen) > 200
    edges = {(one.importer, one.imported, one.typing_only) for one in seen}
    assert ("engine.conductor", "errors", False) in edges
    assert ("engine.strand", "engine.conductor", True) in edges


@pytest.mark.parametrize(
    ("path", "source", "expected"),
    [
        ("engine/a.py", "from ..errors import BadInput", None),
        ("engine/a.py", "from .b import B", None),
        ("engine/a.py", "from ..kernel.cpu import Cpu", "engine.a:1: floor 0 imports kernel.cpu of floor 2"),
        ("engine/a.py", "from .. import kernel", "engine.a:1: floor 0 imports kernel of floor 2"),
        ("engine/a.py", "import planted.kernel.cpu as c", "engine.a:1: floor 0 imports kernel.cpu of floor 2"),
        ("engine/__init__.py", "from ..kernel import cpu", "engine.__init__:1: floor 0 imports kernel of floor 2"),
        ("engine/deep/a.py", "from ...kernel import cpu", "engine.deep.a:1: floor 0 imports kernel of floor 2"),
        ("engine/a.py", "def f():\n    from ..kernel import cpu", "engine.a:2: floor 0 imports kernel of floor 2"),
        (
            "engine/a.py",
            "try:\n    pass\nexcept E:\n    from ..mm import b",
            "engine.a:4: floor 0 imports mm of floor 3",
        ),
        ("rcu/a.py", "from ..mm.slab import Slab", "rcu.a:1: floor 3 imports mm.slab of floor 3"),
        ("rcu/a.py", "if TYPE_CHECKING:\n    from ..mm.slab import Slab", None),
        (
            "rcu/a.py",
            "if TYPE_CHECKING:\n    pass\nelse:\n    from ..mm import b",
            "rcu.a:4: floor 3 imports mm of floor 3",
        ),
        (
            "rcu/a.py",
            "if TYPE_CHECKING:\n    from ..kvfree import b",
            "rcu.a:2: floor 3 names a type of kvfree of floor 4",
        ),
        ("designs/a.py", "from ..kvfree.rules import PageSource", None),
        ("kvfree/a.py", "from ..designs import make", "kvfree.a:1: floor 4 imports designs of floor 4"),
        ("scenario.py", "from .machine import Machine", None),
        ("machine.py", "from .runs import Run", "machine:1: floor 5 imports runs of floor 5"),
        ("machine.py", "from .userfiles import load_design", "machine:1: floor 5 imports userfiles of floor 5"),
        ("cli/a.py", "from .. import __version__", None),
        ("kernel/a.py", "from .. import Kernel", "kernel.a:1: floor 2 imports __init__ of floor 6"),
        ("attic/a.py", "from ..errors import E", "attic.a:1: which floor is attic?"),
        ("engine/a.py", "import trio\nfrom attrs import define\nfrom kernel import cpu", None),
    ],
)
def test_the_check_finds_what_is_planted(tmp_path: Path, path: str, source: str, expected: str | None) -> None:
    file = tmp_path / "planted" / path
    file.parent.mkdir(parents=True)
    file.write_text(source)
    assert complaints(tmp_path / "planted") == ([expected] if expected is not None else [])
