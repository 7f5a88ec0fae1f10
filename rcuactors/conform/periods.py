"""Grace periods as steps, for versions that poll: when each counter moves, by the lines of those that move them.

kernel/rcu/tree.c at v6.12, rcu_gp_init(): rcu_state.gp_seq is advanced, then "start" is traced, then come gp_seq_polled
and the root node's gp_seq, then "cpustart" is traced. rcu_gp_cleanup(): gp_seq_polled, the root node's gp_seq, then
"cpuend" is traced; "end" is traced, then rcu_state.gp_seq is advanced. What has no line of its own is hidden: it lies
between two lines of that thread. Where the functions' entries are probed instead, all of it lies behind those.

kernel/rcu/tree_exp.h at v6.12, of an expedited one: rcu_exp_gp_seq_start() advances expedited_sequence, then
gp_seq_polled; rcu_exp_gp_seq_end() advances gp_seq_polled, then expedited_sequence. When they are called is known by
the lines that follow, or by who waits (expedited.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from ..rcu import seq as gp_seq
from .expedited import edges_of, waits_of
from .lines import Line, Told
from .standins import GracePeriods
from .tracks import FAR, Make, OfLines, OfWaits, Step, Track

if TYPE_CHECKING:
    from ..kvfree.core import KvfreeRcu

Made = tuple[Any, ...]
"""How far each track has come."""


def _starts(periods: GracePeriods) -> None:
    """rcu_seq_start(&rcu_state.gp_seq)."""
    periods.gp_seq = gp_seq.start(periods.gp_seq)


def _starts_polled(periods: GracePeriods) -> None:
    """rcu_poll_gp_seq_start()."""
    periods.sequences.normal_begins()


def _starts_root(periods: GracePeriods) -> None:
    """rcu_seq_start() of the root rcu_node's gp_seq."""
    periods.root.gp_seq = periods.gp_seq


def _ends_polled(periods: GracePeriods) -> None:
    """rcu_poll_gp_seq_end()."""
    periods.sequences.normal_ends()


def _ends_root(periods: GracePeriods) -> None:
    """rcu_seq_end() of the root rcu_node's gp_seq."""
    periods.root.gp_seq = gp_seq.end(periods.root.gp_seq)


def _ends(periods: GracePeriods) -> None:
    """rcu_seq_end(&rcu_state.gp_seq)."""
    periods.gp_seq = gp_seq.end(periods.gp_seq)


def _hurried(periods: GracePeriods) -> None:
    """rcu_seq_start(&rcu_state.expedited_sequence)."""
    periods.sequences.expedited_sequence_begins()


def _hurried_polled(periods: GracePeriods) -> None:
    """rcu_poll_gp_seq_start() of an expedited one."""
    periods.sequences.expedited_polled_begins()


def _hurried_ends_polled(periods: GracePeriods) -> None:
    """rcu_poll_gp_seq_end() of an expedited one."""
    periods.sequences.expedited_polled_ends()


def _hurried_ends(periods: GracePeriods) -> None:
    """rcu_seq_end(&rcu_state.expedited_sequence)."""
    periods.sequences.expedited_sequence_ends()


_STARTS: Final[tuple[Make, ...]] = (_starts, _starts_polled, _starts_root)
_ENDS: Final[tuple[Make, ...]] = (_ends_polled, _ends_root, _ends)
_EXPEDITED: Final[tuple[Make, ...]] = (_hurried, _hurried_polled, _hurried_ends_polled, _hurried_ends)


def _cookies(kvfree: KvfreeRcu) -> tuple[object, object]:
    return kvfree.polled.get_state_synchronize_rcu_full(), kvfree.polled.get_state_synchronize_rcu()


class PeriodSteps:
    """All steps of a recording; none for versions that do not poll."""

    def __init__(self, told: Told | None) -> None:
        self._first: int | None = None
        self._hurried_first = False
        """An expedited one runs already when the recording begins."""
        self._tracks: list[Track] = []
        self._hurries = False
        if told is not None:
            normal, expedited = OfLines(list(self._normal(told))), OfLines(list(self._expedited(told)))
            waits = [] if expedited.steps else waits_of(told)
            self._hurries = bool(expedited.steps or waits)
            self._tracks += [track for track in (normal, expedited) if track.steps]
            self._tracks += [OfWaits(waits, _EXPEDITED)] if waits else []
        self.any = bool(self._tracks)
        self.bounds = frozenset(bound for track in self._tracks for bound in track.bounds())
        """The lines before which a step must have come."""

    def _normal(self, told: Told) -> Iterator[Step]:
        asked = -1
        for line in told.lines:
            if line.event != "rcu_grace_period":
                continue
            edge, after = line.told["edge"], line.after if line.after >= 0 else FAR
            if edge == "newreq":
                asked = line.at
            if edge not in ("start", "end"):
                continue
            if line.told["seq"] is None:
                self._first = self._first if self._first is not None else int(edge == "end")
                makes = _STARTS if edge == "start" else _ENDS
                yield from (Step(line.at, after, make) for make in makes)
                continue
            if self._first is None:
                seq = int(str(line.told["seq"]))
                self._first = seq - 1 if edge == "start" else seq
            if edge == "start":
                # Who asks for one does so, and tells it, under the root node's lock (rcu_start_this_gp()), which
                # whoever begins it takes first.
                yield Step(max(line.before, asked), line.at, _starts)
                yield from (Step(line.at, after, make) for make in _STARTS[1:])
            else:
                since, until = _ended_between(told, line)
                yield from (Step(since, until, make) for make in _ENDS[:2])
                yield Step(line.at, after, _ends)

    def _expedited(self, told: Told) -> Iterator[Step]:
        began = -1
        for number, (line, before) in enumerate(edges_of(told)):
            if line.told["edge"] == "start":
                yield from (Step(before, line.at, make) for make in _EXPEDITED[:2])
                began = line.at
            else:
                self._hurried_first |= not number
                yield from (Step(max(before, began), line.at, make) for make in _EXPEDITED[2:])

    def begin(self, at: int, periods: GracePeriods) -> Made:
        """How far they have come by a line at which the comparison begins: made, from the recording's beginning."""
        if self._first is not None:
            periods.gp_seq = periods.root.gp_seq = self._first
            if gp_seq.in_progress(self._first):
                periods.sequences.normal_begins()
        if self._hurried_first:
            periods.sequences.expedited_begins()
        come: list[Any] = []
        for track in self._tracks:
            made, makes = track.begin(at)
            come.append(made)
            for make in makes:
                make(periods)
        return tuple(come)

    def next(self, made: Made, at: int) -> Iterator[tuple[Made, Make]]:
        """What can have come next, by a line."""
        for number, track in enumerate(self._tracks):
            for come, make in track.next(made[number], at):
                yield (*made[:number], come, *made[number + 1 :]), make

    def reach(self, made: Made, at: int, periods: GracePeriods) -> Iterator[GracePeriods]:
        """The counters as they may be by a line, one after the other."""
        todo, seen = [(made, periods.registers())], set()
        while todo:
            made, was = one = todo.pop()
            if one in seen:
                continue
            seen.add(one)
            for come, make in self.next(made, at):
                periods.load(was)
                make(periods)
                todo.append((come, periods.registers()))
            periods.load(was)
            yield periods

    def must(self, made: Made, at: int) -> bool:
        """Something more has to come before a line."""
        return any(track.must(come, at) for track, come in zip(self._tracks, made, strict=True))

    def behind(self, made: Made, at: int) -> Made:
        """How far they have come, without what makes no difference behind a line."""
        return tuple(track.behind(come, at) for track, come in zip(self._tracks, made, strict=True))

    def changes_cookies(self, make: Make, kvfree: KvfreeRcu, periods: GracePeriods) -> bool:
        """A step makes a difference to who takes a cookie after it; the counters are those of the state.

        Where both kinds count, one that makes none may do so together with one that comes later.
        """
        if self._hurries:
            return True
        before = periods.registers()
        cookies = _cookies(kvfree)
        make(periods)
        changed = _cookies(kvfree) != cookies
        periods.load(before)
        return changed


def _ended_between(told: Told, line: Line) -> tuple[int, int]:
    """Between which lines of its thread the counters are advanced of a grace period that has ended at a line."""
    before = line.before
    if before >= 0 and told.lines[before].told.get("edge") == "cpuend":
        return told.lines[before].before, before
    return before, line.at
