"""Numbers as traces print them."""

from __future__ import annotations

import re
from typing import Final

_ARGUMENT: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(\S+)")
_KERNEL: Final = 1 << 63
_LONGEST: Final = 20
"""The most digits that 64 bits have; int() would take any number of them."""


class NoNumber(ValueError):
    """A text is no number, or not that of a pointer: its message says what is wrong, and with what."""


def number(text: str) -> int:
    """A pointer, an offset or a count as probes print it; NULL may be `0`, `0x0` or `(null)`. Raises NoNumber."""
    if text in ("(null)", "(nil)"):
        return 0
    digits = text.removeprefix("-")
    if len(digits) <= _LONGEST and digits.isascii():
        try:
            if digits.startswith("0x"):
                return int(text, 16)
            return int(text, 16) if len(text) == 16 else int(text)
        except ValueError:
            pass
    raise NoNumber(f"{text!r} is no number")


def kernel_pointer(text: str) -> int:
    """An address of the kernel's, or 0. Raises NoNumber where it is not one, as where it lost its last digits."""
    value = number(text)
    if value and not _KERNEL <= value < 2 * _KERNEL:
        raise NoNumber(f"{text!r} is no address of the kernel's (a pointer cut in two?)")
    return value


def tracepoint_pointer(text: str) -> int | None:
    """A pointer as tracepoints print it: hashed, or real; None where it is hidden. Raises NoNumber."""
    while text.startswith("0x"):
        text = text[2:]
    if text.startswith("(____ptrval"):
        return None
    if text in ("(null)", "(nil)"):
        return 0
    try:
        if len(text) <= 16:
            return int(text, 16)
    except ValueError:
        pass
    raise NoNumber(f"{text!r} is no pointer")


def arguments(text: str) -> dict[str, str]:
    """Every `name=value` of a line, by name; given twice, the last one counts."""
    return dict(_ARGUMENT.findall(text))
