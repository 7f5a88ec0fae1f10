"""The dependency graph of lock classes, and searches in it (kernel/locking/lockdep.c: check_prev_add(), __bfs()).

An edge says that one class was taken while another was held. It keeps in which ways: the outer held exclusively (E)
or shared (S), the inner taken as a recursive reader (R) or not (N). Two edges in a row form a path on which tasks can
block each other unless the first ends in R and the second begins in S: readers of that kind do not wait for one
another. Such paths are called strong; only they count (Documentation/locking/lockdep-design.rst, recursive read
locks).

Most searches find nothing. What a class can reach over paths of any kind, and which usage bits are there, is kept with
it, so that a search is only made where that does not say already that there is nothing to find.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import attrs

from ..locks import RECURSIVE_READ, WRITE

if TYPE_CHECKING:
    from ..locks import LockClass
    from ..trace import KeptTrace

READS: Final = 0b1010_1010
"""Of a mask of usage bits (usage.py), those of readers."""

SR: Final = 1 << 0
ER: Final = 1 << 1
SN: Final = 1 << 2
EN: Final = 1 << 3


def dependency(outer_read: int, inner_read: int) -> int:
    """The kind of an edge, from the modes in which its ends are held."""
    return 1 << ((outer_read == WRITE) + ((inner_read != RECURSIVE_READ) << 1))


@attrs.define(eq=False)
class Edge:
    """struct lock_list: `inner` was taken under `outer`. `kinds` are the ways seen, `trace` where it was seen first."""

    outer: LockClass
    inner: LockClass
    kinds: int
    trace: KeptTrace


@attrs.frozen(eq=False)
class Step:
    """A class reached by a search. `weak`: only by way of readers, so that the next edge must be of the other sort."""

    lock_class: LockClass
    weak: bool
    parent: Step | None = None
    edge: Edge | None = None

    def path(self) -> list[Step]:
        """From the start to here."""
        steps: list[Step] = []
        at: Step | None = self
        while at is not None:
            steps.append(at)
            at = at.parent
        return steps[::-1]

    def usable(self) -> int:
        """The usage bits of the class that matter on this path: reads do not, if the path is weak here."""
        mask = self.lock_class.usage_mask
        return mask & ~READS if self.weak else mask


def add_edge(outer: LockClass, inner: LockClass, kind: int, trace: Callable[[], KeptTrace]) -> None:
    """add_lock_to_list(): remember a dependency, and if it is new where it was seen."""
    known = outer.after.get(inner)
    if known is not None:
        known.kinds |= kind
        return
    outer.after[inner] = inner.before[outer] = Edge(outer, inner, kind, trace())
    if inner not in outer.below:
        _reach(outer, inner.below | {inner})
    _add_usage_above(outer, inner.usage_below)
    _add_usage_below(inner, outer.usage_above)


def add_usage(lock_class: LockClass, bit: int, trace: KeptTrace) -> None:
    """Remember that a class was used in this way."""
    lock_class.usage_mask |= 1 << bit
    lock_class.traces[bit] = trace
    _add_usage_above(lock_class, 1 << bit)
    _add_usage_below(lock_class, 1 << bit)


def _reach(lock_class: LockClass, gained: frozenset[LockClass]) -> None:
    """Edges lead from a class to these as well, and so they do from all those above it."""
    above = [lock_class]
    while above:
        at = above.pop()
        if not gained <= at.below:
            at.below = gained | at.below
            above += at.before


def _add_usage_above(lock_class: LockClass, bits: int) -> None:
    """A class, and all those above it, have these bits below them."""
    above = [lock_class]
    while above:
        at = above.pop()
        if bits & ~at.usage_below:
            at.usage_below |= bits
            above += at.before


def _add_usage_below(lock_class: LockClass, bits: int) -> None:
    """A class, and all those below it, have these bits above them."""
    below = [lock_class]
    while below:
        at = below.pop()
        if bits & ~at.usage_above:
            at.usage_above |= bits
            below += at.after


def _next(step: Step, *, forwards: bool) -> list[Step]:
    """The classes one strong edge further."""
    found: list[Step] = []
    # Forwards, a weak step came by way of R and must not go on with S; backwards, by way of S, and not with R.
    barred = (SR | SN) if forwards else (SR | ER)
    firm = (SN | EN) if forwards else (ER | EN)
    for edge in (step.lock_class.after if forwards else step.lock_class.before).values():
        kinds = edge.kinds & ~barred if step.weak else edge.kinds
        if kinds:
            found.append(Step(edge.inner if forwards else edge.outer, not kinds & firm, step, edge))
    return found


def search(
    start: Step,
    match: Callable[[Step], bool],
    *,
    forwards: bool = True,
    skip: Callable[[LockClass], bool] | None = None,
) -> Step | None:
    """__bfs(): the nearest step that matches, over strong paths only; the start counts. None when there is none.

    No path goes through a class to skip.
    """
    first = start.lock_class
    if not (first.after if forwards else first.before):
        # Most searches go no further than this, so it is looked at before anything is built for one.
        return start if (skip is None or not skip(first)) and match(start) else None
    queue = deque([start])
    seen: set[tuple[LockClass, bool]] = set()
    while queue:
        step = queue.popleft()
        # A class reached firmly leads everywhere that it leads when reached weakly.
        if (step.lock_class, False) in seen or (step.lock_class, step.weak) in seen:
            continue
        seen.add((step.lock_class, step.weak))
        if skip is not None and skip(step.lock_class):
            continue
        if match(step):
            return step
        queue.extend(_next(step, forwards=forwards))
    return None
