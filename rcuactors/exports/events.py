"""Events on their way into a file: in one line each, and with what a tracer adds that the model's stream has not."""

from __future__ import annotations

import re
from typing import Final

_ODD: Final = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


def one_line(text: str) -> str:
    """The same text without what would end the line, or be nothing that can be seen."""
    return text if text.isprintable() else _ODD.sub(lambda odd: f"\\x{ord(odd[0]):02x}", text)
