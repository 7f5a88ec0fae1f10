"""What a THING is that somebody gives to a command: a scenario, a trace, a schedule that was kept, a comparison's JSON.

A name is a bundled scenario's, or a file's; what a file is, its content says. Nothing of it is ever executed here.
"""

from __future__ import annotations

import enum
import json
from pathlib import Path
from typing import Any, Final

from .errors import BadInput
from .hunt.schedule import FORMAT
from .userfiles import find_scenarios

COMPARISON_KEYS: Final = frozenset({"strategy", "seeds", "settings", "scenarios", "kernels", "summary", "designs"})
"""What a comparison's document has, among others."""

_LARGEST_JSON: Final = 64 << 20
_LONGEST_LINE: Final = 1 << 20


class Kind(enum.Enum):
    """What there is to run or to read. A trace: events that a run has left, or a recording of a real kernel."""

    SCENARIO = "a scenario"
    TRACE = "a trace"
    SCHEDULE = "a schedule"
    COMPARISON = "a comparison"


def kind_of(name: str) -> Kind:
    """What that is. Raises BadInput for JSON that is none of these; a scenario need not be there."""
    text, _, _ = name.partition("::")
    path = Path(text)
    if text in find_scenarios() or text != name or path.suffix == ".py" or not path.is_file():
        return Kind.SCENARIO
    try:
        with path.open("rb") as file:
            line = file.readline(_LONGEST_LINE)
    except OSError:
        # Who reads it says why it cannot be read.
        return Kind.TRACE
    if not line.lstrip().startswith(b"{") or _is_event(line):
        return Kind.TRACE
    return _kind_of_document(name)


def _is_event(line: bytes) -> bool:
    """Events are a document a line."""
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and "time_ns" in document


def _kind_of_document(name: str) -> Kind:
    document = document_in(name)
    if document.get("format") == FORMAT:
        return Kind.SCHEDULE
    if document.keys() >= COMPARISON_KEYS:
        return Kind.COMPARISON
    raise BadInput(f"{name}: is JSON, and neither a schedule nor events nor a comparison as `compare --json` prints it")


def document_in(name: str) -> dict[str, Any]:
    """The one JSON document that a file is. Raises BadInput."""
    path = Path(name)
    try:
        if path.stat().st_size > _LARGEST_JSON:
            raise BadInput(f"{name}: is larger than {_LARGEST_JSON >> 20} MiB")
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"{name}: is no whole JSON document: {error}") from None
    if not isinstance(document, dict):
        raise BadInput(f"{name}: is no JSON object")
    return document
