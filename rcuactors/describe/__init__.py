"""Traces of real kernels described, without a model: who calls, what becomes of it, and what the trace cannot tell."""

from __future__ import annotations

from ..marks import KERNEL
from .description import Description, describe

__trace__ = KERNEL

__all__ = ["Description", "describe"]
