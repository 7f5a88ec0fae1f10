"""A whole exploration by one call, for who writes Python: what `rcuactors explore` and `replay-schedule` do.

Whoever wants to look on meanwhile, or to stop by other rules, goes through the trials himself (`search.explore`).
"""

from __future__ import annotations

from pathlib import Path

import attrs

from ..engine.events import DigestSink
from ..runs import RunOptions
from ..runs.run import Script
from ..runs.spec import RunSpec
from ..scenario import Scenario
from .finding import Signature
from .keep import Kept, Replayed, keep, prepared, replay, shrink
from .plan import plan_of
from .progress import Progress
from .report import report_lines
from .schedule import read_schedule, with_users_files
from .search import explore
from .story import story_lines
from .tally import Tally, nothing_lines, tally_lines


@attrs.frozen
class Finding:
    """One problem that was found, its schedule cut down."""

    kept: Kept

    @property
    def signature(self) -> Signature:
        """What tells it from others: kind of report, place, line."""
        return self.kept.schedule.shown.signature

    @property
    def departures(self) -> int:
        """In how many decisions the schedule departs from what usually happens."""
        return len(self.kept.departures)

    @property
    def minimal(self) -> bool:
        """Each departure was taken back by itself, and the problem was gone."""
        return self.kept.schedule.minimal

    def story(self) -> str:
        """What happened, as `rcuactors explore` tells it."""
        return "\n".join(story_lines(self.kept))

    def report(self) -> str:
        """Facts first, at most 60 lines, as `--report` writes it."""
        return "\n".join(report_lines(self.kept))

    def save(self, path: str | Path) -> None:
        """Keep the schedule in a file, for `replay_schedule` and `rcuactors replay-schedule`."""
        self.kept.schedule.save(Path(path))


@attrs.frozen
class Hunted:
    """What an exploration came to: its figures, and what it found, each problem once."""

    tally: Tally
    findings: tuple[Finding, ...]

    @property
    def covered(self) -> bool:
        """A search has tried everything within its bound, and each of its schedules came to its end."""
        return self.tally.complete

    def lines(self) -> list[str]:
        """The figures as text; where nothing was found, what these schedules cannot show."""
        return tally_lines(self.tally) + ([] if self.findings else nothing_lines(self.tally))


def hunt(
    script: Script,
    options: RunOptions | None = None,
    /,
    *,
    strategies: tuple[str, ...] = (),
    schedules: int = 1000,
    seconds: float | None = None,
    jobs: int = 1,
    seed: int = 0,
    keep_going: bool = False,
    sought: tuple[str, ...] = (),
    **words: object,
) -> Hunted:
    """Try so many schedules of a scenario, or for so many seconds of real time, until one shows a problem; cut it down.

    `strategies` take turns (default: those of `rcuactors explore`), each from `seed` on. With `keep_going` all problems
    are found that these schedules show; waste that is `sought`, by its names, is one, too. `options` and `words` say
    the run, as those of `run()` do. A scenario that is tried by several `jobs` has to stand at the top of a module, and
    what calls this below `if __name__ == "__main__"`. Raises BadInput for what is asked for wrongly.
    """
    spec = script if isinstance(script, RunSpec) else RunSpec.of(script, options, **words)
    plan, progress = plan_of(spec, strategies, seed, sought, seconds=seconds), Progress()
    tally = Tally(plan, progress)
    over = False
    found: list[Kept] = []
    trials = explore(
        plan, progress, schedules=schedules, seconds=seconds, jobs=jobs, enough=lambda: over and not keep_going
    )
    for trial in trials:
        signature = tally.take(trial)
        if signature is not None:
            over = True
            found.append(keep(plan.attempt, trial, signature))
    return Hunted(tally, tuple(Finding(shrink(kept)) for kept in found))


def replay_schedule(path: str | Path, scenario: Scenario | None = None, design: str | None = None) -> Replayed:
    """Run the schedule in a file again, strictly. A scenario of your own is given beside it; so is a design's file.

    Raises BadInput where the file is wrong, or not one of that scenario; ReplayDiverged, which names the first decision
    that is another one.
    """
    schedule = with_users_files(read_schedule(str(path)), str(path), scenario, design)
    digest = DigestSink()
    return replay(schedule, prepared(schedule, digest), digest)
