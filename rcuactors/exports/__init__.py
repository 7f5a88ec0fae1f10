"""Traces for the viewers that kernel people use: ftrace text, trace.dat, Perfetto.

A writer takes the events of a run as they come, or those of a file, and puts them on the disk in the order of time; its
memory does not grow with their number. A run is told of by its event stream, and by what can be heard of its scheduler
(scheduler.py).
"""

from __future__ import annotations

from .ordered import NoRoom
from .perfetto import PerfettoTrace
from .reading import EventsIn
from .scheduler import SchedulerEvents
from .writer import FORMATS, Format, Writer, format_of

__all__ = ["FORMATS", "EventsIn", "Format", "NoRoom", "PerfettoTrace", "SchedulerEvents", "Writer", "format_of"]
