"""Shrinkers: what reclaim asks kvfree_rcu() for, and what the script or a return value says of it.

Where nobody says how much was found, that makes no difference, and is not settled by being counted.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final, cast

from .deeds import Deeds
from .expected import Expected
from .foresight import visited
from .lines import Line
from .operations import Operation
from .state import State

_MANY: Final = 1 << 40
_SHRINK_BATCH: Final = 128
"""SHRINK_BATCH (mm/vmscan.c, since v6.7 mm/shrinker.c)."""


class Shrinking(Deeds):
    """Explains lines of a shrinker."""

    def _each(self, state: State, candidates: list[Any]) -> Iterator[tuple[State, Any]]:
        """A state of its own for each candidate."""
        for candidate in candidates[1:]:
            yield self._fork(state), candidate
        if candidates:
            yield state, candidates[0]

    def _counts(self, state: State, line: Line) -> list[State]:
        return self._begin_shrinking(
            state, line, "count", lambda: self.place.shrinker.count(cast("Any", self.place.thread))
        )

    def _scans(self, state: State, line: Line) -> list[State]:
        explained: list[State] = []
        for ready, wanted in self._each(state, self._nrs_to_scan(line)):
            begin = beginning(self.place.shrinker.scan, self.place.thread, wanted)
            explained += self._begin_shrinking(ready, line, "scan", begin, unheeded=wanted == _MANY)
        return explained

    def _begin_shrinking(
        self, state: State, line: Line, kind: str, begin: Callable[[], Any], *, unheeded: bool = True
    ) -> list[State]:
        ends = self.expecter.only(Expected("shrink_scan_ret")) if kind == "scan" else ()
        explained: list[State] = []
        for after in self._free_context(state, line):
            op = Operation(kind, line.ctx, begin, line.at, line.cpu, line.irqs_off, ends_with=ends)
            op.promised = self._said_later(line, "count" if kind == "count" else "freed")
            shown = self.expecter.shows("shrink_scan_ret") or self.registers.pages_shown
            op.heedless = unheeded and not shown and op.promised is None
            pushed = self._push(after, op)
            explained += [one for state in pushed for one in self._counted(state, line)]
        return explained

    def _counted(self, state: State, line: Line) -> list[State]:
        """Who counts, and tells nobody, puts off refills: where all are, and none ends meanwhile, it can be now."""
        op = state.top(line.ctx)
        if op is None or op.kind != "count" or not op.heedless:
            return [state]
        meanwhile = self.told.lines[line.at : line.after if line.after >= 0 else None]
        refills = any(one.kind == "page" for stack in state.under_way.values() for one in stack)
        self._activate(state)
        if refills or not self.registers.is_put_off() or any(one.told.get("role") == "page" for one in meanwhile):
            return [state]
        return self._step(state, line.ctx)

    def _nrs_to_scan(self, line: Line) -> list[int]:
        """sc->nr_to_scan, which the script says afterwards; reclaim's own is SHRINK_BATCH at most.

        A scan ends early where exactly as many are found. One that is seen to go to all CPUs has not, whatever it was.
        """
        said = self._said_later(line, "nr_to_scan")
        if said is not None or self.expecter.shows("shrink_scan_ret"):
            return [_SHRINK_BATCH if said is None else said]
        early = visited(self.told, line) < len(self.place.krcs)
        return list(range(1, _SHRINK_BATCH + 1)) if early else [_MANY]

    def _said_later(self, line: Line, name: str) -> int | None:
        """What the script says of this run of a shrinker when it is over."""
        at = line.after
        while at >= 0:
            other = self.told.lines[at]
            if name in other.told and "nr_to_scan" in other.told:
                return int(str(other.told[name]))
            if other.event == line.event:
                break
            at = other.after
        return None

    def _scan_returns(self, state: State, line: Line) -> list[State]:
        explained: list[State] = []
        for after in self._settle(state, line.ctx):
            op = after.top(line.ctx)
            if op is None or op.kind != "scan" or not op.over:
                self._refuse(after, "the scan was not over")
            elif (op.returned if op.returned is not None else -1) != line.told["returned"] and not (
                op.returned is None and str(line.told["returned"]) in ("18446744073709551615", "-1")
            ):
                self._refuse(after, f"{line.told['returned']} is returned, not {op.returned}")
            else:
                explained += self._taken(after, op, line)
        return explained

    def _says(self, state: State, line: Line) -> list[State]:
        """The script says what it did."""
        explained: list[State] = []
        for after in self._free_context(state, line):
            if "freed" not in line.told:
                explained.append(after)
                continue
            said = after.told.pop(line.ctx, None)
            count = freed = None
            if said is not None and said[0] == "scan":
                before, freed = said[1]
                count = before[1] if before is not None else None
                freed = freed if freed is not None else -1
            elif said is not None:
                count, freed = said[1], 0
            if (count, freed) != (line.told["count"], line.told["freed"]):
                self._refuse(after, f"count={line.told['count']} freed={line.told['freed']}, not {count}, {freed}")
            else:
                explained.append(after)
        return explained


def beginning(function: Any, *arguments: Any) -> Callable[[], Coroutine[Any, Any, Any]]:
    """A coroutine, each time anew."""
    return lambda: function(*arguments)
