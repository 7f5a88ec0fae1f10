"""GFP flags (rcuactors/mm/gfp.py)."""

from __future__ import annotations

import pytest

from rcuactors import GFP_ATOMIC, GFP_KERNEL, GFP_NOWAIT, GFP_NOWARN, Gfp
from rcuactors.mm.gfp import gfp_text, may_block


def test_the_mask_that_the_kernel_printed() -> None:
    """gfp_mask=0x2cc0(GFP_KERNEL|__GFP_NOWARN), from the report behind commit ee6ddf58475c."""
    gfp = GFP_KERNEL | GFP_NOWARN
    assert int(gfp) == 0x2CC0
    assert gfp_text(gfp) == "GFP_KERNEL|__GFP_NOWARN"


@pytest.mark.parametrize(
    ("gfp", "text"),
    [
        (GFP_KERNEL, "GFP_KERNEL"),
        (GFP_ATOMIC, "GFP_ATOMIC"),
        (GFP_NOWAIT, "GFP_NOWAIT"),
        (GFP_NOWAIT | GFP_NOWARN, "GFP_NOWAIT|__GFP_NOWARN"),
        (
            GFP_KERNEL | Gfp.NORETRY | Gfp.NOMEMALLOC | GFP_NOWARN,
            "GFP_KERNEL|__GFP_NOWARN|__GFP_NORETRY|__GFP_NOMEMALLOC",
        ),
        (GFP_KERNEL | Gfp.ZERO, "GFP_KERNEL|__GFP_ZERO"),
        (Gfp.HIGH, "__GFP_HIGH"),
        (Gfp(0), "none"),
    ],
)
def test_text(gfp: Gfp, text: str) -> None:
    assert gfp_text(gfp) == text


def test_who_may_block() -> None:
    assert may_block(GFP_KERNEL)
    assert not may_block(GFP_NOWAIT)
    assert not may_block(GFP_ATOMIC)
    assert not may_block(Gfp(0))
