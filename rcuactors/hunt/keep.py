"""From a trial that showed something to a schedule that is kept, cut down, and run again."""

from __future__ import annotations

import attrs

from ..engine.choice import Strategy
from ..engine.events import DigestSink, Sink
from ..errors import ReplayDiverged
from ..explore import make_any_strategy
from ..explore.delays import Delays
from ..explore.record import Record, Replay
from ..runs import Result, Run
from ..runs.spec import RunSpec
from .finding import Shown, Signature, shown_by
from .follow import Departure, Follow, Keyed
from .schedule import Schedule, find_policy, policy_like
from .shrink import MOST_REPLAYS, Shrinker, Shrunk
from .trial import Trial, loaded, options_of, run_once


@attrs.frozen(kw_only=True)
class Kept:
    """A schedule, with the departures in the form in which they can be left out; and what came of cutting it down."""

    schedule: Schedule
    departures: tuple[Departure, ...]
    shrunk: Shrunk | None = None


def strategy_of(trial: Trial) -> Strategy:
    """The strategy that leads to the schedule of a trial."""
    made = make_any_strategy(trial.strategy)
    return made.along(trial.path) if isinstance(made, Delays) else made


def keep(spec: RunSpec, trial: Trial, signature: Signature) -> Kept:
    """The schedule of a trial that showed that problem."""
    strategy = strategy_of(trial)
    keyed = Keyed(strategy)
    # What a search repeats has the seed of the run, which says nothing to it.
    schedule = _written(attrs.evolve(spec, seed=trial.seed), keyed, policy_like(strategy).name, signature)
    return Kept(schedule=schedule, departures=tuple(keyed.departures))


def shrink(kept: Kept, most: int = MOST_REPLAYS) -> Kept:
    """The same problem, with fewer and shorter departures."""
    schedule = kept.schedule
    signature = schedule.shown.signature
    shrinker = Shrinker(
        spec=schedule.spec, policy=schedule.policy, signature=signature, best=kept.departures, most=most
    )
    shrunk = shrinker.shrink()
    follow = Follow(find_policy(schedule.policy), shrunk.departures)
    written = _written(schedule.spec, follow, schedule.policy, signature)
    return Kept(
        schedule=attrs.evolve(written, minimal=shrunk.minimal), departures=tuple(follow.departures), shrunk=shrunk
    )


def keyed(schedule: Schedule) -> Kept:
    """A schedule that was read, with its departures by whom they happen to. Raises ReplayDiverged."""
    noted = Keyed(Replay(find_policy(schedule.policy), schedule.decisions))
    result, raised = run_once(schedule.spec, noted, schedule.spec.seed)
    if isinstance(raised, ReplayDiverged):
        raise raised
    _found(schedule.shown.signature, result, raised)
    return Kept(schedule=schedule, departures=tuple(noted.departures))


def _found(signature: Signature, result: Result, raised: Exception | None) -> Shown:
    """That problem among what a run showed. Raises ReplayDiverged if it is not."""
    shown = next((shown for shown in shown_by(result, raised) if shown.signature == signature), None)
    if shown is None:
        raise ReplayDiverged(f"all decisions fit, but the run does not show {signature}")
    return shown


def _written(spec: RunSpec, strategy: Strategy, policy: str, signature: Signature) -> Schedule:
    record, digest = Record(strategy, labels=True), DigestSink()
    result, raised = run_once(spec, record, spec.seed, digest)
    assert record.decisions is not None
    shown = _found(signature, result, raised)
    return Schedule(
        spec=spec,
        policy=policy,
        decisions=attrs.evolve(record.decisions, strategy=policy),
        shown=shown,
        digest=digest.hexdigest(),
        end_ns=result.end_ns,
    )


@attrs.frozen(kw_only=True)
class Replayed:
    """A schedule, run again: what it left, and what it showed."""

    result: Result
    shown: tuple[Shown, ...]
    raised: Exception | None


def prepared(schedule: Schedule, *sinks: Sink) -> Run:
    """The run of a schedule, ready to run."""
    replay = Replay(find_policy(schedule.policy), schedule.decisions)
    return Run(loaded(schedule.spec), options_of(schedule.spec, replay, schedule.spec.seed, *sinks))


def replay(schedule: Schedule, run: Run, digest: DigestSink) -> Replayed:
    """Run it strictly. Raises ReplayDiverged, which names the first decision, or what else is not the same.

    `digest` is among the sinks of the run.
    """
    raised = run.attempt()
    if isinstance(raised, ReplayDiverged):
        raise raised
    result = run.result()
    shown = shown_by(result, raised)
    if schedule.digest not in (None, digest.hexdigest()):
        raise ReplayDiverged("all decisions fit, but the events differ from those of the schedule")
    _found(schedule.shown.signature, result, raised)
    return Replayed(result=result, shown=shown, raised=raised)
