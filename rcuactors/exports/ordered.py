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
from operator import itemgetter
from pathlib import Path
from typing import IO, Final

import attrs

HELD: Final = 50_000
HELD_BYTES: Final = 8_000_000
_MOST_RUNS: Final = 64
"""Of so many files one is made: a process may have only so many open."""

_BUFFER: Final = 1 << 18
_HEAD: Final = struct.Struct("<QQI")

Piece = tuple[int, int, bytes]
"""What is put in order: by the first number, then by the second; both of 64 bits, and not negative."""

_by_place = itemgetter(0, 1)


class NoRoom(OSError):
    """What does not fit into memory cannot be put on the disk."""


@attrs.define(eq=False)
class Ordered:
    """Takes pieces in any order, and gives them back in theirs. What has the same place keeps its order.

    `folder` is where the files lie; None: where the system has its temporary files. Raises NoRoom.
    """

    folder: Path | None = None
    held: int = HELD
    count: int = 0
    failed: NoRoom | None = None
    """What it has raised: who runs a model hears of that only as of an error within it."""
    _pieces: list[Piece] = attrs.field(factory=list)
    _size: int = 0
    _runs: list[IO[bytes]] = attrs.field(factory=list)

    def add(self, first: int, second: int, data: bytes) -> None:
        """One more."""
        self._pieces.append((first, second, data))
        self.count += 1
        self._size += len(data)
        if len(self._pieces) >= self.held or self._size >= HELD_BYTES:
            self._put_aside()

    def __iter__(self) -> Iterator[Piece]:
        """All of them, in order; no more can be added then."""
        self._pieces.sort(key=_by_place)
        if not self._runs:
            return iter(self._pieces)
        # The earlier run wins where two are at one place.
        return heapq.merge(*map(_read, self._runs), self._pieces, key=_by_place)

    def close(self) -> None:
        """Forget all of it."""
        for run in self._runs:
            run.close()
        self._runs.clear()
        self._pieces.clear()

    def _put_aside(self) -> None:
        self._pieces.sort(key=_by_place)
        self._runs.append(self._write(self._pieces))
        self._pieces, self._size = [], 0
        if len(self._runs) >= _MOST_RUNS:
            runs, self._runs = self._runs, []
            self._runs.append(self._write(heapq.merge(*map(_read, runs), key=_by_place)))
            for run in runs:
                run.close()

    def _write(self, pieces: Iterable[Piece]) -> IO[bytes]:
        try:
            run = scratch(self.folder)
            try:
                pack, write = _HEAD.pack, run.write
                for first, second, data in pieces:
                    write(pack(first, second, len(data)) + data)
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


def _read(run: IO[bytes]) -> Iterator[Piece]:
    read, unpack, size = run.read, _HEAD.unpack, _HEAD.size
    while head := read(size):
        first, second, length = unpack(head)
        yield first, second, read(length)
