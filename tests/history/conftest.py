"""The history's own versions, for all of its tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.history.neighbours import neighbours


@pytest.fixture(autouse=True)
def with_neighbours() -> Iterator[None]:
    """They are found by name."""
    with neighbours():
        yield
