"""The API as text, read from the code: what can be called, how, what its docstring says, and in which contexts.

Of each function of `Kernel`, and of what `rcuactors` and `rcuactors.hunt` have: `rcuactors api` prints it, and
docs/api.md is written of it.
"""

from __future__ import annotations

import contextlib
import enum
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from types import ModuleType
from typing import Any, Final

import attrs

from . import hunt
from .kapi import Kernel
from .kapi import workqueues as wq
from .may import legal_in
from .mm import gfp
from .spelling import no_such

_PACKAGE: Final = __name__.partition(".")[0]
_CONSTANTS: Final = (gfp, wq)
"""Modules whose constants stand as a default."""
_LONGEST: Final = 400
"""What has more parameters than that is told by its docstring, and by the page about it."""
_RESULT: Final = re.compile(r"(?:Coroutine\[Any, Any, |Awaitable\[)(.*)\]")
_MANAGER: Final = re.compile(r"(?:contextlib\.)?_?(?:Abstract)?(Async)?(?:Generator)?ContextManager\[")


@attrs.frozen
class Entry:
    """One thing of the API. `called` is how it is written, with its types; `room` the subject that it belongs to."""

    name: str
    room: str
    called: str
    doc: str
    module: str

    @property
    def about(self) -> str:
        """The first sentence of its docstring."""
        return self.doc.partition("\n")[0]

    @property
    def contexts(self) -> tuple[str, ...]:
        """Where its calls are legal, in words; empty where `may` is not asked for it."""
        return tuple(legal_in.told(self.name)) if self.module.startswith(f"{_PACKAGE}.kapi.") else ()

    @property
    def file(self) -> str:
        """Where it is."""
        return f"{self.module.replace('.', '/')}.py"


@cache
def entries() -> tuple[Entry, ...]:
    """All of it, room by room, as the docs have it."""
    of_kernel = [_of_kernel(name) for name in dir(Kernel) if not name.startswith("_")]
    rooms = list(dict.fromkeys(_rooms_in_order()))
    of_kernel.sort(key=lambda entry: (rooms.index(entry.room), entry.name.casefold()))
    package = importlib.import_module(_PACKAGE)
    return (*of_kernel, *_of_module(package, "Scenarios and runs: `rcuactors`"), *_of_module(hunt, _HUNT))


_HUNT: Final = "Exploring from Python: `rcuactors.hunt`"


def find_entries(word: str) -> tuple[Entry, ...]:
    """Those of that name; or else those whose name, or docstring, has the word. Raises BadInput where none has."""
    folded = word.removeprefix("k.").removesuffix("()").casefold()
    by_name = {entry.name.casefold(): entry for entry in entries()}
    if folded in by_name:
        return tuple(entry for entry in entries() if entry.name.casefold() == folded)
    texts = ([entry.name for entry in entries()], [entry.doc for entry in entries()])
    for told in texts if folded else ():
        found = [entry for entry, text in zip(entries(), told, strict=True) if folded in text.casefold()]
        if found:
            return tuple(found)
    names = list(dict.fromkeys(entry.name for entry in entries()))
    raise no_such("function", word, names, there="`rcuactors api` lists all")


def as_markdown() -> str:
    """All of it, for the docs."""
    lines, room = [], None
    for entry in entries():
        if entry.room != room:
            room = entry.room
            lines += [f"## {room}", ""]
        lines += [f"### `{entry.called}`", "", entry.doc, ""]
        lines += [line for told in entry.contexts for line in (f"Contexts: `{told.replace(') ', ')` ', 1)}.", "")]
    return "\n".join(lines)


# -- the kernel's ------------------------------------------------------------------------------------------------------


def _rooms_in_order() -> Iterator[str]:
    for cls in reversed(Kernel.__mro__):
        if cls.__module__.startswith(f"{_PACKAGE}."):
            yield _room(cls)


def _of_kernel(name: str) -> Entry:
    there = inspect.getattr_static(Kernel, name)
    function: Any = inspect.unwrap(getattr(there, "fget", there))
    home = next(cls for cls in Kernel.__mro__ if cls.__qualname__ == function.__qualname__.rpartition(".")[0])
    called = f"k.{name}" if isinstance(there, property) else _called(f"k.{name}", there)
    return Entry(name, _room(home), called, inspect.getdoc(function) or "", function.__module__)


def _room(home: type) -> str:
    """What the module says of itself that a part of the API is in."""
    return (inspect.getdoc(sys.modules[home.__module__]) or "").partition("\n")[0].rstrip(".")


# -- Python's ----------------------------------------------------------------------------------------------------------


def _of_module(module: ModuleType, room: str) -> Iterator[Entry]:
    for name in module.__all__:
        thing = getattr(module, name)
        of_package = getattr(thing, "__module__", "").startswith(_PACKAGE)
        if callable(thing) and of_package and not isinstance(thing, int):
            called = name if _is_not_made(thing) else _called(name, thing)
            yield Entry(name, room, called, inspect.getdoc(thing) or "", inspect.unwrap(thing).__module__)


def _is_not_made(thing: object) -> bool:
    """Nobody calls it who uses the API."""
    return isinstance(thing, type) and issubclass(thing, BaseException | enum.Enum)


# -- how it is written -------------------------------------------------------------------------------------------------


def _called(name: str, function: Callable[..., Any]) -> str:
    """As it stands in a program: `await k.kmalloc(what: int, ...) -> ...`."""
    signature = inspect.signature(function)
    parameters = [one for one in signature.parameters.values() if one.name != "self"]
    result = _type_text(signature.return_annotation)
    before, after = "", result
    if manager := _manager(function, result):
        before, after = f"{manager} ", ""
    elif waited := _RESULT.fullmatch(result):
        before, after = "await ", waited[1]
    elif inspect.iscoroutinefunction(inspect.unwrap(function)):
        before = "await "
    shown = "" if isinstance(function, type) or after in ("", "None") else f" -> {after}"
    text = f"{before}{name}({', '.join(_with_stars(parameters))}){shown}"
    return text if len(text) <= _LONGEST else f"{name}(...)"


def _manager(function: Callable[..., Any], result: str) -> str:
    """`with` or `async with`, where it makes a context manager."""
    inner: Any = function
    while inner is not None:
        if getattr(getattr(inner, "__code__", None), "co_filename", "") == contextlib.__file__:
            return "async with" if result.startswith("Async") else "with"
        inner = getattr(inner, "__wrapped__", None)
    manager = _MANAGER.match(result)
    return "" if manager is None else "async with" if manager[1] else "with"


def _with_stars(parameters: list[inspect.Parameter]) -> Iterator[str]:
    """As a signature has them, with the `*` and `/` between them."""
    kind = None
    for one in parameters:
        if kind is one.POSITIONAL_ONLY and one.kind is not kind:
            yield "/"
        if one.kind is one.KEYWORD_ONLY and kind not in (one.KEYWORD_ONLY, one.VAR_POSITIONAL):
            yield "*"
        kind = one.kind
        stars = "*" if kind is one.VAR_POSITIONAL else "**" if kind is one.VAR_KEYWORD else ""
        text = _type_text(one.annotation)
        default = "" if one.default is one.empty else f" = {_value_text(one.default)}" if text else "=..."
        yield f"{stars}{one.name}{f': {text}' if text else ''}{default}"
    if kind is inspect.Parameter.POSITIONAL_ONLY:
        yield "/"


def _type_text(annotation: object) -> str:
    if annotation is inspect.Parameter.empty:
        return ""
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def _value_text(value: object) -> str:
    for module in _CONSTANTS:
        for name, constant in vars(module).items():
            if name.isupper() and constant is not None and type(constant) is type(value) and constant == value:
                return name
    text = getattr(value, "__name__", "...") if callable(value) else repr(value)
    return "..." if text.startswith("<") or "NOTHING" in text else text
