"""Lines of a run's own `--events` file as a reader of traces takes them: JSON as text, no names for pointers.

The model has names where a kernel has the addresses of timers and works. A reader takes such a name for an address that
the kernel has hidden, and tells them apart by their function.
"""

from __future__ import annotations

import json
import re
from typing import Final

from ..engine.events import Event

_HIDDEN: Final = "(____ptrval____)"
_NAMED: Final = re.compile(
    r"(: (?:hr)?timer_\w+: (?:hr)?timer=|: workqueue_\w+: work struct[= ])(?!0x|\()([a-z_]\w*)(?=[ :]|$)", re.ASCII
)


def as_ftrace(line: str) -> str:
    """A line of ftrace text; others are as they were."""
    if line.startswith("{"):
        line = _of_json(line)
    return _NAMED.sub(lambda found: found[0] if _is_address(found[2]) else found[1] + _HIDDEN, line)


def _is_address(word: str) -> bool:
    """Ftrace prints 16 digits without 0x; no name of the model's is like that."""
    return len(word) == 16 and all(digit in "0123456789abcdef" for digit in word)


def _of_json(line: str) -> str:
    try:
        told = json.loads(line)
        event = Event(**told)
        seconds, rest = divmod(event.time_ns, 1_000_000_000)
        head = f"{event.comm:>16}-{event.pid:<7} [{event.cpu:03d}] {event.flags} {seconds:5d}.{rest:09d}"
    except (ValueError, TypeError, RecursionError):
        return line
    return f"{head}: {event.name}: {event.text}"
