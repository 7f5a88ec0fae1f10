"""Files that appear when they are whole."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Self, TextIO

from ..errors import BadInput


class OutputError(BadInput):
    """What we have to say cannot be written where it should go."""


class WholeFile:
    """A file that an option names. A context manager, opened before there is anything to write.

    It is written under another name beside its own and gets that at the end: an older file stays until there is a
    whole new one, and nothing is left behind of what was not finished. A device or a pipe is written as it is.
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
            self.path = Path(os.path.realpath(self._name))
            if self.path.is_dir():
                raise self.bad("is a directory; needs the name of a file")
            if self.path.exists() and not os.access(self.path, os.W_OK):
                raise self.bad("cannot be written: Permission denied")
            if not self.path.exists() or self.path.is_file():
                self._temporary = self.path.with_name(f".{self.path.name[:200]}.{os.getpid()}.part")
            target = self._temporary or self.path
            self._out = target.open("w", encoding="utf-8", errors="backslashreplace", newline="")
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
