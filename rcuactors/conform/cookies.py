"""Cookies of grace periods that were taken before the comparison began: no line tells their values.

What such a cookie may be worth is bounded by the counters as they are where it begins: it is done, or will be when a
grace period has ended that runs there, or the next. Whoever polls it is given the answer that all of its values give;
where they differ there is one state for each answer, in which it has those values left that give it. So it is settled
by what is freed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import attrs

from ..rcu import seq as gp_seq
from ..rcu.polled import COMPLETED, PolledGracePeriods, RcuGpOldstate

if TYPE_CHECKING:
    from ..kvfree.krc import Krc
    from .standins import GracePeriods

Values = tuple[Any, ...]
"""What a cookie may be worth: words, or pairs of them."""

Known = dict[int, Values]
"""By the cookie's number, what it may still be worth. Never changed: another takes its place."""


@attrs.frozen
class Untold:
    """A cookie, by its number. The full form has a word for each kind of grace period; the other is one word."""

    number: int
    full: bool

    @property
    def done(self) -> Any:
        """One that is done."""
        return COMPLETED if self.full else gp_seq.GET_STATE_COMPLETED

    def values_at(self, periods: GracePeriods) -> Iterator[Any]:
        """What it may be worth if it is not done, where these are the counters."""
        if self.full:
            words = _words(periods.root.gp_seq), _words(periods.sequences.expedited_sequence)
            return (RcuGpOldstate(*pair) for pair in itertools.product(*words))
        return iter(_words(periods.sequences.gp_seq_polled))


def _words(seq: int) -> list[int]:
    """Cookies of now, and where a grace period runs also of before it began."""
    now = gp_seq.snap(seq)
    return [gp_seq.ulong(word) for word in ((now - gp_seq.PHASE_MASK - 1, now) if gp_seq.in_progress(seq) else (now,))]


class NotSettled(Exception):
    """Somebody polls a cookie, and it is not known whether it is done: either of these may be all that it is worth."""

    def __init__(self, cookie: Untold, waits: Values) -> None:
        super().__init__(cookie)
        self.number, self.ways = cookie.number, ((cookie.done,), waits)


@attrs.define(eq=False)
class Untolds:
    """Those of one place."""

    known: Known = attrs.field(factory=dict)
    """Of the state that is loaded."""
    _number: int = 0

    def another(self, *, full: bool) -> Any:
        """One of which nothing is known."""
        self._number += 1
        return Untold(self._number, full)


@attrs.frozen(eq=False)
class RecordedPolled(PolledGracePeriods):
    """The functions that poll, for cookies that are known and others."""

    untolds: Untolds = attrs.field(factory=Untolds)

    def poll_state_synchronize_rcu(self, oldstate: int) -> bool:
        """poll_state_synchronize_rcu(). Raises NotSettled."""
        return self._poll(super().poll_state_synchronize_rcu, oldstate)

    def poll_state_synchronize_rcu_full(self, oldstate: RcuGpOldstate) -> bool:
        """poll_state_synchronize_rcu_full(). Raises NotSettled."""
        return self._poll(super().poll_state_synchronize_rcu_full, oldstate)

    def _poll(self, poll: Callable[[Any], bool], oldstate: object) -> bool:
        if not isinstance(oldstate, Untold):
            return poll(oldstate)
        values = self.untolds.known[oldstate.number]
        waits = tuple(value for value in values if not poll(value))
        if 0 < len(waits) < len(values):
            raise NotSettled(oldstate, waits)
        return not waits


def untold_in(krcs: list[Krc]) -> list[Untold]:
    """All that are there."""
    found: list[object] = []
    for krcp in krcs:
        found.append(krcp.head_gp_snap)
        found += [batch.head_free_gp_snap for batch in krcp.batches]
        for blocks in (krcp.blocks, *(batch.blocks for batch in krcp.batches)):
            found += [block.gp_snap for channel in blocks for block in channel]
    return [one for one in found if isinstance(one, Untold)]


def known_at(cookies: list[Untold], counters: Iterator[GracePeriods]) -> Known:
    """What each may be worth, where the counters are one of these."""
    known: dict[int, dict[Any, None]] = {one.number: {one.done: None} for one in cookies}
    for periods in counters if cookies else ():
        for one in cookies:
            known[one.number] |= dict.fromkeys(one.values_at(periods))
    return {number: tuple(values) for number, values in known.items()}
