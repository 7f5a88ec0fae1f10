"""Versions put together in a test, out of the parts that there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from rcuactors.eras import ERAS, find_era

Compose = Callable[..., str]


@pytest.fixture
def compose(monkeypatch: pytest.MonkeyPatch) -> Compose:
    """A version like `base` but for these rules of kvfree_rcu(), under a name by which a run finds it; that name."""

    def composed(base: str, name: str | None = None, **kvfree: Any) -> str:
        era = find_era(base)
        rules = attrs.evolve(era.rules, kvfree=attrs.evolve(era.rules.kvfree, **kvfree))
        neighbour = attrs.evolve(era, name=name or f"{base}+{'+'.join(kvfree)}", rules=rules)
        monkeypatch.setitem(ERAS, neighbour.name, neighbour)
        return neighbour.name

    return composed
