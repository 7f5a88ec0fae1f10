"""A whole run is told: nothing that bears on it is lost, what is left out is counted, and telling changes no run."""

from __future__ import annotations

import re

import pytest

from rcuactors import Kernel, Run, scenario
from rcuactors.errors import BadInput
from rcuactors.report.chosen_events import Wanted
from rcuactors.runs.result import Result
from rcuactors.story import Level, Story, Teller, story_of
from rcuactors.story.columns import row_text
from rcuactors.userfiles import load_scenario


def heard(script: object, /, **words: object) -> tuple[Teller, Result]:
    run = Run(script, **words)  # type: ignore[arg-type]
    teller = Teller(run.machine, ("mm_page_alloc",))
    return teller, run.run()


def text_of(story: Story) -> str:
    return "\n".join(row_text(row) for row in story.rows)


@pytest.fixture(scope="module")
def burst() -> tuple[Teller, Result]:
    return heard(load_scenario("cold_cache_burst"))


def test_a_run_is_the_same_when_it_is_told(burst: tuple[Teller, Result]) -> None:
    assert burst[1].digest == Run(load_scenario("cold_cache_burst")).run().digest


def test_5000_calls_are_a_page_and_all_of_them_are_counted(burst: tuple[Teller, Result]) -> None:
    rows = burst[0].rows()
    calls = [row for row in rows if row.name == "kvfree_call_rcu"]
    assert sum(row.count for row in calls) == 5000
    assert sum(row.count for row in calls if "new block" in row.text) == 10
    assert sum(row.count for row in calls if "rcu_head list" in row.text) == 2
    assert sum(row.amount for row in rows if row.name == "rcu_invoke_kfree_bulk_callback") == 4998
    story = story_of(burst[0], Wanted())
    assert len(story.rows) < 60
    text = text_of(story)
    for told in (
        "hrtimer armed: schedule_page_work_fn", "hrtimer fires: schedule_page_work_fn", "page cache: 5 pages",
        "timer armed: kfree_rcu_monitor, for 1,250 jiffies", "kfree_rcu_monitor() begins", "grace period -1199 begins",
        "grace period -1199 ends", "frees a block x 10, 4,998 objects", "these 2 again, 4 times", "kworker/0:1H runs",
    ):  # fmt: skip
        assert told in text, told
    assert story.notes == ()


def test_by_name_and_cpu(burst: tuple[Teller, Result]) -> None:
    works = story_of(burst[0], Wanted(names=("workqueue",), cpu=1))
    assert {row.name for row in works.rows} == {
        "workqueue_queue_work",
        "workqueue_execute_start",
        "workqueue_execute_end",
    }
    assert {row.cpu for row in works.rows} == {1}
    pages = story_of(burst[0], Wanted(names=("mm_page_alloc",)))
    assert pages.rows
    assert all("mm_page_alloc" in row.name for row in pages.rows)
    assert not any(row.name.startswith("mm_") for row in story_of(burst[0], Wanted(names=("kvfree",))).rows)


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (Wanted(names=("kvfre_call",)), "--event kvfre_call: no event of this run has that in its name"),
        (Wanted(around="1"), "--around 1: no such report; there was none"),
    ],
)
def test_what_did_not_come_is_said(burst: tuple[Teller, Result], wanted: Wanted, says: str) -> None:
    missed = story_of(burst[0], wanted).missed
    assert isinstance(missed, BadInput)
    assert str(missed).startswith(says)


@scenario()
async def much(k: Kernel) -> None:
    """Two threads in no regular turn, a reader that lasts, and at the end a report."""
    lock = k.spinlock("shared")

    async def other() -> None:
        for number in range(90):
            await k.spin_lock(lock)
            await k.udelay(3 + number * number % 11)
            await k.spin_unlock(lock)
            for _ in range(number * number % 5):
                with k.rcu_reader():
                    await k.udelay(1)
                await k.schedule()
            await k.usleep_range(20 + number % 3, 21 + number % 3)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(other, cpu=1)
        with k.rcu_reader():
            await k.udelay(1500)
        for number in range(90):
            await k.spin_lock(lock)
            await k.spin_unlock(lock)
            if number * number % 7 < 3:
                await k.kvfree_rcu(await k.kmalloc(64), "rcu")
            await k.usleep_range(20 + number % 5, 21 + number % 5)
    p = await k.kmalloc(64)
    await k.kfree(p)
    await k.kfree(p)


@pytest.fixture(scope="module")
def long() -> tuple[Teller, Result]:
    return heard(much, nr_cpus=2)


def test_details_are_left_out_first_and_counted(long: tuple[Teller, Result]) -> None:
    story = story_of(long[0], Wanted())
    assert len(story.rows) <= 120
    note = next(note for note in story.notes if note.startswith("details left out: "))
    counted = {name: int(count.replace(",", "")) for count, name in re.findall(r"(\d[\d,]*) (\w+)", note)}
    details = [row for row in long[0].rows() if row.level is Level.DETAIL]
    for name in ("sched_switch", "reader"):
        assert counted[name] == sum(row.count for row in details if row.name == name) > 20
    whole = story_of(long[0], Wanted(), every=True)
    assert len(whole.rows) > len(story.rows)
    assert whole.notes == ()
    assert any(row.name == "lock" and "waited for shared" in row.text for row in whole.rows)


def test_a_reader_that_lasts_is_told_when_it_enters_and_when_it_leaves(long: tuple[Teller, Result]) -> None:
    readers = [row for row in story_of(long[0], Wanted()).rows if row.name == "reader"]
    assert [row.text.split(" ", 2)[2] for row in readers] == ["enters", "leaves, after 1.50 ms"]


def test_around_a_report(long: tuple[Teller, Result]) -> None:
    story = story_of(long[0], Wanted(around="double-free"))
    at = next(number for number, row in enumerate(story.rows) if row.report is not None)
    assert at <= 30
    assert story.rows[at].text.startswith("REPORT 1: ")
    assert any(note.startswith("left out before: ") for note in story.notes)
    assert story_of(long[0], Wanted(around="1")).rows == story.rows
