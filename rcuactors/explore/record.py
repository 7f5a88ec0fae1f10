"""Recording the decisions of a run, and running it again from them.

Both are wrappers of a strategy, so that a run recorded under any strategy is run again without it. Only departures
from option 0 are kept: everything else happens by itself. A run that is to be the same has the same decisions in the
same order, so the first departure of which number, kind, options or chosen id do not fit is where it came apart; and
so is a different number of decisions in all.
"""

from __future__ import annotations

import attrs

from ..engine.choice import Outcome, Strategy, Taken, Wrapper
from ..engine.decision import NOT_OFFERED, Decision
from ..errors import ReplayDiverged


@attrs.frozen(kw_only=True)
class Decisions:
    """What a run's strategy decided.

    `taken` is what departs from option 0, in order; `choices` how many decisions there were. `strategy` names the one
    that was recorded, which says in which election the decisions were made.
    """

    strategy: str
    taken: tuple[Taken, ...]
    choices: int


class Record(Wrapper):
    """Keeps what the inner strategy decides; `decisions` is that of the last run, when it is over.

    With `labels` it notes where the actor of each option stood, too.
    """

    def __init__(self, inner: Strategy, *, labels: bool = False) -> None:
        super().__init__(inner)
        self.decisions: Decisions | None = None
        self._labels = labels
        self._number = 0
        self._taken: list[Taken] = []

    def start_run(self, seed: int) -> bool:
        """Begin a new list."""
        self.decisions, self._number, self._taken = None, 0, []
        return super().start_run(seed)

    def choose(self, decision: Decision) -> int:
        """Note what departs from option 0."""
        self._number += 1
        picked = self.inner.choose(decision)
        if 0 < picked < decision.count:
            self._taken.append(
                Taken(
                    number=self._number,
                    kind=decision.kind.name,
                    option=decision.option(picked),
                    count=decision.count,
                    label=decision.label(picked) if self._labels else "",
                )
            )
        return picked

    def end_run(self, outcome: Outcome) -> None:
        """Close the list, and tell the inner strategy of it."""
        taken = tuple(self._taken)
        self.decisions = Decisions(strategy=self.name, taken=taken, choices=self._number)
        super().end_run(attrs.evolve(outcome, taken=taken))


class Replay(Wrapper):
    """Decides as it was decided; `recorded` is the strategy that had been wrapped, and is asked nothing."""

    def __init__(self, recorded: Strategy, decisions: Decisions) -> None:
        super().__init__(recorded)
        self._decisions = decisions
        self._number = 0
        self._next = 0

    def start_run(self, _seed: int) -> bool:
        """Begin at the first decision."""
        self._number = self._next = 0
        return True

    def choose(self, decision: Decision) -> int:
        """The option of the recording. Raises ReplayDiverged where that is none."""
        self._number += 1
        taken = self._due()
        if taken is None or taken.number != self._number:
            return 0
        self._next += 1
        fits = taken.kind == decision.kind.name and taken.count == decision.count
        index = decision.find(taken.option) if fits else NOT_OFFERED
        if index == NOT_OFFERED:
            raise ReplayDiverged(f"{_told(taken)}; here {_offered(decision)}")
        if taken.label and (label := decision.label(index)) != taken.label:
            raise ReplayDiverged(f"{_told(taken)}, at {taken.label}; here that stands at {label or 'nothing known'}")
        return index

    def end_run(self, outcome: Outcome) -> None:
        """Everything must have been decided. Raises ReplayDiverged."""
        if outcome.failure is not None and isinstance(outcome.failure, ReplayDiverged):
            return
        taken = self._due()
        if taken is not None:
            raise ReplayDiverged(f"{_told(taken)}; here the run ended after {self._number} decisions")
        if self._number != self._decisions.choices:
            raise ReplayDiverged(
                f"the recording has {self._decisions.choices} decisions; here the run took {self._number}"
            )

    def _due(self) -> Taken | None:
        taken = self._decisions.taken
        return taken[self._next] if self._next < len(taken) else None


def _told(taken: Taken) -> str:
    return f"decision {taken.number} of the recording is {taken.kind}: {taken.option}, one of {taken.count} options"


_SHOWN = 5


def _offered(decision: Decision) -> str:
    shown = [decision.option(index) for index in range(min(decision.count, _SHOWN))]
    more = ["..."] if decision.count > _SHOWN else []
    return f"it is {decision.kind.name}, {decision.count} options: {', '.join(shown + more)}"


__all__ = ["Decisions", "Record", "Replay"]
