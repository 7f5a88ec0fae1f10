"""Hunting: the same in any number of processes, findings cut down, and nothing claimed that did not happen."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import attrs
import pytest

from rcuactors import Kernel, RunOptions, run, scenario
from rcuactors.engine.events import DigestSink
from rcuactors.errors import BadInput, ReplayDiverged
from rcuactors.explore import make_strategy
from rcuactors.hunt.finding import Signature
from rcuactors.hunt.follow import Departure, Follow
from rcuactors.hunt.keep import Kept, keep, keyed, prepared, replay, shrink
from rcuactors.hunt.plan import PORTFOLIO, Plan, plan_of
from rcuactors.hunt.progress import Progress
from rcuactors.hunt.report import report_lines
from rcuactors.hunt.schedule import Policy, Schedule, find_policy, policy_like, read_schedule, schedule_of
from rcuactors.hunt.search import explore
from rcuactors.hunt.shrink import Shrinker, Shrunk, shows
from rcuactors.hunt.story import story_lines
from rcuactors.hunt.tally import Tally, nothing_lines, tally_lines
from rcuactors.hunt.trial import Trial
from rcuactors.runs.spec import RunSpec
from rcuactors.userfiles import load_scenario
from tests import small
from tests.small import frees_early, lost_update

KEPT = str(Path(__file__).parent.parent / "history" / "kept" / "85aad7cc4178-hotplug_short_grace_period-v6.6.json")


def stale_batch(kernel: str) -> RunSpec:
    return RunSpec.of(load_scenario("stale_batch"), kernel=kernel)


def tried(plan: Plan, schedules: int, jobs: int = 1) -> list[Trial]:
    return list(explore(plan, Progress(), schedules=schedules, jobs=jobs))


def first_found(plan: Plan, schedules: int) -> Kept:
    for trial in explore(plan, Progress(), schedules=schedules):
        if trial.shown:
            return keep(plan.attempt, trial, trial.shown[0].signature)
    raise AssertionError("nothing was found")


# -- 5da7cb193db3 --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", ["v5.9", "v5.11", "v6.1.0"])
def test_5da7cb193db3_is_found_cut_down_and_run_again(kernel: str) -> None:
    """A batch that waits takes another channel's objects: only with two CPUs held up, since no reader lasts."""
    kept = shrink(first_found(plan_of(stale_batch(kernel), ("holds",)), 400))
    schedule, shrunk = kept.schedule, kept.shrunk
    assert schedule.shown.signature.kind == "use-after-free"
    assert shrunk is not None
    assert shrunk.minimal
    assert shrunk.replays <= 300
    assert 2 <= len(kept.departures) <= 12
    # Taking back any one departure loses it: looked at by itself here.
    policy = schedule.policy
    seed = schedule.spec.seed
    assert shows(kept.attempt, seed, Follow(find_policy(policy), kept.departures), schedule.shown.signature)
    for one in kept.departures:
        rest = [other for other in kept.departures if other != one]
        assert not shows(kept.attempt, seed, Follow(find_policy(policy), rest), schedule.shown.signature)
    assert shrunk.needed in kept.departures
    digest = DigestSink()
    run_again = prepared(schedule, digest)
    assert replay(schedule, run_again, digest).result.violations[0].kind.value == "use-after-free"
    told = "\n".join(story_lines(kept))
    assert "HELD UP for" in told
    assert "without one departure it passes" in told
    assert "so it waits for no reader that began since" in told.replace("\n", " ")


def test_5da7cb193db3_is_gone_where_the_fix_is() -> None:
    plan = plan_of(stale_batch("v6.1-stable"), ("holds",))
    assert not any(trial.shown for trial in explore(plan, Progress(), schedules=60))


def test_2b55d6a42d14_is_found_and_named_as_known() -> None:
    """kvfree_rcu_barrier() takes back the monitor of a newer call: nobody has tuned a strategy on that one."""
    spec = RunSpec.of(load_scenario("barrier_while_freeing"), kernel="v6.12")
    kept = shrink(first_found(plan_of(spec, ("holds",), seed=100), 60))
    # It is told when all is over; by whom the monitor was taken back is its place.
    assert str(kept.schedule.shown.signature) == "never-freed in kvfree_rcu_barrier"
    assert kept.schedule.shown.signature.file_name == "never-freed-kvfree_rcu_barrier"
    assert kept.schedule.shown.known.startswith("since 2b55d6a42d14: ")
    assert len(kept.departures) <= 4
    assert "a known bug of v6.12, since 2b55d6a42d14: " in "\n".join(story_lines(kept))


# -- plans and searches --------------------------------------------------------------------------------------------


@scenario(settings={"nr_cpus": "2"})
async def frees(k: Kernel) -> None:
    async def one() -> None:
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")

    async with k.open_nursery() as nursery:
        await nursery.start_soon(one, cpu=1)
        await one()


SOURCE = Path(small.__file__).read_text().split("\n")
LOST_AT = next(number for number, line in enumerate(SOURCE, 1) if "assert count == 2" in line)
SMALL = RunSpec.of(frees, kernel="v5.11")
LOSES = RunSpec.of(lost_update, kernel="v5.11")


def test_strategies_take_turns_and_each_schedule_can_be_run_by_itself() -> None:
    plan = plan_of(SMALL, (), seed=5)
    trials = tried(plan, 9)
    names = [trial.strategy.partition(":")[0] for trial in trials]
    assert names == ["timed", *PORTFOLIO, *PORTFOLIO]
    assert [trial.seed for trial in trials] == [0, 5, 5, 5, 5, 6, 6, 6, 6]
    assert [trial.number for trial in trials] == list(range(9))
    assert "points=" in trials[1].strategy
    one = trials[6]
    again = run(frees, RunOptions(kernel="v5.11", strategy=one.strategy, seed=one.seed))
    assert again.steps == one.steps


def test_after_a_few_turns_each_strategy_gets_as_much_time() -> None:
    costs = {"random": 100, "walk": 250, "pct:points=5": 40}
    plan = attrs.evolve(plan_of(SMALL, tuple(costs), seed=7), costs=tuple(costs.values()))
    drawn = [plan.drawn(number) for number in range(1, plan.alike + 320)]
    assert drawn[: plan.alike - 1] == [plan_of(SMALL, tuple(costs), seed=7).drawn(at) for at in range(1, plan.alike)]
    for name in costs:
        seeds = [seed for strategy, seed in drawn if strategy == name]
        assert seeds == list(range(7, 7 + len(seeds)))
    later = [strategy for strategy, _ in drawn[plan.alike - 1 :]]
    spent = [cost * later.count(name) for name, cost in costs.items()]
    assert max(spent) <= 1.25 * min(spent)
    assert len(set(later[:3])) == 3


def test_what_a_strategy_costs_is_seen_in_its_first_turns() -> None:
    plan = plan_of(SMALL, ("random", "walk"))
    first = tried(plan, plan.alike)
    spent = tuple(sum(one.steps for one in first if one.strategy == name) for name in plan.strategies)
    assert plan.shared_out(first).costs == spent
    alone = plan_of(SMALL, ("walk",))
    shared = alone.shared_out(tried(alone, alone.alike))
    assert [shared.drawn(number) for number in range(99)] == [alone.drawn(number) for number in range(99)]


def test_any_number_of_processes_tries_the_same() -> None:
    plan = plan_of(SMALL, ("random", "walk"))
    assert tried(plan, 80, jobs=2) == tried(plan, 80)


def test_a_search_goes_to_its_end_in_any_number_of_processes() -> None:
    plan = plan_of(LOSES, ("delays:d=1",))
    alone, shared = Progress(), Progress()
    one = list(explore(plan, alone, jobs=1))
    assert one == list(explore(plan, shared, jobs=2))
    assert alone.complete
    assert shared.complete
    cut = Progress()
    assert len(list(explore(plan, cut, schedules=5))) == 5
    assert not cut.complete


def test_a_search_takes_no_turns() -> None:
    with pytest.raises(BadInput, match=r"^--strategy delays: goes through schedules by itself"):
        plan_of(SMALL, ("delays", "random"))


@pytest.mark.parametrize("strategy", ["random", "delays:d=2"])
def test_what_a_scenario_asserts_is_found_and_cut_down(strategy: str) -> None:
    kept = first_found(plan_of(LOSES, (strategy,), seed=20), 3000)
    assert kept.schedule.shown.signature == Signature("error", "AssertionError", f"small.py:{LOST_AT}")
    less = shrink(kept)
    assert less.shrunk is not None
    assert less.shrunk.minimal
    assert 1 <= len(less.departures) <= 2
    assert less.departures == shrink(less).departures


def test_what_a_search_by_partial_orders_finds_is_kept_and_replayed() -> None:
    kept = shrink(first_found(plan_of(RunSpec.of(frees_early), ("dpor:window=300",)), 100))
    assert kept.schedule.policy == "any order within windows of 300 ns"
    assert schedule_of(json.loads(kept.schedule.text())) == kept.schedule
    assert keyed(kept.schedule).departures == kept.departures


def test_a_bound_of_replays_is_kept_and_told() -> None:
    kept = first_found(plan_of(LOSES, ("random",), seed=20), 3000)
    shrinker = Shrinker(
        attempt=kept.attempt,
        seed=kept.schedule.spec.seed,
        policy=kept.schedule.policy,
        signature=kept.schedule.shown.signature,
        best=kept.departures,
        most=3,
    )
    shrunk = shrinker.shrink()
    assert (shrunk.replays, shrunk.minimal) == (3, False)
    assert "not down to the least" in "\n".join(story_lines(attrs.evolve(kept, shrunk=shrunk)))


# -- figures -------------------------------------------------------------------------------------------------------


def tallied(plan: Plan, schedules: int) -> Tally:
    progress = Progress()
    tally = Tally(plan, progress)
    for trial in explore(plan, progress, schedules=schedules):
        tally.take(trial)
    return tally


def test_decisions_of_which_nothing_else_was_taken_are_named() -> None:
    """The canary of all canaries: a strategy that never does anything is seen to do nothing."""
    plan = attrs.evolve(plan_of(SMALL, ("holds:d=1,points=100000000",)), strategies=("holds:d=1,points=100000000",))
    quiet = tallied(plan, 4)
    assert quiet.taken["hold up"].asked > 50
    assert quiet.taken["hold up"].other == 0
    assert any(said.startswith("hold up: asked") for said in quiet.never_taken())
    busy = tallied(plan_of(SMALL, ("holds:hints=0",)), 10)
    assert busy.taken["hold up"].other > 5
    assert not any(said.startswith("hold up") for said in busy.never_taken())


def test_traces_grow_until_they_do_not() -> None:
    few = tallied(plan_of(LOSES, ("timed",)), 40)
    assert few.traces.distinct <= 3
    assert few.traces.said().endswith(": saturated")
    many = tallied(plan_of(SMALL, ("walk",)), 40)
    assert many.traces.distinct > 20
    assert "not saturated" in many.traces.said()
    assert "covered" in "\n".join(tally_lines(tallied(plan_of(LOSES, ("delays:d=1",)), 10_000)))


# -- schedule files ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found() -> Schedule:
    return shrink(first_found(plan_of(LOSES, ("random",), seed=27), 3000)).schedule


def test_a_schedule_is_the_same_after_it_was_written_and_read(found: Schedule) -> None:
    assert schedule_of(json.loads(found.text())) == found
    assert keyed(found).departures


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("format",), "rcuactors run", "is no schedule file"),
        (("version",), 2, "version 2: this program reads version 1"),
        (("version",), True, "version True"),
        (("rcuactors",), "0.0.1", "was written by rcuactors '0.0.1'"),
        (("policy",), "in order of tim", "did you mean in order of time"),
        (("decisions",), "7", "decisions: '7': is of the wrong type"),
        (("decisions",), -1, "is out of range"),
        (("decisions",), 0, "steps are in order"),
        (("departures",), {}, "departures: {}: is of the wrong type"),
        (("departures", 0), 5, "departure 1: 5: needs an object"),
        (("departures", 0, "step"), 0, "steps are in order"),
        (("departures", 0, "options"), None, "is of the wrong type"),
        (("departures", 0, "extra"), 1, "no such key"),
        (("shows", "kind"), 1, "is of the wrong type"),
        (("run", "kernel"), "v1.0", "v1.0"),
        (("run", "strategy"), "nobody", "nobody"),
        (("run", "scenario", "kind"), "pickle", "pickle"),
    ],
)
def test_a_file_that_is_wrong_is_bad_input(found: Schedule, path: tuple[Any, ...], value: object, message: str) -> None:
    document = json.loads(found.text())
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(BadInput) as caught:
        schedule_of(document)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "change", [{"option": "cpu7"}, {"count": 99}, {"kind": "weather"}, {"label": "somewhere else"}]
)
def test_the_first_divergence_is_named(found: Schedule, change: dict[str, Any]) -> None:
    taken = found.decisions.taken
    wrong = attrs.evolve(
        found, decisions=attrs.evolve(found.decisions, taken=(attrs.evolve(taken[0], **change), *taken[1:]))
    )
    digest = DigestSink()
    with pytest.raises(ReplayDiverged, match=f"^decision {taken[0].number} of the recording"):
        replay(wrong, prepared(wrong, digest), digest)


def test_events_and_what_is_shown_are_held_to_the_schedule_too(found: Schedule) -> None:
    for wrong, said in (
        (attrs.evolve(found, digest="0" * 64), "the events differ"),
        (
            attrs.evolve(found, shown=attrs.evolve(found.shown, signature=Signature("leak", "kmalloc", ""))),
            "the run does not show leak in kmalloc",
        ),
    ):
        digest = DigestSink()
        with pytest.raises(ReplayDiverged, match=said):
            replay(wrong, prepared(wrong, digest), digest)


def test_a_schedule_that_does_not_show_what_it_says_is_not_cut_down(found: Schedule) -> None:
    """Fuzzing: `shrink` of one whose text had been changed ended in a StopIteration."""
    wrong = attrs.evolve(found, shown=attrs.evolve(found.shown, signature=Signature("leak", "kmalloc", "")))
    with pytest.raises(ReplayDiverged, match="the run does not show leak in kmalloc"):
        keyed(wrong)


def test_each_strategy_has_a_policy() -> None:
    names = {policy_like(make_strategy(name)).name for name in ("timed", "holds", "random", "walk", "pct")}
    assert names == {"in order of time", "in order of time, but for hold-ups", "whoever runs goes on"}
    with pytest.raises(BadInput, match="no policy has its election"):
        policy_like(Policy("odd", make_strategy("random").order, holds_up=True))


def test_a_story_ends_with_the_report_even_if_the_address_is_used_again() -> None:
    """What is given to kvfree_rcu() at that address behind the report is another object."""
    schedule = read_schedule(KEPT)
    told = story_lines(keyed(schedule))
    assert any("is given" in line for line in told)
    assert "began after that" in " ".join(told[-2:])


def test_a_report_that_is_too_long_loses_the_middle_of_its_story(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rcuactors.hunt.report.told_lines", lambda _kept: [f"line {number}" for number in range(200)])
    schedule = read_schedule(KEPT)
    lines = report_lines(keyed(schedule))
    assert len(lines) == 60
    assert lines[-1] == "line 199"
    (gone,) = (line for line in lines if "left out" in line and "(" in line)
    assert gone.strip() == f"({200 - sum(line.startswith('line ') for line in lines)} lines left out)"


@pytest.mark.parametrize(
    ("strategies", "more"),
    [
        ((), []),
        (("delays:d=0",), ["durations: "]),
        (("dfs:preemptions=0,window=7",), ["orders of what is not within one window of 7 ns", "durations: "]),
        (
            ("dpor:window=1",),
            ["orders of what is not within one window of 1 ns", "durations: ", "that a callback reads"],
        ),
    ],
)
def test_nothing_found_says_what_such_a_search_cannot_see(strategies: tuple[str, ...], more: list[str]) -> None:
    tally = Tally(plan_of(SMALL, strategies), Progress())
    unseen = tally.unseen()
    assert unseen[0].startswith("weak memory ordering")
    assert len(unseen) == 2 + len(more)
    assert all(said.startswith(wanted) for said, wanted in zip(unseen[2:], more, strict=True))
    assert [line.strip() for line in nothing_lines(tally)[1:]] == unseen == tally.as_json()["unseen"]


def test_what_is_said_to_be_minimal_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """In `shrinker_pressure --faults reclaim`: something shorter was found with the last replays, and not looked at."""
    four = tuple(Departure("kind", "whose", nth, "option", at_ns=nth) for nth in range(4))

    class Taken:
        """All that is wanted fits."""

        def __init__(self, _policy: object, wanted: Iterable[Departure]) -> None:
            self.departures = sorted(wanted, key=lambda one: one.nth)

    class TakenByTime(Taken):
        pass

    def shows_all_or_the_last_two_by_time(_attempt: object, _seed: int, follow: Taken, _of: Signature) -> bool:
        chosen = tuple(follow.departures)
        return chosen == four or (isinstance(follow, TakenByTime) and chosen == four[2:])

    shrinking = sys.modules[Shrinker.__module__]
    monkeypatch.setattr(shrinking, "Follow", Taken)
    monkeypatch.setattr(shrinking, "FollowByTime", TakenByTime)
    monkeypatch.setattr(shrinking, "shows", shows_all_or_the_last_two_by_time)
    enough = shrunk_with(four, 300)
    assert (enough.departures, enough.minimal) == (four[2:], True)
    # So many as it takes to find the shorter one, and not one more to look at it.
    found = next(most for most in range(300) if shrunk_with(four, most).minimal)
    for most in range(found, enough.replays + 1):
        less = shrunk_with(four, most)
        assert (less.departures, less.minimal) in ((four, True), (four[2:], True))
        assert less.departures == four or most == enough.replays


def shrunk_with(departures: tuple[Departure, ...], most: int) -> Shrunk:
    shrinker = Shrinker(
        attempt=plan_of(SMALL, ("timed",)).attempt,
        seed=0,
        policy="in order of time",
        signature=Signature("leak", "", ""),
        best=departures,
        most=most,
    )
    return shrinker.shrink()


def test_a_search_in_which_something_went_astray_has_not_covered_everything() -> None:
    """A run that does not begin as was foreseen says that footprints have missed something."""
    progress = Progress(complete=True, classes=3)
    tally = Tally(plan_of(SMALL, ("dpor",)), progress)
    assert tally.complete
    assert "covered           everything within the bound of dpor" in "\n".join(tally_lines(tally))
    progress.astray = 1
    assert not tally.complete
    assert tally.as_json()["complete"] is False
    said = "covered           not everything within the bound of dpor: 1 schedule did not begin as it should"
    assert said in tally_lines(tally)
