"""vmstat's works and what they take off page lists (rcuactors/mm/vmstat.py, mm/page/pcplist.py, list_sizes.py)."""

from __future__ import annotations

from itertools import pairwise

import attrs
import pytest

from rcuactors import Kernel, Run, RunOptions, run, scenario
from rcuactors.eras import ERAS
from rcuactors.kernel.thread import Thread

DECAYS = ["v6.12.0", "v6.12", "v6.18", "v7.3"]


@attrs.define
class Seen:
    """pcp->high and pcp->count of CPU 0, and the zone's drains, each second."""

    highs: list[int] = attrs.field(factory=list)
    counts: list[int] = attrs.field(factory=list)
    drains: list[int] = attrs.field(factory=list)


def watched(version: str, seconds: int = 6, **settings: str) -> tuple[Seen, Run]:
    seen = Seen()

    async def script(k: Kernel) -> None:
        zone = k.machine.pages.zone
        pages = [await k.get_free_page() for _ in range(2000)]
        for page in pages:
            await k.free_page(page)
        for _ in range(seconds):
            mine = zone.list_of(k.machine.system.cpu(0))
            seen.highs.append(mine.high)
            seen.counts.append(mine.count)
            seen.drains.append(zone.statistics().drains)
            await k.msleep(1000)

    one = Run(scenario()(script), RunOptions(kernel=version, settings={"mem": "1G", "nr_cpus": "2", **settings}))
    one.run()
    assert one.result().clean
    return seen, one


@pytest.mark.parametrize("version", DECAYS)
def test_a_list_that_has_grown_loses_an_eighth_each_second(version: str) -> None:
    seen, one = watched(version, stat_interval="1")
    zone = one.machine.pages.zone
    batch, low = zone.batch, zone.sizes.high_min  # type: ignore[attr-defined]
    assert seen.highs[0] > low
    for before, held, after in zip(seen.highs, seen.counts, seen.highs[1:], strict=False):
        assert after == max(held - 32 * batch, before - before // 8, low)
    assert all(count <= high for count, high in zip(seen.counts[1:], seen.highs[1:], strict=True))


def test_when_nothing_is_left_to_do_there_are_no_more_works() -> None:
    seen, one = watched("v6.12", 40, stat_interval="1")
    assert seen.highs[-1] == one.machine.pages.zone.sizes.high_min  # type: ignore[attr-defined]
    assert seen.counts[-1] <= seen.highs[-1]
    assert len(set(seen.highs[-10:])) == 1


def test_it_gives_back_batch_by_batch_where_the_version_does() -> None:
    """6.12.94 has it, 6.12.0 does it in one."""
    once, _ = watched("v6.12.0", 12, stat_interval="1")
    often, one = watched("v6.12", 12, stat_interval="1")
    assert once.counts == often.counts
    batch = one.machine.pages.zone.batch
    taken = [before - after for before, after in pairwise(often.counts)]
    assert max(taken) > batch
    assert [after - before for before, after in pairwise(once.drains)] == [int(count > 0) for count in taken]
    assert [after - before for before, after in pairwise(often.drains)] == [-(-count // batch) for count in taken]


@pytest.mark.parametrize("version", [name for name in ERAS if name not in DECAYS])
def test_before_v6_7_nothing_decays(version: str) -> None:
    seen, _ = watched(version, 3, stat_interval="1")
    assert len(set(seen.counts)) == 1


def test_unless_it_is_asked_for_lists_stay_as_long_as_they_are() -> None:
    seen, _ = watched("v6.12", 3)
    assert len(set(seen.counts)) == 1
    assert len(set(seen.highs)) == 1


def test_the_work_runs_on_the_cpu_of_the_list_and_takes_its_lock() -> None:
    where: list[tuple[str, int]] = []

    async def script(k: Kernel) -> None:
        zone = k.machine.pages.zone
        decay = zone.decay_pcp_high

        async def noted(thread: Thread) -> bool:
            where.append((thread.comm, thread.cpu.cpu_id))
            return await decay(thread)

        zone.decay_pcp_high = noted  # type: ignore[method-assign]

        async def grows() -> None:
            for page in [await k.get_free_page() for _ in range(500)]:
                await k.free_page(page)

        await k.kthread_join(await k.kthread_run(grows, cpu=1))
        await k.msleep(1500)

    run(scenario()(script), RunOptions(kernel="v6.12", settings={"mem": "1G", "nr_cpus": "2", "stat_interval": "1"}))
    assert {cpu for _, cpu in where} == {1}
    assert all(comm.startswith("kworker/1") for comm, _ in where)


@pytest.mark.parametrize("version", DECAYS)
def test_how_much_is_taken_off_a_list_once(version: str) -> None:
    """decay_pcp_high(): an eighth of pcp->high, or all but 32 batches; what is above it then goes, at least 0."""

    async def script(k: Kernel) -> None:
        zone = k.machine.pages.zone
        mine, batch, low = zone.list_of(k.machine.this_cpu), zone.batch, zone.sizes.high_min  # type: ignore[attr-defined]
        pages, before = list(mine.pages), mine.high
        for high, count, left in (
            (low + 800, 10, low + 800 - (low + 800 >> 3)),
            (low + 800, low + 900, max(low + 900 - 32 * batch, low + 800 - (low + 800 >> 3))),
            (low + 1, 10, low),
            (low, 10, low),
            (low, low + 40 * batch, low),
            (low - 5, 10, low - 5),
            (low - 5, low + 40 * batch, low - 5),
            (low + 1, low + 40 * batch, low + 8 * batch),
        ):
            mine.pages[:], mine.high = [0] * (count - mine.others), high
            assert zone.sizes.has_grown(mine) == (high > low)  # type: ignore[attr-defined]
            assert zone.sizes.decay(mine) == max(count - left, 0)  # type: ignore[attr-defined]
            assert mine.high == left
        mine.pages[:], mine.high = pages, before

    assert run(scenario()(script), RunOptions(kernel=version, settings={"mem": "1G", "nr_cpus": "2"})).clean
