"""The judge is judged: recordings with one of kvfree_rcu()'s own lines changed, which `conform` has to find.

`judged.py` beside it changes many, and asks.

What a line is, and whose, is read here from its text and from the lines around it, not by what `conform` reads with.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from typing import Final

import attrs

_LINE: Final = re.compile(
    r"^\s*(?P<comm>.+)-(?P<pid>\d+)\s+\[(?P<cpu>\d+)\] (?P<flags>\S+)\s+[\d.]+: (?P<event>\w+): (?P<text>.*)$"
)
_OURS: Final = frozenset(
    {
        "fill_page_cache_func",
        "fill_page_cache_ret",
        "kfree_rcu_monitor",
        "kfree_rcu_monitor_ret",
        "kfree_rcu_work",
        "kfree_rcu_work_ret",
        "kvfree_call_rcu",
        "kvfree_rcu_barrier",
        "kvfree_rcu_barrier_ret",
        "kvfree_rcu_bulk",
        "kvfree_rcu_list",
        "kvfree_rcu_queue_batch",
        "kvfree_rcu_queue_batch_ret",
        "rcu_invoke_kfree_bulk_callback",
        "rcu_invoke_kvfree_callback",
        "shrink_count",
        "shrink_scan",
        "shrink_scan_ret",
    }
)
_WORKS: Final = re.compile(r"function[= ](kfree_rcu_monitor|fill_page_cache_func|kfree_rcu_work)\b")
_MARKS: Final = {
    "workqueue_queue_work": _WORKS,
    "workqueue_execute_start": _WORKS,
    "workqueue_execute_end": _WORKS,
    "state": re.compile("^KRC cpu="),
    "hrtimer_start": re.compile("function=schedule_page_work_fn"),
    "hrtimer_expire_entry": re.compile("function=schedule_page_work_fn"),
    "kmem_cache_free_bulk": re.compile(" s=0x0 "),
}
"""By what lines of these events are kvfree_rcu()'s."""
_TIMER: Final = re.compile(r"timer=(\S+) function=delayed_work_timer_fn")
_ADDRESSES: Final = re.compile(r"(?:monitor|page_cache)_timer=([0-9a-f]+)")
_ENTERS: Final = {
    "fill_page_cache_func": "fill_page_cache_func",
    "kfree_rcu_monitor": "kfree_rcu_monitor",
    "kfree_rcu_work": "kfree_rcu_work",
    "shrink_scan": "shrink_scan",
}
_LEAVES: Final = frozenset(
    {"fill_page_cache_ret", "kfree_rcu_monitor_ret", "kfree_rcu_work_ret", "shrink_scan_ret", "workqueue_execute_end"}
)
_PERIOD_ENDS: Final = re.compile(r"^rcu_preempt -?\d+ end$")
_FIELD: Final = re.compile(r"(?<=[ =/\[])([svh]?)(-?\d+)(?=[ /p\]]|$)")


@attrs.frozen
class Own:
    """One of kvfree_rcu()'s own lines: where, from 0, and what it is."""

    at: int
    event: str


@attrs.frozen
class _Parsed:
    at: int
    ctx: tuple[str, str]
    cpu: str
    comm: str
    event: str
    text: str


def _parsed(lines: Sequence[str]) -> list[_Parsed]:
    found = []
    for at, line in enumerate(lines):
        match = _LINE.match(line)
        if match is not None:
            mark = re.sub(r"[^hHzZsS]", "", match["flags"][2:4])
            where = match["cpu"] if mark else match["pid"]
            found.append(_Parsed(at, (where, mark), match["cpu"], match["comm"], match["event"], match["text"]))
    return found


def own_lines(lines: Sequence[str]) -> list[Own]:
    """kvfree_rcu()'s own lines after the states that the script begins with, and ends of grace periods."""
    timers = {address for line in lines for address in _ADDRESSES.findall(line)}
    own: list[Own] = []
    inside: dict[tuple[str, str], str] = {}
    last: dict[tuple[str, str], _Parsed] = {}
    begun = called = False
    parsed = _parsed(lines)
    following = _following(parsed)
    for one in parsed:
        begun = begun or one.event == "runp"
        called = called or one.event == "kvfree_call_rcu"
        after = following.get(one.at)
        if begun and _is_own(one, inside.get(one.ctx, ""), last.get(one.ctx), after, timers):
            own.append(Own(one.at, one.event))
        elif called and (one.event == "rcu_gp_cleanup" or _PERIOD_ENDS.match(one.text)):
            own.append(Own(one.at, "end"))
        if one.event in _ENTERS:
            inside[one.ctx] = _ENTERS[one.event]
        elif one.event in _LEAVES:
            inside.pop(one.ctx, None)
        last[one.ctx] = one
    return own


def _following(parsed: Sequence[_Parsed]) -> dict[int, _Parsed]:
    """The next line in a line's context."""
    found: dict[int, _Parsed] = {}
    last: dict[tuple[str, str], _Parsed] = {}
    for one in reversed(parsed):
        if one.ctx in last:
            found[one.at] = last[one.ctx]
        last[one.ctx] = one
    return found


def _is_own(one: _Parsed, inside: str, last: _Parsed | None, after: _Parsed | None, timers: set[str]) -> bool:
    if one.event in _OURS:
        return True
    mark = _MARKS.get(one.event)
    if mark is not None:
        return mark.search(one.text) is not None
    match one.event:
        case "get_free_pages":
            return after is not None and _is_got(after)
        case "get_free_pages_ret":
            return _is_got(one)
        case "free_pages":
            return bool(inside)
        case "vfree" | "kvfree":
            # vfree() itself frees by kvfree() what it kept its pages in.
            return bool(inside) and (one.event == "vfree" or last is None or last.event != "vfree")
        case "timer_start" | "timer_expire_entry":
            return _is_our_timer(one, last, after, timers)
    return False


def _is_got(one: _Parsed) -> bool:
    return (
        one.event == "get_free_pages_ret"
        and re.match(r"\((kvfree_call_rcu|fill_page_cache_func)\+", one.text) is not None
    )


def _is_our_timer(one: _Parsed, last: _Parsed | None, after: _Parsed | None, timers: set[str]) -> bool:
    match = _TIMER.search(one.text)
    if match is None:
        return False
    if timers:
        return match[1] in timers
    if one.event == "timer_expire_entry":
        return after is not None and after.event == "workqueue_queue_work" and _WORKS.search(after.text) is not None
    return last is not None and last.event in ("kvfree_call_rcu", "kfree_rcu_monitor")


# -- changes -----------------------------------------------------------------------------------------------------------


def _by_one(text: str, match: re.Match[str], group: int, rng: random.Random) -> str:
    value = int(match[group])
    # Less than nothing would be no state at all.
    changed = value + rng.choice([1, -1] if value > 0 else [1])
    return text[: match.start(group)] + str(changed) + text[match.end(group) :]


def _size(line: str, rng: random.Random) -> str | None:
    match = re.search(r"(?:nr_records|size|nr)=(\d+)$", line)
    return None if match is None else _by_one(line, match, 1, rng)


def _state(line: str, rng: random.Random) -> str | None:
    """Any field of it but the CPU's number, by one; a flag is turned."""
    begin = line.find("KRC cpu=")
    if begin < 0:
        return None
    fields = list(_FIELD.finditer(line, line.index(" ", begin + 4)))
    match = rng.choice(fields)
    name = line[: match.start()].rsplit(" ", 1)[-1]
    if name in ("wip=", "backoff=", "mon_pending=", "pcw_pending="):
        return line[: match.start(2)] + str(1 - int(match[2])) + line[match.end(2) :]
    return _by_one(line, match, 2, rng)


def _delay(line: str, rng: random.Random) -> str | None:
    """1 for 1250 and the other way round; half of them with an `expires` that fits it."""
    match = re.search(r"\[timeout=(-?\d+)\]", line)
    if ": timer_start: " not in line or match is None:
        return None
    old = int(match[1])
    new = 1250 if old == 1 else 1
    changed = line[: match.start(1)] + str(new) + line[match.end(1) :]
    if rng.random() < 0.5:
        return changed
    return re.sub(r"expires=(\d+)", lambda m: f"expires={int(m[1]) - old + new}", changed, count=1)


def _refused(line: str, _rng: random.Random) -> str | None:
    if ": get_free_pages_ret: " not in line or line.endswith(" ret=0x0"):
        return None
    return re.sub(r" ret=0x[0-9a-f]+$", " ret=0x0", line)


def _channel(line: str, _rng: random.Random) -> str | None:
    """A block's channel; an object of the list as one of a block of the other kind, and the other way round."""
    for one, other in (("func=16", "func=0"), ("idx=0", "idx=1")):
        for old, new in ((one, other), (other, one)):
            if re.search(rf"(?:rcu_invoke_kvfree_callback|kvfree_rcu_bulk): .*\b{old}\b", line):
                return re.sub(rf"\b{old}\b", new, line)
    return None


def _drop(_line: str, _rng: random.Random) -> str | None:
    return ""


def _double(line: str, _rng: random.Random) -> str | None:
    return f"{line}\n{line}"


_CHANGES: Final[dict[str, Callable[[str, random.Random], str | None]]] = {
    "size": _size,
    "delay": _delay,
    "drop": _drop,
    "double": _double,
    "refused": _refused,
    "channel": _channel,
    "state": _state,
    "period": _drop,
}
KINDS: Final = tuple(_CHANGES)


@attrs.frozen
class Mutation:
    """What was done, to which line (from 1), what that said, and the recording that came of it."""

    kind: str
    event: str
    number: int
    before: str
    after: str
    text: str


def _places(kind: str, own: Sequence[Own], lines: Sequence[str]) -> list[Own]:
    if kind == "period":
        return [one for one in own if one.event == "end"]
    if kind in ("drop", "double"):
        # A state that is printed twice, or not, was read once more or less: another possible run.
        return [one for one in own if one.event not in ("end", "state")]
    probe = random.Random(0)
    return [one for one in own if _CHANGES[kind](lines[one.at], probe) is not None]


def mutated(lines: Sequence[str], rng: random.Random, kind: str = "") -> Mutation:
    """One change at random: its kind (of those that have a place here), then the event, then the line.

    By the event first, or nearly all that is dropped would be calls. A recording in which a kind that was asked for has
    no place gets another.
    """
    own = own_lines(lines)
    kinds = [kind] if kind else list(KINDS)
    rng.shuffle(kinds)
    for chosen in [*kinds, *(() if len(kinds) > 1 else KINDS)]:
        places = _places(chosen, own, lines)
        if places:
            break
    else:
        raise ValueError("none of kvfree_rcu()'s own lines")
    event = rng.choice(sorted({one.event for one in places}))
    one = rng.choice([place for place in places if place.event == event])
    before = lines[one.at]
    after = _CHANGES[chosen](before, rng)
    assert after is not None
    middle = [after] if after else []
    text = "\n".join([*lines[: one.at], *middle, *lines[one.at + 1 :]]) + "\n"
    return Mutation(chosen, event, one.at + 1, before, after, text)
