"""What repeats itself in a column is told once, with how many times: one row, or several that come in turn.

Nothing is folded across a landmark, whichever column that stands in: what came before a grace period is another thing
than what came after it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from .rows import Level, Row

LONGEST: Final = 8
"""Rows that come in turn and are still seen as one thing."""


def folded(rows: Iterable[Row]) -> list[Row]:
    """The rows, which are in order of time, with what repeats itself folded; in order of time again."""
    done: list[Row] = []
    tails: dict[int, list[Row]] = {}
    for row in rows:
        if row.level is Level.LANDMARK:
            done += [one for tail in tails.values() for one in tail]
            tails.clear()
            done.append(row)
        else:
            _push(tails.setdefault(row.cpu, []), row)
    done += [one for tail in tails.values() for one in tail]
    return sorted(done, key=lambda row: row.time_ns)


def _push(tail: list[Row], row: Row) -> None:
    """One more row of a column."""
    if tail and tail[-1].key == row.key:
        tail[-1] = tail[-1].and_once_more(row)
        return
    tail.append(row)
    for length in range(2, LONGEST + 1):
        if _fold_turn(tail, length):
            return


def _fold_turn(tail: list[Row], length: int) -> bool:
    """Whether the last so many rows are those before them once more; then they stand folded."""
    last = tail[-length:]
    if len(last) < length or any(row.again for row in last):
        return False
    before = tail[-length - 1] if len(tail) > length else None
    told = before is not None and before.again == length
    first = tail[-2 * length - told : len(tail) - length - told]
    if [row.key for row in first] != [row.key for row in last]:
        return False
    del tail[-length:]
    amounts = [row for row in last if row.unit]
    once_more = Row(
        time_ns=last[0].time_ns,
        cpu=last[0].cpu,
        name=last[0].name,
        text=f"these {length} again",
        level=min(row.level for row in last),
        amount=sum(row.amount for row in amounts),
        unit=amounts[0].unit if amounts else "",
        until_ns=last[-1].until_ns,
        again=length,
    )
    if told:
        assert before is not None
        tail[-1] = before.and_once_more(once_more)
    else:
        tail.append(once_more)
    return True
