"""lock_matrix/presets.py: whose recording a file is, told by its name."""

from __future__ import annotations

import pytest

from rcuactors.errors import BadInput
from rcuactors.lock_matrix.presets import preset_for


@pytest.mark.parametrize(
    ("name", "preset"),
    [
        ("matrix_prove_raw.csv", "prove_raw"),
        ("deep/er/matrix_rt.csv", "rt_bare"),
        ("matrix_rt_repeats.csv", "rt_bare"),
        ("Matrix-Stock-2.csv", "stock"),
    ],
)
def test_the_name_tells(name: str, preset: str) -> None:
    assert preset_for(name).name == preset


@pytest.mark.parametrize("name", ["matrix.csv", "sorted.csv", "part.csv", "rt_and_stock.csv", "rt/plain.csv"])
def test_a_name_that_tells_nothing_or_too_much(name: str) -> None:
    with pytest.raises(BadInput, match=r"which kernel is it of\? --as prove_raw\|rt_bare\|stock"):
        preset_for(name)
