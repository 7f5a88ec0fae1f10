"""A schedule that is cut down is of a smaller run, too (rcuactors/hunt/smaller.py)."""

from __future__ import annotations

import attrs
import pytest

from rcuactors import Kernel, scenario
from rcuactors.hunt.attempt import SpecAttempt
from rcuactors.hunt.follow import Follow
from rcuactors.hunt.keep import Kept, keep, shrink
from rcuactors.hunt.plan import plan_of
from rcuactors.hunt.progress import Progress
from rcuactors.hunt.schedule import find_policy
from rcuactors.hunt.search import explore
from rcuactors.hunt.shrink import shows
from rcuactors.hunt.smaller import Smaller
from rcuactors.hunt.story import story_lines
from rcuactors.runs.spec import RunSpec


@scenario(settings={"nr_cpus": "4"})
async def lookups(k: Kernel, rounds: int = 9, spare: int = 30, quiet: bool = True, least: int = 3) -> None:
    """An object is freed under its reader, if that is held up; with less than `least` rounds nothing is freed."""
    current = await k.kmalloc(64)

    async def reads() -> None:
        for _ in range(rounds):
            k.rcu_read_lock()
            seen = k.rcu_dereference(current)
            await k.udelay(1)
            k.deref(seen)
            k.rcu_read_unlock()
            await k.usleep_range(1000, 1000)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(reads, cpu=1)
        for _ in range(rounds - least + 1):
            await k.usleep_range(700, 700)
            old, current = current, await k.kmalloc(64)
            await k.kfree(old)
    for _ in range(spare):
        await k.kfree(await k.kmalloc(32))
    await k.kfree(current)


@pytest.fixture(scope="module")
def found() -> Kept:
    plan = plan_of(RunSpec.of(lookups, kernel="v6.12", least=3), ("holds",))
    trial = next(trial for trial in explore(plan, Progress(), schedules=400) if trial.shown)
    return keep(plan.attempt, trial, trial.shown[0].signature)


def test_numbers_are_parameters_and_cpus() -> None:
    numbers = SpecAttempt(RunSpec.of(lookups, rounds=7)).numbers()
    assert {name: number.now for name, number in numbers.items()} == {
        "rounds": 7,
        "spare": 30,
        "least": 3,
        "nr_cpus": 4,
    }


def test_it_is_made_smaller(found: Kept) -> None:
    less = shrink(found)
    assert less.shrunk is not None
    assert less.shrunk.minimal
    assert less.shrunk.replays <= 300
    smaller = less.shrunk.smaller
    assert smaller["spare"] == (30, 1)
    assert smaller["nr_cpus"] == (4, 2)
    assert smaller["rounds"][1] < 9
    settings = less.schedule.spec.settings
    assert {name: settings[name] for name in smaller} == {name: str(now) for name, (_, now) in smaller.items()}
    assert "in a smaller run: " in story_lines(less)[1]
    assert "spare=1 (was 30)" in story_lines(less)[1]
    # It is of that run, and 1-minimal in it.
    seed, signature, policy = less.schedule.spec.seed, less.schedule.shown.signature, less.schedule.policy
    assert shows(SpecAttempt(less.schedule.spec), seed, Follow(find_policy(policy), less.departures), signature)
    for one in less.departures:
        rest = [other for other in less.departures if other != one]
        assert not shows(less.attempt, seed, Follow(find_policy(policy), rest), signature)


def test_what_goes_wrong_by_itself_is_no_smaller_form_of_it(found: Kept) -> None:
    """It has to stay a matter of schedule: a run that shows the same without any departure is another finding."""

    @attrs.frozen
    class AlwaysWrong(SpecAttempt):
        """Goes wrong by itself when there are fewer rounds."""

        def with_number(self, name: str, number: int) -> SpecAttempt:  # noqa: ARG002
            return SpecAttempt(attrs.evolve(self.spec, scenario=RunSpec.of(wrong).scenario, settings={}))

    smaller = Smaller(
        attempt=AlwaysWrong(found.attempt.spec),
        seed=found.schedule.spec.seed,
        policy=found.schedule.policy,
        signature=attrs.evolve(found.schedule.shown.signature, place="kfree", line=f"test_smaller.py:{WRONG_AT}"),
        best=found.departures,
        most=100,
    )
    smaller.go()
    assert not smaller.changed
    assert smaller.replays >= 2


@scenario()
async def wrong(k: Kernel) -> None:
    p = await k.kmalloc(64)
    k.rcu_read_lock()
    k.rcu_dereference(p)
    await k.kfree(p)
    k.rcu_read_unlock()


WRONG_AT = wrong.body.__code__.co_firstlineno + 5


def test_a_bound_of_runs_is_kept(found: Kept) -> None:
    less = shrink(found, 60)
    assert less.shrunk is not None
    assert less.shrunk.replays <= 60
