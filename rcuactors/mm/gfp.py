"""GFP flags (include/linux/gfp.h, gfp_types.h), with the kernel's bits and meanings.

The bits are those that the kernel prints, for example gfp_mask=0x2cc0(GFP_KERNEL|__GFP_NOWARN) in an OOM report.

The names are of every version, with the bits of v5.9 to v6.1. `GfpWords` says what the same names mean in a version,
and how it prints them: until v6.2 GFP_ATOMIC is 0xa20; then ___GFP_ATOMIC goes (the series of January 2023), and it is
0x820. From commit 16f5dfbc851b on (in v6.12.0) GFP_NOWAIT includes __GFP_NOWARN: 0x2800. A request that says
__GFP_KSWAPD_RECLAIM by its own name, and nothing of the rest of GFP_KERNEL or GFP_ATOMIC, is taken for GFP_NOWAIT.
"""

from __future__ import annotations

import enum
from functools import cache
from typing import Final

import attrs


class Gfp(enum.IntFlag):
    """What an allocation may do."""

    HIGH = 0x20
    IO = 0x40
    FS = 0x80
    ZERO = 0x100
    ATOMIC = 0x200
    DIRECT_RECLAIM = 0x400
    KSWAPD_RECLAIM = 0x800
    NOWARN = 0x2000
    RETRY_MAYFAIL = 0x4000
    NORETRY = 0x10000
    MEMALLOC = 0x20000
    NOMEMALLOC = 0x80000
    NO_LOCKS = 0x800000
    """A proposal (designs/no_locks_flag.py): one more bit of the word, the next after ___GFP_ACCOUNT."""


GFP_KERNEL: Final = Gfp.DIRECT_RECLAIM | Gfp.KSWAPD_RECLAIM | Gfp.IO | Gfp.FS
GFP_NOWAIT: Final = Gfp.KSWAPD_RECLAIM
GFP_ATOMIC: Final = Gfp.HIGH | Gfp.ATOMIC | Gfp.KSWAPD_RECLAIM
GFP_NOIO: Final = Gfp.DIRECT_RECLAIM | Gfp.KSWAPD_RECLAIM
GFP_NOFS: Final = GFP_NOIO | Gfp.IO
GFP_NOWARN: Final = Gfp.NOWARN
RECLAIM: Final = Gfp.DIRECT_RECLAIM | Gfp.KSWAPD_RECLAIM
"""__GFP_RECLAIM."""

_BIT_NAMES: Final = (
    Gfp.HIGH,
    Gfp.ATOMIC,
    Gfp.IO,
    Gfp.FS,
    Gfp.NOWARN,
    Gfp.RETRY_MAYFAIL,
    Gfp.NORETRY,
    Gfp.ZERO,
    Gfp.NOMEMALLOC,
    Gfp.MEMALLOC,
    Gfp.DIRECT_RECLAIM,
    Gfp.KSWAPD_RECLAIM,
    Gfp.NO_LOCKS,
)

_WHO_CALLS: Final = int(GFP_KERNEL | Gfp.HIGH)
"""Of these bits GFP_NOWAIT has one."""


@attrs.frozen
class GfpWords:
    """What GFP_ATOMIC and GFP_NOWAIT are in a version."""

    atomic: Gfp
    """GFP_ATOMIC: 0xa20 in v6.1, 0x820 in v6.6, which has no ___GFP_ATOMIC any more (include/linux/gfp_types.h)."""
    nowait: Gfp
    """GFP_NOWAIT: 0x800 in v6.6, 0x2800 in v6.12, silent when it fails (commit 16f5dfbc851b)."""

    def of(self, gfp: Gfp) -> Gfp:
        """A request, which is written with the names, in this version's bits."""
        bits = int(gfp)
        if not self.atomic & Gfp.ATOMIC:
            bits &= ~int(Gfp.ATOMIC)
        if bits & _WHO_CALLS == GFP_NOWAIT:
            bits |= self.nowait
        return Gfp(bits)

    def names(self, gfp: Gfp) -> str:
        """%pGg: the flags as reports have them (format_flags() of lib/vsprintf.c); nothing for none.

        Of __def_gfpflag_names (include/trace/events/mmflags.h), in its order: each takes its bits away from what
        follows.
        """
        return _names(self.atomic, self.nowait, gfp)

    def text(self, gfp: Gfp) -> str:
        """The flags as tracepoints have them (show_gfp_flags())."""
        return self.names(gfp) or "none"


@cache
def _names(atomic: Gfp, nowait: Gfp, gfp: Gfp) -> str:
    words = (
        (GFP_KERNEL, "GFP_KERNEL"),
        (GFP_NOFS, "GFP_NOFS"),
        (atomic, "GFP_ATOMIC"),
        (GFP_NOIO, "GFP_NOIO"),
        (nowait, "GFP_NOWAIT"),
        *((flag, f"__GFP_{flag.name}") for flag in _BIT_NAMES),
    )
    names: list[str] = []
    rest = int(gfp)
    for mask, name in words:
        if rest & mask == mask:
            names.append(name)
            rest &= ~mask
    return "|".join(names)


GFP_V5_9: Final = GfpWords(atomic=GFP_ATOMIC, nowait=GFP_NOWAIT)
GFP_V6_3: Final = GfpWords(atomic=Gfp.HIGH | Gfp.KSWAPD_RECLAIM, nowait=GFP_NOWAIT)
GFP_V6_12: Final = GfpWords(atomic=Gfp.HIGH | Gfp.KSWAPD_RECLAIM, nowait=Gfp.KSWAPD_RECLAIM | Gfp.NOWARN)


def has(gfp: Gfp, bits: int) -> bool:
    """All of these bits are set. By numbers, since an operation on flags makes a new flag, which each request paid."""
    return int.__and__(gfp, bits) == bits


_DIRECT_RECLAIM: Final = int(Gfp.DIRECT_RECLAIM)


def may_block(gfp: Gfp) -> bool:
    """gfpflags_allow_blocking()."""
    return has(gfp, _DIRECT_RECLAIM)
