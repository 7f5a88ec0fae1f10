"""Bugs of the kernel that are a matter of schedule: in which scenario and on which version each is sought.

The scenarios are general workloads, and none is a script of the interleaving. `find.py` seeks, cuts down and writes
what it has found to `kept/`, and its figures to `figures.json`; docs/history.md shows those.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import attrs

from rcuactors import RunOptions
from rcuactors.hunt.finding import Shown
from rcuactors.hunt.schedule import Schedule, read_schedule
from rcuactors.runs.spec import RunSpec
from rcuactors.userfiles import load_scenario

HERE: Final = Path(__file__).parent
KEPT: Final = HERE / "kept"
FIGURES: Final = HERE / "figures.json"

Row = tuple[str, ...]


@attrs.frozen(kw_only=True)
class Case:
    """One bug in one scenario on one version.

    `bug` is the commit that mends it, or that brought it where none does; `kind` what the report is. `mended` is the
    version on which the same search finds nothing of it, within as many schedules as `bound`; empty where there is
    none. `most`: schedules that are tried with each seed.
    """

    bug: str
    scenario: str
    kernel: str
    kind: str
    mended: str = ""
    strategies: tuple[str, ...] = ("holds",)
    settings: tuple[tuple[str, str], ...] = ()
    most: int = 1500
    bound: int = 60

    @property
    def label(self) -> str:
        """Its name."""
        return f"{self.bug}-{self.scenario}-{self.kernel}"

    @property
    def path(self) -> Path:
        """Where its schedule is kept."""
        return KEPT / f"{self.label}.json"

    def spec(self, kernel: str = "") -> RunSpec:
        """The run, on that version or another one."""
        options = RunOptions(kernel=kernel or self.kernel, settings=dict(self.settings))
        return RunSpec.of(load_scenario(self.scenario), options)

    def is_it(self, shown: Shown) -> bool:
        """Whether a problem that was shown is this bug."""
        return shown.signature.kind == self.kind and shown.known.removeprefix("since ").startswith(self.bug)

    def kept(self) -> Schedule:
        """The schedule that is kept."""
        return read_schedule(str(self.path))


STALE, ROOT, MONITOR = "5da7cb193db3", "85aad7cc4178", "2b55d6a42d14"
FREED, NEVER = "use-after-free", "never-freed"

CASES: Final = (
    Case(bug=STALE, scenario="stale_batch", kernel="v5.9", kind=FREED, mended="v6.1-stable"),
    Case(bug=STALE, scenario="stale_batch", kernel="v5.11", kind=FREED, mended="v6.1-stable"),
    Case(bug=STALE, scenario="stale_batch", kernel="v6.1.0", kind=FREED, mended="v6.1-stable"),
    Case(bug=ROOT, scenario="hotplug_short_grace_period", kernel="v6.6", kind=FREED, mended="v6.12"),
    Case(bug=ROOT, scenario="hotplug_short_grace_period", kernel="v6.12.0", kind=FREED, mended="v6.12"),
    Case(bug=MONITOR, scenario="barrier_while_freeing", kernel="v6.12", kind=NEVER, mended="v6.6"),
    Case(bug=MONITOR, scenario="churn", kernel="v6.12", kind=NEVER, mended="v6.6"),
)


def find_case(label: str) -> Case:
    """By its name."""
    return next(case for case in CASES if case.label == label)


def figures() -> dict[str, dict[str, Any]]:
    """What `find.py` has measured, by label."""
    return dict(json.loads(FIGURES.read_text())) if FIGURES.exists() else {}


def rows() -> list[Row]:
    """The table of docs/history.md."""
    found = figures()
    return [_row(case, found[case.label]) for case in CASES]


def _row(case: Case, what: dict[str, Any]) -> Row:
    hits = f"{what['hits']} of {what['seeds']}"
    middle, most = what["schedules"]
    return (
        f"`{case.bug}`",
        f"`{case.scenario}`",
        case.kernel,
        ", ".join(f"`{name}`" for name in case.strategies),
        hits,
        f"{middle:,} ({most:,})",
        f"{what['seconds'][0]} s ({what['seconds'][1]} s)",
        str(what["departures"]),
        case.mended or "-",
    )
