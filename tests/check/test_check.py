"""check/: cells, findings, the verdict, and the budget."""

from __future__ import annotations

import re

import pytest

from rcuactors import BadInput, Kernel, load_scenario, scenario
from rcuactors.builds import BUILDS
from rcuactors.check import Check, Checked, check, lines_of
from rcuactors.check.cells import OWN, Caches, cells_of
from rcuactors.check.document import document_of
from rcuactors.check.text import range_of, table_lines, verdict_lines
from rcuactors.eras import ERAS
from rcuactors.hunt import replay_schedule
from rcuactors.mm.gfp import GFP_NOWAIT

ALL = tuple(ERAS)
EVERY = tuple(BUILDS)


@scenario()
async def page_under_lock(k: Kernel) -> None:
    lock = k.raw_spinlock("lock")
    flags = await k.raw_spin_lock_irqsave(lock)
    page = await k.get_free_page(GFP_NOWAIT)
    await k.raw_spin_unlock_irqrestore(lock, flags)
    await k.free_page(page)


@scenario()
async def tidy(k: Kernel, objects: int = 2) -> None:
    for _ in range(objects):
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")


@scenario(settings={"nr_cpus": "2"})
async def loses(k: Kernel) -> None:
    """Nothing in order of time; a reader that is held up is freed under."""
    current = await k.kmalloc(64)

    async def lookup() -> None:
        for _ in range(5):
            k.rcu_read_lock()
            p = k.rcu_dereference(current)
            await k.udelay(1)
            k.deref(p)
            k.rcu_read_unlock()
            await k.usleep_range(1000, 1000)

    async with k.open_nursery() as nursery:
        await nursery.start_soon(lookup, cpu=1)
        for _ in range(5):
            await k.usleep_range(700, 700)
            old, current = current, await k.kmalloc(64)
            await k.kfree(old)
    await k.kfree(current)


@scenario()
async def raises(k: Kernel) -> None:
    await k.udelay(1)
    raise ZeroDivisionError("mine")


@scenario()
async def newer(k: Kernel) -> None:
    await k.kvfree_rcu_barrier()


@scenario()
async def wrong_before(k: Kernel) -> None:
    p = await k.kmalloc(64)
    await k.kfree(p)
    await k.kfree(p)
    await k.kvfree_rcu_barrier()


@scenario(expect={"v5.9": {"plain": "clean", "prove": "invalid-wait-context", "rt": "sleeping-function"}})
async def expects(k: Kernel) -> None:
    raw, spin = k.raw_spinlock("raw"), k.spinlock("spin")
    await k.raw_spin_lock(raw)
    await k.spin_lock(spin)
    await k.spin_unlock(spin)
    await k.raw_spin_unlock(raw)


@scenario(expect={"v5.9": {"plain": "leak", "prove": "clean", "rt": "clean"}})
async def expects_too_much(k: Kernel) -> None:
    await k.udelay(1)


# -- cells -------------------------------------------------------------------------------------------------------------


def test_every_version_and_build_in_four_surroundings_and_v5_9_in_six() -> None:
    cells = cells_of(tidy, ALL, EVERY, {})
    assert len(cells.cells) == len(set(cells.cells)) == (4 * (len(ALL) - 1) + 6) * len(EVERY)
    assert {cell.version for cell in cells.cells if cell.caches is Caches.COLD} == {"v5.9"}
    assert {cell.entry for cell in cells.cells} == {(version, build) for version in ALL for build in EVERY}
    assert not cells.without
    # The first are those that need nothing else, of each kernel one.
    assert {cell.entry for cell in cells.cells[: len(ALL) * len(EVERY)]} == {cell.entry for cell in cells.cells}
    assert {cell.surroundings for cell in cells.cells[: len(ALL) * len(EVERY)]} == {(Caches.BOOTED, False)}


@pytest.mark.parametrize(
    ("own", "builds", "said"),
    [
        ({"PREEMPT_RT": "y"}, ("rt",), "build all: the scenario has PREEMPT_RT=y"),
        ({"PREEMPT_RT": "y", "KASAN": "y"}, (OWN,), "build rt: the scenario has KASAN=y"),
        ({"PREEMPT_RT": "y", "DEBUG_ATOMIC_SLEEP": "y"}, ("rt",), "build plain: the scenario has PREEMPT_RT=y"),
        ({"PROVE_RAW_LOCK_NESTING": "y"}, ("prove", "all"), "build plain: the scenario has PROVE_RAW_LOCK_NESTING=y"),
        ({"PREEMPT": "n"}, ("plain", "prove", "rt"), "build all: DEBUG_PREEMPT=y with PREEMPT=n"),
        ({"HZ": "1000"}, EVERY, ""),
    ],
)
def test_what_a_scenario_sets_stays_and_builds_that_do_not_go_with_it_are_named(
    own: dict[str, str], builds: tuple[str, ...], said: str
) -> None:
    by_itself = scenario(settings=own)(tidy.body)
    for cells in (cells_of(by_itself, ALL, EVERY, {}), cells_of(tidy, ALL, EVERY, own)):
        assert cells.builds == builds
        assert any(said in text for text in cells.without) or not said


@pytest.mark.parametrize(
    ("settings", "count", "said"),
    [
        ({"nr_cpus": "1"}, 2, "bystanders: the machine has one CPU"),
        ({"cold_caches": "y"}, 1, "other surroundings: cold_caches=y is set"),
    ],
)
def test_surroundings_that_cannot_be_had_are_named(settings: dict[str, str], count: int, said: str) -> None:
    cells = cells_of(tidy, ["v6.12"], ["plain"], settings)
    assert len(cells.cells) == count
    assert cells.without == (said,)


def test_before_the_scheduler_runs_there_are_no_surroundings() -> None:
    early = scenario(early_boot=True)(tidy.body)
    cells = cells_of(early, ["v6.12"], ["plain"], {})
    assert [dict(cell.settings) for cell in cells.cells] == [{}]
    assert "begins before the scheduler runs" in cells.without[0]


def test_settings_that_are_wrong_are_no_matter_of_builds() -> None:
    with pytest.raises(BadInput, match="HZ=7"):
        cells_of(tidy, ALL, EVERY, {"HZ": "7"})


# -- findings ----------------------------------------------------------------------------------------------------------


def test_a_lucky_run_is_no_answer() -> None:
    checked = check(page_under_lock, schedules=152)
    assert not checked.clean
    verdict = " ".join(" ".join(verdict_lines(checked)).split())
    assert re.search(
        r"^NO on every version in builds prove and rt and all: 2 findings "
        r"on every version in builds prove and all: get_free_page\(\) at test_check\.py:\d+ takes a lock that is "
        r"not allowed there; silent while the page caches are warm on PREEMPT_RT: .* sleeps where it must not",
        verdict,
    )
    assert table_lines(checked)[1].split("  ")[0] == "v5.9 to v7.3"


def test_nothing_found_says_in_how_much_and_what_it_does_not_say() -> None:
    checked = check(tidy, schedules=160, kernels=["v6.12", "v7.3"])
    assert checked.clean
    lines = lines_of(checked)
    assert "nothing found in 160 schedules on 2 versions x 4 builds" in lines
    assert "  other parameters than these: objects=2" in lines
    assert any("weak memory" in line for line in lines)


def test_what_needs_another_schedule_is_found_in_every_build_and_cut_down(tmp_path) -> None:
    checked = check(loses, schedules=150, kernels=["v6.12"])
    (finding,) = checked.findings[:1]
    assert finding.shown.signature.kind == "use-after-free"
    assert finding.silent == "silent in order of time"
    assert {cell.build for cell in finding.cells} == set(EVERY)
    assert "use-after-free s" in table_lines(checked)[1]
    assert checked.shortest is not None
    assert len(checked.shortest.departures) == 1
    assert checked.shortest.schedule.minimal
    file = tmp_path / "one.json"
    file.write_text(checked.shortest.schedule.text())
    assert any(one.signature == finding.shown.signature for one in replay_schedule(file, loses).shown)


def test_only_bystanders_show_it() -> None:
    checked = check(
        load_scenario("spin_under_raw"), kernels=["v6.12"], schedules=4, PREEMPT_RT=True, DEBUG_ATOMIC_SLEEP=False
    )
    assert checked.check.cells.builds == (OWN,)
    (finding,) = checked.findings
    assert finding.shown.signature.kind == "scheduling-while-atomic"
    assert finding.silent == "silent without bystanders"


def test_the_scenarios_own_mistake_is_bad_input_where_it_is_everywhere() -> None:
    with pytest.raises(BadInput, match=r"scenario raises raised ZeroDivisionError: mine \(test_check\.py:\d+"):
        check(raises, schedules=152)


def test_a_version_that_has_no_such_function_is_said_and_no_finding() -> None:
    checked = check(newer, schedules=30, kernels=["v5.9", "v6.12"], builds=["plain"])
    assert checked.clean
    assert table_lines(checked)[1:] == ["v5.9   cannot run", "v6.12  clean"]
    assert any("v5.9 has no such function" in line for line in lines_of(checked))


def test_what_was_reported_before_a_function_that_is_not_there_is_found() -> None:
    checked = check(wrong_before, schedules=8, kernels=["v5.9"], builds=["plain"])
    assert [found.shown.signature.kind for found in checked.findings] == ["double-free"]
    assert any("has no such function" in line for line in lines_of(checked))


# -- what is expected --------------------------------------------------------------------------------------------------


def test_what_is_expected_is_no_finding_nor_what_comes_of_it() -> None:
    checked = check(expects, schedules=56, kernels=["v5.9", "v6.12"])
    assert checked.clean
    assert "sleeping-function e" in table_lines(checked)[1]
    assert "nothing found besides what expect= says" in verdict_lines(checked)[0]


def test_what_is_expected_and_does_not_come_is_said() -> None:
    checked = check(expects_too_much, schedules=56, kernels=["v5.9", "v6.12"])
    assert not checked.clean
    assert not checked.findings
    assert "differs from expect= on v5.9, v6.12 in build plain: leak does not come" in lines_of(checked)


# -- the budget --------------------------------------------------------------------------------------------------------


def test_what_the_budget_does_not_reach_is_said() -> None:
    checked = check(tidy, schedules=40)
    assert checked.schedules == 40
    assert any(line.startswith("  112 cells of 152 not reached") for line in lines_of(checked))
    assert "clean?" in table_lines(checked)[1]
    assert table_lines(checked)[-1] == "(?: not in all surroundings, or not to its end in all, see below)"


def test_what_is_expected_is_told_also_where_there_was_no_room_for_all() -> None:
    checked = check(load_scenario("spin_under_raw"), kernels=["v6.12"], builds=["prove"], schedules=2)
    assert [line.split(maxsplit=1)[-1] for line in table_lines(checked)] == [
        "prove",
        "invalid-wait-context e?",
        "expect= says so; ?: not in all surroundings, or not to its end in all, see below)",
    ]


def test_the_same_in_any_number_of_processes() -> None:
    one, two = (check(loses, schedules=30, kernels=["v6.12"], jobs=jobs) for jobs in (1, 2))
    assert document_of(one) == document_of(two)


def test_seconds_end_it() -> None:
    checked = check(tidy, seconds=0.2)
    assert 0 < checked.schedules < 152


def test_what_is_spent_already_is_within_the_seconds() -> None:
    checked = Checked(Check.of(tidy, seconds=10.0), spent_s=9.6)
    assert len([checked.take(answer) for answer in checked.answers()]) == 1


def test_the_document_says_each_cell() -> None:
    checked = check(page_under_lock, schedules=16, kernels=["v6.12"])
    document = document_of(checked)
    assert document["verdict"] == "no"
    assert len(document["cells"]) == 16
    found = [cell for cell in document["cells"] if cell["found"]]
    assert {cell["caches"] for cell in found if cell["build"] == "prove"} == {"as booted"}
    assert document["table"]["v6.12"]["rt"] == "sleeping-function"
    assert document["shortest"]["shows"]["kind"] == document["findings"][0]["kind"]


def test_a_range_is_of_versions_that_follow_one_another() -> None:
    assert range_of(ALL) == f"{ALL[0]} to {ALL[-1]}"
    assert range_of([ALL[0], *ALL[2:4]]) == f"{ALL[0]}, {ALL[2]} to {ALL[3]}"


def test_a_test_that_fails_shows_the_verdict() -> None:
    checked = Checked(Check.of(tidy, kernels=["v6.12"], builds=["plain"], schedules=1))
    for answer in checked.answers():
        checked.take(answer)
    assert repr(checked) == "<Checked tidy: nothing found in 1 schedule on 1 version x 1 build>"
