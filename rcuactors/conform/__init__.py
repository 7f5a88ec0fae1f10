"""Recordings of real kernels held against the model, decision by decision: the recording is the strategy.

The mechanism of the version, `kvfree/` as `run` runs it, is driven by hand along the lines of the recording, against
stand-ins for timers, works, callbacks and pages, which answer with what was recorded.
"""

from __future__ import annotations

from ..marks import KERNEL
from .conformance import Conformance, conform
from .found import Found

__trace__ = KERNEL

__all__ = ["Conformance", "Found", "conform"]
