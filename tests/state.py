"""The whole state of a machine, as text: every object of the model that can be reached from it, class by class.

Objects are told from one another by when they are first reached. Of a set only the members that have a text of their
own are told; of what is not the model's, only the type.
"""

from __future__ import annotations

import enum
import hashlib
from collections import deque
from collections.abc import Iterable, Mapping
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType
from typing import Any, Final

FLOORS: Final = tuple(f"rcuactors.{name}." for name in ("kvfree", "rcu", "context", "mm", "kernel", "designs", "eras"))
_PLAIN: Final = (bool, int, float, str, bytes, type(None))
_LEFT_OUT: Final = ("Origin", "Config", "Era", "CostModel", "KeptTrace", "ChainNode", "_Look", "Since")
"""Values of the run, places in code, and what goes by addresses or is only a short way to what is told already."""

_FIELDS_LEFT_OUT: Final = {
    "LockClass": {"key"},
    "Lock": {"factory"},
    "LockFactory": {"_numbers", "validated"},
    "Lockdep": {"_root", "_known"},
}
"""By class: numbers that are given out once in a process, whatever machine asks for them; who has made what; and what
lockdep has validated, which at birth is nothing, and may be that of other runs."""


class _Walk:
    def __init__(self) -> None:
        self.numbers: dict[int, int] = {}
        self.kept: list[object] = []
        self.waiting: deque[object] = deque()
        self.told: dict[str, list[str]] = {}

    def name(self, value: object) -> str:
        """An object's name; it is looked at later, if it is the model's."""
        kind = type(value)
        if not kind.__module__.startswith(FLOORS) or kind.__name__ in _LEFT_OUT:
            return f"<{kind.__name__}>"
        number = self.numbers.get(id(value))
        if number is None:
            number = self.numbers[id(value)] = len(self.numbers)
            self.kept.append(value)
            self.waiting.append(value)
        return f"{kind.__name__}#{number}"

    def text(self, value: Any) -> str:
        """A value, as it is told."""
        kind = type(value)
        if kind in _PLAIN:
            return repr(value)
        if isinstance(value, enum.Enum):
            return str(value)
        if isinstance(value, FunctionType | BuiltinFunctionType | MethodType | type):
            return f"{value.__module__}.{value.__qualname__}"
        if isinstance(value, Mapping):
            return f"{{{', '.join([f'{self.text(key)}: {self.text(one)}' for key, one in value.items()])}}}"
        if isinstance(value, set | frozenset):
            return f"{{{', '.join(sorted(repr(one) for one in value if type(one) in _PLAIN))}}}"
        if isinstance(value, tuple) and value and isinstance(value[0], CodeType):
            return "<a place in code>"
        if isinstance(value, list | tuple | deque | range):
            return f"[{', '.join(map(self.text, value))}]"
        return self.name(value)

    def look(self) -> None:
        """At all that can be reached."""
        while self.waiting:
            value = self.waiting.popleft()
            lines = [f"{name}={self.text(one)}" for name, one in fields_of(value)]
            self.told.setdefault(type(value).__name__, []).append("; ".join(lines))


def fields_of(value: object) -> Iterable[tuple[str, Any]]:
    """Its attributes by name, those in slots, too."""
    slots = [name for cls in type(value).__mro__ for name in _slots(cls)]
    found = {name: getattr(value, name) for name in slots if hasattr(value, name)}
    found.update(getattr(value, "__dict__", {}))
    left_out = _FIELDS_LEFT_OUT.get(type(value).__name__, ())
    return sorted((name, one) for name, one in found.items() if name not in left_out)


def _slots(cls: type) -> Iterable[str]:
    slots = cls.__dict__.get("__slots__", ())
    return [name for name in ([slots] if isinstance(slots, str) else slots) if not name.startswith("__")]


def state_of(machine: object) -> dict[str, str]:
    """By class: the state of its objects, in the order in which they are reached."""
    walk = _Walk()
    for _, part in fields_of(machine):
        walk.text(part)
    walk.look()
    return {name: "\n".join(lines) for name, lines in sorted(walk.told.items())}


def digest(text: str) -> str:
    """Short, of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]
