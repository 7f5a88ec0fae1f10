"""From a trial that showed something to a schedule that is kept, cut down, and run again."""

from __future__ import annotations

from typing import Final

import attrs

from ..engine.choice import Strategy
from ..engine.events import DigestSink, Sink
from ..engine.orders import Anyone
from ..errors import ReplayDiverged
from ..explore import make_any_strategy
from ..explore.delays import Delays
from ..explore.record import Record, Replay
from ..explore.searching import Search
from ..runs import Result, Run
from .anew import sought_anew
from .attempt import Attempt, SpecAttempt, loaded, options_of
from .finding import Shown, Signature, shown_by
from .follow import Departure, Follow, Keyed
from .retold import AS_HOLD_UPS, retold
from .schedule import Schedule, find_policy, policy_like
from .shrink import MOST_REPLAYS, Shrinker, Shrunk
from .smaller import Smaller
from .trial import Trial

LEAST_TO_RETELL: Final = 20
"""With fewer replays they are all needed for cutting down."""


@attrs.frozen(kw_only=True)
class Kept:
    """A schedule, with the departures in the form in which they can be left out; and what came of cutting it down.

    `attempt` is what is run under it.
    """

    attempt: Attempt
    schedule: Schedule
    departures: tuple[Departure, ...]
    shrunk: Shrunk | None = None


def strategy_of(trial: Trial) -> Strategy:
    """The strategy that leads to the schedule of a trial."""
    made = make_any_strategy(trial.strategy)
    return made.along(trial.path) if isinstance(made, Delays | Search) else made


def keep(attempt: Attempt, trial: Trial, signature: Signature) -> Kept:
    """The schedule of a trial that showed that problem."""
    # What a search repeats has the seed of the run, which says nothing to it.
    return _kept(attempt, strategy_of(trial), trial.seed, signature)


def _kept(attempt: Attempt, strategy: Strategy, seed: int, signature: Signature) -> Kept:
    keyed = Keyed(strategy)
    schedule = _written(attempt, seed, keyed, policy_like(strategy).name, signature)
    return Kept(attempt=attempt, schedule=schedule, departures=tuple(keyed.departures))


def shrink(kept: Kept, most: int = MOST_REPLAYS) -> Kept:
    """The same problem, with fewer and shorter departures, in a smaller run; as hold-ups where it can be told so."""
    kept, shrunk = _with_fewer(kept, most)
    attempt, shrunk = _made_smaller(kept, shrunk, most - shrunk.replays) if shrunk.minimal else (kept.attempt, shrunk)
    schedule = kept.schedule
    follow = Follow(find_policy(schedule.policy), shrunk.departures)
    written = _written(attempt, schedule.spec.seed, follow, schedule.policy, schedule.shown.signature)
    return Kept(
        attempt=attempt,
        schedule=attrs.evolve(written, minimal=shrunk.minimal),
        departures=tuple(follow.departures),
        shrunk=shrunk,
    )


def _with_fewer(kept: Kept, most: int) -> tuple[Kept, Shrunk]:
    """With fewer and shorter departures: those of the schedule, or of another one if they cannot be cut down."""
    told_as, replays = _as_hold_ups(kept) if most > LEAST_TO_RETELL else (kept, 0)
    may_stick = most > LEAST_TO_RETELL and find_policy(told_as.schedule.policy).order is Anyone
    shrunk = _cut_down(told_as, kept.attempt, told_as.departures, most - replays, may_stick=may_stick)
    replays += shrunk.replays
    if shrunk.stuck:
        signature = kept.schedule.shown.signature
        name, seed, runs = sought_anew(kept.attempt, signature, most - replays)
        replays += runs
        if name:
            said = f"{len(shrunk.departures):,} departures of the schedule that was found were left"
            told_as = _kept(kept.attempt, make_any_strategy(name), seed, signature)
            shrunk = _cut_down(told_as, kept.attempt, told_as.departures, most - replays)
            shrunk = attrs.evolve(shrunk, anew=f"{said}; this is another one, strategy {name}, seed {seed}")
        else:
            shrunk = _cut_down(told_as, kept.attempt, shrunk.departures, most - replays)
        replays += shrunk.replays
    return told_as, attrs.evolve(shrunk, replays=replays)


def _as_hold_ups(kept: Kept) -> tuple[Kept, int]:
    """The same told as hold-ups, if that shows it; and how many replays it took."""
    schedule = kept.schedule
    policy = find_policy(schedule.policy)
    if policy.order is not Anyone:
        return kept, 0
    follow = Follow(policy, kept.departures)
    departures, replays = retold(kept.attempt, schedule.spec.seed, follow, schedule.shown.signature)
    if departures:
        kept = attrs.evolve(kept, schedule=attrs.evolve(schedule, policy=AS_HOLD_UPS), departures=departures)
    return kept, replays


def _cut_down(
    kept: Kept, attempt: Attempt, departures: tuple[Departure, ...], most: int, *, may_stick: bool = False
) -> Shrunk:
    schedule = kept.schedule
    shrinker = Shrinker(
        attempt=attempt,
        seed=schedule.spec.seed,
        policy=schedule.policy,
        signature=schedule.shown.signature,
        best=departures,
        most=most,
        may_stick=may_stick,
    )
    return shrinker.shrink()


def _made_smaller(kept: Kept, shrunk: Shrunk, left: int) -> tuple[Attempt, Shrunk]:
    """With smaller numbers, and cut down once more; as it was, where the replays that are left do not suffice."""
    schedule = kept.schedule
    smaller = Smaller(
        attempt=kept.attempt,
        seed=schedule.spec.seed,
        policy=schedule.policy,
        signature=schedule.shown.signature,
        best=shrunk.departures,
        most=left // 2,
    )
    smaller.go()
    replays = shrunk.replays + smaller.replays
    if smaller.changed:
        again = _cut_down(kept, smaller.attempt, smaller.best, left - smaller.replays)
        replays += again.replays
        if again.minimal:
            return smaller.attempt, attrs.evolve(again, replays=replays, smaller=smaller.changed, anew=shrunk.anew)
    return kept.attempt, attrs.evolve(shrunk, replays=replays)


def keyed(schedule: Schedule, attempt: Attempt | None = None) -> Kept:
    """A schedule that was read, with its departures by whom they happen to. Raises ReplayDiverged.

    `attempt` is what is run; the run that the schedule names unless given.
    """
    attempt = attempt or SpecAttempt(schedule.spec)
    noted = Keyed(replay_of(schedule))
    result, raised = attempt.run(noted, schedule.spec.seed)
    if isinstance(raised, ReplayDiverged):
        raise raised
    _found(schedule.shown.signature, result, raised)
    return Kept(attempt=attempt, schedule=schedule, departures=tuple(noted.departures))


def _found(signature: Signature, result: Result, raised: Exception | None) -> Shown:
    """That problem among what a run showed. Raises ReplayDiverged if it is not."""
    shown = next((shown for shown in shown_by(result, raised, signature.sought) if shown.signature == signature), None)
    if shown is None:
        raise ReplayDiverged(f"all decisions fit, but the run does not show {signature}")
    return shown


def _written(attempt: Attempt, seed: int, strategy: Strategy, policy: str, signature: Signature) -> Schedule:
    record, digest = Record(strategy, labels=True), DigestSink()
    result, raised = attempt.run(record, seed, digest)
    assert record.decisions is not None
    shown = _found(signature, result, raised)
    return Schedule(
        spec=attrs.evolve(attempt.spec, seed=seed),
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


def replay_of(schedule: Schedule) -> Replay:
    """The strategy that decides as in a schedule."""
    return Replay(find_policy(schedule.policy), schedule.decisions)


def prepared(schedule: Schedule, *sinks: Sink) -> Run:
    """The run of a schedule, ready to run."""
    return Run(loaded(schedule.spec), options_of(schedule.spec, replay_of(schedule), schedule.spec.seed, *sinks))


def replay(schedule: Schedule, run: Run, digest: DigestSink) -> Replayed:
    """Run it strictly. Raises ReplayDiverged, which names the first decision, or what else is not the same.

    `digest` is among the sinks of the run.
    """
    raised = run.attempt()
    if isinstance(raised, ReplayDiverged):
        raise raised
    result = run.result()
    shown = shown_by(result, raised, schedule.shown.signature.sought)
    if schedule.digest not in (None, digest.hexdigest()):
        raise ReplayDiverged("all decisions fit, but the events differ from those of the schedule")
    _found(schedule.shown.signature, result, raised)
    return Replayed(result=result, shown=shown, raised=raised)
