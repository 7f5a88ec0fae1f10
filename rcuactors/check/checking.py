"""A check: every cell once in order of time; then, as long as there is room, other schedules of those that are clean.

The budget is a number of schedules, seconds, or both. In seconds the last quarter is kept for cutting down, once there
is something to cut down. A schedule that shows something in one cell is tried in the others of the same surroundings,
so that the table says of each kernel what is a matter of the kernel. The same number of schedules finds the same in any
number of processes.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Final

import attrs

from ..builds import BUILDS
from ..engine.real_time import ending_by
from ..eras import ERAS
from ..expectation import kinds_of, promised
from ..explore import make_strategy
from ..hunt.attempt import SpecAttempt, loaded
from ..hunt.finding import ERROR
from ..hunt.keep import Kept, keep, shrink
from ..hunt.plan import PORTFOLIO, TIMED, with_points
from ..hunt.shrink import MOST_REPLAYS
from ..hunt.trial import tried
from ..lab.jobs import Submit, shared_out, workers
from ..runs import Run
from ..runs.options import RunOptions
from ..runs.run import Script
from ..runs.spec import RunSpec
from ..scenario import Scenario
from ..userfiles.blame import blame_scenario
from .cells import STRICTEST, Caches, Cell, Cells, cells_of
from .findings import Finding, findings_of
from .trying import AT_ONCE, Answer, Job, do

SECONDS: Final = 20.0
"""The budget, unless somebody says another."""

_SEARCHING: Final = 0.75
"""The part of the seconds in which schedules are tried, once something is to be cut down."""

_TRYING: Final = 0.95
"""The part without that: there is an end, too."""

_AT_LEAST_S: Final = 1.0
"""What the first run may take, however little time there is."""

_ALONE: Final = 8
"""So many answers tell how long a run is, before other processes are begun for the rest."""

_WORTH_IT_S: Final = 2.0

MAX_STEPS: Final = 2_000_000
"""The bound of a run in order of time, unless somebody says another: as that of a campaign (docs/campaign.md)."""

_LONGER: Final = 10
"""Other schedules may be so many times as long as the longest that is in order of time; some strategies let somebody
who looks and looks do that for ever."""

_FEWEST_STEPS: Final = 20_000


@attrs.frozen(kw_only=True)
class Check:
    """What is asked. `schedules`, `seconds`: the budget; None: no bound of that sort."""

    spec: RunSpec
    cells: Cells
    schedules: int | None = None
    seconds: float | None = None
    jobs: int = 1

    @classmethod
    def of(
        cls,
        script: Script,
        options: RunOptions | None = None,
        /,
        *,
        kernels: Sequence[str] = (),
        builds: Sequence[str] = (),
        schedules: int | None = None,
        seconds: float | None = None,
        jobs: int = 1,
        **words: object,
    ) -> Check:
        """The check of that scenario, with options as `run()` takes them. Raises BadInput for what is wrong."""
        spec = script if isinstance(script, RunSpec) else RunSpec.of(script, options, **words)
        cells = cells_of(loaded(spec), kernels or tuple(ERAS), builds or tuple(BUILDS), spec.settings)
        if schedules is None and seconds is None:
            seconds = SECONDS
        return cls(spec=spec, cells=cells, schedules=schedules, seconds=seconds, jobs=jobs)

    def spec_of(self, cell: Cell) -> RunSpec:
        """The run of a cell."""
        return attrs.evolve(self.spec, kernel=cell.version, settings=cell.settings)

    def expected(self, cell: Cell) -> frozenset[str]:
        """The kinds of report that the scenario says are right there."""
        return frozenset(self.promised(cell))

    def promised(self, cell: Cell) -> tuple[str, ...]:
        """The kinds that it says come there, in order of time."""
        design = self.spec.design
        own = None if design == ERAS[cell.version].design else design
        said = promised(loaded(self.spec).expect, cell.version, cell.build, None if own is None else str(own))
        return kinds_of(said) if said is not None else ()


@attrs.define
class State:
    """What is known of a cell. `found` is the answer that showed a problem; `tried` counts its schedules."""

    cell: Cell
    tried: int = 0
    cut: int = 0
    met: set[str] = attrs.field(factory=set)
    absent: str = ""
    found: Answer | None = None

    @property
    def clean(self) -> bool:
        """It was tried, and nothing was found so far."""
        return bool(self.tried) and self.found is None and not self.absent

    @property
    def whole(self) -> bool:
        """A schedule of it came to its end."""
        return self.tried > self.cut


@attrs.define(repr=False)
class Checked:
    """How far a check is, and what it has found. `spent_s`: of the seconds so many are gone already."""

    check: Check
    spent_s: float = 0.0
    states: dict[Cell, State] = attrs.field(init=False)
    schedules: int = 0
    shortest: Kept | None = None
    _began: float = attrs.field(factory=lambda: time.monotonic())  # noqa: PLW0108 - looked up when it is made
    _longest_s: float = 0.0
    _most_steps: int = 0
    _points: dict[tuple[Caches, bool], tuple[str, ...]] = attrs.field(factory=dict)
    _told: set[tuple[str, str]] = attrs.field(factory=set)

    def __attrs_post_init__(self) -> None:
        self.states = {cell: State(cell) for cell in self.check.cells.cells}

    @property
    def scenario(self) -> Scenario:
        """What is checked."""
        return loaded(self.check.spec)

    def __repr__(self) -> str:
        # What a test that fails shows.
        from .text import verdict_lines  # noqa: PLC0415 - what a text says is read off this

        return f"<Checked {self.scenario.name}: {' '.join(verdict_lines(self))}>"

    @property
    def clean(self) -> bool:
        """Nothing but what the scenario expects, and all of that; where no schedule came to its end nobody knows."""
        return not self.findings and not self.lost and self.seen_to_its_end

    @property
    def seen_to_its_end(self) -> bool:
        """A schedule was, in one cell at least."""
        return any(state.whole for state in self.states.values())

    @property
    def lost(self) -> dict[str, list[Cell]]:
        """Kinds of report that the scenario expects, and cells of those kernels where they do not come."""
        lost: dict[str, list[Cell]] = {}
        for entry in dict.fromkeys(cell.entry for cell in self.states):
            states = [state for state in self.states.values() if state.cell.entry == entry]
            if all(state.tried for state in states) and not any(state.found or state.absent for state in states):
                met = {kind for state in states for kind in state.met}
                for kind in self.check.promised(states[0].cell):
                    if kind not in met:
                        lost.setdefault(kind, []).append(states[0].cell)
        return lost

    # -- trying ------------------------------------------------------------------------------------------------------

    def answers(self) -> Generator[Answer]:
        """Try what there is room for; whoever takes an answer gives it to `take` before he asks for the next."""
        with contextlib.ExitStack() as stack:
            first = [self._job(cell, [(TIMED, self.check.spec.seed)]) for cell in self.states]
            yield from self._done(first[:_ALONE], None)
            submit: Submit | None = None
            if self.check.jobs > 1 and self._is_long():
                submit = stack.enter_context(workers(self.check.jobs - 1))
            yield from self._done(first[_ALONE:], submit)
            turn = 0
            while self._left() and (jobs := self._turn(turn)):
                yield from self._done(jobs, submit)
                yield from self._done(list(self._elsewhere()), submit)
                turn += 1

    def _is_long(self) -> bool:
        budget = self.check.schedules or len(self.states)
        return self.check.seconds is not None or budget * self._longest_s > _WORTH_IT_S

    def _job(self, cell: Cell, schedules: Iterable[tuple[str, int]]) -> Job:
        check, schedules = self.check, tuple(schedules)
        spec = check.spec_of(cell)
        if schedules[0][0] != TIMED:
            spec = attrs.evolve(spec, max_steps=min(spec.max_steps, max(_FEWEST_STEPS, _LONGER * self._most_steps)))
        return Job(cell=cell, spec=spec, expected=check.expected(cell), schedules=schedules, until=self._until())

    def _done(self, jobs: Sequence[Job], submit: Submit | None) -> Iterator[Answer]:
        """As many of them as there is room for."""
        if self.schedules and not self._in_time():
            return
        room = self._room()
        within = [job for number, job in enumerate(jobs) if room is None or number < room]
        answers = map(do, within) if submit is None else shared_out(do, within, submit, self.check.jobs - 1)
        for answer in answers:
            yield answer
            if not self._in_time():
                return

    def take(self, answer: Answer) -> None:
        """Count it."""
        state = self.states[answer.cell]
        self.schedules += answer.tried
        if answer.in_order_of_time:
            self._most_steps = max(self._most_steps, answer.steps)
        self._longest_s = max(self._longest_s, answer.seconds)
        state.tried += answer.tried
        state.cut += answer.cut
        state.met |= answer.met
        state.absent = state.absent or answer.absent
        if answer.found is not None and state.found is None:
            state.found = answer

    # -- what is next ------------------------------------------------------------------------------------------------

    def _turn(self, turn: int) -> list[Job]:
        """Other schedules of each cell that is clean: the next of each strategy."""
        clean = [state.cell for state in self.states.values() if state.clean]
        clean.sort(key=lambda cell: STRICTEST.index(cell.build) if cell.build in STRICTEST else 0)
        return [self._job(cell, self._next(cell, turn)) for cell in clean]

    def _next(self, cell: Cell, turn: int) -> list[tuple[str, int]]:
        """Each cell of one kernel begins with another strategy, since there may be no room for all of them."""
        strategies = self._strategies(cell)
        shift = self.check.cells.cells.index(cell)
        room = self._room()
        every = [
            (strategies[(shift + number) % len(strategies)], self.check.spec.seed + turn) for number in range(AT_ONCE)
        ]
        return every if room is None or room >= AT_ONCE * len(self.states) else every[:1]

    def _strategies(self, cell: Cell) -> tuple[str, ...]:
        """With how long a run is in these surroundings, which strategies want to know."""
        known = self._points.get(cell.surroundings)
        if known is None:
            attempt = SpecAttempt(self.check.spec_of(cell))
            with ending_by(self._until()):
                known = tuple(with_points(attempt, strategy) for strategy in PORTFOLIO)
            self._points[cell.surroundings] = known
        return known

    def _elsewhere(self) -> Iterator[Job]:
        """Schedules that have shown something, on the other kernels, which may not be less bad but less lucky."""
        for state in list(self.states.values()):
            answer = state.found
            if answer is None or answer.in_order_of_time or answer.found is None:
                continue
            key = answer.found.signature.kind, answer.found.signature.line
            if key in self._told:
                continue
            self._told.add(key)
            for other in self.states.values():
                if other.clean and other.cell.surroundings == state.cell.surroundings:
                    yield self._job(other.cell, [(answer.strategy, answer.seed)])

    # -- the budget --------------------------------------------------------------------------------------------------

    def _room(self) -> int | None:
        return None if self.check.schedules is None else max(0, self.check.schedules - self.schedules)

    def _left(self) -> bool:
        return self._in_time() and self._room() != 0

    def _in_time(self) -> bool:
        """Whether another run comes to its end in time, as far as can be known."""
        if self.check.seconds is None:
            return True
        part = _SEARCHING if self._wants_cutting() else _TRYING
        return self._elapsed() + self._longest_s < part * self.check.seconds

    def _until(self) -> float | None:
        """When a run that would take longer is ended; the first has a second in any case."""
        if self.check.seconds is None:
            return None
        return self._began + max(_AT_LEAST_S, self.check.seconds - self.spent_s)

    def _elapsed(self) -> float:
        return self.spent_s + time.monotonic() - self._began

    def _wants_cutting(self) -> bool:
        found = [state.found for state in self.states.values() if state.found is not None]
        return bool(found) and not any(answer.in_order_of_time for answer in found)

    # -- afterwards --------------------------------------------------------------------------------------------------

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What was found, the plainest first. To be asked for when it is over."""
        return findings_of(self)

    def fails_by_itself(self) -> None:
        """Raises BadInput where the scenario comes to no end anywhere, and that is no matter of kernels."""
        tried_at_all = [state for state in self.states.values() if state.tried]
        failed = [state for state in tried_at_all if _is_error(state)]
        if failed and len(failed) == len([state for state in tried_at_all if not state.absent]):
            chosen = loaded(self.check.spec)
            error = Run(chosen, self.check.spec_of(failed[0].cell)).attempt()
            if error is not None:
                raise blame_scenario(chosen, error) from error

    def cut_down(self) -> None:
        """Keep the schedule of the plainest finding, with as few departures as the budget has room for."""
        if not self.findings:
            return
        answer = self.findings[0].plainest
        assert answer.found is not None
        attempt = SpecAttempt(self._job(answer.cell, [(answer.strategy, answer.seed)]).spec)
        began = time.monotonic()
        trial = tried(
            attempt, make_strategy(answer.strategy), number=0, name=answer.strategy, seed=answer.seed, looked_at=False
        )
        self.shortest = keep(attempt, trial, answer.found.signature)
        if self.shortest.departures:
            self.shortest = shrink(self.shortest, self._replays(time.monotonic() - began))

    def _replays(self, seconds: float) -> int:
        """How many there is room for. Two runs have taken so many seconds."""
        if self.check.seconds is None:
            return MOST_REPLAYS
        left = self.check.seconds - self._elapsed()
        return max(1, min(MOST_REPLAYS, int(2 * left / seconds) - 2)) if left > 0 else 1


def _is_error(state: State) -> bool:
    answer = state.found
    return (
        answer is not None
        and answer.in_order_of_time
        and answer.found is not None
        and answer.found.signature.kind == ERROR
    )


def check(script: Script, options: RunOptions | None = None, /, **words: object) -> Checked:
    """The whole of it. Arguments are those of `Check.of`, and errors."""
    checked = Checked(Check.of(script, options, **words))  # type: ignore[arg-type]  # as somebody gave them
    with contextlib.closing(checked.answers()) as answers:
        for answer in answers:
            checked.take(answer)
    checked.fails_by_itself()
    checked.cut_down()
    return checked
