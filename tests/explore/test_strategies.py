"""Strategies by name."""

from __future__ import annotations

import pytest

from rcuactors.errors import BadInput
from rcuactors.explore import STRATEGIES, describe_strategies, make_strategy


@pytest.mark.parametrize(("name", "obeys_time"), [("timed", True), ("random", False)])
def test_by_name(name: str, obeys_time: bool) -> None:
    strategy = make_strategy(name)
    assert (strategy.name, strategy.obeys_time) == (name, obeys_time)
    assert make_strategy(name) is not strategy


@pytest.mark.parametrize("name", ["", "Timed", "pct"])
def test_unknown_names(name: str) -> None:
    with pytest.raises(BadInput, match=f"^strategy {name}: .*there are timed, random$"):
        make_strategy(name)


def test_each_is_described() -> None:
    described = dict(describe_strategies())
    assert list(described) == list(STRATEGIES)
    assert all(about.endswith(".") for about in described.values())
