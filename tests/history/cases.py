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
from rcuactors.hunt.finding import WASTE, Shown
from rcuactors.hunt.schedule import Schedule, read_schedule
from rcuactors.runs.spec import RunSpec
from rcuactors.userfiles import load_scenario
from tests.history.neighbours import HOTPLUG_MEANWHILE, NOT_REPEATED, SECTION_LAST

HERE: Final = Path(__file__).parent
KEPT: Final = HERE / "kept"
FIGURES: Final = HERE / "figures.json"

Row = tuple[str, ...]


@attrs.frozen(kw_only=True)
class Case:
    """One bug in one scenario on one version.

    `bug` is the commit that mends it, or that brought it where none does; `kind` what the report is, and `place` in
    which function, where the version's list of known bugs does not tell. `mended` is the version on which the same
    search finds nothing of it, within as many schedules as `bound`; empty where there is none. `most`: schedules that
    are tried with each seed. `covered` is a strategy that finds it, and covers all within its bound where it is mended.
    """

    bug: str
    scenario: str
    kernel: str
    kind: str
    place: str | None = None
    mended: str = ""
    strategies: tuple[str, ...] = ("holds",)
    settings: tuple[tuple[str, str], ...] = ()
    most: int = 1500
    bound: int = 60
    covered: str = ""

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

    @property
    def sought(self) -> tuple[str, ...]:
        """The waste that it is, if it is waste."""
        return (self.place,) if self.kind == WASTE and self.place else ()

    def is_it(self, shown: Shown) -> bool:
        """Whether a problem that was shown is this bug."""
        if shown.signature.kind != self.kind:
            return False
        if self.place is not None:
            return shown.signature.place == self.place
        return shown.known.removeprefix("since ").startswith(self.bug)

    def kept(self) -> Schedule:
        """The schedule that is kept."""
        return read_schedule(str(self.path))


FREED, NEVER, LEAK, DEADLOCK = "use-after-free", "never-freed", "leak", "deadlock"
RT: Final = (("PREEMPT_RT", "y"),)
NO_LOCKDEP: Final = (("PROVE_LOCKING", "n"),)
"""Lockdep sees what is wrong on every schedule, and says so before it goes wrong."""
LATE_REFILL: Final = {"rcu_min_cached_objs": "1", "slow_workers": "y"}
"""The cache is soon empty, and who fills it comes late."""
BUSY: Final = (("rounds", "4"), ("pause_us", "9000"))
"""Both batches wait."""


def _stale(kernel: str) -> Case:
    return Case(bug="5da7cb193db3", scenario="stale_batch", kernel=kernel, kind=FREED, mended="v6.1-stable")


def _root(kernel: str) -> Case:
    scenario = "hotplug_short_grace_period"
    return Case(bug="85aad7cc4178", scenario=scenario, kernel=kernel, kind=FREED, mended="v6.12")


def _cache(kernel: str) -> Case:
    """A cache that goes with objects in it: whoever has them has to be held up for longer than the module waits."""
    scenario, long = "destroy_under_reclaim", ("holds:longest=400",)
    return Case(bug="6c6c47b063b5", scenario=scenario, kernel=kernel, kind=LEAK, mended="v6.12", strategies=long)


def _count(kernel: str) -> Case:
    place = "counts_too_low"
    return Case(
        bug="4c33464ae85e",
        scenario="stale_batch",
        kernel=kernel,
        kind=WASTE,
        place=place,
        mended="v6.6",
        settings=BUSY,
    )


def _dead(kernel: str) -> Case:
    return Case(
        bug="5c0930ccaad5",
        scenario="driver_thread_sleeps",
        kernel=kernel,
        kind=DEADLOCK,
        place="",
        mended="v6.12",
    )


def _nmi(kernel: str) -> Case:
    few = (*NO_LOCKDEP, ("objects", "6"))
    return Case(
        bug="3bc999d944b3",
        scenario="nmi_caller",
        kernel=kernel,
        kind=DEADLOCK,
        mended="v7.3",
        strategies=("random",),
        settings=few,
        covered="delays:d=1",
    )


def _section(kernel: str) -> Case:
    return Case(
        bug="89038cc87d80",
        scenario="lock_in_object",
        kernel=kernel,
        kind=FREED,
        place="rt_spin_unlock",
        mended=SECTION_LAST,
        strategies=("holds",),
        settings=RT,
    )


def _churn(
    bug: str, kernel: str, kind: str, mended: str, *strategies: str, place: str | None = None, **sets: str
) -> Case:
    return Case(
        bug=bug,
        scenario="churn",
        kernel=kernel,
        kind=kind,
        place=place,
        mended=mended,
        strategies=strategies,
        settings=tuple(sets.items()),
    )


_CHURN: Final = (
    _churn("2b55d6a42d14", "v6.12", NEVER, "v6.6", "random", "holds"),
    _churn("dfd3df31c9db", "v6.12.0", "flush-dependency", "v6.12", "holds"),
    _churn("5c0930ccaad5", "v6.6", DEADLOCK, "v6.12", "holds", place="", driver="y"),
    _churn("3bc999d944b3", "v6.12", DEADLOCK, "v7.3", "random", PROVE_LOCKING="n", nmis="20"),
    _churn("594aa5975b9b", NOT_REPEATED, NEVER, "v5.11", "holds", place=""),
    _churn("5da7cb193db3", "v5.9", FREED, "v6.1-stable", "random"),
    _churn("6c6c47b063b5", "v5.11", LEAK, "v6.12", "holds:longest=400"),
    _churn("89038cc87d80", "v5.11", FREED, SECTION_LAST, "holds", place="rt_spin_unlock", PREEMPT_RT="y"),
    _churn("60888b77a06e", "v5.11", WASTE, "v6.6", "random", place="pages_refused", **LATE_REFILL),
)

CASES: Final = (
    *(_stale(kernel) for kernel in ("v5.9", "v5.11", "v6.1.0")),
    *(_root(kernel) for kernel in ("v6.6", "v6.12.0")),
    Case(bug="2b55d6a42d14", scenario="barrier_while_freeing", kernel="v6.12", kind=NEVER, mended="v6.6"),
    *_CHURN,
    *(_cache(kernel) for kernel in ("v5.11", "v6.6")),
    Case(
        bug="dfd3df31c9db",
        scenario="destroy_under_reclaim",
        kernel="v6.12.0",
        kind="flush-dependency",
        mended="v6.12",
    ),
    Case(
        bug="594aa5975b9b",
        scenario="stale_batch",
        kernel=NOT_REPEATED,
        kind=NEVER,
        place="",
        mended="v5.11",
        settings=(*BUSY, ("scans", "1")),
    ),
    _count("v5.11"),
    *(
        Case(
            bug="309a43165077",
            scenario="one_argument_migrates",
            kernel=kernel,
            kind=WASTE,
            place="pages_for_another_cpu",
            mended="v6.6",
            strategies=("random",),
            settings=(("migrate", "y"),),
        )
        for kernel in ("v6.1.0", "v6.1-stable")
    ),
    *(_dead(kernel) for kernel in ("v5.9", "v5.11", "v6.1.0", "v6.6")),
    Case(
        bug="2996980e20b7",
        scenario="offloaded_callbacks",
        kernel="v6.12.0",
        kind="bad-context",
        place="rcu_nocb_cpu_deoffload",
        mended="v6.12",
        strategies=("random",),
    ),
    *(
        Case(
            bug="d0bfa8b3c411",
            scenario="refill_put_off",
            kernel=kernel,
            kind=WASTE,
            place="refills_put_off_again",
            mended="v5.11",
            strategies=("random",),
        )
        for kernel in ("v6.12", "v7.3")
    ),
    *(_nmi(kernel) for kernel in ("v5.11", "v6.1-stable", "v6.6", "v6.12", "v6.18")),
    *(_section(kernel) for kernel in ("v5.11", "v6.12", "v7.3")),
    Case(
        bug="67ea9d353d0b",
        scenario="cache_while_a_cpu_goes",
        kernel=HOTPLUG_MEANWHILE,
        kind=LEAK,
        place="kmem_cache_destroy",
        mended="v7.3",
        settings=(*NO_LOCKDEP, ("KASAN", "y")),
    ),
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
        f"{case.mended}, `{case.covered}`: all" if case.covered else case.mended or "-",
    )
