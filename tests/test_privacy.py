"""Tests and docs see what a user sees: no name that begins with one underscore, but one's own.

Ruff says so for the tests (SLF), attribute by attribute. Here the blocks of Python in the docs are held to it, too, and
names given as text (`monkeypatch.setattr(part, "_take", ...)`). A subclass may override and use what it inherits.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

BLOCK = re.compile(r"^```python[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
OF_THE_INTERPRETER = {"_exit", "_getframe"}
"""os._exit() and sys._getframe(), which Python documents."""
BY_TEXT = {"setattr", "getattr", "delattr", "hasattr"}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in OF_THE_INTERPRETER


def is_own(node: ast.expr) -> bool:
    """self, cls or super()."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "super"
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def names_by_text(node: ast.Call) -> list[str]:
    """What setattr() and its like are told the name of, built in or monkeypatch's."""
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    given = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
    return [text.rpartition(".")[2] for text in given if isinstance(text, str)] if called in BY_TEXT else []


def private_names(source: str) -> list[tuple[int, str]]:
    """(line, name) of every use of somebody else's private name."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and not is_own(node.value):
            found.append((node.lineno, node.attr))
        elif isinstance(node, ast.Call):
            found += [(node.lineno, name) for name in names_by_text(node) if is_private(name)]
    return sorted(found)


def sources(root: Path) -> Iterator[tuple[str, str]]:
    """(where, text) of every test and every Python block of a page."""
    for path in sorted((root / "tests").rglob("*.py")):
        yield str(path.relative_to(root)), path.read_text(encoding="utf-8")
    for path in [root / "README.md", *sorted((root / "docs").rglob("*.md"))]:
        for number, block in enumerate(BLOCK.findall(path.read_text(encoding="utf-8")), 1):
            yield f"{path.relative_to(root)}, block {number}", block


def test_no_private_name_in_tests_or_docs(root: Path) -> None:
    every = dict(sources(root))
    assert sum(where.startswith("docs") for where in every) > 20
    found = {where: private_names(text) for where, text in every.items()}
    assert {where: names for where, names in found.items() if names} == {}


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("k._machine.gp", ["_machine"]),
        ("x.y._z = 1", ["_z"]),
        ('monkeypatch.setattr(ReadSide, "_tick", report)', ["_tick"]),
        ('monkeypatch.setattr("rcuactors.rcu.gp.GracePeriodMachine._take", nothing)', ["_take"]),
        ('getattr(k, "_cpu")', ["_cpu"]),
        ("self._mine, cls._ours, super()._theirs()", []),
        ("k.machine.__class__, os._exit(1), sys._getframe()", []),
        ('mapping["_scenarios"]', []),
    ],
)
def test_what_is_found(source: str, names: list[str]) -> None:
    assert [name for _, name in private_names(source)] == names
