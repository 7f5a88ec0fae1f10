"""warn_alloc() (mm/page_alloc.c): a request has failed, and its caller has not said __GFP_NOWARN.

One report in ten seconds, whoever fails (nopage_rs: 10*HZ, 1), in all versions here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...context.trace import call_trace
from ...context.violation import ViolationKind
from ...kernel.ratelimit import RatelimitState
from ..gfp import Gfp, GfpWords
from ..objects import PAGE_SIZE

if TYPE_CHECKING:
    from ...kernel.cpu import Cpu
    from .zone import Zone

_INTERVAL_NS: Final = 10_000_000_000
_PAGE_KIB: Final = PAGE_SIZE // 1024


class AllocationWarnings:
    """The reports of one machine, and their rate limit."""

    def __init__(self, zone: Zone, words: GfpWords) -> None:
        self._zone = zone
        self._words = words
        self._nopage_rs = RatelimitState(_INTERVAL_NS, 1)

    def warn_alloc(self, cpu: Cpu, gfp: Gfp, message: str) -> None:
        """warn_alloc(): `message` says what has failed; then the flags, the stack, and how short memory is."""
        if gfp & Gfp.NOWARN:
            return
        goes_out, suppressed = self._nopage_rs.ratelimit(cpu.clock)
        if not goes_out:
            return
        title = f"{cpu.ctx.comm}: {message}, mode:0x{int(gfp):x}({self._words.names(gfp)}), nodemask=(null)"
        lines = [title, *cpu.judge.stack(cpu, call_trace()), *self._show_mem()]
        if suppressed:
            lines.insert(0, f"warn_alloc: {suppressed} callbacks suppressed")
        cpu.judge.report(cpu, ViolationKind.PAGE_ALLOCATION_FAILURE, title, "\n".join(lines))

    def _show_mem(self) -> list[str]:
        """show_mem(), of what the model has."""
        zone = self._zone.statistics()
        marks = (
            ("free", zone.free),
            ("min", self._zone.watermark_min),
            ("low", self._zone.watermark_low),
            ("high", self._zone.watermark_high),
            ("managed", zone.managed),
        )
        sizes = " ".join(f"{name}:{pages * _PAGE_KIB}kB" for name, pages in marks)
        return ["Mem-Info:", f" free:{zone.free} free_pcp:{zone.listed}", f"DMA32 {sizes}"]
