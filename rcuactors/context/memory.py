"""Memory as what lies in it sees it: in use, given up, or free.

A lock, a timer, a work, a completion or an rcu_head may be a member of an object. Whatever is done with it then is a
use of that object: of freed memory, when the object is free. The kernel sees such a use with KASAN only; the model
always does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

LIVE: Final = 0
RETIRED: Final = 1
"""Given to kvfree_rcu(): to be freed after a grace period."""
FREED: Final = 2


class Used(Protocol):
    """What can be used after it was freed."""

    state: int

    def history(self) -> Sequence[str]:
        """Lines of a report: who allocated it, who gave it up, who freed it."""
        ...

    def __str__(self) -> str: ...


class Memory(Used, Protocol):
    """An object, as far as its members know it; those of the memory floor are such."""

    size: int

    @property
    def address(self) -> int:
        """Where it is."""
        ...

    def add(self, member: Any) -> None:
        """Something lies in it from now on."""
        ...

    def is_overwritten(self, member: Any, since_ns: int) -> bool:
        """It was freed since then, and what was in the member's place is not there any more."""
        ...
