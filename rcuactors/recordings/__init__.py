"""Recordings of real kernels: ftrace text in, frozen data out.

A recording is what the kernel itself said about one run: who called kvfree_call_rcu(), from which CPU and
context, and what followed (page-cache refills, monitor runs, grace periods, bulk frees). The calls are the
*input* of a replay, what followed is the *yardstick* that its result is held against. What is named here only
reads; `replay` drives a machine with the calls.
"""

from __future__ import annotations

from ..marks import KERNEL
from ..traces.events import Call
from ..traces.lines import TraceLine, context_of, format_line, parse_line
from .observed import Observed
from .recording import Recording, UnknownLine, read_recording

__trace__ = KERNEL

__all__ = [
    "Call",
    "Observed",
    "Recording",
    "TraceLine",
    "UnknownLine",
    "context_of",
    "format_line",
    "parse_line",
    "read_recording",
]
