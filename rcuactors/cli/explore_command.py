"""`rcuactors explore SCENARIO`: many schedules of one scenario, until one goes wrong; that one cut down and told."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import click

from ..config import split_setting
from ..eras import DEFAULT_ERA
from ..errors import BadInput, bad_value
from ..hunt.faults import fault_settings
from ..hunt.finding import ERROR, Signature
from ..hunt.keep import Kept, keep, shrink
from ..hunt.plan import PORTFOLIO, Plan, plan_of
from ..hunt.progress import Progress
from ..hunt.search import MOST, explore
from ..hunt.story import story_lines
from ..hunt.tally import Tally, nothing_lines, tally_lines
from ..hunt.trial import Trial
from ..lab.faults import FAULTS
from ..report.text import head_line
from ..runs import Run
from ..runs.options import LARGEST_SEED
from ..runs.result import WASTE
from ..runs.spec import Kind, RunSpec
from ..scenario import Scenario
from ..spelling import no_such, plural
from ..userfiles import load_scenario
from ..userfiles.blame import blame_scenario
from .common import RunArguments, costs_option, jobs_option, max_steps_option, settings_option, whole_number
from .frames import exploration
from .live import is_live, live_option
from .output import print_json, print_lines
from .program import EXIT_VIOLATIONS, ProgramCommand
from .reporting import finding_file, report_option
from .screen import with_error
from .session import collect, quiet_stdout
from .styled import page_width
from .watching import PATIENCE_S
from .whole_file import WholeFile

_SCHEDULES: Final = 1000
_LONGEST_S: Final = 1_000_000


def seconds_of(_ctx: click.Context, _param: click.Parameter, text: str | None) -> float | None:
    """The callback of --time."""
    if text is None:
        return None
    found = re.fullmatch(r"([0-9]{1,7})(s|m|h)?", text)
    seconds = int(found[1]) * {"s": 1, "m": 60, "h": 3600, None: 1}[found[2]] if found else 0
    if not 1 <= seconds <= _LONGEST_S:
        raise bad_value(f"--time {text}", "a time such as 30s, 5m or 1h")
    return float(seconds)


def _sought(_ctx: click.Context, _param: click.Parameter, text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    if text == "waste":
        return WASTE
    for name in text.split(","):
        if name not in WASTE:
            raise no_such("--seek", name, ("waste", *WASTE))
    return tuple(text.split(","))


_OPTIONS: Final = (
    click.option("--kernel", default=DEFAULT_ERA, show_default=True, metavar="VERSION", help="The version to model."),
    click.option("--design", metavar="NAME|FILE", help="How it gets pages, if not as that version does."),
    settings_option,
    click.option(
        "--faults",
        metavar="NAME,..",
        help=f"What may go wrong besides: {'; '.join(f'{fault.name} ({fault.about})' for fault in FAULTS.values())}.",
    ),
    costs_option,
    max_steps_option,
    click.option(
        "--strategy",
        "strategies",
        multiple=True,
        metavar="NAME[:PARAM=NUMBER,..]",
        help="Who decides (`rcuactors list strategies`); repeatable, then they take turns. "
        f"Default: {', '.join(PORTFOLIO)}.",
    ),
    click.option(
        "--schedules",
        callback=lambda ctx, param, text: text and whole_number(1, MOST)(ctx, param, text),
        metavar="NUMBER",
        help=f"How many to try at most (default: {_SCHEDULES:,}, or as many as --time has room for).",
    ),
    click.option("--time", "seconds", callback=seconds_of, metavar="TIME", help="How long to try: 30s, 5m, 1h."),
    jobs_option,
    click.option(
        "--seed",
        callback=lambda ctx, param, text: text and whole_number(0, LARGEST_SEED)(ctx, param, text),
        metavar="NUMBER",
        help="The first seed of each strategy (default: 0).",
    ),
    click.option(
        "--seek",
        "sought",
        callback=_sought,
        metavar="waste|NAME,..",
        help="Waste counts as a finding, too: all of it, or that of these names (docs/results.md).",
    ),
    click.option("--keep-going", is_flag=True, help="Go on after the first finding; each problem is told once."),
    click.option("--out", metavar="DIR", help="Keep the schedule of each finding there, as a file."),
    report_option,
    live_option("how far it is, how many schedules a second, and what was found"),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else."),
)


def _options(function: Any) -> Any:
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@click.command(
    "explore",
    cls=ProgramCommand,
    epilog="Examples: rcuactors explore my_driver.py --time 1m --out found; "
    "rcuactors explore my_driver.py --kernel v7.3 --faults alloc,interrupt",
)
@click.argument("scenario")
@_options
def explore_command(
    scenario: str,
    strategies: tuple[str, ...],
    schedules: int | None,
    seconds: float | None,
    jobs: int,
    seed: int | None,
    sought: tuple[str, ...],
    keep_going: bool,
    out: str | None,
    report: str | None,
    live: bool,
    **options: Any,
) -> int:
    """Try many schedules of SCENARIO: exit code 1 if one of them shows a problem, which is cut down and told."""
    as_json = options["as_json"]
    if report is not None and keep_going:
        raise BadInput(f"--report {report}: is of one finding; with --keep-going keep them (--out), and report each")
    with quiet_stdout(as_json):
        chosen = load_scenario(scenario)
        spec = _spec_of(chosen, options)
        plan = plan_of(spec, strategies, seed or 0, sought, seconds=seconds)
    if plan.search and seed is not None:
        raise BadInput(f"--seed {seed}: strategy {plan.search} draws nothing")
    hunt = _Hunt(named=scenario, chosen=chosen, plan=plan, out=directory(out), keep_going=keep_going, as_json=as_json)
    limit = schedules or (MOST if seconds is not None or plan.search else _SCHEDULES)
    if not as_json:
        print_lines([_head(chosen, spec, plan)])
    with finding_file(report, quiet=as_json) as write:
        error = hunt.go(limit, seconds, jobs, live=is_live(live))
        hunt.tell(error)
        # Why each departure is needed takes as many runs again: not for who has asked for an end.
        for kept in hunt.found.values() if error is None else ():
            write(kept)
        if error is not None:
            raise error
    return EXIT_VIOLATIONS if hunt.found else 0


def _spec_of(chosen: Scenario, options: Mapping[str, Any]) -> RunSpec:
    words = dict(options)
    if (faults := words.pop("faults")) is not None:
        given = words["settings"]
        words["settings"] = (*given, *fault_settings(faults, {split_setting(setting)[0] for setting in given}))
    arguments = RunArguments(**words, events=None, verbose=False, panic_on_warn=False)
    return RunSpec.of(chosen, arguments.options(parameters=chosen.parameters, of=chosen.name))


def _head(chosen: Scenario, spec: RunSpec, plan: Plan) -> str:
    """As a run's head line, with the strategies for its strategy."""
    line = head_line(Run(chosen, spec).result())
    return f"{line.partition(', strategy ')[0]}, strategies {' '.join(plan.strategies)}"


def directory(name: str | None) -> Path | None:
    """The directory of --out, which is made if there is none."""
    if name is None:
        return None
    path = Path(name)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise BadInput(f"--out {name}: {getattr(error, 'strerror', None) or error}; needs a directory") from None
    return path


@attrs.define
class _Hunt:
    """One exploration that somebody asked for. `found` are the schedules of its findings, cut down if possible."""

    named: str
    chosen: Scenario
    plan: Plan
    out: Path | None
    keep_going: bool
    as_json: bool
    tally: Tally = attrs.field(init=False)
    progress: Progress = attrs.field(factory=Progress)
    found: dict[Signature, Kept] = attrs.field(factory=dict)
    _over: bool = False

    def __attrs_post_init__(self) -> None:
        self.tally = Tally(self.plan, self.progress)

    def go(self, limit: int, seconds: float | None, jobs: int, *, live: bool) -> BaseException | None:
        """Search, then cut down what was found. Returns what the program shall end with. `live`: show it meanwhile."""
        trials = explore(
            self.plan,
            self.progress,
            schedules=limit,
            seconds=seconds,
            jobs=jobs,
            enough=lambda: self._over,
        )
        frame = (
            exploration(self.tally, f"{self.chosen.name} on {self.plan.spec.kernel}", limit, seconds, self._how_far)
            if live
            else None
        )
        patience_s = PATIENCE_S if jobs == 1 else 0
        with quiet_stdout(self.as_json):
            error = collect(trials, self._take, patience_s=patience_s, how_far=self._how_far, frame=frame)
            if error is not None:
                return error
            return collect(
                ((signature, shrink(kept)) for signature, kept in list(self.found.items())),
                self._keep_shrunk,
                patience_s=PATIENCE_S,
                how_far=lambda: "cutting it down",
            )

    def _how_far(self) -> str:
        left = ""
        progress = self.progress
        if progress.subtrees:
            left = f", {progress.subtrees_done / progress.subtrees:.0%} of the search"
        elif progress.part is not None:
            left = f", about {progress.part:.0%} of the search"
        elif progress.classes:
            left = f", {progress.left:,} known to be left"
        said = f"{plural(self.tally.schedules, 'schedule')}{left}, {plural(self.tally.traces.distinct, 'trace')}"
        return f"{said}, {plural(len(self.tally.firsts), 'finding')}"

    def _take(self, trial: Trial) -> None:
        if not trial.number and any(shown.signature.kind == ERROR for shown in trial.shown):
            self._fails_by_itself()
        signature = self.tally.take(trial)
        if signature is not None:
            self._over |= not self.keep_going
            self.found[signature] = kept = keep(self.plan.attempt, trial, signature)
            self._save(signature, kept)

    def _fails_by_itself(self) -> None:
        """In order of time already: that is no matter of schedules, and said as `rcuactors run` says it."""
        error = Run(self.chosen, self.plan.spec).attempt()
        if error is not None:
            raise blame_scenario(self.chosen, error) from error

    def _keep_shrunk(self, answer: tuple[Signature, Kept]) -> None:
        signature, kept = answer
        self.found[signature] = kept
        self._save(signature, kept)

    def _save(self, signature: Signature, kept: Kept) -> None:
        if self.out is not None:
            with WholeFile("--out", str(self._path(signature))) as file:
                file.write(kept.schedule.text())

    def _path(self, signature: Signature) -> Path:
        assert self.out is not None
        number = list(self.tally.firsts).index(signature) + 1
        return self.out / f"{number:02}-{signature.file_name}.json"

    # -- telling -----------------------------------------------------------------------------------------------------

    def tell(self, error: BaseException | None) -> None:
        """Print all of it."""
        if self.as_json:
            found = [self._as_json(signature, kept) for signature, kept in self.found.items()]
            print_json(with_error({**self.tally.as_json(), "found": found}, str(error) if error is not None else None))
            return
        lines = tally_lines(self.tally)
        for signature, kept in self.found.items():
            lines += ["", *self._finding_lines(signature, kept)]
        if not self.found and error is None:
            lines += ["", *nothing_lines(self.tally)]
        print_lines(lines)

    def _as_json(self, signature: Signature, kept: Kept) -> dict[str, Any]:
        trial = self.tally.firsts[signature]
        document = kept.schedule.to_json()
        return {
            **document["shows"],
            "schedule_number": trial.number,
            "strategy": trial.strategy,
            "seed": trial.seed,
            "times": self.tally.times[signature],
            "also": [str(other) for other in self.tally.also[signature]],
            "minimal": kept.schedule.minimal,
            "replays": kept.shrunk.replays if kept.shrunk is not None else 0,
            "departures": document["departures"],
            "file": str(self._path(signature)) if self.out is not None else None,
        }

    def _finding_lines(self, signature: Signature, kept: Kept) -> list[str]:
        trial, times = self.tally.firsts[signature], self.tally.times[signature]
        how = f"schedule {trial.number:,}, strategy {trial.strategy}"
        seed = "" if self.plan.search else f", seed {trial.seed}"
        lines = [f"found             {signature}: {how}{seed}; shown by {plural(times, 'schedule')}"]
        lines += [f"also              {other}" for other in self.tally.also[signature]]
        lines += story_lines(kept, page_width())
        if self.out is not None:
            lines += ["", f"kept as {self._path(signature)}; again: {self._command(signature)}"]
        return lines

    def _command(self, signature: Signature) -> str:
        beside = [] if self.plan.spec.scenario.kind is Kind.BUNDLED else [self.named]
        return shlex.join(["rcuactors", "replay-schedule", str(self._path(signature)), *beside])
