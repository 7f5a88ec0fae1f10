"""`rcuactors list`."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from click.testing import Result

from rcuactors.config import field_names
from rcuactors.designs import DESIGNS
from rcuactors.eras import ERAS
from rcuactors.explore import STRATEGIES
from rcuactors.kernel.costs import describe
from rcuactors.userfiles import find_scenarios

Call = Callable[..., Result]

NAMES = {
    "scenarios": list(find_scenarios()),
    "kernels": list(ERAS),
    "configs": list(field_names()),
    "strategies": list(STRATEGIES),
    "designs": list(DESIGNS),
    "costs": [name for name, *_ in describe()],
}


@pytest.mark.parametrize("topic", NAMES)
def test_one_topic_as_text(call: Call, topic: str) -> None:
    result = call("list", topic)
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == NAMES[topic]


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
