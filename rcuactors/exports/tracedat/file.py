"""A trace.dat file of version 6 (trace-cmd.dat.v6(5)): what `trace-cmd record` leaves, and KernelShark opens.

First comes what is needed to read the rest: the layout of a page and of an event's first word, the format of each type
of event, symbols, tasks; then how many CPUs there are and where in the file their pages lie; then the pages. Which
types there are is known when all events have come, so the pages wait on the disk until then.
"""

from __future__ import annotations

import shutil
import struct
from pathlib import Path
from typing import IO, Final

import attrs

from ...engine.events import Event
from ...spelling import plural
from ..ordered import NoRoom, Ordered, scratch
from .formats import Formats
from .pages import PAGE, Pages

_MAGIC: Final = b"\x17\x08\x44tracing6\0"
_LITTLE_ENDIAN: Final = b"\0"
_LONG: Final = b"\x08"

_PAGE_LAYOUT: Final = (
    "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
    "\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"
    "\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n"
    f"\tfield: char data;\toffset:16;\tsize:{PAGE - 16};\tsigned:1;\n"
)
_WORD_LAYOUT: Final = (
    "# compressed entry header\n"
    "\ttype_len    :    5 bits\n"
    "\ttime_delta  :   27 bits\n"
    "\tarray       :   32 bits\n"
    "\n"
    "\tpadding     : type == 29\n"
    "\ttime_extend : type == 30\n"
    "\ttime_stamp : type == 31\n"
    "\tdata max type_len  == 28\n"
)


@attrs.define(eq=False)
class TraceDat:
    """Takes events, and writes them when all have come. Raises OSError."""

    folder: Path | None = None
    formats: Formats = attrs.field(factory=Formats)
    _records: Ordered = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._records = Ordered(self.folder)

    def take(self, event: Event) -> None:
        """One event."""
        self._records.add(event.cpu, event.time_ns, self.formats.record(event))

    def write(self, out: IO[bytes], *, nr_cpus: int) -> None:
        """All of them."""
        with scratch(self.folder) as pages:
            sizes = self._fill(pages, nr_cpus)
            head = self._head(nr_cpus)
            # Offset and size of each CPU's pages end the header, and the first page begins where a page may.
            at = len(head) + 16 * nr_cpus
            padding = -at % PAGE
            at += padding
            for size in sizes:
                head += struct.pack("<QQ", at, size)
                at += size
            out.write(head + bytes(padding))
            pages.seek(0)
            shutil.copyfileobj(pages, out)

    @property
    def count(self) -> int:
        """How many have come."""
        return self._records.count

    @property
    def failed(self) -> NoRoom | None:
        """What did not find room."""
        return self._records.failed

    def notes(self) -> list[str]:
        """Texts that were too long, and tasks that have changed their names."""
        notes = []
        if self.formats.cut:
            notes.append(f"{plural(self.formats.cut, 'event')} cut short: the text does not fit into a page")
        if self.formats.renamed:
            notes.append(
                f"{plural(len(self.formats.renamed), 'task')} under the last of several names: the file has one of each"
            )
        return notes

    def close(self) -> None:
        """Forget them."""
        self._records.close()

    def _fill(self, out: IO[bytes], nr_cpus: int) -> list[int]:
        """Write the pages, CPU by CPU; returns the size of each CPU's."""
        sizes = [0] * nr_cpus
        cpu, pages = 0, Pages()
        for its, time_ns, record in self._records:
            if its != cpu:
                sizes[cpu] += out.write(pages.end())
                cpu = its
            sizes[cpu] += out.write(pages.add(time_ns, record))
        sizes[cpu] += out.write(pages.end())
        return sizes

    def _head(self, nr_cpus: int) -> bytes:
        formats = self.formats
        parts = [
            _MAGIC + _LITTLE_ENDIAN + _LONG + struct.pack("<I", PAGE),
            b"header_page\0" + _sized("<Q", _PAGE_LAYOUT),
            b"header_event\0" + _sized("<Q", _WORD_LAYOUT),
            struct.pack("<I", 0),  # no events of the tracers themselves
        ]
        systems = formats.systems()
        parts.append(struct.pack("<I", len(systems)))
        for system, texts in systems.items():
            parts.append(system.encode() + b"\0" + struct.pack("<I", len(texts)))
            parts.extend(_sized("<Q", text) for text in texts)
        parts += [
            _sized("<I", formats.kallsyms()),
            _sized("<I", ""),  # nobody has called trace_printk()
            _sized("<Q", formats.cmdlines()),
            struct.pack("<I", nr_cpus),
            b"flyrecord\0",
        ]
        return b"".join(parts)


def _sized(code: str, text: str) -> bytes:
    data = text.encode(errors="backslashreplace")
    return struct.pack(code, len(data)) + data
