"""`rcuactors list`."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from click.testing import Result

from rcuactors.config import field_names
from rcuactors.designs import DESIGNS
from rcuactors.eras import ERAS
from rcuactors.explore import SEARCHES, STRATEGIES
from rcuactors.kernel.costs import describe
from rcuactors.userfiles import find_scenarios

Call = Callable[..., Result]

NAMES = {
    "scenarios": list(find_scenarios()),
    "kernels": list(ERAS),
    "configs": list(field_names()),
    "strategies": [*STRATEGIES, *SEARCHES],
    "designs": list(DESIGNS),
    "costs": [name for name, *_ in describe()],
}


@pytest.mark.parametrize("topic", NAMES)
def test_one_topic_as_text(call: Call, topic: str) -> None:
    result = call("list", topic)
    assert result.exit_code == 0
    lines = [line for line in result.stdout.splitlines() if not line.startswith(" ")]
    assert [line.split()[0] for line in lines] == NAMES[topic]


def test_a_version_is_listed_with_the_rules_that_it_has_otherwise_than_the_one_before(call: Call) -> None:
    lines = call("list", "kernels").stdout.splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith("v6.1-stable "))
    assert "kvfree.batching whole_batch" in " ".join(" ".join(lines[at : at + 5]).split())


def test_two_versions_side_by_side(call: Call) -> None:
    result = call("list", "kernels", "--diff", "v6.1.0", "v6.1-stable")
    assert result.exit_code == 0
    lines = [line.split(maxsplit=1) for line in result.stdout.splitlines()]
    assert ["kvfree.batching", "by_channel -> whole_batch (5da7cb193db3)"] in lines
    assert call("list", "kernels", "--diff", "v5.9", "v5.9").stdout == "v5.9 and v5.9 have the same rules\n"


def test_two_versions_side_by_side_as_json(call: Call) -> None:
    document = json.loads(call("list", "kernels", "--diff", "v6.1-stable", "v6.1.0", "--json").stdout)
    assert document["kernels"] == ["v6.1-stable", "v6.1.0"]
    one = next(each for each in document["differences"] if each["name"] == "kvfree.batching")
    assert (one["name"], one["before"], one["after"]) == ("kvfree.batching", "whole_batch", "by_channel")
    assert one["commits"] == ["5da7cb193db3"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("kernels", "--diff", "v6.1.0", "v6.1-stabel"), "kernel v6.1-stabel: did you mean v6.1-stable?"),
        (("--diff", "v5.9", "v5.11"), "--diff v5.9 v5.11: goes with kernels"),
        (("designs", "--diff", "v5.9", "v5.11"), "--diff v5.9 v5.11: goes with kernels"),
    ],
)
def test_what_cannot_be_put_side_by_side(one_line: Callable[..., str], arguments: tuple[str, ...], said: str) -> None:
    assert said in one_line("list", *arguments)


@pytest.mark.parametrize("topic", NAMES)
def test_one_topic_as_json(call: Call, topic: str) -> None:
    document = json.loads(call("list", topic, "--json").stdout)
    assert list(document) == [topic]
    assert [entry["name"] for entry in document[topic]] == NAMES[topic]
    assert all(entry["about"] for entry in document[topic])


def test_everything_in_short(call: Call) -> None:
    lines = call("list").stdout.splitlines()
    assert [line for line in lines if line.endswith(":") and not line.startswith(" ")] == [
        f"{topic}:" for topic in NAMES if topic != "costs"
    ]
    assert lines[-1] == f"costs: {len(NAMES['costs'])} figures (`rcuactors list costs`)"


def test_everything_as_json(call: Call) -> None:
    document = json.loads(call("list", "--json").stdout)
    assert {topic: [entry["name"] for entry in entries] for topic, entries in document.items()} == NAMES


def test_parameters_and_defaults_are_shown_as_they_are_set(call: Call) -> None:
    burst = next(line for line in call("list", "scenarios").stdout.splitlines() if line.startswith("cold_cache_burst "))
    assert "objects=5000" in burst
    reader = next(
        line for line in call("list", "scenarios").stdout.splitlines() if line.startswith("reader_holds_object ")
    )
    assert "free_at_once=n" in reader
    assert any(line.split()[:2] == ["HZ", "250"] for line in call("list", "configs").stdout.splitlines())
