"""A trace as long as one likes: a recording of the tests' data again and again, an hour later each time."""

from __future__ import annotations

import gzip
from pathlib import Path

from rcuactors.traces.lines import format_line, parse_line

RECORDING = (
    Path(__file__).parents[1] / "data" / "recordings" / "kvfree-6.12" / "n_bg_gp_burst50_every100ms_40_min5.txt.gz"
)
_HOUR_NS = 3_600 * 1_000_000_000


def write_long_trace(path: Path, lines: int) -> Path:
    """Write so many events, and no BEGIN mark, which may stand in a trace once."""
    with gzip.open(RECORDING, "rt", encoding="utf-8") as recorded:
        events = [parse_line(line) for line in recorded]
    told = [event for event in events if event is not None and not event.text.startswith(("BEGIN", "END"))]
    with path.open("w", encoding="utf-8") as out:
        for number in range(lines):
            hour, at = divmod(number, len(told))
            text = format_line(told[at])
            seconds = f"{told[at].time_ns // 1_000_000_000:5d}."
            later = f"{(told[at].time_ns + hour * _HOUR_NS) // 1_000_000_000:5d}."
            out.write(text.replace(seconds, later, 1) + "\n")
    return path


def read_bare(path: Path) -> int:
    """How many characters its lines have: what reading them takes at least."""
    with path.open(encoding="utf-8") as lines:
        return sum(len(line) for line in lines)
