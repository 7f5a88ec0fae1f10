"""What a run leaves: violations, counters, latencies and the digest of its events.

As frozen data, and as dictionaries ready for JSON.
"""

from __future__ import annotations

from typing import Any, Final

import attrs

from ..context.violation import Violation, ViolationKind, outcome_of
from ..kvfree.figures import WasteStatistics
from ..machine import Machine
from .counters import Counters, counters_of

_COUNTED: Final = tuple(field.name for field in attrs.fields(WasteStatistics))
_LEFT_IN_SHEAVES: Final = "objects_left_in_sheaves"
WASTE: Final = (*_COUNTED, _LEFT_IN_SHEAVES)
"""The names of what a run may waste."""


@attrs.frozen(kw_only=True, repr=False)
class Result:
    """One run. Times are virtual nanoseconds; `counters` and `latency_ns` are described in docs/results.md.

    `waste`: what was done for nothing, or told wrong: how often, by the names of docs/results.md, without what never
    happened. It has no part in the verdict. `expected`: the outcome that the scenario promises of such a run, if it
    promises one. `cut_short`: somebody cancelled it from outside, so that more might have come.
    """

    scenario: str
    kernel: str
    design: str
    config: dict[str, str]
    strategy: str
    seed: int
    parameters: dict[str, Any]
    costs: dict[str, int]
    violations: tuple[Violation, ...]
    violation_count: int
    expected: str | None
    counters: Counters
    waste: dict[str, int]
    latency_ns: dict[str, int | None]
    end_ns: int
    cut_short: bool
    steps: int
    events: int
    digest: str | None

    def __repr__(self) -> str:
        # What a test that fails shows: its verdict, and not a page of figures.
        found = "clean" if self.clean else f"{self.violation_count} reported: {self.outcome()}"
        found = found if self.as_expected else f"{found}, expected: {self.expected}"
        return f"<Result of {self.scenario} on {self.kernel}, design {self.design}, seed {self.seed}: {found}>"

    @property
    def kinds(self) -> frozenset[ViolationKind]:
        """The kinds of violation found."""
        return frozenset(violation.kind for violation in self.violations)

    @property
    def clean(self) -> bool:
        """Nothing was reported."""
        return not self.violation_count

    @property
    def as_expected(self) -> bool:
        """The outcome is what the scenario promises, if it promises anything of such a run."""
        return self.expected in (None, self.outcome())

    def outcome(self) -> str:
        """'clean', or the kinds in the order of their first report."""
        return outcome_of(self.violations)

    def as_json(self) -> dict[str, Any]:
        """The result as plain data, the same for the same run on every machine."""
        data = attrs.asdict(self, recurse=False)
        data["counters"] = self.counters.as_dict()
        data["violations"] = [
            {**attrs.asdict(violation), "kind": violation.kind.value} for violation in self.violations
        ]
        return data


def collect(
    machine: Machine,
    *,
    scenario: str,
    parameters: dict[str, Any],
    expected: str | None,
    events: int,
    digest: str | None,
) -> Result:
    """Read everything off a machine whose run is over."""
    setup = machine.setup
    config = setup.config.as_settings()
    config["rcu_min_cached_objs"] = str(machine.kvfree.min_cached_objs)
    return Result(
        scenario=scenario,
        kernel=setup.era.name,
        design=machine.kvfree.source.name,
        config=config,
        strategy=setup.strategy.name,
        seed=setup.seed,
        parameters=parameters,
        costs=setup.costs.changed(),
        violations=tuple(machine.reporter.violations),
        violation_count=machine.reporter.count,
        expected=expected,
        counters=counters_of(machine),
        waste=_waste_of(machine),
        latency_ns=attrs.asdict(machine.kvfree.figures.latencies.statistics()),
        end_ns=machine.end_ns,
        cut_short=machine.conductor.cut_short,
        steps=machine.conductor.steps,
        events=events,
        digest=digest,
    )


def _waste_of(machine: Machine) -> dict[str, int]:
    """What happened of it; and the objects that are not freed, since their sheaf is not full: clean says less then."""
    waste, sheaves = machine.kvfree.figures.waste(), machine.slab.sheaves
    found = {name: count for name in _COUNTED if (count := getattr(waste, name))}
    if sheaves is not None and (left := sheaves.statistics().retired):
        found[_LEFT_IN_SHEAVES] = left
    return found
