"""One thing to try: a command line, or a text for a reader of ours, with the files and variables that it finds."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs

ANY: Final = frozenset({0, 1, 2})
"""Exit codes of a command that was neither interrupted nor left alone by its reader."""
STRANGE: Final = ANY | {130}
"""The same of code that may raise KeyboardInterrupt itself."""
WRONG: Final = frozenset({2})
"""Those of one that was given something that is surely wrong."""

LONGEST_ARG: Final = 100_000
"""Characters of one argument: a system takes no more than 131,072 bytes of one."""

_AGAIN: Final = """#!/bin/sh
# {wrong}
cd "$(dirname "$0")/files" && {command}
"""


@attrs.frozen(kw_only=True)
class Case:
    """What is tried, and with which exit codes it may end.

    `reader` is `module:function` of one that takes the text of `args[0]`, where there is no command for it.
    `writes_any` says that it may leave files that it was told to write; `lines` is how many complaints it may have;
    `fresh` that it needs an interpreter of its own.
    """

    input: str
    args: tuple[str, ...] = attrs.field(converter=lambda args: tuple(arg[:LONGEST_ARG] for arg in args))
    files: Mapping[str, bytes] = attrs.field(factory=dict)
    environment: Mapping[str, str] = attrs.field(factory=dict)
    codes: frozenset[int] = ANY
    reader: str = ""
    writes_any: bool = False
    lines: int = 1
    fresh: bool = False

    def command(self) -> str:
        """What repeats it, in a directory with its files."""
        words = ["python", "-m", "rcuactors", *self.args]
        if self.reader:
            module, _, function = self.reader.partition(":")
            words = ["python", "-c", f"from {module} import {function} as read; read({self.args[0]!r})"]
        return shlex.join([*(f"{name}={value}" for name, value in self.environment.items()), *words])

    def keep(self, place: Path, wrong: str) -> None:
        """Write it down: its files, `again.sh`, and what this program reads again with --again."""
        files = place / "files"
        files.mkdir(parents=True, exist_ok=True)
        for name, data in self.files.items():
            (files / name).parent.mkdir(parents=True, exist_ok=True)
            (files / name).write_bytes(data)
        one_line = " ".join(wrong.split())
        (place / "again.sh").write_text(
            _AGAIN.format(wrong=one_line, command=self.command()), "utf-8", "backslashreplace"
        )
        said: dict[str, Any] = attrs.asdict(self, filter=attrs.filters.exclude("files"))
        said |= {name: sorted(value) for name, value in said.items() if isinstance(value, frozenset)}
        (place / "case.json").write_text(json.dumps(said | {"wrong": wrong}, indent=1), "utf-8")

    @classmethod
    def kept(cls, place: Path) -> Case:
        """The one that was written there."""
        said = json.loads((place / "case.json").read_text("utf-8"))
        files = place / "files"
        found = {str(path.relative_to(files)): path.read_bytes() for path in sorted(files.rglob("*")) if path.is_file()}
        return cls(
            input=said["input"],
            args=tuple(said["args"]),
            files=found,
            environment=said["environment"],
            codes=frozenset(said["codes"]),
            reader=said["reader"],
            writes_any=said["writes_any"],
            fresh=said["fresh"],
            lines=said["lines"],
        )
