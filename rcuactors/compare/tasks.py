"""The comparison cut into tasks, each a few milliseconds to a second of work, that any process can do."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import attrs

from ..engine.choice import Timed
from ..errors import BadInput
from ..runs import RunOptions
from ..scenario import Scenario
from ..userfiles import load_scenario
from .contexts import CONTEXTS
from .costs import CostRun, explore, measure
from .designs import DesignRef
from .kernels import ComparedKernel
from .probe import Finding, probe_cell
from .workloads import WORKLOADS

Answer = list[Finding] | CostRun


@attrs.frozen(kw_only=True)
class Plan:
    """What is compared, checked. Without `scenarios` it is every context and every workload.

    `scenarios` are names or paths. `kernels` are with their checks, `measured` those on which costs are measured.
    `settings` are the user's; those that are parameters of a scenario go to that one. Under another strategy than
    timed, verdicts are looked for under that one; costs are always measured in virtual time.
    """

    designs: tuple[DesignRef, ...]
    kernels: tuple[ComparedKernel, ...]
    measured: tuple[ComparedKernel, ...]
    scenarios: tuple[str, ...] = ()
    settings: Mapping[str, str] = attrs.field(factory=dict)
    strategy: str = "timed"
    seeds: tuple[int, ...] = (0,)

    @property
    def subjects(self) -> tuple[str, ...]:
        """The columns of the verdict table: contexts, or scenarios."""
        return tuple(scenario_of(name).name for name in self.scenarios) or tuple(CONTEXTS)

    @property
    def loads(self) -> tuple[str, ...]:
        """What costs are measured on: workloads, or the same scenarios."""
        return self.subjects if self.scenarios else tuple(WORKLOADS)


@attrs.frozen(kw_only=True)
class Task:
    """A cell for one seed. `subject` is a context, a workload, or a scenario's name; `source` is where that is.

    `options` are those of its run, without the design. Their strategy is that of the verdicts.
    """

    probes: bool
    design: DesignRef
    kernel: ComparedKernel
    subject: str
    source: str
    options: RunOptions

    @property
    def weight(self) -> int:
        """A guess at how long it takes, beside others."""
        return 1 if self.probes else 10

    def run(self) -> Answer:
        """Do it here and now."""
        if self.probes:
            return probe_cell(self.design, self.kernel, self.subject, str(self.options.strategy), self.options.seed)
        if not self.source:
            # A workload draws its times from the seed, whatever the strategy of the verdicts is.
            chosen = WORKLOADS[self.subject].scenario
            parameters = {"draws": self.options.seed} if "draws" in chosen.parameters else {}
            if "cpus" in chosen.parameters and "nr_cpus" in self.kernel.settings:
                parameters["cpus"] = min(chosen.parameters["cpus"], self.kernel.config().nr_cpus)
            return measure(chosen, self._options(parameters))
        chosen = scenario_of(self.source)
        measured = measure(chosen, self._options())
        if self.options.strategy == Timed.name:
            return measured
        explored = explore(chosen, self._options())
        worse = explored if explored.outcome != "clean" else measured
        return attrs.evolve(measured, outcome=worse.outcome, first=worse.first, fatal=worse.fatal)

    def _options(self, parameters: Mapping[str, object] = MappingProxyType({})) -> RunOptions:
        """For one run: a design's object is made for one machine."""
        return self.options.given({**parameters, "design": self.design.make()})


def tasks_of(plan: Plan) -> Iterator[Task]:
    """All of it, in the order of the tables."""
    for design in plan.designs:
        if plan.scenarios:
            for source in plan.scenarios:
                chosen = scenario_of(source)
                own = {name: text for name, text in plan.settings.items() if name in chosen.parameters}
                yield from _tasks(plan, design, plan.kernels, chosen.name, source, own)
            continue
        for context in CONTEXTS:
            yield from _tasks(plan, design, plan.kernels, context, "", None)
        for workload in WORKLOADS:
            yield from _tasks(plan, design, plan.measured, workload, "", {})


def _tasks(
    plan: Plan,
    design: DesignRef,
    kernels: Sequence[ComparedKernel],
    subject: str,
    source: str,
    settings: dict[str, str] | None,
) -> Iterator[Task]:
    for compared in kernels:
        # A version with its own design is that version, whichever the others are compared on: only the build is chosen.
        kernel = attrs.evolve(compared, version=design.version) if design.version else compared
        for seed in plan.seeds:
            yield Task(
                probes=settings is None,
                design=design,
                kernel=kernel,
                subject=subject,
                source=source,
                options=RunOptions(
                    kernel=kernel.version,
                    settings={**kernel.settings, **(settings or {})},
                    strategy=plan.strategy,
                    seed=seed,
                ),
            )


@functools.cache
def scenario_of(name_or_path: str) -> Scenario:
    """The scenario, loaded once in each process. Raises BadInput."""
    return load_scenario(name_or_path)


def in_good_order(tasks: Sequence[Task]) -> list[int]:
    """Numbers of the tasks as they shall be begun: who stops us early shall have seen a little of everything.

    One seed after the other, and the quick ones first.
    """
    return sorted(range(len(tasks)), key=lambda number: (tasks[number].options.seed, tasks[number].weight))


def do(task: Task) -> tuple[Answer | BadInput, float]:
    """Do a task; return its answer, or what is wrong with the input, and how many seconds of CPU time it took."""
    began = time.process_time()
    try:
        answer: Answer | BadInput = task.run()
    except BadInput as error:
        answer = BadInput(str(error))
    return answer, time.process_time() - began
