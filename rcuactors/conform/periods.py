"""Grace periods as steps, for versions that poll: when each counter moves, by the lines of the thread that moves them.

kernel/rcu/tree.c at v6.12, rcu_gp_init(): rcu_state.gp_seq is advanced, then "start" is traced, then come gp_seq_polled
and the root node's gp_seq, then "cpustart" is traced. rcu_gp_cleanup(): gp_seq_polled, the root node's gp_seq, then
"cpuend" is traced; "end" is traced, then rcu_state.gp_seq is advanced. What has no line of its own is hidden: it lies
between two lines of that thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import attrs

from ..rcu import seq as gp_seq
from .lines import Line, Told
from .standins import GracePeriods

if TYPE_CHECKING:
    from ..kvfree.core import KvfreeRcu


def _starts(periods: GracePeriods) -> None:
    periods.gp_seq = gp_seq.start(periods.gp_seq)


def _starts_polled(periods: GracePeriods) -> None:
    periods.sequences.normal_begins()


def _starts_root(periods: GracePeriods) -> None:
    periods.root.gp_seq = periods.gp_seq


def _ends_polled(periods: GracePeriods) -> None:
    periods.sequences.normal_ends()


def _ends_root(periods: GracePeriods) -> None:
    periods.root.gp_seq = gp_seq.end(periods.root.gp_seq)


def _ends(periods: GracePeriods) -> None:
    periods.gp_seq = gp_seq.end(periods.gp_seq)


def _cookies(kvfree: KvfreeRcu) -> tuple[object, object]:
    return kvfree.polled.get_state_synchronize_rcu_full(), kvfree.polled.get_state_synchronize_rcu()


@attrs.frozen
class PeriodStep:
    """One. It lies after the line `since`, and before the line `until`."""

    since: int
    until: int
    make: Callable[[GracePeriods], None]


_FAR: Final = 1 << 62


class PeriodSteps:
    """All steps of a recording, in their order; none for versions that do not poll."""

    def __init__(self, told: Told | None) -> None:
        self.steps: list[PeriodStep] = []
        self._first: int | None = None
        self._asked = -1
        for line in told.lines if told is not None else ():
            assert told is not None
            if line.event == "rcu_grace_period":
                self._add(told, line)

    def _add(self, told: Told, line: Line) -> None:
        edge, seq = line.told["edge"], int(str(line.told["seq"]))
        if self._first is None and edge in ("start", "end"):
            self._first = seq - 1 if edge == "start" else seq
        after = line.after if line.after >= 0 else _FAR
        if edge == "newreq":
            self._asked = line.at
        elif edge == "start":
            # Who asks for one does so, and tells it, under the root node's lock (rcu_start_this_gp()), which whoever
            # begins it takes first.
            self.steps.append(PeriodStep(max(line.before, self._asked), line.at, _starts))
            self.steps.append(PeriodStep(line.at, after, _starts_polled))
            self.steps.append(PeriodStep(line.at, after, _starts_root))
        elif edge == "end":
            before = line.before
            if before >= 0 and told.lines[before].told.get("edge") == "cpuend":
                since, until = told.lines[before].before, before
            else:
                since, until = before, line.at
            self.steps.append(PeriodStep(since, until, _ends_polled))
            self.steps.append(PeriodStep(since, until, _ends_root))
            self.steps.append(PeriodStep(line.at, after, _ends))

    def passed(self, at: int, periods: GracePeriods) -> int:
        """Make those that have come by a line, from the beginning; how many they were."""
        if self._first is not None:
            periods.gp_seq = periods.root.gp_seq = self._first
            if gp_seq.in_progress(self._first):
                periods.sequences.normal_begins()
        made = 0
        while made < len(self.steps) and self.steps[made].until <= at:
            self.make(made, periods)
            made += 1
        return made

    def may_come(self, made: int, at: int) -> bool:
        """The next one can have come already, by the line that is looked at."""
        return made < len(self.steps) and self.steps[made].since < at

    def changes_cookies(self, made: int, kvfree: KvfreeRcu, periods: GracePeriods) -> bool:
        """The next one makes a difference to who takes a cookie after it; the counters are those of the state."""
        before = periods.registers()
        cookies = _cookies(kvfree)
        self.make(made, periods)
        changed = _cookies(kvfree) != cookies
        periods.load(before)
        return changed

    def must_have_come(self, made: int, at: int) -> bool:
        """The next one has come by the line."""
        return made < len(self.steps) and self.steps[made].until <= at

    def make(self, made: int, periods: GracePeriods) -> None:
        """Make the next one."""
        self.steps[made].make(periods)
