"""Recordings with one line changed: `conform` finds them, and agrees with what is another possible run."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.conform.judged import FOUND, UNEXPLAINED, Case, cases, judged, summed, text_of
from tests.conform.mutations import KINDS, mutated, own_lines

RECORDINGS = Path(__file__).parents[1] / "data" / "recordings"
SMALL = (
    "kvfree/a_cold_1_min5_rep1",
    "kvfree/a_cold_512_min5",
    "kvfree/i_failalloc_single_arg_5_min5",
    "kvfree-6.1-rt/c_mixed_2_min5",
    "kvfree-6.12/c_mixed_2_min5",
    "kvfree-6.12/l_ready_warm300_gp_vmalloc5_min5",
    "kvfree-6.12/k_barrier_warm300_min5",
)


def path_of(name: str) -> Path:
    return RECORDINGS / f"{name}.txt.gz"


def lines_of(name: str) -> list[str]:
    return text_of(path_of(name)).splitlines()


def verdict_of(lines: list[str]) -> str:
    return judged("\n".join(lines) + "\n")[0]


def changed(lines: list[str], at: int, *instead: str) -> list[str]:
    return [*lines[:at], *instead, *lines[at + 1 :]]


def first(lines: list[str], *words: str, after: int = 0) -> int:
    """The first line that has all of these in it."""
    return next(at for at in range(after, len(lines)) if all(word in lines[at] for word in words))


@pytest.mark.parametrize("name", SMALL)
def test_they_agree_as_they_are(name: str) -> None:
    assert verdict_of(lines_of(name)) == "agrees"


@pytest.mark.one_in(3)
@pytest.mark.parametrize("kind", KINDS)
def test_a_change_of_each_kind_is_found(kind: str) -> None:
    asked = [Case(number, 13, path_of(name), kind) for number, name in enumerate(SMALL)]
    answers = [answer for answer in (case.do() for case in asked) if answer["kind"] == kind]
    assert len(answers) >= 3
    assert [answer for answer in answers if answer["verdict"] not in FOUND] == []


@pytest.mark.campaign
def test_of_a_thousand_ninety_nine_in_a_hundred_are_found() -> None:
    paths = [path for path in RECORDINGS.rglob("*.txt.gz") if path.parent.name != "workload"]
    good = [path for path in paths if judged(text_of(path))[0] == "agrees"]
    answers = [case.do() for case in cases(3, 1000, good)]
    assert len(good) > 20
    assert sum(answer["verdict"] in FOUND for answer in answers) >= 990


def test_of_those_that_the_pages_tell_of_all_but_one_in_a_hundred_are_found_and_these_explained() -> None:
    told = json.loads((RECORDINGS.parent / "conform" / "judged.json").read_text())
    changes, found = (sum(pair[index] for pair in told["kinds"].values()) for index in (0, 1))
    assert changes >= 1000
    assert found >= 0.99 * changes
    assert changes - found == len(told["missed"])
    assert not [one for one in told["missed"] if one["why"] == UNEXPLAINED]


def test_a_sum_keeps_the_reasons() -> None:
    one = {"recording": "x", "line": 3, "kind": "drop", "event": "e", "verdict": "agrees"}
    other = {**one, "line": 4, "verdict": "disagrees"}
    made = summed([one, other], {})
    assert made["kinds"]["drop"] == [2, 1]
    assert made["missed"][0]["why"] == UNEXPLAINED
    made["missed"][0]["why"] = "because"
    assert summed([one], made)["missed"][0]["why"] == "because"


@pytest.mark.parametrize("kind", KINDS)
def test_one_line_is_changed_and_it_is_one_of_their_own(kind: str) -> None:
    lines = lines_of("kvfree-6.12/k_barrier_warm300_min5")
    mutation = mutated(lines, random.Random(5), kind)
    assert mutation.kind == kind
    assert mutation.number - 1 in {own.at for own in own_lines(lines)}
    assert mutation.before == lines[mutation.number - 1] != mutation.after
    instead = [] if kind in ("drop", "period") else mutation.after.split("\n")
    assert mutation.text.splitlines() == changed(lines, mutation.number - 1, *instead)
    assert mutated(lines, random.Random(5), kind) == mutation


def test_what_is_somebody_elses_is_not_changed() -> None:
    lines = lines_of("kvfree-6.1-rt/c_mixed_2_min5")
    own = {one.at for one in own_lines(lines)}
    assert sum("neigh_managed_work" in line for line in lines) > 3
    assert not any("neigh_managed_work" in lines[at] for at in own)
    assert {at for at, line in enumerate(lines) if ": kvfree_call_rcu: " in line} < own


# -- what was missed once ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["kvfree/a_cold_512_min5", "kvfree-6.12/k_barrier_warm300_min5"])
def test_a_timer_that_expires_twice(name: str) -> None:
    lines = lines_of(name)
    queued = first(lines, "workqueue_queue_work", "function=kfree_rcu_monitor")
    expired = max(at for at in range(queued) if "timer_expire_entry" in lines[at])
    assert verdict_of(changed(lines, expired, lines[expired], lines[expired])) == "disagrees"


def test_a_timer_that_another_cpu_runs_for_one_that_idles() -> None:
    """Since v6.9 (the hierarchical pull model of timers): where it expires is nothing that kvfree_rcu() decides."""
    lines = lines_of("kvfree-6.12/c_mixed_2_min5")
    queued = first(lines, "workqueue_queue_work", "function=kfree_rcu_monitor")
    for at in (queued - 1, queued):
        assert "<idle>-0       [001]" in lines[at]
        lines[at] = lines[at].replace("[001]", "[002]")
    assert verdict_of(lines) == "agrees"


def test_an_hrtimer_that_queues_nothing() -> None:
    lines = lines_of("kvfree/i_failalloc_single_arg_5_min5")
    assert (
        verdict_of(changed(lines, first(lines, "workqueue_queue_work", "function=fill_page_cache_func"))) == "disagrees"
    )


def test_an_hrtimers_handler_that_is_called_twice_or_unseen() -> None:
    """A probe that is hit while another's handler runs is missed: that is another possible run."""
    lines = lines_of("kvfree/a_cold_512_min5")
    handler = first(lines, "schedule_page_work_fn: (")
    assert verdict_of(changed(lines, handler, lines[handler], lines[handler])) == "disagrees"
    assert verdict_of(changed(lines, handler)) == "agrees"


def test_a_worker_that_never_ends_while_its_cpu_idles() -> None:
    lines = lines_of("kvfree/a_cold_512_min5")
    assert verdict_of(changed(lines, first(lines, "workqueue_execute_end", "fill_page_cache_func"))) == "disagrees"


def test_a_caller_that_asks_for_a_page_again_without_an_answer() -> None:
    lines = lines_of("kvfree/i_failalloc_single_arg_5_min5")
    asked = first(lines, "get_free_pages:", "gfp=0x92cc0")
    assert verdict_of(changed(lines, asked, lines[asked], lines[asked])) == "disagrees"


def test_a_page_that_is_refused_twice() -> None:
    lines = lines_of("kvfree/i_failalloc_single_arg_5_min5")
    refused = first(lines, "get_free_pages_ret: (kvfree_call_rcu", "ret=0x0")
    assert verdict_of(changed(lines, refused, lines[refused], lines[refused])) == "disagrees"


@pytest.mark.parametrize("by", [1, 2, 3])
def test_what_is_left_of_a_timer_is_a_whole_number_of_jiffies(by: int) -> None:
    lines = lines_of("kvfree-6.1-rt/c_mixed_2_min5")
    at = first(lines, "mon_left_ms=", "mon_pending=1")
    left = int(lines[at].split("mon_left_ms=")[1].split(" ")[0])
    lines[at] = lines[at].replace(f"mon_left_ms={left}", f"mon_left_ms={left + by}")
    assert verdict_of(lines) == "disagrees"


def test_both_timers_of_a_state_are_compared() -> None:
    lines = lines_of("kvfree-6.1-rt/c_mixed_2_min5")
    at = first(lines, "mon_left_ms=", "mon_pending=1", "pcw_left_ms=-1")
    lines[at] = lines[at].replace("pcw_left_ms=-1", "pcw_left_ms=400")
    assert verdict_of(lines) == "disagrees"


def test_a_worker_that_is_preempted_to_the_end_is_another_possible_run() -> None:
    """Its CPU has something else to do; where it idles, that is found."""
    lines = lines_of("kvfree/a_cold_512_min5")
    ended = first(lines, "workqueue_execute_end", "kfree_rcu_work")
    assert not any("<idle>-0       [001]" in line for line in lines[ended:])
    assert verdict_of(changed(lines, ended)) == "agrees"


def test_a_state_that_is_read_once_more_is_another_possible_run() -> None:
    lines = lines_of("kvfree/a_cold_512_min5")
    at = first(lines, "state: KRC", after=first(lines, "runp: STMT"))
    assert verdict_of(changed(lines, at, lines[at], lines[at])) == "agrees"
