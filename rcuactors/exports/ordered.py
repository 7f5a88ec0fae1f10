"""Putting things in order that are too many to be held: runs of them go to disk, sorted, and are merged at the end.

CPUs of a run have clocks of their own, so events do not come in the order of time; a viewer wants them so. Memory is
bounded by `HELD` things, or `HELD_BYTES` of them; what was put aside lies in files without a name, which are gone with
the process, however that ends.
"""

from __future__ import annotations

import contextlib
import heapq
import struct
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Final

import attrs

HELD: Final = 50_000
HELD_BYTES: Final = 8_000_000
_MOST_RUNS: Final = 64
"""Of so many files one is made: a process may have only so many open."""

_BUFFER: Final = 1 << 18
_LENGTH: Final = struct.Struct("<I")
_PLACE: Final = struct.Struct(">QQQ")
"""With which a piece begins: where it belongs, and the how manieth it is. So pieces are bytes that sort as they are, of
which the garbage collector knows nothing."""

Piece = tuple[int, int, bytes]
"""What is put in order: by the first number, then by the second; both of 64 bits, and not negative."""


class NoRoom(OSError):
    """What does not fit into memory cannot be put on the disk."""


@attrs.define(eq=False)
class Ordered:
    """Takes pieces in any order, and gives them back in theirs. What has the same place keeps its order.

    `folder` is where the files lie; None: where the system has its temporary files. Raises NoRoom.
    """

    folder: Path | None = None
    held: int = HELD
    failed: NoRoom | None = None
    """What it has raised: who runs a model hears of that only as of an error within it."""
    _aside: int = 0
    """How many were put aside, or forgotten."""
    _pieces: list[bytes] = attrs.field(factory=list)
    _size: int = 0
    _runs: list[IO[bytes]] = attrs.field(factory=list)

    def add(self, first: int, second: int, data: bytes) -> None:
        """One more."""
        pieces = self._pieces
        pieces.append(_PLACE.pack(first, second, self._aside + len(pieces)) + data)
        self._size += len(data)
        if len(pieces) >= self.held or self._size >= HELD_BYTES:
            self._put_aside()

    @property
    def count(self) -> int:
        """How many have come."""
        return self._aside + len(self._pieces)

    @property
    def held_bytes(self) -> int:
        """Bytes of those that are not on the disk."""
        return sum(map(len, self._pieces))

    def __iter__(self) -> Iterator[Piece]:
        """All of them, in order; no more can be added then."""
        self._pieces.sort()
        pieces = heapq.merge(*map(_read, self._runs), self._pieces) if self._runs else self._pieces
        unpack, begin = _PLACE.unpack_from, _PLACE.size
        for piece in pieces:
            first, second, _ = unpack(piece)
            yield first, second, piece[begin:]

    def close(self) -> None:
        """Forget all of it."""
        for run in self._runs:
            run.close()
        self._runs.clear()
        self._aside += len(self._pieces)
        self._pieces.clear()

    def _put_aside(self) -> None:
        self._pieces.sort()
        self._runs.append(self._write(self._pieces))
        self._aside += len(self._pieces)
        self._pieces, self._size = [], 0
        if len(self._runs) >= _MOST_RUNS:
            runs, self._runs = self._runs, []
            self._runs.append(self._write(heapq.merge(*map(_read, runs))))
            for run in runs:
                run.close()

    def _write(self, pieces: Iterable[bytes]) -> IO[bytes]:
        try:
            run = scratch(self.folder)
            try:
                pack, write = _LENGTH.pack, run.write
                for piece in pieces:
                    write(pack(len(piece)) + piece)
                run.seek(0)
            except BaseException:
                with contextlib.suppress(OSError):
                    run.close()
                raise
        except OSError as error:
            self.failed = NoRoom(error.errno, error.strerror or str(error))
            raise self.failed from error
        return run


def scratch(folder: Path | None) -> IO[bytes]:
    """A file without a name, to write and read again."""
    return tempfile.TemporaryFile(dir=folder, buffering=_BUFFER)


def _read(run: IO[bytes]) -> Iterator[bytes]:
    read, unpack, size = run.read, _LENGTH.unpack, _LENGTH.size
    while length := read(size):
        yield read(*unpack(length))
