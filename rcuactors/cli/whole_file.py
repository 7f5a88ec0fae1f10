"""Files that appear when they are whole."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import BinaryIO, Final, Self, TextIO

from ..errors import BadInput

_OURS: Final = re.compile(r"/(?:dev/fd|proc/(?:self|\d+)/fd)/(\d{1,9})")
_MOST_LINKS: Final = 40


def _open_file_of(name: str) -> int | None:
    """The open file of ours that a path stands for, such as /dev/stdout: opened anew it would be written over."""
    path = os.path.abspath(name)  # noqa: PTH100 - what is asked for is the path as it is written
    for _ in range(_MOST_LINKS):
        found = _OURS.fullmatch(path)
        if found:
            return int(found[1])
        if not os.path.islink(path):  # noqa: PTH114
            return None
        path = os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(path)))  # noqa: PTH115, PTH118, PTH120
    return None


class OutputError(BadInput):
    """What we have to say cannot be written where it should go."""


class WholeFile:
    """A file that an option names. A context manager, opened before there is anything to write.

    It is written under another name beside its own and gets that at the end: an older file stays until there is a
    whole new one, and nothing is left behind of what was not finished. A device or a pipe is written as it is, also
    where it is one of our own open files (/dev/stdout, a shell's `>(gzip)`).
    """

    def __init__(self, option: str, name: str, *, hint: str = "") -> None:
        self._option, self._name, self._hint = option, name, hint
        self.path = Path(name)
        self._temporary: Path | None = None
        self._out: TextIO | None = None

    def bad(self, wrong: str) -> OutputError:
        """Make the error that says what is wrong with the file."""
        return OutputError(f"{self._option} {self._name}: {wrong}")

    def cannot(self, error: Exception) -> OutputError:
        """Make the error for one of the system's."""
        return self.bad(f"cannot be written: {getattr(error, 'strerror', None) or error}")

    def __enter__(self) -> Self:
        if self._name in ("", "-"):
            raise self.bad(f"needs the name of a file{self._hint}")
        try:
            ours = _open_file_of(self._name)
            self.path = Path(self._name if ours is not None else os.path.realpath(self._name))
            if self.path.is_dir():
                raise self.bad("is a directory; needs the name of a file")
            if self.path.exists() and not os.access(self.path, os.W_OK):
                raise self.bad("cannot be written: Permission denied")
            if ours is None and (not self.path.exists() or self.path.is_file()):
                self._temporary = self.path.with_name(f".{self.path.name[:200]}.{os.getpid()}.part")
            target = self._temporary or self.path if ours is None else os.dup(ours)
            self._out = open(target, "w", encoding="utf-8", errors="backslashreplace", newline="")  # noqa: PTH123
        except OutputError:
            raise
        except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
            raise self.cannot(error) from None
        return self

    @property
    def stream(self) -> TextIO:
        """Where to write. What it raises is an OSError, which `cannot` turns into one of ours."""
        assert self._out is not None
        return self._out

    @property
    def bytes_stream(self) -> BinaryIO:
        """The same for what is no text."""
        return self.stream.buffer

    @property
    def folder(self) -> Path | None:
        """Where it is written before it has its name; None: nowhere, since it is no file on a disk."""
        return self._temporary.parent if self._temporary is not None else None

    def write(self, text: str) -> None:
        """Write all of it. Raises OutputError."""
        try:
            self.stream.write(text)
        except OSError as error:
            raise self.cannot(error) from None
        self.finish(keep=True)

    def finish(self, *, keep: bool) -> None:
        """Close it, and give it its name if it is to be kept. There is no more to come. Raises OutputError."""
        out, self._out = self._out, None
        if out is None:
            return
        try:
            out.close()
            if self._temporary is not None and keep:
                self._temporary.replace(self.path)
        except OSError as error:
            raise self.cannot(error) from None
        finally:
            if self._temporary is not None:
                with contextlib.suppress(OSError):
                    self._temporary.unlink(missing_ok=True)

    def __exit__(self, *_exc: object) -> None:
        with contextlib.suppress(OutputError):
            self.finish(keep=False)
