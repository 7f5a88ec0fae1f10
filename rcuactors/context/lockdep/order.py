"""Deadlocks between locks (kernel/locking/lockdep.c: check_deadlock(), check_noncircular())."""

from __future__ import annotations

from collections.abc import Sequence

from ..locks import RECURSIVE_READ, WRITE, Lock, LockClass
from .chains import ChainNode
from .graph import Step, search


def recursion(
    held: Sequence[Lock], nodes: Sequence[ChainNode], lock_class: LockClass, read: int, nest: Lock | None
) -> tuple[int, bool]:
    """check_deadlock(): the place of the first held lock of the same class, or -1; and whether it is serialized.

    It is by a `nest` lock that was taken before it.
    """
    nested = False
    for at, node in enumerate(nodes):
        if nest is not None and held[at] is nest:
            nested = True
        if node.lock_class is not lock_class or (read == RECURSIVE_READ and node.read):
            continue
        return (-1, True) if nested else (at, False)
    return -1, False


def circle(outer: LockClass, outer_read: int, inner: LockClass, inner_read: int) -> Step | None:
    """The path by which `inner` already leads to `outer`, if taking `inner` under `outer` closes a strong circle."""
    return search(
        Step(inner, inner_read == RECURSIVE_READ),
        lambda step: step.lock_class is outer and (outer_read == WRITE or not step.weak),
    )
