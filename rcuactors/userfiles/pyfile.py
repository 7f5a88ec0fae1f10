"""A Python file of the user's own, run as a module: a scenario, or a design.

It is read once, and run under a private name without touching `sys.path` and without leaving bytecode beside it.
Each run makes a new module, so that nothing is left over from the one before. Whatever is wrong with the file becomes
one `BadInput`.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
import traceback
import warnings
import zlib
from collections.abc import Callable
from contextvars import ContextVar
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Final

import attrs

from ..errors import BadInput, text_of

MODULE_PREFIX: Final = "_rcuactors_"
SCENARIO: Final = "scenario"
DESIGN: Final = "design"

_LARGEST_FILE: Final = 16 << 20

_registries: Final[dict[str, dict[str | tuple[str, type[Warning], int], int]]] = {}
"""What Python has warned of already, by file."""

_importing: Final[ContextVar[bool]] = ContextVar("importing", default=False)


def importing() -> bool:
    """Whether a user's file is being run as a module now, so that nothing in it should act as a program."""
    return _importing.get()


def exists(path: Path) -> bool:
    """Whether there is anything at that path."""
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long, or with a NUL in it
        return False


def text_digest(content: bytes) -> str:
    """The SHA-256 of a file's text; how its lines end, which differs between checkouts, does not count."""
    return hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()


def place_of(frames: list[tuple[str, int]]) -> str:
    """`file.py:12, in other.py:3` for some places of a traceback, each named once."""
    return ", in ".join(f"{Path(name).name}:{line}" for name, line in dict.fromkeys(frames))


@attrs.frozen(eq=False)
class PythonFile:
    """A file that was read. `kind` is 'scenario' or 'design'; `path` is as the user gave it, `full` is absolute.

    `digest` is that of its text (`text_digest`); modules that were made of it have it as `__spec__.loader_state`.
    `warned` is what Python has to say of it, and says once it has run.
    """

    kind: str
    path: Path
    full: str
    code: CodeType
    digest: str
    warned: tuple[warnings.WarningMessage, ...] = ()

    @classmethod
    def read(cls, kind: str, path: Path, rewrite: Callable[[ast.Module], ast.Module] = lambda tree: tree) -> PythonFile:
        """Read and compile it; `rewrite` may change the syntax tree in between. Raises BadInput."""
        if not exists(path):
            raise BadInput(f"{kind} file {path}: there is no such file")
        if path.is_dir():
            raise BadInput(f"{kind} file {path}: is a directory; needs a Python file")
        # What comes through a pipe has no other name than that.
        full = str(path.resolve() if path.is_file() else path.absolute())
        try:
            with path.open("rb") as file:
                content = file.read(_LARGEST_FILE + 1)
            if len(content) > _LARGEST_FILE:
                raise BadInput(f"is larger than {_LARGEST_FILE >> 20} MiB: no Python file")
            code, warned = _compiled(content, full, rewrite)
            return cls(kind, path, full, code, text_digest(content), warned)
        except Exception as error:
            raise _import_failure(kind, path, full, error) from error

    @property
    def module_name(self) -> str:
        """The private name: no two files share it."""
        digest = zlib.crc32(self.full.encode(errors="surrogateescape"))
        return f"{MODULE_PREFIX}{self.kind}_{digest:08x}_{self.path.stem}"

    def run(self, given: dict[str, object] | None = None) -> ModuleType:
        """Run it as a new module, which has the names of `given` from the start. Raises BadInput."""
        name = self.module_name
        spec = importlib.util.spec_from_file_location(name, self.full, loader=SourceFileLoader(name, self.full))
        assert spec is not None
        spec.loader_state = self.digest
        module = importlib.util.module_from_spec(spec)
        module.__dict__.update(given or {})
        # The decorator of scenarios looks its module up there, and dataclasses and their like do so later.
        sys.modules[name] = module
        mark = _importing.set(True)
        try:
            exec(self.code, module.__dict__)  # noqa: S102 - to run the user's file is what was asked for
        except BaseException as error:
            del sys.modules[name]
            if isinstance(error, KeyboardInterrupt):
                raise
            raise _import_failure(self.kind, self.path, self.full, error) from error
        finally:
            _importing.reset(mark)
        # Only now: beside the one line that says what is wrong with a file they would say something else.
        for one in self.warned:
            registry = _registries.setdefault(self.full, {})
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno, registry=registry)
        return module

    def bad(self, wrong: str, line: int | None = None) -> BadInput:
        """The error that says what is wrong with this file."""
        return _bad(self.kind, self.path, wrong, line)

    def line_in(self, error: BaseException) -> int | None:
        """The innermost line of the file that an error passed through."""
        return _line_in(self.full, error)


def _compiled(
    content: bytes, full: str, rewrite: Callable[[ast.Module], ast.Module]
) -> tuple[CodeType, tuple[warnings.WarningMessage, ...]]:
    """The code of a file, and what Python warns of."""
    with warnings.catch_warnings(record=True) as warned:
        code = compile(rewrite(ast.parse(content, full)), full, "exec", dont_inherit=True)
    return code, tuple(warned)


def _bad(kind: str, path: Path, wrong: str, line: int | None) -> BadInput:
    where = f" (line {line})" if line is not None else ""
    return BadInput(f"{kind} file {path}: {wrong}{where}")


def _import_failure(kind: str, path: Path, full: str, error: BaseException) -> BadInput:
    if isinstance(error, OSError) and error.filename in (full, str(path)):
        return BadInput(f"{kind} file {path}: cannot be read: {error.strerror}")
    line = error.lineno if isinstance(error, SyntaxError) and error.filename == full else _line_in(full, error)
    if isinstance(error, BadInput):
        return _bad(kind, path, text_of(error), line)
    said = error.msg if isinstance(error, SyntaxError) else text_of(error)
    return _bad(kind, path, f"does not import: {type(error).__name__}{': ' if said else ''}{said}", line)


def _line_in(full: str, error: BaseException) -> int | None:
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == full]
    return lines[-1] if lines else None
