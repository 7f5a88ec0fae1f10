"""The cells of the matrix: every context, every operation in each of its variants, under the recordings' names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs

from .contexts import CONTEXTS
from .operations import OPERATIONS

VARIANTS: Final = {
    "first": "once",
    "refill": "in a loop, so that the CPU's page list or slab runs dry or over",
    "many": "1,200 times",
    "warm": "once, with the page cache of kvfree_rcu() filled before",
    "warm_many": "1,200 times, with that cache filled before",
    "contend": "while another CPU holds the lock for 500 ms, or is busy with the same",
    "first_contend": "again and again, while another CPU takes pages and frees them",
    "refill_contend": "as refill, again and again, while another CPU takes pages and frees them",
    "many_contend": "as many, while another CPU takes pages and frees them",
    "warm_many_contend": "as warm_many, while another CPU takes pages and frees them",
}


@attrs.frozen
class Cell:
    """One operation in one context."""

    context: str
    op: str
    variant: str

    def __str__(self) -> str:
        return f"{self.context} {self.op} {self.variant}"

    @property
    def contended(self) -> bool:
        """Another CPU works against it."""
        return self.variant == "contend" or self.variant.endswith("_contend")

    def unknown(self) -> str:
        """What of it the rig does not have; empty when it has all of it."""
        if self.context not in CONTEXTS:
            return f"the rig has no context {self.context!r}"
        if self.op not in OPERATIONS:
            return f"the rig has no operation {self.op!r}"
        if self.variant not in OPERATIONS[self.op].variants:
            return f"the rig's {self.op} has no variant {self.variant!r}"
        return ""


def all_cells() -> Iterator[Cell]:
    """Every cell, by operation and variant, then by context."""
    for name, operation in OPERATIONS.items():
        for variant in operation.variants:
            for context in CONTEXTS:
                yield Cell(context, name, variant)
