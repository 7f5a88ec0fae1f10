"""Perfetto's own format: the kernel's events, and tracks, flows and counters for the rest."""

from __future__ import annotations

from .trace import PerfettoTrace

__all__ = ["PerfettoTrace"]
