"""GFP flags (rcuactors/mm/gfp.py)."""

from __future__ import annotations

import pytest

from rcuactors import GFP_ATOMIC, GFP_KERNEL, GFP_NOWAIT, GFP_NOWARN, Gfp
from rcuactors.mm.gfp import GFP_V5_9, GFP_V6_3, GFP_V6_12, may_block


def test_the_mask_that_the_kernel_printed() -> None:
    """gfp_mask=0x2cc0(GFP_KERNEL|__GFP_NOWARN), from the report behind commit ee6ddf58475c."""
    gfp = GFP_KERNEL | GFP_NOWARN
    assert int(gfp) == 0x2CC0
    assert GFP_V5_9.text(gfp) == "GFP_KERNEL|__GFP_NOWARN"


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
    assert GFP_V5_9.text(gfp) == text


@pytest.mark.parametrize(
    ("gfp", "v6_3", "v6_12"),
    [
        (GFP_ATOMIC, "0x820 GFP_ATOMIC", "0x820 GFP_ATOMIC"),
        (GFP_ATOMIC | GFP_NOWARN, "0x2820 GFP_ATOMIC|__GFP_NOWARN", "0x2820 GFP_ATOMIC|__GFP_NOWARN"),
        (GFP_NOWAIT, "0x800 GFP_NOWAIT", "0x2800 GFP_NOWAIT"),
        (GFP_NOWAIT | GFP_NOWARN, "0x2800 GFP_NOWAIT|__GFP_NOWARN", "0x2800 GFP_NOWAIT"),
        (GFP_NOWAIT | Gfp.ZERO, "0x900 GFP_NOWAIT|__GFP_ZERO", "0x2900 GFP_NOWAIT|__GFP_ZERO"),
        (GFP_KERNEL, "0xcc0 GFP_KERNEL", "0xcc0 GFP_KERNEL"),
        (
            GFP_KERNEL & ~Gfp.DIRECT_RECLAIM,
            "0x8c0 GFP_NOWAIT|__GFP_IO|__GFP_FS",
            "0x8c0 __GFP_IO|__GFP_FS|__GFP_KSWAPD_RECLAIM",
        ),
        (Gfp.HIGH, "0x20 __GFP_HIGH", "0x20 __GFP_HIGH"),
        (Gfp(0), "0x0 none", "0x0 none"),
    ],
)
def test_what_the_names_mean_later(gfp: Gfp, v6_3: str, v6_12: str) -> None:
    """Without ___GFP_ATOMIC (v6.3), and with GFP_NOWAIT silent (commit 16f5dfbc851b): 0x820 and 0x2800, as recorded."""
    assert GFP_V5_9.of(gfp) == gfp
    for words, shown in ((GFP_V6_3, v6_3), (GFP_V6_12, v6_12)):
        bits = words.of(gfp)
        assert f"0x{int(bits):x} {words.text(bits)}" == shown
        assert words.of(bits) == bits


def test_who_may_block() -> None:
    assert may_block(GFP_KERNEL)
    assert not may_block(GFP_NOWAIT)
    assert not may_block(GFP_ATOMIC)
    assert not may_block(Gfp(0))
