"""Calls out of the rig's script, where the probe on kvfree_call_rcu() was switched off ("lightevents").

Then a statement that frees tells how many calls were made, of what and in which context, and its two marks when. Calls
are laid a microsecond apart, which is about what one without a probe takes on the recorded machines; the bursts of a
statement are laid evenly over its time. Addresses are made up.
"""

from __future__ import annotations

import re
from typing import Final

from ..traces.calls import stated_context
from ..traces.events import Call, Event

_SWITCHED_OFF: Final = re.compile(r"echo 0 > \S*/kvfree_call_rcu/enable", re.ASCII)
_FREES: Final = re.compile(r"(free[12]) (slab|vmalloc|mixed) ([0-9]{1,7})(?: \S+)?", re.ASCII)
_BURSTS: Final = re.compile(r"(burstr?) ([0-9]{1,6}) ([0-9]{1,6}) ([0-9]{1,6})", re.ASCII)
_MOST: Final = 2_000_000
_APART_NS: Final = 1_000
_FIRST_ADDRESS: Final = 0xFFFF_8880_0000_0000
_OBJECT: Final = 64
_OFFSET: Final = 16


def calls_are_scripted(pre: str) -> bool:
    """Whether the commands before the run switched the probe off."""
    return _SWITCHED_OFF.search(pre) is not None


def frees(statement: tuple[str, ...]) -> bool:
    """Whether a statement frees."""
    text = " ".join(statement)
    return (_FREES.fullmatch(text) or _BURSTS.fullmatch(text)) is not None


def scripted_calls(begin: Event, end_ns: int, statement: tuple[str, ...], made: int) -> list[Call]:
    """The calls of a statement that began with that mark; none for one that does not free. `made`: so many before."""
    text = " ".join(statement)
    if (free := _FREES.fullmatch(text)) is not None:
        kinds = ("slab", "vmalloc") if free[2] == "mixed" else (free[2],)
        count, times, one_argument = int(free[3]) * len(kinds), 1, free[1] == "free1"
    elif (bursts := _BURSTS.fullmatch(text)) is not None:
        kinds, count, times, one_argument = ("slab",), int(bursts[2]), int(bursts[3]), False
    else:
        return []
    if not 0 < count * times <= _MOST:
        return []
    lasted = end_ns - begin.time_ns
    apart = min(_APART_NS, lasted // (count * times))
    return [
        Call(
            begin.time_ns + lasted * burst // times + number * apart,
            begin.cpu,
            begin.comm,
            begin.pid,
            begin.flags,
            stated_context(statement),
            one_argument,
            kinds[number % len(kinds)],
            _FIRST_ADDRESS + (made + burst * count + number) * _OBJECT,
            "",
            0 if one_argument else _OFFSET,
        )
        for burst in range(times)
        for number in range(count)
    ]
