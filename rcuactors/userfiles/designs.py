"""Designs by name or by path: a bundled one, or the one in a file of the user's own.

Such a file holds one class that follows the protocol `kvfree.rules.PageSource`. It is checked when it is loaded, as
far as that can be done without running it: the methods are there, are coroutine functions where the protocol's are,
and take what they will be given; the name and the text about it are fit for a table. Each machine gets a design out
of a module of its own, so that nothing goes from one run to the next.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from ..designs import DESIGNS
from ..errors import shown, text_of
from ..kvfree.rules import PageSource
from ..spelling import no_such
from .blame import is_mistake
from .guard import given_names, guarded, notice_dropped
from .protocol import METHODS, Method
from .pyfile import DESIGN, PythonFile, exists

DesignChoice = str | os.PathLike[str] | PageSource
"""A bundled design's name, the path of a file, or a design."""

LONGEST_NAME: Final = 40
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]*", re.ASCII)
_REQUIRED: Final = [name for name, method in METHODS.items() if method.required]
_CLOSE: Final = 0.8
"""How like a method of the protocol a name must be to be taken for it: `get_pages` is, `put_page` is not."""


# -- by name or path -----------------------------------------------------------------------------------------------


def find_design(name_or_path: str | os.PathLike[str]) -> Callable[[], PageSource]:
    """What makes the design of that name, or the one in that file. Raises BadInput."""
    text = os.fspath(name_or_path)
    if text in DESIGNS:
        return DESIGNS[text]
    path = Path(text)
    if text and (path.suffix == ".py" or len(path.parts) > 1 or text.startswith("~") or exists(path)):
        return load_design(path)
    beside = f"{text}.py" if text and exists(Path(f"{text}.py")) else ""
    raise no_such("design", text, DESIGNS, wrong="no such name or file", meant=beside)


def as_design(choice: DesignChoice) -> PageSource:
    """The design for one machine, by name, by path or as it is. Raises BadInput."""
    return find_design(choice)() if isinstance(choice, str | os.PathLike) else choice


def load_design(path: str | os.PathLike[str]) -> Callable[[], PageSource]:
    """What makes the design in that file, each time from a module of its own. Raises BadInput.

    The file is read now; a change to it counts from the next `load_design` on.
    """
    where = Path(path)
    if not exists(where):
        # What no shell has done: `--design=~/mine.py`.
        with contextlib.suppress(RuntimeError):
            where = where.expanduser()
    file = PythonFile.read(DESIGN, where, notice_dropped)
    _build(file)
    return lambda: _build(file)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What the file prints while it is loaded goes to stderr: standard output is for results."""
    with contextlib.redirect_stdout(sys.stderr) if sys.stderr is not None else contextlib.nullcontext():
        yield


def _build(file: PythonFile) -> PageSource:
    with _quiet():
        cls = _choose(file, file.run(given_names()))
        own = _check_methods(file, cls)
        try:
            design = guarded(cls, own)()
            name, about = getattr(design, "name", None), getattr(design, "about", None)
        except BaseException as error:
            if not is_mistake(error):
                raise
            text = text_of(error)
            said = f"{type(error).__name__}{': ' if text else ''}{text}"
            raise file.bad(f"class {cls.__name__} cannot be made: {said}", file.line_in(error)) from error
    _check_texts(file, cls, name, about)
    checked: PageSource = design
    return checked


# -- what a design must have ---------------------------------------------------------------------------------------


def _choose(file: PythonFile, module: ModuleType) -> type:
    """The one class of the file that is a design."""
    own = {
        id(value): value
        for value in vars(module).values()
        if inspect.isclass(value) and value.__module__ == module.__name__ and not value.__name__.startswith("_")
    }
    classes = list(own.values())
    likely = [cls for cls in classes if any(hasattr(cls, name) for name in _REQUIRED)]
    chosen = likely or (classes if len(classes) == 1 else [])
    if not chosen:
        needed = " and ".join(f"{name}()" for name in _REQUIRED)
        raise file.bad(f"holds no design; needs one class with name, about, {needed}")
    if len(chosen) > 1:
        names = ", ".join(cls.__name__ for cls in chosen)
        raise file.bad(
            f"holds {len(chosen)} designs ({names}); a file holds one, and the name of a class that is only a base of "
            "it begins with _"
        )
    return chosen[0]


def _names_in_file(cls: type) -> dict[str, Any]:
    """What the file gives the class, itself or through a base."""
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base.__module__ == cls.__module__:
            found.update(vars(base))
    return found


def _check_methods(file: PythonFile, cls: type) -> list[Method]:
    """Return the methods of the protocol that the file defines."""
    here = _names_in_file(cls)
    for name, value in here.items():
        if callable(value) and not name.startswith("_") and name not in METHODS:
            _check_spelling(file, cls, name, here)
    for name in _REQUIRED:
        if not hasattr(cls, name):
            raise file.bad(f"class {cls.__name__} has no {name}(); needs {METHODS[name].needed}")
    found = [method for name, method in METHODS.items() if name in here]
    for method in found:
        _check_method(file, cls, method, here[method.name])
    return found


def _check_spelling(file: PythonFile, cls: type, name: str, here: dict[str, Any]) -> None:
    missing = [method for method in METHODS if method not in here]
    close = get_close_matches(name.casefold(), missing, n=1, cutoff=_CLOSE)
    if close:
        raise file.bad(
            f"class {cls.__name__}: {name}() is no method of a design; did you mean {close[0]}()? "
            f"(the name of a helper begins with _)",
            _line_of(here[name]),
        )


def _check_method(file: PythonFile, cls: type, method: Method, function: object) -> None:
    said = f"class {cls.__name__}: {method.name}()"
    if not inspect.isfunction(function):
        raise file.bad(f"class {cls.__name__}: {method.name} is no method; needs {method.needed}")
    if inspect.iscoroutinefunction(function) != method.is_async:
        kind = "no coroutine function" if method.is_async else "a coroutine function"
        raise file.bad(f"{said} is {kind}; needs {method.needed}", _line_of(function))
    signature = inspect.signature(function)
    try:
        signature.bind(None, *method.parameters)
    except TypeError:
        taken = ", ".join(signature.parameters)
        raise file.bad(f"{said} takes ({taken}); needs {method.needed}", _line_of(function)) from None


def _line_of(thing: object) -> int | None:
    """Where a function begins, if it is one."""
    return getattr(getattr(thing, "__code__", None), "co_firstlineno", None)


def _check_texts(file: PythonFile, cls: type, name: object, about: object) -> None:
    said = f"class {cls.__name__}"
    if name is None:
        raise file.bad(f'{said} has no name; needs `name = "..."`')
    if not isinstance(name, str):
        raise file.bad(f"{said}: name = {shown(name)}: needs a text")
    wrong = wrong_name(name)
    if wrong:
        raise file.bad(f'{said}: name = "{name}": {wrong}')
    if about is None:
        raise file.bad(f'{said} has no about; needs `about = "..."`, one line that says what the design does')
    if not isinstance(about, str) or not about.strip() or len(about.splitlines()) != 1:
        raise file.bad(f"{said}: about = {shown(about)}: needs a text of one line that says what the design does")


def wrong_name(name: str) -> str:
    """Why a design of one's own cannot have that name: '' if it can."""
    if name.casefold() in (bundled.casefold() for bundled in DESIGNS):
        return "is the name of a bundled design; needs one of its own"
    if len(name) > LONGEST_NAME or not _NAME.fullmatch(name):
        return f"needs up to {LONGEST_NAME} letters, digits and -, beginning with a letter"
    return ""
