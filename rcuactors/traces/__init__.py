"""Traces of real kernels: what they wrote, read as a stream of events.

The one reader of ftrace text, `trace-cmd report` and `perf script`, for everybody who asks a recording something:
replay, conform, describe. It knows nothing of a machine, and keeps nothing but what it needs for the next line.

    trace = Trace("recording.txt.gz", probe="", kernel="")
    trace.header                # what the comments say; reads up to the first event
    for item in trace:          # Event | Gap | Unknown | Broken, in the order of the file; may be done again
        match item:
            case Call(one_argument=True, cpu=cpu): ...

Raises BadInput where the file cannot be read, is no recording, or holds two runs. What is missing or odd in one that
can be read is an item like any other (events.py): whoever reads decides what that means.
"""

from __future__ import annotations

from ..marks import KERNEL
from .events import (
    Addresses,
    AddressesTold,
    BlockFreed,
    Broken,
    BulkCallback,
    BulkFreed,
    Call,
    Entered,
    Event,
    ExpeditedPeriod,
    Gap,
    GracePeriod,
    Header,
    HrtimerExpired,
    HrtimerStarted,
    Item,
    ListFreed,
    Mark,
    Missing,
    ObjectCallback,
    ObjectFreed,
    Other,
    PageAsked,
    PageFreed,
    PageGot,
    Returned,
    Statement,
    StateTold,
    TimerCancelled,
    TimerExpired,
    TimerStarted,
    Unknown,
    WorkEnded,
    WorkQueued,
    WorkStarted,
)
from .krc import BatchState, KrcAddresses, KrcState
from .trace import Trace

__trace__ = KERNEL

__all__ = [
    "Addresses",
    "AddressesTold",
    "BatchState",
    "BlockFreed",
    "Broken",
    "BulkCallback",
    "BulkFreed",
    "Call",
    "Entered",
    "Event",
    "ExpeditedPeriod",
    "Gap",
    "GracePeriod",
    "Header",
    "HrtimerExpired",
    "HrtimerStarted",
    "Item",
    "KrcAddresses",
    "KrcState",
    "ListFreed",
    "Mark",
    "Missing",
    "ObjectCallback",
    "ObjectFreed",
    "Other",
    "PageAsked",
    "PageFreed",
    "PageGot",
    "Returned",
    "StateTold",
    "Statement",
    "TimerCancelled",
    "TimerExpired",
    "TimerStarted",
    "Trace",
    "Unknown",
    "WorkEnded",
    "WorkQueued",
    "WorkStarted",
]
