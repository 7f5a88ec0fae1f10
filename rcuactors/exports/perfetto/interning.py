"""Words that come again and again, by their numbers: each is told once, at the head of the trace."""

from __future__ import annotations

from typing import Any, Final

import attrs

MOST: Final = 4096
"""So many words of a kind have numbers. What has the number of a grace period in it never comes again."""


@attrs.define(eq=False)
class Interned:
    """One kind of words: the field of InternedData that has them."""

    field: str
    _numbers: dict[str, int] = attrs.field(factory=dict)

    def number_of(self, word: str) -> int:
        """Its number; 0 where there are too many."""
        number = self._numbers.get(word)
        if number is None:
            if len(self._numbers) >= MOST:
                return 0
            number = self._numbers[word] = len(self._numbers) + 1
        return number

    def tell(self, packet: Any) -> None:
        """All of them, in a packet of the head."""
        for word, number in self._numbers.items():
            told = getattr(packet.interned_data, self.field).add()
            told.iid = number
            if self.field == "kernel_symbols":
                told.str = word.encode(errors="backslashreplace")
            else:
                told.name = printable(word)


def printable(text: str) -> str:
    """A text that UTF-8 can hold."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()
