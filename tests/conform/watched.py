"""A rule of kvfree_rcu(), and where in its code it is decided.

A rule is watched at a line of `rcuactors/kvfree/`, named by the function that it stands in and by a piece of its text,
so that the table cannot point at nothing; at some lines it depends on the variables whether it is that rule.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

import attrs

import rcuactors.kvfree
from rcuactors.kvfree.parts import shrinker
from rcuactors.kvfree.rules import KvfreeRules

KVFREE: Final = Path(rcuactors.kvfree.__file__).parent

Variables = dict[str, Any]


@attrs.frozen
class Rule:
    """One: what it says, where it is decided, and which versions have it.

    `function` is "FILE:NAME.NAME"; `line` a piece of the text of a line in it, the `nth` one that has it (from 0), ""
    for its first. `only` asks the variables there. `of` says by a version's rules whether it has this one.
    """

    about: str
    function: str
    line: str = ""
    nth: int = 0
    only: Callable[[Variables], bool] | None = None
    of: Callable[[KvfreeRules], bool] | None = None
    field: str = ""
    """The field of KvfreeRules by which a version picks it."""

    def place(self) -> tuple[str, int]:
        """The file and the line. Raises LookupError where there is none."""
        name, _, function = self.function.partition(":")
        path = KVFREE / f"{name}.py"
        node = _found(path, function)
        if not self.line:
            first = node.body[1] if ast.get_docstring(node) is not None else node.body[0]
            return str(path), first.lineno
        text = path.read_text().splitlines()
        numbers = [number for number in range(node.lineno, (node.end_lineno or 0) + 1) if self.line in text[number - 1]]
        if len(numbers) <= self.nth:
            raise LookupError(f"{self.function} has no line with {self.line!r}")
        return str(path), numbers[self.nth]

    def is_of(self, rules: KvfreeRules) -> bool:
        """A version has it."""
        return self.of is None or self.of(rules)


Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def functions(path: Path) -> dict[str, Function]:
    """All functions of a file, by their dotted names."""
    found: dict[str, Function] = {}

    def walk(node: ast.AST, names: tuple[str, ...]) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, Function | ast.ClassDef):
                inner = (*names, child.name)
                if not isinstance(child, ast.ClassDef):
                    found[".".join(inner)] = child
                walk(child, inner)

    walk(ast.parse(path.read_text()), ())
    return found


def _found(path: Path, function: str) -> Function:
    try:
        return functions(path)[function]
    except KeyError:
        raise LookupError(f"{path.name} has no function {function}") from None


def polls(rules: KvfreeRules) -> bool:
    return rules.snapshots is not None


def starts_batches(rules: KvfreeRules) -> bool:
    return rules.draining is None


def pending(rules: KvfreeRules) -> bool:
    return rules.arming.__name__ == "PendingTimer"


def todo(rules: KvfreeRules) -> bool:
    return rules.arming.__name__ == "TodoFlag"


def looks_at_cache(rules: KvfreeRules) -> bool:
    return rules.shrinker is not shrinker.queue_shrinker
