"""What can be heard of pages."""

from __future__ import annotations

import attrs

from ..engine.probe import Probe, ProbeSet, probe


@attrs.define(eq=False)
class MmProbes(ProbeSet):
    """Pages."""

    page_taken: Probe[[int]] = probe()
    """(pfn) A page is somebody's now: the page frame number. Those taken at boot are
    told when their CPU is first touched."""
    page_given_back: Probe[[int]] = probe()
    """(pfn) It is nobody's again."""
