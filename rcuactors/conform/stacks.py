"""Lists of objects that can be saved and compared in one step, however long they are.

An object is put at the end of a list, and taken from there; lists are never changed otherwise. So a list is a chain
from its last object to its first, and what two states have in common they share. A chain is made once: the same
objects in the same order are the same chain.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any


class Chain:
    """Objects in their order; `last` is the newest, `rest` what was before. Immutable, and made once.

    What is longer by one is known as long as somebody has it, and no longer: else all lists that ever were would hang
    on the empty one, which is always there.
    """

    __slots__ = ("__weakref__", "_longer", "last", "rest", "size")

    def __init__(self, rest: Chain | None, last: Any) -> None:
        self.rest, self.last = rest, last
        self.size: int = 0 if rest is None else rest.size + 1
        self._longer: weakref.ref[Chain] | weakref.WeakValueDictionary[Any, Chain] | None = None
        """One, as a rule; by the object where there are more."""

    def with_one(self, item: Any) -> Chain:
        """The same and one more."""
        known = self._longer
        if isinstance(known, weakref.WeakValueDictionary):
            longer = known.get(item)
            if longer is None:
                longer = known[item] = Chain(self, item)
            return longer
        longer = known() if known is not None else None
        if longer is not None and longer.last is item:
            return longer
        another = Chain(self, item)
        if longer is None:
            self._longer = weakref.ref(another)
        else:
            self._longer = weakref.WeakValueDictionary({longer.last: longer, item: another})
        return another

    @property
    def known_longer(self) -> int:
        """How many are known that are longer by one."""
        if isinstance(self._longer, weakref.WeakValueDictionary):
            return len(self._longer)
        return int(self._longer is not None and self._longer() is not None)


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
