"""The table of events: every name under which the model tells of something as ftrace would, read from where it does."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

NAME_AT = {"emit": 1, "emit_device": 3}
Markdown = Callable[..., str]


def events(package: Path, markdown: Markdown) -> str:
    """A row for each event and form of its text."""
    rows: dict[tuple[str, str], list[str]] = {}
    for path in sorted(package.rglob("*.py")):
        for name, text, function in _told(path):
            where = f"[`{path.relative_to(package)}`](../rcuactors/{path.relative_to(package)}) `{function}()`"
            rows.setdefault((name, text), []).append(where)
    listed = [
        (f"`{name}`", f"`{text}`" if text else "what the kernel's log says", ", ".join(dict.fromkeys(at)))
        for (name, text), at in rows.items()
    ]
    return markdown(("event", "its text", "told in"), sorted(listed))


def _told(path: Path) -> Iterator[tuple[str, str, str]]:
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in NAME_AT:
                name, text = call.args[NAME_AT[call.func.attr] :][:2]
                if isinstance(name, ast.Constant):
                    yield str(name.value), _form(text, function, call.lineno), function.name


def _form(text: Any, function: Any, line: int) -> str:
    """An f-string as it is printed, with `...` for what changes; a variable's is the last one that it was given."""
    if isinstance(text, ast.Name):
        given = [
            node.value
            for node in ast.walk(function)
            if isinstance(node, ast.Assign)
            and node.lineno < line
            and any(isinstance(target, ast.Name) and target.id == text.id for target in node.targets)
        ]
        return _form(given[-1], function, line) if given and not isinstance(given[-1], ast.Name) else ""
    if isinstance(text, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else _changing(part, function, line)
            for part in text.values
        )
    return str(text.value) if isinstance(text, ast.Constant) else ""


def _changing(part: Any, function: Any, line: int) -> str:
    """A field: by the name that the code has for it, or what it stands for, where that is an f-string again."""
    match part.value:
        case ast.Name(id=name):
            return _form(part.value, function, line) or f"<{name}>"
        case ast.Attribute(attr=name):
            return f"<{name}>"
    return "..."
