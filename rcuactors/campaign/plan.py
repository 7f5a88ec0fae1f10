"""What a campaign is made of, and how each of its runs is drawn.

A run is a function of the plan and of its number, and of nothing else: any part of a campaign can be run again, in any
process, and a campaign that was cut short goes on with the next number.
"""

from __future__ import annotations

import math
import random
import shlex
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final, TypeVar

import attrs

from ..builds import BUILDS
from ..config import field_names
from ..eras import ERAS, find_era
from ..lab.faults import drawn_faults, faults_in
from ..runs import RunOptions
from ..runs.options import LARGEST_SEED, Settings
from ..runs.spec import RunSpec
from ..scenario import Scenario, check_names
from ..userfiles import find_scenarios, load_scenario

Drawn = TypeVar("Drawn")

STEPS: Final = 2_000_000
"""Bound of a run: about three times what the longest that comes to its end takes (docs/campaign.md)."""

_MOST_OF_ANYTHING: Final = 1500
"""The largest number drawn for a scenario's parameter, unless its default is in microseconds."""

_DEPARTS: Final = 1 / 6
"""How often a setting is another than its default."""

Settled = Mapping[str, str]


@attrs.frozen
class Variation:
    """A setting that is drawn: its values besides the default, and on which kernels it makes sense."""

    name: str
    values: tuple[str, ...]
    suits: Callable[[Settled], bool] | None = None


def _may_be_preempted_less(settled: Settled) -> bool:
    """Neither PREEMPT_RT nor DEBUG_PREEMPT goes with less preemption, and one kind of less is enough."""
    return not {"PREEMPT_RT", "DEBUG_PREEMPT", "PREEMPT"} & settled.keys()


VARIATIONS: Final = (
    Variation("nr_cpus", ("3", "4")),
    Variation("HZ", ("100", "300", "1000")),
    Variation("mem", ("32M", "64M")),
    Variation("rcu_min_cached_objs", ("0", "1", "20")),
    Variation("fail_page_alloc", ("5", "30")),
    Variation("jiffies_till_first_fqs", ("0", "10")),
    Variation("pcp_batch", ("1", "31")),
    Variation("PREEMPT", ("n",), _may_be_preempted_less),
    Variation("preempt_voluntary", ("y",), _may_be_preempted_less),
    Variation("migrate", ("y",)),
    Variation("latitude", ("y",)),
    Variation("lockdep_keep_going", ("y",)),
    Variation("DEBUG_OBJECTS_FREE", ("y",)),
    Variation("DEBUG_OBJECTS_TIMERS", ("y",)),
    Variation("DEBUG_OBJECTS_WORK", ("y",)),
    Variation("DEBUG_OBJECTS_RCU_HEAD", ("y",)),
    Variation("slub_debug", ("y",)),
    Variation("KASAN", ("y",)),
    Variation("debug_pagealloc", ("y",)),
    Variation("page_owner", ("y",)),
    Variation("hotplug", ("y",)),
    Variation("maxcpus", ("2",), lambda settled: "nr_cpus" in settled),
    Variation("rcu_nocbs", ("y",)),
    Variation("rcu_fanout", ("2",)),
    Variation("rcu_fanout_leaf", ("2",)),
    Variation("debug_objects_pool", ("200",)),
    Variation("stack_depot_full", ("y",)),
)
"""What is drawn on top of a build. A scenario's own settings stay as they are."""

_TAKES_CPUS_DOWN: Final = frozenset(
    {
        "cache_while_a_cpu_goes",
        "churn",
        "cpu_goes_offline",
        "driver_thread_sleeps",
        "hotplug_short_grace_period",
        "offloaded_callbacks",
    }
)
"""Scenarios that say themselves which CPU goes when: nobody else may have taken it down (`hotplug`)."""

_UNTOLD: Final = frozenset({"driver_thread_sleeps"})
"""Scenarios whose bug shows as a deadlock in which no kernel function says whose it is: nothing would tell it from
news."""

_STRATEGIES: Final = ("random", "random:present=1", "random:present=64")


def _as_settings(given: Mapping[str, str]) -> Settings:
    return Settings(tuple(given.items()))


@attrs.frozen(kw_only=True)
class Plan:
    """What a campaign draws from, checked. Raises BadInput for a name that there is not.

    `scenarios` are names or paths (but for `driver_thread_sleeps`, all); `designs` are those asked for, none for each
    version's own and those that its known bugs name. `settings` are the same in every run: a scenario that has no
    such parameter goes without it.
    """

    scenarios: tuple[str, ...] = attrs.field(factory=lambda: tuple(sorted(find_scenarios().keys() - _UNTOLD)))
    kernels: tuple[str, ...] = tuple(ERAS)
    builds: tuple[str, ...] = tuple(BUILDS)
    designs: tuple[str, ...] = ()
    settings: Settings = attrs.field(factory=Settings, converter=_as_settings)
    seed: int = 0
    max_steps: int = STEPS

    def __attrs_post_init__(self) -> None:
        parameters = {name for scenario in self.scenarios for name in loaded(scenario).parameters}
        check_names(tuple(self.settings), sorted(parameters), "the scenarios", option="--set")

    @property
    def untold(self) -> tuple[str, ...]:
        """Which scenarios are left out of all that there are; none where somebody has named those that are wanted."""
        return tuple(sorted(_UNTOLD)) if set(self.scenarios) == find_scenarios().keys() - _UNTOLD else ()

    def designs_on(self, kernel: str) -> tuple[str | None, ...]:
        """The designs drawn on that version; None is its own."""
        if self.designs:
            return self.designs
        era = find_era(kernel)
        named = dict.fromkeys(name for bug in era.known_bugs for name in bug.designs)
        return (None, *(name for name in named if name != era.design))


@attrs.frozen(kw_only=True)
class Part:
    """One run of a campaign: its number, and what was drawn. `scenario` is a name or a path."""

    number: int
    scenario: str
    build: str
    options: RunOptions

    @property
    def command(self) -> str:
        """The command that shows this run."""
        options = self.options
        words = ["rcuactors", "run", self.scenario, "--kernel", options.kernel]
        words += ["--design", str(options.design)] if options.design is not None else []
        words += ["--strategy", str(options.strategy), "--seed", str(options.seed)]
        words += ["--max-steps", str(options.max_steps)]
        words += [word for name, text in options.settings.items() for word in ("--set", f"{name}={text}")]
        return shlex.join(words)

    @property
    def faults(self) -> tuple[str, ...]:
        """What may go wrong in it besides who goes next, by name, whether drawn as such or as a setting."""
        return faults_in(self.options.settings)

    @property
    def spec(self) -> RunSpec:
        """The run as a value."""
        return RunSpec.of(loaded(self.scenario), self.options)


@lru_cache(maxsize=256)
def loaded(scenario: str) -> Scenario:
    """The scenario of that name or path; a campaign runs each many times."""
    return load_scenario(scenario)


def draw(plan: Plan, number: int) -> Part:
    """The run of that number."""
    # A text as seed is hashed by Python in a way that does not change.
    rng = random.Random(f"{plan.seed}:{number}")
    scenario, kernel, build = (_one_of(rng, names) for names in (plan.scenarios, plan.kernels, plan.builds))
    design = _one_of(rng, plan.designs_on(kernel))
    settings = _settings(rng, plan, loaded(scenario), dict(BUILDS[build].settings))
    settings |= _faults(random.Random(f"{plan.seed}:{number}:faults"), loaded(scenario), settings)
    options = RunOptions(
        kernel=kernel,
        design=design,
        settings=settings,
        strategy=_one_of(rng, _STRATEGIES),
        seed=int(rng.random() * min(LARGEST_SEED, 1_000_000_000)),
        max_steps=plan.max_steps,
    )
    return Part(number=number, scenario=scenario, build=build, options=options)


def _one_of(rng: random.Random, values: Sequence[Drawn]) -> Drawn:
    return values[int(rng.random() * len(values))]


def _settings(rng: random.Random, plan: Plan, scenario: Scenario, settled: dict[str, str]) -> dict[str, str]:
    """The build's settings, those drawn, and those of the plan, which win."""
    fixed = {name: text for name, text in plan.settings.items() if name in (*field_names(), *scenario.parameters)}
    settled |= {name: text for name, text in fixed.items() if name not in scenario.parameters}
    for variation in VARIATIONS:
        # Drawn whether it is wanted or not: the draws that follow stay the same.
        departs, value = rng.random() < _DEPARTS, _one_of(rng, variation.values)
        taken = variation.name in settled or variation.name in scenario.settings
        if variation.name == "hotplug" and scenario.name in _TAKES_CPUS_DOWN:
            taken = True
        if departs and not taken and (variation.suits is None or variation.suits(settled)):
            settled[variation.name] = value
    for name, default in scenario.parameters.items():
        if isinstance(default, int) and name not in scenario.choices and not isinstance(default, bool) and default > 0:
            settled[name] = str(_about(rng, name, default))
    return settled | fixed


def _faults(rng: random.Random, scenario: Scenario, settled: Settled) -> dict[str, str]:
    """What may go wrong besides, in some of the runs. What the scenario or the plan says of it stays."""
    taken = settled.keys() | scenario.settings.keys()
    if scenario.name in _TAKES_CPUS_DOWN:
        taken |= {"hotplug"}
    return {fault.setting: fault.value for fault in drawn_faults(rng, taken)}


def _about(rng: random.Random, name: str, default: int) -> int:
    """A number of the same kind as the default: small ones are as likely as large ones."""
    most = default if name.endswith("_us") else min(max(4 * default, 20), _MOST_OF_ANYTHING)
    return max(1, min(most, int(math.exp(rng.random() * math.log(most + 1)))))
