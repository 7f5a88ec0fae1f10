"""Recordings of the questions: a folder for each kernel, a file for each question, a header and the console's text."""

from __future__ import annotations

import lzma
import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

import attrs

from ..errors import BadInput
from ..report.console import ConsoleReport, Entry, Said, read_console
from .before import Before
from .command import Command, parse_command
from .kernels import KERNELS
from .printk import about_console

_FIELD: Final = re.compile(r"^# (?P<name>[a-z]+)[^:]*: (?P<value>.*)$")
_MORE: Final = re.compile(r"^# ---")
_TIMEOUT: Final = re.compile(r"TIMEOUT after ([\d.]+) s")
_LIVE: Final = "live console"
_RCUC: Final = re.compile(r"Comm: rcuc/|name: rcuc/|held by rcuc/|q: pid \d+ rcuc/|\brcuc/\d+/\d+ is trying")
_BEFORE: Final = re.compile(r"before: zone \w+ free (\d{1,12}) min (\d{1,12}) .*, pcp of this CPU (\d{1,12})")


@attrs.frozen(kw_only=True)
class Recording:
    """One file. `entries` are the first run's, `more` what the module said in further runs of the same question.

    `command` is None where `wrong` says why the question cannot be read.
    """

    kernel: str
    name: str
    command: Command | None
    wrong: str = ""
    entries: tuple[Entry, ...]
    more: tuple[Said, ...] = ()
    ended: bool
    live: bool = False
    """The console was live: what was printed took its locks."""
    timeout_s: float | None = None
    rcuc_served: bool = False
    """rcuc of PREEMPT_RT called the question's function, or what it said names it."""

    @property
    def group(self) -> str:
        """The row of the audit, or the subject, that the question's name begins with."""
        return self.name.partition("-")[0]

    @property
    def reports(self) -> tuple[ConsoleReport, ...]:
        """The kernel's reports."""
        return tuple(entry for entry in self.entries if isinstance(entry, ConsoleReport))

    @property
    def said(self) -> tuple[Said, ...]:
        """What the module printed."""
        return tuple(entry for entry in self.entries if isinstance(entry, Said))

    @property
    def before(self) -> Before | None:
        """a3: the zone and the CPU's list when it was asked, where the module says so."""
        for one in self.said:
            zone = _BEFORE.search(one.text)
            if zone is not None:
                return Before(free=int(zone[1]), min=int(zone[2]), listed=int(zone[3]))
        return None

    @property
    def fatal(self) -> bool:
        """Whether a report ended the thread, or the machine."""
        return any(report.fatal for report in self.reports)


def _sections(lines: list[str]) -> Iterator[list[str]]:
    """The console's text, cut where an earlier or later run of the same question begins."""
    section: list[str] = []
    for line in lines:
        if _MORE.match(line):
            yield section
            section = []
        elif not line.startswith("#"):
            section.append(line)
    yield section


def read_text(text: str, kernel: str, name: str) -> Recording:
    """The recording in a file's text. Raises BadInput for a text that is none."""
    lines = text.split("\n")
    header = {found["name"]: found["value"] for found in map(_FIELD.match, lines) if found is not None}
    if "command" not in header:
        raise BadInput(f"recording {kernel}/{name}: has no '# command:' in its header")
    command, wrong = None, ""
    try:
        command = parse_command(header["command"].strip())
    except BadInput as error:
        wrong = str(error)
    first, *others = [read_console(section) for section in _sections(lines)]
    status = header.get("status", "")
    texts = next(_sections(lines))
    live = _LIVE in status
    if live:
        first = tuple(entry for entry in first if not about_console(entry))
    timeout = _TIMEOUT.search(status)
    return Recording(
        kernel=kernel,
        name=name,
        command=command,
        wrong=wrong,
        entries=first,
        more=tuple(entry for other in others for entry in other if isinstance(entry, Said)),
        ended=any(isinstance(entry, Said) and entry.text.startswith("END ") for entry in first),
        live=live,
        rcuc_served=any(map(_RCUC.search, texts)),
        timeout_s=float(timeout[1]) if timeout is not None else None,
    )


def _in_folder(base: Path) -> Iterator[tuple[str, str, str]]:
    """(kernel, name, text) of each file in the kernels' folders, or in one that is a kernel's itself."""
    folders = [base] if base.name in KERNELS else [base / name for name in KERNELS if (base / name).is_dir()]
    for folder in folders:
        for path in sorted(folder.glob("*.txt")):
            yield folder.name, path.stem, path.read_text(encoding="utf-8", errors="replace")


def _in_archive(path: Path) -> Iterator[tuple[str, str, str]]:
    """The same of an archive of such a folder."""
    with tarfile.open(path) as archive:
        members = {PurePosixPath(member.name): member for member in archive.getmembers() if member.isfile()}
        for kernel in KERNELS:
            for name in sorted(name for name in members if name.parent.name == kernel and name.suffix == ".txt"):
                file = archive.extractfile(members[name])
                if file is not None:
                    yield kernel, name.stem, file.read().decode(errors="replace")


def read_recordings(place: str) -> tuple[Recording, ...]:
    """All recordings of a folder that has a folder for each kernel, of one of these, or of a tar archive of the folder.

    Raises BadInput when there are none.
    """
    path = Path(place)
    try:
        files = list(_in_folder(path) if path.is_dir() else _in_archive(path))
    except (OSError, tarfile.TarError, EOFError, lzma.LZMAError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
        raise BadInput(f"--against {place}: is no folder and no tar archive: {reason}") from None
    if not files:
        raise BadInput(f"--against {place}: has no recordings, .txt files in folders named {', '.join(KERNELS)}")
    return tuple(read_text(text, kernel, name) for kernel, name, text in files)
