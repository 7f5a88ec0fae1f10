"""One schedule, tried: what it showed, what was decided in it, and by which name it is told from other schedules."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from typing import Final

import attrs

from ..engine.choice import Outcome, Strategy, Wrapper
from ..engine.decision import HOLD_UP, NEXT_ACTOR, Decision, Duration, HoldUp
from ..engine.events import Event
from ..errors import StepBoundExceeded
from ..runs import Result
from .attempt import Attempt
from .finding import Shown, shown_by
from .pairs import Pair, Pairs, is_looked_at


@attrs.define
class Taken:
    """How often decisions of one kind were asked for, and what was taken.

    `usual` counts option 0, `time` that time passed, `other` everything else.
    """

    asked: int = 0
    usual: int = 0
    time: int = 0
    other: int = 0
    actors: bool = False

    def add(self, more: Taken) -> None:
        """Those of another run, too."""
        self.asked += more.asked
        self.usual += more.usual
        self.time += more.time
        self.other += more.other
        self.actors |= more.actors


class Watched(Wrapper):
    """Counts what the inner strategy decides, by kind."""

    def __init__(self, inner: Strategy) -> None:
        super().__init__(inner)
        self.taken: dict[str, Taken] = {}

    def start_run(self, seed: int) -> bool:
        """Begin anew."""
        self.taken = {}
        return super().start_run(seed)

    def choose(self, decision: Decision) -> int:
        """Ask the inner one, and count."""
        inner = self.inner
        picked = inner.choose(decision)
        name = decision.kind.name
        counts = self.taken.get(name)
        if counts is None:
            counts = self.taken[name] = Taken(actors=decision.kind is NEXT_ACTOR)
        counts.asked += 1
        if picked == decision.time and not isinstance(decision, Duration):
            counts.time += 1
        elif picked:
            counts.other += 1
        else:
            counts.usual += 1
        if inner.holds_up and isinstance(decision, HoldUp):
            self._not_asked(decision.unasked)
            self.unmoved = inner.unmoved
        return picked

    def end_run(self, outcome: Outcome) -> None:
        """Count what it was not asked at the end, and tell the inner one."""
        self._not_asked(outcome.unasked)
        super().end_run(outcome)

    def _not_asked(self, hold_ups: int) -> None:
        """So many more points at which nobody was held up."""
        if hold_ups:
            counts = self.taken[HOLD_UP.name]
            counts.asked += hold_ups
            counts.usual += hold_ups


_NO_CPUS: Final = frozenset({"rcu_preempt", "rcu_sched"})


class Trace:
    """A sink: what happened on each CPU, in its order and to whom, without the times.

    In which order CPUs did things that had nothing to do with one another makes no other trace. The grace-period
    machine is none of them, whatever CPU its lines name.
    """

    def __init__(self) -> None:
        self._lines: dict[tuple[int, bool], list[str]] = {}

    def take(self, event: Event) -> None:
        """Note one event."""
        self._lines.setdefault((event.cpu, event.comm in _NO_CPUS), []).append(f"{event.comm} {event.name}")

    def name(self) -> str:
        """The same for the same trace, in every process."""
        text = "\n\n".join("\n".join([str(cpu), *lines]) for cpu, lines in sorted(self._lines.items()))
        return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def state_of(result: Result, shown: Iterable[Shown]) -> str:
    """What was there when the run was over, without times: what was counted of what happened, and what was shown.

    Without latencies, the end of the run, the number of steps, and what tells runs apart and not their ends.
    """
    problems = sorted(str(one.signature) for one in shown)
    text = json.dumps([result.counters.as_dict(), result.waste, problems], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


@attrs.frozen(kw_only=True)
class Trial:
    """One schedule of an exploration, tried.

    `trace` names what each CPU did, `state` what was there at the end. `cut`: its bound of steps ended it. `path` is
    how a search got there, for those that draw nothing; `astray`: it did not begin as the run before it, though it was
    to. `pairs` of accesses, by their order; None where nobody looked.
    """

    number: int
    strategy: str
    seed: int
    shown: tuple[Shown, ...]
    trace: str
    state: str
    choices: int
    steps: int
    cut: bool
    taken: Mapping[str, Taken]
    path: tuple[int, ...] = ()
    astray: bool = False
    pairs: frozenset[Pair] | None = None


def tried(
    attempt: Attempt,
    strategy: Strategy,
    *,
    number: int,
    name: str,
    seed: int,
    sought: Collection[str] = (),
    looked_at: bool | None = None,
) -> Trial:
    """Try one schedule, its number in the exploration. Raises NothingLeft when the strategy has none left.

    The waste that is `sought` counts, too. `looked_at`: whether its ordered pairs of accesses are noted; by its number,
    if that is not said.
    """
    watched, trace = Watched(strategy), Trace()
    pairs = Pairs() if (is_looked_at(number) if looked_at is None else looked_at) else None
    result, raised = attempt.run(watched, seed, trace, listen=pairs.listen if pairs is not None else None)
    shown = shown_by(result, raised, sought)
    return Trial(
        number=number,
        strategy=name,
        seed=seed,
        shown=shown,
        trace=trace.name(),
        state=state_of(result, shown),
        choices=sum(counts.asked for counts in watched.taken.values()),
        steps=result.steps,
        cut=isinstance(raised, StepBoundExceeded),
        taken=watched.taken,
        pairs=frozenset(pairs.seen) if pairs is not None else None,
    )
