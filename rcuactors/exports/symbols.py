"""Addresses for what the model has by name only: one for each name, made up, where a kernel's text would lie."""

from __future__ import annotations

from typing import Final

import attrs

_FIRST: Final = 0xFFFFFFFF81000000
_APART: Final = 64


@attrs.define(eq=False)
class Symbols:
    """The names that have come, and where each of them is."""

    addresses: dict[str, int] = attrs.field(factory=dict)

    def address_of(self, name: object) -> int:
        """The address of a name."""
        return self.addresses.setdefault(str(name), _FIRST + _APART * len(self.addresses))
