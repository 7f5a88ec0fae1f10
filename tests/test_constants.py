"""Each number that the model's modules name, and that functions take if nothing is said, is what constants.tsv has.

What a number is, and where it is from, stands where it is defined. Here it is written a second time, so that a slip of
a finger is seen also where it changes only what few runs come to. What is meant to change is written anew:

    python tests/test_constants.py
"""

from __future__ import annotations

import ast
import enum
import importlib
import inspect
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

FILE: Final = Path(__file__).resolve().parent / "data" / "determinism" / "constants.tsv"
FLOORS: Final = ("kvfree", "rcu", "context", "mm", "kernel")


def text_of(value: Any) -> str | None:
    """A number, or some of them; None for what is none."""
    if isinstance(value, enum.Enum):
        return str(value)
    if isinstance(value, bool | int | float):
        return repr(value)
    if isinstance(value, Mapping):
        pairs = [(text_of(key) or str(key), text_of(one)) for key, one in value.items()]
        return f"{{{', '.join(f'{key}: {one}' for key, one in pairs)}}}" if any(one for _, one in pairs) else None
    if isinstance(value, tuple | list | range):
        each = [text_of(one) for one in value]
        return f"({', '.join(map(str, each))})" if any(each) else None
    if isinstance(value, frozenset | set):
        return text_of(sorted(value, key=repr))
    return None


def _in_class(name: str, cls: type) -> Iterator[tuple[str, Any]]:
    if issubclass(cls, enum.Enum):
        yield from ((f"{name}.{member}", value.value) for member, value in cls.__members__.items())
        return
    if attrs.has(cls):
        for field in attrs.fields(cls):
            if field.default is not attrs.NOTHING and not isinstance(field.default, attrs.Factory):  # type: ignore[arg-type]
                yield f"{name}.{field.name}", field.default
    for member, value in vars(cls).items():
        function = inspect.unwrap(getattr(value, "__func__", value)) if callable(value) else value
        if inspect.isfunction(function):
            if not (attrs.has(cls) and member.startswith("__")):
                yield from _of_function(f"{name}.{member}", function)
        elif not member.startswith("__"):
            yield f"{name}.{member}", value


def _of_function(name: str, function: Any) -> Iterator[tuple[str, Any]]:
    for parameter in inspect.signature(function).parameters.values():
        if parameter.default is not parameter.empty:
            yield f"{name}({parameter.name})", parameter.default


def _named_in(path: Path) -> set[str]:
    """What a module defines itself."""
    found: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", node)]
        found |= {getattr(one, "id", "") or getattr(one, "name", "") for one in targets}
    return found


def _in_module(module: Any, names: set[str]) -> Iterator[tuple[str, Any]]:
    for name, value in vars(module).items():
        if name not in names:
            continue
        if isinstance(value, type):
            yield from _in_class(name, value)
        elif inspect.isfunction(inspect.unwrap(value) if callable(value) else value):
            yield from _of_function(name, inspect.unwrap(value))
        elif name.isupper():  # others are variables
            yield name, value


def found() -> dict[str, str]:
    """`module name` -> its text."""
    rows: dict[str, str] = {}
    for floor in FLOORS:
        for path in sorted((ROOT / "rcuactors" / floor).rglob("*.py")):
            dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            for name, value in _in_module(importlib.import_module(dotted), _named_in(path)):
                text = text_of(value)
                if text is not None:
                    rows[f"{dotted.removeprefix('rcuactors.')} {name}"] = text
    return rows


def recorded() -> dict[str, str]:
    """The file."""
    return dict(line.split("\t") for line in FILE.read_text().splitlines())  # type: ignore[misc]


def test_each_number_is_what_it_was() -> None:
    now, then = found(), recorded()
    differ = {
        name: (then.get(name), now.get(name)) for name in now.keys() | then.keys() if now.get(name) != then.get(name)
    }
    assert differ == {}, "if that is meant: python tests/test_constants.py"
    assert len(now) > 400


def main() -> None:
    """Write the file anew."""
    FILE.write_text("".join(f"{name}\t{text}\n" for name, text in found().items()))


if __name__ == "__main__":
    main()
