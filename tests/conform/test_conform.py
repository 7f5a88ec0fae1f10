"""rcuactors conform: real kernels' decisions, one by one, held against the mechanism (rcuactors/conform/)."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from rcuactors.conform import Conformance, conform
from rcuactors.conform.conformance import conform_told
from rcuactors.conform.foresight import foresee
from rcuactors.conform.lines import read
from rcuactors.errors import BadInput
from rcuactors.traces import Trace

from .wrong_rules import WRONG, Wrong

DATA = Path(__file__).parent.parent / "data" / "recordings"
RECORDINGS = sorted(
    path for folder in ("kvfree", "kvfree-6.1-rt", "kvfree-6.12") for path in (DATA / folder).glob("*.gz")
)

Written = Callable[[list[str]], Path]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Writes a recording of some lines."""

    def write(lines: list[str]) -> Path:
        path = tmp_path / "recording.txt"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


def lines_of(name: str) -> list[str]:
    """The text of a recording."""
    with gzip.open(DATA / f"{name}.txt.gz", "rt") as file:
        return file.read().splitlines()


@pytest.mark.one_in(2)
@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: f"{path.parent.name}/{path.name.removesuffix('.txt.gz')}")
def test_every_decision_agrees(path: Path) -> None:
    said = conform(path)
    assert [found.lines() for found in said.found] == []
    assert said.undecided == ""
    assert said.exit_code == 0
    assert sum(said.compared.values()) > 5
    # Each call is one of the decisions: which timers it starts, and that it starts none.
    assert said.compared.get("call", 0) == said.calls


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.name)
def test_a_wrong_rule_is_found(wrong: Wrong, monkeypatch: pytest.MonkeyPatch) -> None:
    path = DATA / f"{wrong.recording}.txt.gz"
    if not path.exists():
        pytest.skip(f"{wrong.recording} is among the recordings that are not here, and is found there")
    assert is_found(wrong, path, monkeypatch)


def is_found(wrong: Wrong, path: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """The recording disagrees with the version that has the wrong rule."""
    told = read(Trace(path))
    return conform_told(told, wrong.planted(monkeypatch)).exit_code == 1


def test_without_calls_nothing_is_decided(written: Written) -> None:
    lines = [line for line in lines_of("kvfree/a_cold_512_min5") if ": kvfree_call_rcu: " not in line]
    said = conform(written(lines))
    assert said.exit_code == 2
    assert "kvfree_call_rcu" in said.undecided
    assert not said.compared


def test_what_it_shows_nothing_of_is_named(written: Written) -> None:
    """Agreement is never said of what no line tells."""
    whole = conform(next(path for path in RECORDINGS if path.name == "a_cold_512_min5.txt.gz"))
    assert whole.without == ("free_pages",)
    lines = [line for line in lines_of("kvfree/a_cold_512_min5") if ": rcu_grace_period: " not in line]
    said = conform(written(lines))
    assert said.without == ("free_pages", "rcu_grace_period")
    assert "no lines of free_pages, rcu_grace_period: what those would tell was not compared" in said.lines()
    assert said.as_json()["without"] == ["free_pages", "rcu_grace_period"]


@pytest.mark.parametrize("name", ["B_rps", "B_vethroute", pytest.param("stock_all", marks=pytest.mark.campaign)])
def test_without_a_state_every_beginning_is_tried(name: str) -> None:
    """What the kernel does while user programs run: tasks that may be moved, and no timer, page or state is shown."""
    said = conform(DATA / "workload" / f"{name}.txt.gz", version="v6.1-stable")
    assert [found.lines() for found in said.found] == []
    assert said.exit_code == 0
    assert said.compared["call"] == said.calls


def test_what_nobody_has_looked_at_is_one_state() -> None:
    """How many pages are cached, and whether the next refill is put off: no line of this one looks at either."""
    said = conform(DATA / "workload" / "B_rps.txt.gz", version="v6.1-stable")
    assert said.most_states == 1


def named(lines: list[str], *names: str) -> list[str]:
    """The batches' works have hashed addresses: where one is queued and where it runs, in turn."""
    left = [name for name in names for _ in range(2)]
    return [
        line.replace("(____ptrval____)", left.pop(0)) if "function kfree_rcu_work" in line.replace("=", " ") else line
        for line in lines
    ]


def test_what_is_queued_under_a_name_runs_under_it(written: Written) -> None:
    lines = lines_of("workload/B_vethroute")
    one, other = "00000000eedb5f11", "00000000a95db785"
    mixed = named(lines, one, other, one)
    assert conform(written(mixed), version="v6.1-stable").exit_code == 0
    at = max(number for number, line in enumerate(mixed) if "function kfree_rcu_work" in line)
    mixed[at] = mixed[at].replace(one, other)
    said = conform(written(mixed), version="v6.1-stable")
    assert said.exit_code == 1
    assert said.found[0].line == at + 1


def test_of_a_batch_it_is_known_when_it_is_called_back() -> None:
    """A CPU calls back in the order in which it was asked, and works run in the order in which they are queued."""
    told = read(Trace(DATA / "workload" / "B_vethroute.txt.gz"))
    foresee(told)
    turns = [turn for of_cpu in told.turns.values() for turn in of_cpu]
    assert len(turns) == 3
    for turn in turns:
        assert turn.run is not None
        queued, starts = told.lines[turn.at], told.lines[turn.run.at]
        assert queued.at < starts.at < turn.at + 10
        assert starts.cpu == queued.told["on"]
        assert turn.run.objects > 0


def test_without_a_state_a_wrong_block_is_found(written: Written) -> None:
    lines = lines_of("workload/B_vethroute")
    at = next(number for number, line in enumerate(lines) if "kmem_cache_free_bulk" in line)
    bulk = lines[at].rsplit("size=", 1)
    said = conform(written([*lines[:at], f"{bulk[0]}size={int(bulk[1]) + 1}", *lines[at + 1 :]]), version="v6.1-stable")
    assert said.exit_code == 1


def test_without_a_state_and_without_a_batch_nothing_is_decided(written: Written) -> None:
    lines = [line for line in lines_of("workload/B_vethroute") if "kfree_rcu_work" not in line]
    said = conform(written(lines), version="v6.1-stable")
    assert said.exit_code == 2
    assert "nothing tells what CPU" in said.undecided


def test_nothing_is_compared_across_lost_events(written: Written) -> None:
    lines = lines_of("kvfree/a_cold_512_min5")
    whole = conform(written(lines))
    at = next(number for number, line in enumerate(lines) if "kfree_rcu_monitor: " in line)
    cut = conform(written([*lines[:at], "CPU:1 [LOST 7 EVENTS]", *lines[at:]]))
    assert cut.exit_code == 2
    assert "events were lost of CPU 1" in cut.gaps[0]
    assert sum(cut.compared.values()) < sum(whole.compared.values())


def test_a_state_that_contradicts_itself_is_named(written: Written) -> None:
    lines = lines_of("kvfree/a_cold_512_min5")
    at = max(number for number, line in enumerate(lines) if ": state: KRC cpu=1" in line)
    said = conform(written([*lines[:at], lines[at].replace("count=0", "count=3"), *lines[at + 1 :]]))
    assert said.exit_code == 2
    assert f"line {at + 1}" in said.undecided


def test_another_kernel_s_recording_is_refused() -> None:
    with pytest.raises(BadInput, match=r"6\.1.*v6\.12"):
        conform(DATA / "kvfree" / "a_cold_512_min5.txt.gz", version="v6.12")


def test_a_disagreement_tells_both_sides(written: Written) -> None:
    lines = lines_of("kvfree/a_cold_512_min5")
    at = next(number for number, line in enumerate(lines) if "[timeout=1]" in line and "kvt1" in line)
    said = conform(written([*lines[:at], *lines[at + 1 :]]))
    assert said.exit_code == 1
    text = "\n".join(said.lines())
    assert "timer_start of CPU 1: monitor 1 was to come" in text
    assert "kvfree_call_rcu" in text


def test_it_goes_on_from_the_next_state(written: Written) -> None:
    """One line is wrong: behind the next state all is compared again, whatever waits and is armed there."""
    lines = lines_of("kvfree/d_rawspin_1100_min5")
    at = next(number for number, line in enumerate(lines) if "[timeout=1]" in line and "kvt1" in line)
    path = written([*lines[:at], *lines[at + 1 :]])
    one, on = conform(path), conform(path, keep_going=True)
    assert len(one.found) == len(on.found) == 1
    whole = conform(DATA / "kvfree" / "d_rawspin_1100_min5.txt.gz")
    state = next(number for number, line in enumerate(lines) if number > at and " state: " in line)
    missing = sum(": kvfree_call_rcu: " in line for line in lines[at:state])
    assert on.compared["call"] == whole.calls - missing
    for kind in ("batch work", "object freed", "bulk free", "monitor"):
        assert on.compared[kind] == whole.compared[kind]


def test_a_disagreement_tells_what_was_possible(written: Written) -> None:
    lines = lines_of("kvfree/d_rawspin_1100_min5")
    at = next(number for number, line in enumerate(lines) if ": kmem_cache_free_bulk: " in line)
    (found,) = conform(written([*lines[:at], lines[at].replace("size=", "size=1"), *lines[at + 1 :]])).found
    assert found.reasons
    assert any(state.startswith("CPU 1: count=0") for state in found.states)
    assert "krw0=[" in found.states[0]


def test_it_begins_at_a_line() -> None:
    path = DATA / "kvfree" / "a_cold_512_min5.txt.gz"
    whole: Conformance = conform(path)
    last = max(n for n, line in enumerate(lines_of("kvfree/a_cold_512_min5"), 1) if "kvt_write: END" in line)
    said = conform(path, from_line=last)
    assert said.exit_code == 2  # nothing comes after it
    assert sum(whole.compared.values()) > 1000


def test_where_no_state_of_all_cpus_is_told_nothing_agrees(written: Written) -> None:
    """Fuzzing: a state of a CPU beyond those of head and lines was an internal error, and then agreed in nothing."""
    lines = lines_of("kvfree-6.12/k_barrier_idle_min5")
    one = next(line for line in lines if "state: KRC cpu=2" in line)
    at = lines.index(one)
    said = conform(written([*lines[:at], one.replace("cpu=2", "cpu=7"), *lines[at:]]))
    assert said.undecided == "no state of all CPUs is told from which it could begin: nothing was compared"
    assert said.exit_code == 2
    assert not said.compared


def test_a_barrier_where_there_is_none_is_of_another_kernel(written: Written) -> None:
    """Fuzzing: without its head, such a recording could be held against 6.1, and that was an internal error."""
    lines = [line for line in lines_of("kvfree-6.12/k_barrier_idle_min5") if not line.startswith("#")]
    said = conform(written(lines), version="v6.1-stable")
    assert said.exit_code == 2
    assert said.undecided.startswith("kvfree_rcu_barrier lines: v6.1-stable has no such function")


@pytest.mark.parametrize("version", ["v5.9", "v5.11", "v6.6", "v6.18", "v7.3"])
def test_what_no_head_says_is_held_against_any_version(written: Written, version: str) -> None:
    """Fuzzing: without `state:` lines, v5.9's way of arming the monitor was an internal error."""
    lines = [line for line in lines_of("workload/B_rps") if not line.startswith("#")]
    assert conform(written(lines), version=version).compared["call"]


def test_without_states_nothing_that_polls_disagrees(written: Written) -> None:
    """Not every beginning is tried there: in what was queued before, cookies are done."""
    lines = [line for line in lines_of("kvfree-6.12/h_dropslab_mid_300_min5_delay200") if ": state: " not in line]
    assert conform(written(lines)).exit_code == 0
    at = max(number for number, line in enumerate(lines) if ": rcu_invoke_kvfree_callback: " in line)
    said = conform(written([*lines[:at], *lines[at + 1 :]]))
    assert said.exit_code == 2
    assert "such beginnings alone were tried in which that is ready" in said.undecided


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ("#P:3", "#P:99999", r"nr_cpus=99999: needs a whole number from 1 to 4096"),
        ("min_cached_objs=5", "min_cached_objs=x", r"rcutree\.rcu_min_cached_objs=x: needs a whole number"),
    ],
)
def test_what_a_recording_tells_wrongly_is_said_of_the_recording(
    written: Written, old: str, new: str, wrong: str
) -> None:
    lines = lines_of("kvfree/a_cold_512_min5")
    path = written([line.replace(old, new) for line in lines])
    assert path.read_text() != "\n".join(lines) + "\n"
    with pytest.raises(BadInput, match=rf"^recording '.*recording\.txt': {wrong}$"):
        conform(path)
