"""trace.dat, the binary trace of trace-cmd, which KernelShark opens."""

from __future__ import annotations

from .file import TraceDat

__all__ = ["TraceDat"]
