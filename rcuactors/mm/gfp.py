"""GFP flags (include/linux/gfp.h of v5.9 to v6.1), with the kernel's bits and meanings.

The bits are those that the kernel prints, for example gfp_mask=0x2cc0(GFP_KERNEL|__GFP_NOWARN) in an OOM report.
"""

from __future__ import annotations

import enum
from typing import Final


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

_NAMES: Final = (
    (GFP_KERNEL, "GFP_KERNEL"),
    (GFP_NOFS, "GFP_NOFS"),
    (GFP_ATOMIC, "GFP_ATOMIC"),
    (GFP_NOIO, "GFP_NOIO"),
    (GFP_NOWAIT, "GFP_NOWAIT"),
    *(
        (flag, f"__GFP_{flag.name}")
        for flag in (
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
    ),
)
"""__def_gfpflag_names (include/trace/events/mmflags.h), in its order: each takes its bits away from what follows."""


def gfp_names(gfp: Gfp) -> str:
    """%pGg: the flags as reports have them (format_flags() of lib/vsprintf.c); nothing for none."""
    names: list[str] = []
    rest = int(gfp)
    for mask, name in _NAMES:
        if rest & mask == mask:
            names.append(name)
            rest &= ~mask
    return "|".join(names)


def gfp_text(gfp: Gfp) -> str:
    """The flags as tracepoints have them (show_gfp_flags())."""
    return gfp_names(gfp) or "none"


def has(gfp: Gfp, bits: int) -> bool:
    """All of these bits are set. By numbers, since an operation on flags makes a new flag, which each request paid."""
    return int.__and__(gfp, bits) == bits


_DIRECT_RECLAIM: Final = int(Gfp.DIRECT_RECLAIM)


def may_block(gfp: Gfp) -> bool:
    """gfpflags_allow_blocking()."""
    return has(gfp, _DIRECT_RECLAIM)
