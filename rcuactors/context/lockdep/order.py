"""Deadlocks between locks (kernel/locking/lockdep.c: check_deadlock(), check_noncircular())."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..held import HeldLock
from ..locks import RECURSIVE_READ, WRITE, Lock, LockClass
from .graph import Step, search

if TYPE_CHECKING:
    from .rules import LockdepRules


def check_deadlock(
    stack: Sequence[HeldLock], lock_class: LockClass, read: int, nest: Lock | None, rules: LockdepRules
) -> tuple[HeldLock | None, bool]:
    """check_deadlock(): the first held lock of the same class, if any; and whether there is no more to look at.

    There is none where a `nest` lock that was taken before it serializes them; until v5.9 also where both read.
    """
    nested = False
    for held in stack:
        if nest is not None and held.lock is nest:
            nested = True
        if held.lock_class is not lock_class:
            continue
        if read == RECURSIVE_READ and held.node.read:
            if rules.readers_are_dependencies:
                continue
            return None, True
        return (None, True) if nested else (held, False)
    return None, False


def check_noncircular(outer: LockClass, outer_read: int, inner: LockClass, inner_read: int) -> Step | None:
    """check_noncircular(): the path from `inner` to `outer`, if taking `inner` under `outer` closes a strong circle."""
    if outer not in inner.below and outer is not inner:
        return None
    return search(
        Step(inner, inner_read == RECURSIVE_READ),
        lambda step: step.lock_class is outer and (outer_read == WRITE or not step.weak),
    )
