"""Whose run a conductor conducts, and what it tells of itself."""

from __future__ import annotations

from collections.abc import Callable

import attrs


@attrs.frozen(kw_only=True)
class ConductorStatistics:
    """The conductor.

    * `now_ns` (ns): virtual time of who was elected last.
    * `steps` (steps): points at which it was asked, and microseconds that its busiest actor was busy.
    * `decisions` (decisions): asked of the strategy.
    * `hand_overs` (times): the baton went to another strand.
    * `strands` (strands): that live.
    * `strands_made` (strands): since the run began.
    """

    now_ns: int
    steps: int
    decisions: int
    hand_overs: int
    strands: int
    strands_made: int


def _nothing() -> None:
    """Nobody has anything to say."""


def _unknown() -> str:
    return ""


@attrs.frozen(kw_only=True)
class Host:
    """Whose run it is: what the conductor asks of the machine.

    `on_quiescent` is called when nobody can go on and no timer is armed, after which the run is over; `on_over` when it
    is over, before anything unwinds. `verdict` tells the strategy what the machine found.
    """

    on_quiescent: Callable[[], None] = _nothing
    on_over: Callable[[], None] = _nothing
    verdict: Callable[[], str] = _unknown
