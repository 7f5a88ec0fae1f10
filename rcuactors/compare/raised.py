"""How a run ended that did not end well: in an exception of a design's or a scenario's own, or never."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Final

from ..context.violation import ViolationKind
from ..errors import RcuactorsError, text_of

FATAL: Final = frozenset({ViolationKind.DEADLOCK, ViolationKind.NULL_DEREFERENCE, ViolationKind.RTMUTEX_DEADLOCK})
"""After these the machine, or the thread, does not go on."""

RAISED: Final = "raised"
UNFINISHED: Final = "unfinished"


def title_of(first: str, ended: str, said: str) -> str:
    """The title of a run's first report, if it made one; and what was raised, which no other report says."""
    if first and ended != RAISED:
        return first
    return "; then ".join(text for text in (first, said) if text)


def raised_text(error: BaseException) -> str:
    """What was raised, and where, in one line."""
    if isinstance(error, RcuactorsError):
        return " ".join(text_of(error).split())
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    text = text_of(error)
    return " ".join(f"{type(error).__name__}{': ' if text else ''}{text}{where}".split())
