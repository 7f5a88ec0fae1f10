"""Lines out of a file, whatever it is.

Recordings are kept gzipped, and are handed around as plain text: the first two bytes tell which, the name
does not. This is the only place that meets the file system, so it is also where everything that can be wrong
with a file becomes one `BadInput` with one line of message.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedIOBase, BufferedReader
from typing import Final

from ..errors import BadInput

_GZIP_MAGIC: Final = b"\x1f\x8b"

_LONGEST_LINE: Final = 65_536
"""A file without line ends must not be read into memory whole. A real recording's longest line has 400 characters."""

_PROGRESS_LINES: Final = 10_000


def bad(path: str | os.PathLike[str], wrong: str) -> BadInput:
    """The error for a file, in one line: repr keeps a strange name from breaking it."""
    return BadInput(f"recording {os.fsdecode(path)!r}: {wrong}")


def told_by(path: str | os.PathLike[str], error: BadInput) -> BadInput:
    """The error for what a file tells of a kernel's parameters or of its machine, with the file's name."""
    return error if str(error).startswith("recording ") else bad(path, str(error))


class CutShort(Exception):
    """A file ends in the middle of a line, or of what gzip has packed: raised behind its last whole line.

    Its argument is what there is of the line.
    """


def read_lines(path: str | os.PathLike[str], progress: Callable[[int, int], None] | None = None) -> Iterator[str]:
    """The lines of a plain or gzipped text, without their line ends.

    `progress` is told every so many lines how many were read, and how many bytes of the file. Raises BadInput if it is
    none, and CutShort.
    """
    with _complaints(path), open(path, "rb") as raw:  # noqa: PTH123 (one kind of path is as good as another)
        head = raw.peek(2)[:2]  # not read and seek: a pipe is welcome, too
        if not head:
            raise bad(path, "is empty")
        if head != _GZIP_MAGIC:
            lines = _decoded(path, raw)
            yield from lines if progress is None else _counted(lines, raw, progress)
        else:
            with gzip.GzipFile(fileobj=raw) as unpacked:
                lines = _decoded(path, unpacked)
                yield from lines if progress is None else _counted(lines, raw, progress)


def _counted(lines: Iterator[str], raw: BufferedReader, progress: Callable[[int, int], None]) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        yield line
        if number % _PROGRESS_LINES == 0:
            progress(number, raw.tell() if raw.seekable() else 0)


@contextmanager
def _complaints(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what the system and the unpacker complain of into BadInput."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        reason = "it ends too early" if isinstance(error, EOFError) else "its data are damaged"
        raise bad(path, f"broken gzip file, {reason}") from error
    except OSError as error:
        raise bad(path, f"cannot be read: {error.strerror or error}") from error
    except BadInput:
        raise
    except ValueError as error:  # open() says so of a name with a NUL
        raise bad(path, f"cannot be read: {error}") from error


def _next_line(stream: BufferedIOBase, *, seen: bool) -> bytes:
    try:
        return stream.readline(_LONGEST_LINE)
    except EOFError:
        if seen:
            raise CutShort("") from None
        raise


def _decoded(path: str | os.PathLike[str], stream: BufferedIOBase) -> Iterator[str]:
    seen = False
    while line := _next_line(stream, seen=seen):
        # Text never holds NUL. Other odd bytes may stand in the name of a task, hence "replace".
        if b"\0" in line:
            raise bad(path, "holds binary data, expected ftrace text, plain or gzipped")
        if not line.endswith(b"\n") and len(line) < _LONGEST_LINE:
            # It may end in the middle of a number, and look like another one.
            raise CutShort(line.decode("utf-8", "replace"))
        seen = True
        yield line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "replace")
    if not seen:
        raise bad(path, "is empty once unpacked")
