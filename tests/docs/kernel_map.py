"""Where the model has what of the kernel: read from the docstrings and names of the floors 1 to 4.

A docstring begins with the kernel's names of what stands there: `mod_timer(): have it expire ...`, `struct rq, and what
works on it`. A definition stands for those. A lock's name is what lockdep prints, read where the lock is made.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import attrs

FLOORS = ("context", "kernel", "rcu", "mm", "kvfree")

_NAME = r"(?:struct [a-z_]\w*|enum [a-z_]\w*|[A-Za-z_]\w*\([A-Z_]*\))"
_LEAD = re.compile(rf"{_NAME}(?:(?:, or |, which (?:is|was) |, and |, | and | or ){_NAME})*")
_LOCK_MAKERS = ("make", "make_map")


@attrs.frozen(order=True)
class Home:
    """`kernel` is its name in the kernel; `where` is `Class.function` in the file `path`."""

    kernel: str
    path: str
    where: str


def _definitions(
    node: ast.AST, outer: str = ""
) -> Iterator[tuple[str, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{outer}{child.name}"
            yield name, child
            if isinstance(child, ast.ClassDef):
                yield from _definitions(child, f"{name}.")


def named(docstring: str) -> list[str]:
    """The kernel's names that a docstring begins with: `f()`, `struct s`."""
    lead = _LEAD.match(docstring)
    return [re.sub(r"\(.*", "()", name) for name in re.findall(_NAME, lead[0])] if lead is not None else []


@cache
def _files(package: Path) -> tuple[tuple[str, ast.Module], ...]:
    return tuple(
        (path.relative_to(package).as_posix(), ast.parse(path.read_text(encoding="utf-8")))
        for floor in FLOORS
        for path in sorted((package / floor).rglob("*.py"))
    )


def definitions(package: Path) -> Iterator[tuple[str, str, str]]:
    """(file, name, docstring) of every class and function."""
    for path, module in _files(package):
        for where, node in _definitions(module):
            yield path, where, ast.get_docstring(node) or ""


@cache
def homes(package: Path) -> tuple[Home, ...]:
    """Functions and structures, by name."""
    found: list[Home] = []
    for path, where, docstring in definitions(package):
        found += [Home(kernel, path, where) for kernel in named(docstring)]
    return tuple(sorted(found, key=lambda home: (home.kernel.removeprefix("struct ").strip("_"), home)))


def _constants(package: Path) -> dict[str, str]:
    """Texts that a module gives a name, such as `LOCK_NAME: Final = "krc.lock"`."""
    return {
        node.target.id: node.value.value
        for _, module in _files(package)
        for node in module.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }


@cache
def locks(package: Path) -> tuple[Home, ...]:
    """Locks by the name that lockdep prints, and the function that makes each."""
    found: set[Home] = set()
    named = _constants(package)
    for path, module in _files(package):
        for where, node in _definitions(module):
            if isinstance(node, ast.ClassDef):
                continue
            for call in ast.walk(node):
                if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute | ast.Name):
                    continue
                maker = call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id
                if maker not in _LOCK_MAKERS or not call.args:
                    continue
                name = call.args[0]
                if isinstance(name, ast.Constant):
                    found.add(Home(str(name.value), path, where))
                elif isinstance(name, ast.Name) and name.id in named:
                    found.add(Home(named[name.id], path, where))
    return tuple(sorted(found, key=lambda home: (home.kernel.strip("&"), home)))
