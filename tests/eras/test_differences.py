"""In what versions differ, told from their rules."""

from __future__ import annotations

import re
from itertools import pairwise

import attrs
import pytest

from rcuactors.eras import ERAS, V6_1_0, V6_1_STABLE, V6_6, Era
from rcuactors.eras.differences import Difference, differences, rules_of, value_text
from rcuactors.kvfree.parts.batching import by_channel
from rcuactors.mm.gfp import GFP_KERNEL, GFP_NOWARN

SOURCE = re.compile(r"\b[0-9a-f]{12}\b|\b[\w/]+\.[ch]\b|\bv\d+\.\d+|\d+\.\d+\.\d+")


def test_a_rule_is_named_by_the_way_to_it() -> None:
    rules = rules_of(V6_1_0)
    assert rules["kvfree.refill.ends_at_failure"].value == "yes"
    assert rules["kvfree.batching"].value == by_channel.__name__
    assert "5da7cb193db3" in rules["kvfree.batching"].commits


def batching(one: Era, other: Era) -> Difference:
    return next(each for each in differences(one, other) if each.name == "kvfree.batching")


def test_what_differs_is_told_with_the_commits_of_both_sides() -> None:
    one, back = batching(V6_1_0, V6_1_STABLE), batching(V6_1_STABLE, V6_1_0)
    assert (one.before, one.after) == ("by_channel", "whole_batch")
    assert one.commits == ("5da7cb193db3",)
    assert (back.before, back.after) == (one.after, one.before)


def test_a_changed_rule_is_noticed() -> None:
    rules = V6_6.rules
    changed = attrs.evolve(V6_6, rules=attrs.evolve(rules, kvfree=attrs.evolve(rules.kvfree, drain_ms=20)))
    (one,) = differences(V6_6, changed)
    assert (one.name, one.before, one.after) == ("kvfree.drain_ms", "5000", "20")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "yes"),
        (None, "none"),
        ("a", '"a"'),
        (GFP_KERNEL | GFP_NOWARN, "GFP_KERNEL|__GFP_NOWARN"),
        ((1, 2), "1, 2"),
        ((), "none"),
        (7, "7"),
    ],
)
def test_values_are_written_as_people_do(value: object, text: str) -> None:
    assert value_text(value) == text


@pytest.mark.parametrize("versions", list(pairwise(ERAS.values())), ids=lambda pair: f"{pair[0].name} {pair[1].name}")
def test_what_a_version_has_otherwise_says_where_it_was_read(versions: tuple[Era, Era]) -> None:
    for one in differences(*versions):
        if not one.before or not one.after:
            # Of a group that only one of them has: that one's line tells.
            continue
        assert SOURCE.search(one.about), f"{one.name}: {one.about!r} names no commit, file or version"


def test_each_version_differs_from_the_one_before_it() -> None:
    assert all(differences(before, after) for before, after in pairwise(ERAS.values()))
