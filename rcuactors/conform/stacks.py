"""Lists of objects that can be saved and compared in one step, however long they are.

An object is put at the end of a list, and taken from there; lists are never changed otherwise. So a list is a chain
from its last object to its first, and what two states have in common they share. A chain is made once: the same
objects in the same order are the same chain.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class Chain:
    """Objects in their order; `last` is the newest, `rest` what was before. Immutable, and made once."""

    __slots__ = ("_longer", "last", "rest", "size")

    def __init__(self, rest: Chain | None, last: Any) -> None:
        self.rest, self.last = rest, last
        self.size: int = 0 if rest is None else rest.size + 1
        self._longer: dict[Any, Chain] | None = None

    def with_one(self, item: Any) -> Chain:
        """The same and one more."""
        if self._longer is None:
            self._longer = {}
        longer = self._longer.get(item)
        if longer is None:
            longer = self._longer[item] = Chain(self, item)
        return longer


EMPTY = Chain(None, None)


class Stack:
    """A list to whoever puts objects in and takes them out; `chain` is what is in it now."""

    __slots__ = ("chain",)

    def __init__(self, chain: Chain = EMPTY) -> None:
        self.chain = chain

    def append(self, item: Any) -> None:
        """At the end."""
        self.chain = self.chain.with_one(item)

    def pop(self) -> Any:
        """From the end."""
        if self.chain.rest is None:
            raise IndexError("pop from an empty list")
        item, self.chain = self.chain.last, self.chain.rest
        return item

    def __len__(self) -> int:
        return self.chain.size

    def __getitem__(self, index: int) -> Any:
        return list(self)[index] if index != -1 else self.chain.last

    def __iter__(self) -> Iterator[Any]:
        items: list[Any] = []
        chain = self.chain
        while chain.rest is not None:
            items.append(chain.last)
            chain = chain.rest
        items.reverse()
        return iter(items)


def chain_of(items: Any) -> Chain:
    """What is in a list."""
    if isinstance(items, Stack):
        return items.chain
    chain = EMPTY
    for item in items:
        chain = chain.with_one(item)
    return chain
