"""The count of what recordings exercise: its table points at the code, all of it, and it counts what came by."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest

from rcuactors.eras import ERAS
from rcuactors.kvfree.rules import KvfreeRules
from tests.conform.exercised import DATA, Watched, summed
from tests.conform.rules_watched import every_rule
from tests.conform.watched import KVFREE, Rule, functions

RECORDINGS = Path(__file__).parents[1] / "data" / "recordings"

UNWATCHED_FIELDS = {
    "page_cache": "a design's, not a version's",
    "says_mightsleep": "a name of the API",
    "one_argument_by_macro": "a name of the API",
    "flavour": "a word in events",
    "records_aux_stack": "KASAN's, with which nothing was recorded",
}
UNWATCHED = {
    "drain_jiffies": "a number that others ask for",
    "system_wq": "a name: compared with each work that is queued",
    "system_unbound_wq": "as above",
    "kvfree_rcu_reclaim": "as above",
    "cache_and_queue_shrinker": "makes what is watched",
    "cache_if_any_and_queue_shrinker": "makes what is watched",
    "slab_kvfree_rcu_shrinker": "makes what is watched",
    "queue_shrinker": "makes what is watched",
    "_cache_and_queue": "makes what is watched",
    "counted": "a sum, of which the functions that ask for it are watched",
    "statistics": "figures",
    "_note_who": "for reports, which no recording has",
    "_arm": "part of what is watched",
    "due": "the version with a flag is watched; in the others it says yes",
    "queued": "the version with a flag is watched; in the others it is schedule_delayed_monitor_work()",
    "armed_again": "of the version with a flag: never called",
    "_cancelled": "who it was, for a report",
    "kvfree_rcu_barrier": "one version's is watched; the other chooses",
    "_without_batches": "rcu_barrier(), which is RCU's",
    "_rest": "calls what is watched",
    "end": "part of fill_page_cache_func()",
    "kfree_rcu_monitor": "calls what is watched",
    "start_batches": "calls what is watched",
    "_drain_first": "calls what is watched",
    "kvfree_rcu_queue_batch": "calls what is watched",
    "_free_blocks": "calls what is watched",
    "_enter_callback": "lockdep's",
    "_leave_callback": "lockdep's",
}


@pytest.mark.parametrize("rule", [rule for _part, rule in every_rule()], ids=lambda rule: rule.about)
def test_each_rule_points_at_a_line(rule: Rule) -> None:
    name, line = rule.place()
    assert Path(name).is_relative_to(KVFREE)
    assert rule.line in Path(name).read_text().splitlines()[line - 1]
    assert any(rule.is_of(era.rules.kvfree) for era in ERAS.values())


def test_what_is_not_there_is_no_place() -> None:
    with pytest.raises(LookupError, match="no function"):
        Rule("x", "drain:Drain.nothing").place()
    with pytest.raises(LookupError, match="no line"):
        Rule("x", "drain:Drain.kfree_rcu_work", "nothing of the kind").place()


def test_rules_are_told_apart() -> None:
    names = [rule.about for _part, rule in every_rule()]
    assert len(set(names)) == len(names) > 70


def test_every_field_of_the_rules_is_watched() -> None:
    watched = {rule.field for _part, rule in every_rule()} - {""}
    fields = {field.name for field in attrs.fields(KvfreeRules)}
    assert watched | set(UNWATCHED_FIELDS) == fields
    assert watched & set(UNWATCHED_FIELDS) == set()


def test_every_function_that_decides_is_watched() -> None:
    watched = {tuple(rule.function.split(":")) for _part, rule in every_rule()}
    files = [*sorted((KVFREE / "parts").glob("*.py")), KVFREE / "monitor.py", KVFREE / "drain.py"]
    missing = []
    for path in files:
        name = str(path.relative_to(KVFREE).with_suffix(""))
        for function in functions(path):
            last = function.rsplit(".", 1)[-1]
            if (name, function) not in watched and last not in UNWATCHED and not last.startswith("__"):
                missing.append(f"{name}:{function}")
    assert missing == []


def test_what_one_object_exercises() -> None:
    """On 6.1: one call on an empty cache. The list, a refill, the monitor after 5 s, one batch."""
    answer = Watched(RECORDINGS / "kvfree" / "a_cold_1_min5_rep1.txt.gz").do()
    assert (answer["verdict"], answer["kernel"]) == ("agrees", "6.1")
    rules = answer["rules"]
    once = (
        "the cache is empty, and nothing is allocated under krcp->lock",
        "two arguments, no block: the object is linked by its rcu_head",
        "a call without a block asks for one, by an hrtimer",
        "the hrtimer queues the work",
        "KFREE_DRAIN_JIFFIES from now",
        "the count is zero after a batch, whatever is left",
        "it takes all channels under krcp->lock",
        "the list is freed last in, first out",
    )
    assert [rules.get(name) for name in once] == [1] * len(once)
    assert rules["it asks for rcu_min_cached_objs pages"] == 5
    never = ("a timer that runs is shortened", "a slab block is one kfree_bulk(), the newest block first")
    assert not set(never) & set(rules)


def test_each_batch_that_is_worked_off_was_started() -> None:
    """Where the monitor's own functions are lines, too: what is made in one go is counted all the same."""
    for name in ("kvfree-6.1-rt/c_mixed_2_min5", "kvfree-6.12/c_mixed_2_min5"):
        answer = Watched(RECORDINGS / f"{name}.txt.gz").do()
        started = answer["rules"].get("the count is zero after a batch, whatever is left", 0)
        started += answer["rules"].get("the count is what is left", 0)
        assert started >= answer["decisions"]["batch work"] >= 1


def test_only_what_a_version_has_is_counted() -> None:
    answer = Watched(RECORDINGS / "kvfree-6.12" / "l_ready_warm300_gp_min5.txt.gz").do()
    assert answer["kernel"] == "6.12"
    assert answer["rules"]["what is ready is freed first, blocks by their cookies"] >= 1
    assert "the count is zero after a batch, whatever is left" not in answer["rules"]


def test_a_sum_takes_what_agrees() -> None:
    one = {"verdict": "agrees", "kernel": "6.1", "version": "v6.1-stable", "decisions": {"call": 2}, "rules": {"a": 3}}
    other = {**one, "verdict": "disagrees", "decisions": {"call": 9}, "rules": {}}
    made = summed({"x": one, "y": other, "z": {"verdict": "bad input"}, "w": one})
    assert made["6.1"]["recordings"] == {"agrees": 2, "disagrees": 1}
    assert made["6.1"]["decisions"] == {"call": 4}
    assert made["6.1"]["rules"] == {"a": (6, 2)}
    assert made["6.1"]["not"] == ["y"]


def test_the_data_are_of_these_rules() -> None:
    names = {rule.about for _part, rule in every_rule()}
    for made in json.loads(DATA.read_text()).values():
        assert set(made["rules"]) <= names
