"""A terminal's screen, as far as the tests need one: what stands on it after what was written to it.

Understood is what Rich writes: line ends, going up, erasing a line, colours, showing and hiding the cursor. What else
comes is an error, so that nothing is passed over.
"""

from __future__ import annotations

import re

import attrs

_TOKEN = re.compile(r"\x1b\[(?P<private>\??)(?P<numbers>[\d;]*)(?P<what>[A-Za-z])|(?P<text>[^\x1b])", re.DOTALL)


@attrs.define
class Screen:
    """Lines, as they stand. `hidden`: the cursor is; `colours` is whether any was ever set; `frames` counts redraws."""

    lines: list[str] = attrs.field(factory=lambda: [""])
    hidden: bool = False
    colours: bool = False
    frames: int = 0
    seen: set[str] = attrs.field(factory=set)
    """Every line that ever stood there when something went over it."""
    _row: int = 0
    _column: int = 0
    _rest: str = ""
    """The beginning of something that has not come whole."""

    def write(self, written: str) -> None:
        """Take it, as a terminal would."""
        written = self._rest + written
        self._rest = (re.search(r"\x1b[^A-Za-z]*$", written) or [""])[0]
        written = written.removesuffix(self._rest)
        at = 0
        while at < len(written):
            found = _TOKEN.match(written, at)
            assert found is not None, written[at : at + 20]
            at = found.end()
            if found["text"] is not None:
                self._put(found["text"])
            else:
                self._control(found["private"] + found["what"], found["numbers"])

    def _put(self, char: str) -> None:
        if char == "\r":
            self._column = 0
        elif char == "\n":
            self._row += 1
            self._column = 0
            if self._row == len(self.lines):
                self.lines.append("")
        else:
            line = self.lines[self._row].ljust(self._column)
            self.lines[self._row] = line[: self._column] + char + line[self._column + 1 :]
            self._column += 1

    def _control(self, what: str, numbers: str) -> None:
        if what == "A":
            self._row -= int(numbers or 1)
            self.frames += 1
        elif what == "K":
            assert numbers == "2"
            self.seen.add(self.lines[self._row])
            self.lines[self._row] = ""
        elif what in ("?l", "?h"):
            assert numbers == "25"
            self.hidden = what == "?l"
        else:
            assert what == "m", what
            self.colours |= any(30 <= int(number or 0) <= 107 for number in numbers.split(";"))

    def text(self) -> str:
        """What stands there now."""
        return "\n".join(line.rstrip() for line in self.lines).strip("\n")
