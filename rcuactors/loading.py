"""Scenarios by name or by path: where the bundled ones are, and how a file becomes a `Scenario`.

A file is run as a module of its own under a private name, without touching `sys.path` and without leaving
bytecode beside it. Whatever is wrong with it becomes one `BadInput`.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
import traceback
import zlib
from contextvars import ContextVar
from pathlib import Path
from types import CodeType, ModuleType
from typing import Final

from .errors import BadInput
from .scenario import Scenario
from .spelling import did_you_mean

_PACKAGE: Final = Path(__file__).resolve().parent

_importing: Final[ContextVar[bool]] = ContextVar("importing", default=False)


class _NoBytecode(importlib.machinery.SourceFileLoader):
    """Compiles the source each time: neither reads nor writes a cached file."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def importing() -> bool:
    """Whether a scenario file is being imported now, so that nothing in it should act as a program."""
    return _importing.get()


def _bundled_folder() -> Path | None:
    """Find where they are: the wheel carries them inside the package, a checkout has them beside it."""
    inside, beside = _PACKAGE / "_scenarios", _PACKAGE.parent / "scenarios"
    if inside.is_dir():
        return inside
    # Beside an installed package, "scenarios" would be somebody else's.
    return beside if beside.is_dir() and (_PACKAGE.parent / "pyproject.toml").is_file() else None


def find_scenarios() -> dict[str, Path]:
    """Return the bundled scenarios, name -> file, sorted by name."""
    folder = _bundled_folder()
    files = sorted(folder.glob("*.py")) if folder is not None else []
    return {file.stem: file for file in files if not file.name.startswith("_")}


def load_scenario(name_or_path: str | os.PathLike[str]) -> Scenario:
    """Load the scenario of that name, or the one in that file. Raises BadInput."""
    text = os.fspath(name_or_path)
    bundled = find_scenarios()
    if text in bundled:
        return _load_file(bundled[text])
    path = Path(text)
    if text and (path.suffix == ".py" or len(path.parts) > 1 or _exists(path)):
        return _load_file(path)
    raise BadInput(
        f"scenario {text}: no such name or file; {did_you_mean(text, bundled)}there are {', '.join(bundled)}"
    )


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long, or with a NUL in it
        return False


def _load_file(path: Path) -> Scenario:
    if not _exists(path):
        raise BadInput(f"scenario file {path}: there is no such file")
    if path.is_dir():
        raise BadInput(f"scenario file {path}: is a directory; needs a Python file")
    if not path.is_file():
        raise BadInput(f"scenario file {path}: is not a regular file")
    return _choose(path, _import_file(path))


def _import_file(path: Path) -> ModuleType:
    full = str(path.resolve())
    name = f"_rcuactors_scenario_{zlib.crc32(full.encode(errors='surrogateescape')):08x}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, full, loader=_NoBytecode(name, full))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # The decorator looks its module up there, and dataclasses and their like do so later.
    sys.modules[name] = module
    mark = _importing.set(True)
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, KeyboardInterrupt):
            raise
        raise _import_failure(path, full, error) from error
    finally:
        _importing.reset(mark)
    return module


def _import_failure(path: Path, full: str, error: BaseException) -> BadInput:
    if isinstance(error, OSError) and error.filename == full:
        return BadInput(f"scenario file {path}: cannot be read: {error.strerror}")
    line = error.lineno if isinstance(error, SyntaxError) and error.filename == full else _line_in(full, error)
    where = f" (line {line})" if line is not None else ""
    if isinstance(error, BadInput):
        return BadInput(f"scenario file {path}: {error}{where}")
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    return BadInput(f"scenario file {path}: does not import: {type(error).__name__}{': ' if said else ''}{said}{where}")


def _line_in(full: str, error: BaseException) -> int | None:
    """Return the innermost line of the file that the error passed through."""
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == full]
    return lines[-1] if lines else None


def _choose(path: Path, module: ModuleType) -> Scenario:
    """Choose the one scenario that the file defines, or among several the one that bears its name."""
    found = {id(value): value for value in vars(module).values() if isinstance(value, Scenario)}
    own = [scenario for scenario in found.values() if scenario.body.__module__ == module.__name__]
    chosen = own or list(found.values())
    if not chosen:
        raise BadInput(f"scenario file {path}: holds no scenario; needs an async function under @scenario()")
    named = [scenario for scenario in chosen if scenario.name == path.stem]
    if len(chosen) > 1 and len(named) != 1:
        names = ", ".join(scenario.name for scenario in chosen)
        raise BadInput(
            f"scenario file {path}: holds {len(chosen)} scenarios ({names}); "
            f"one must be named {path.stem}, as the file is"
        )
    return named[0] if named else chosen[0]
