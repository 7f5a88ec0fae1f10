"""A recording held against a version, and what came of it in words.

Three ways to end: all decisions agree; a line that no possible state explains; or undecided, because events are missing
without which nothing can be decided. Undecided is never agreement.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import PurePath
from typing import Any, Final

import attrs

from ..eras import find_era
from ..eras.era import Era
from ..errors import BadInput
from ..kvfree import invariants
from ..traces import Trace
from ..traces.forms import release_of
from ..traces.trace import Progress
from .begin import first_states
from .carried import TooMany
from .explain import Disagreement, Explainer, Verdict
from .lines import Line, Told, read
from .state import State
from .untold import Untold

AGREES: Final = 0
DISAGREES: Final = 1
UNDECIDED: Final = 2

_DEFAULTS: Final = {(6, 1): "v6.1-stable", (6, 12): "v6.12", (6, 6): "v6.6", (6, 18): "v6.18"}
"""What a recording is held against whose kernel says no more than this."""

_NEEDS_CALLS: Final = frozenset(
    {"hrtimer_start", "hrtimer_expire_entry", "workqueue_execute_start", "kfree_rcu_work", "kmem_cache_free_bulk"}
)
"""What comes of calls: where these are and no calls, the calls are missing."""

_AROUND: Final = 6
_BEHIND: Final = 2
_AT_MOST: Final = 8
"""So many of the last states, reasons and steps are printed."""


@attrs.frozen
class Found:
    """One disagreement, in words."""

    line: int
    event: str
    reasons: tuple[str, ...]
    around: tuple[str, ...]
    """The lines before it, it, and some behind it."""
    states: tuple[str, ...] = ()
    """The states that were possible before it, in words."""
    tried: tuple[str, ...] = ()
    """The hidden steps that were tried."""

    def lines(self) -> list[str]:
        """As it is printed."""
        return [
            f"line {self.line}: {self.event}: no possible state explains it",
            *_some("the model: ", self.reasons),
            *_some("possible before: ", self.states),
            *_some("hidden steps tried: ", self.tried),
            "  the recording:",
            *(f"    {line}" for line in self.around),
        ]


def _some(what: str, said: tuple[str, ...]) -> list[str]:
    """At most some of what is said."""
    more = [f"  {what}and {len(said) - _AT_MOST} more"] if len(said) > _AT_MOST else []
    return [*(f"  {what}{one}" for one in said[:_AT_MOST]), *more]


@attrs.frozen
class Conformance:
    """What came of one recording."""

    name: str
    kernel: str
    version: str
    compared: dict[str, int]
    """Decisions that agree, by kind."""
    found: tuple[Found, ...]
    undecided: str
    until: str
    """Why it was compared no further than it was; "" if to its end."""
    lines_read: int
    calls: int
    steps: int
    """Hidden steps, in all orders that were tried."""
    most_states: int

    @property
    def exit_code(self) -> int:
        """0: all agrees; 1: it does not; 2: undecided."""
        if self.found:
            return DISAGREES
        return UNDECIDED if self.undecided else AGREES

    def lines(self) -> list[str]:
        """As it is printed."""
        total = sum(self.compared.values())
        wrong = len(self.found)
        said = [f"recording {self.name}, held against {self.version}"]
        if self.undecided:
            said.append(f"undecided: {self.undecided}")
        if total or wrong:
            said.append(f"{total + wrong} decisions compared, {total} agree")
            width = max((len(kind) for kind in self.compared), default=0)
            said += [f"  {kind:<{width}}  {number:>7,}" for kind, number in sorted(self.compared.items())]
            said.append(f"{self.steps:,} hidden steps, at most {self.most_states} states at once")
        if self.until:
            said.append(f"compared until {self.until}")
        for found in self.found:
            said += found.lines()
        return said

    def as_json(self) -> dict[str, Any]:
        """As one document."""
        return {
            "recording": self.name,
            "kernel": self.kernel,
            "version": self.version,
            "verdict": ("agrees", "disagrees", "undecided")[self.exit_code],
            "undecided": self.undecided,
            "compared": sum(self.compared.values()) + len(self.found),
            "agreed": sum(self.compared.values()),
            "by_kind": dict(sorted(self.compared.items())),
            "disagreements": [attrs.asdict(found) for found in self.found],
            "until": self.until,
            "calls": self.calls,
            "hidden_steps": self.steps,
            "most_states": self.most_states,
        }


def conform(
    path: str | os.PathLike[str],
    *,
    version: str = "",
    probe: str = "",
    from_line: int = 0,
    keep_going: bool = False,
    progress: Progress | None = None,
) -> Conformance:
    """Hold a recording against a version of the model, `version`, "" for that of its kernel.

    `from_line`: begin at the first state that is told from that line on. `keep_going`: after a disagreement, begin
    again at the next. Raises BadInput for what is no recording, or one of another kernel.
    """
    release = find_era(version).release if version else ""
    trace = Trace(path, probe=probe, kernel=release, progress=progress)
    told = read(trace, from_line)
    era = _era_of(told, version, str(path))
    return conform_told(told, era, name=told.header.name or PurePath(path).name, keep_going=keep_going)


def conform_told(
    told: Told,
    era: Era,
    *,
    name: str = "",
    keep_going: bool = False,
    make: Callable[[Told, Era], Explainer] = Explainer,
) -> Conformance:
    """The same with what was read already, and a version that may be nobody's. `make`: by whom it is explained."""
    compared: Counter[str] = Counter()
    found: list[Found] = []
    undecided = _missing(told)
    steps, most, begin = 0, 0, -1
    while not undecided:
        explainer = make(told, era)
        begin, starting = first_states(told, explainer.place, begin), None
        if begin < 0:
            if found or compared:
                break
            untold = Untold(told, era.rules.kvfree.block_capacity)
            if undecided := untold.why_not():
                break
            try:
                starting = [untold.states(explainer, krcp.cpu_id) for krcp in explainer.place.krcs]
            except TooMany as many:
                undecided = f"too many possible states: {many}"
                break
        verdict = _run(explainer, begin, starting)
        compared += verdict.compared
        steps, most = steps + verdict.hidden_steps, max(most, verdict.most_states)
        undecided = verdict.undecided or told.broken
        if verdict.disagreement is None:
            break
        found.append(_found(told, verdict.disagreement))
        if not keep_going:
            break
        begin = verdict.disagreement.line.at
    return Conformance(
        name,
        told.header.kernel,
        era.name,
        dict(compared),
        tuple(found),
        undecided,
        told.ends_early,
        told.lines[-1].number,
        told.calls,
        steps,
        most,
    )


def _run(explainer: Explainer, begin: int, starting: list[list[State]] | None) -> Verdict:
    try:
        # A state that cannot be is no bug of the model here: it comes of a recording, and no line will bear it out.
        with invariants.checking(on=False):
            return explainer.run(begin, starting=starting)
    except TooMany as many:
        verdict = explainer.verdict
        verdict.undecided = f"too many possible states: {many}"
        return verdict


def _era_of(told: Told, version: str, path: str) -> Era:
    """The version to hold it against. Raises BadInput where the recording says that it is of another kernel."""
    recorded = release_of(told.header.kernel)
    if not version:
        known = _DEFAULTS.get(recorded) if recorded is not None else None
        if known is None:
            raise BadInput(f"recording {path!r}: say by --kernel what it is held against")
        return find_era(known)
    era = find_era(version)
    if recorded is not None and release_of(era.release) != recorded:
        raise BadInput(
            f"recording {path!r} is of a kernel {recorded[0]}.{recorded[1]}, and cannot be held against {era.name}"
        )
    return era


def _missing(told: Told) -> str:
    """What is missing without which nothing can be decided."""
    if not told.calls and told.events & _NEEDS_CALLS:
        return "no kvfree_call_rcu lines: what was queued, and when, is not told"
    if not told.calls and not any(line.event in ("kvfree_rcu_barrier", "shrink_scan") for line in told.lines):
        return "nothing to compare: neither calls nor what comes of them"
    return ""


def _found(told: Told, disagreement: Disagreement) -> Found:
    line = disagreement.line
    before: list[Line] = []
    for other in reversed(told.lines[: line.at]):
        if other.ctx == line.ctx or other.event:
            before.append(other)
        if len(before) == _AROUND:
            break
    behind = [other for other in told.lines[line.at + 1 :] if other.ctx == line.ctx or other.event][:_BEHIND]
    around = tuple(_shown(one) for one in (*reversed(before), line, *behind))
    what = line.event or "another line"
    return Found(line.number, what, disagreement.reasons, around, disagreement.states, disagreement.tried)


def _shown(line: Line) -> str:
    where, number = line.ctx
    told = " ".join(
        f"{name}={_fact(fact)}" for name, fact in line.told.items() if name not in ("call", "item", "state")
    )
    return f"{line.number:>6}  {where}-{number} [{line.cpu:03d}] {line.event} {told}".rstrip()


def _fact(fact: object) -> str:
    return f"{fact:#x}" if isinstance(fact, int) and fact > 1 << 40 else str(fact)
