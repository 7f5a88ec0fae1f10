"""Strategies by name."""

from __future__ import annotations

import pytest

from rcuactors.engine.orders import Anyone, ByClock
from rcuactors.errors import BadInput
from rcuactors.explore import SEARCHES, STRATEGIES, Random, describe_strategies, make_strategy, parameters_of


@pytest.mark.parametrize(("name", "order"), [("timed", ByClock), ("random", Anyone)])
def test_by_name(name: str, order: type) -> None:
    strategy = make_strategy(name)
    assert (strategy.name, strategy.order) == (name, order)
    assert make_strategy(name) is not strategy


def test_with_parameters() -> None:
    strategy = make_strategy("random:present=3")
    assert isinstance(strategy, Random)
    assert strategy.present == 3
    assert parameters_of("random") == {"present": 16}
    assert parameters_of("timed") == {}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("random:", "parameter : there are present"),
        ("random:present", "present=: needs a whole number from 1"),
        ("random:present=0", "present=0: needs"),
        ("random:present=-1", "present=-1: needs"),
        ("random:present=x", "present=x: needs"),
        ("random:present=99999999999", "needs a whole number from 1 to 1000000000"),
        ("random:present=1,present=2", "present is given twice"),
        ("random:depth=1", "parameter depth: there are present"),
        ("holds:shortest=9,longest=8", "shortest=9: needs to be at most longest=8"),
        ("holds:d=0", "d=0: needs a whole number from 1 to 100"),
        ("holds:hints=2", "hints=2: needs a whole number from 0 to 1"),
        ("timed:present=1", "parameter present: there are none"),
        ("nobody:present=1", f"there are {', '.join(STRATEGIES)}"),
    ],
)
def test_parameters_that_are_wrong(spec: str, message: str) -> None:
    with pytest.raises(BadInput, match=f"^strategy {spec.partition(':')[0]}: .*{message}"):
        make_strategy(spec)


@pytest.mark.parametrize("name", ["", "Timed", "pctt"])
def test_unknown_names(name: str) -> None:
    with pytest.raises(BadInput, match=f"^strategy {name}: .*there are {', '.join(STRATEGIES)}$"):
        make_strategy(name)


def test_each_is_described() -> None:
    described = dict(describe_strategies())
    assert list(described) == [*STRATEGIES, *SEARCHES]
    assert all(about.endswith(".") for about in described.values())
