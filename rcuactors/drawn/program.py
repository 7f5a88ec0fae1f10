"""Programs drawn by a seed: a kernel, its configuration, a strategy, and threads that do a little of everything.

What comes of one is all that can be seen of it: every event, every report, every counter, what the parts say of
themselves, what probes tell, and the state that each is in at the end. So a change of the model that shows anywhere
shows here.
"""

from __future__ import annotations

import random
from typing import Any, Final

import attrs

from ..builds import BUILDS
from ..eras import ERAS
from ..errors import BadInput
from ..kapi import Kernel
from ..lab.faults import drawn_faults, faults_in
from ..runs import RunOptions
from ..runs.plain import PlainRun
from ..scenario import Scenario, scenario
from . import activities  # registers more operations  # noqa: F401
from .operations import OPERATIONS, allowed
from .sections import SECTIONS
from .shop import ATOMIC, TOP, Shop, closed, opened

_STEPS: Final = 20_000
_STRATEGIES: Final = ("timed", "timed", "timed", "random", "random:present=4", "walk", "holds")
_SETTINGS: Final[tuple[tuple[str, tuple[object, ...]], ...]] = (
    ("nr_cpus", (1, 2, 2, 3, 5)),
    ("mem", ("8M", "16M", "64M")),
    ("HZ", (100, 250, 1000)),
    ("fail_page_alloc", (20, 60)),
    ("rcu_min_cached_objs", (0, 2, 7)),
    ("rcu_delay_page_cache_fill_msec", (0, 50)),
    ("pcp_batch", (1, 8)),
    ("rcu_fanout_leaf", (2,)),
    ("rcu_fanout", (2,)),
    ("rcu_nocbs", ("y",)),
    ("RCU_LAZY", ("y",)),
    ("rcu_expedited", ("y",)),
    ("rcu_normal", ("y",)),
    ("rcu_normal_wake_from_gp", (0, 1)),
    ("jiffies_till_first_fqs", (0, 5)),
    ("jiffies_till_next_fqs", (1, 4)),
    ("rcu_cpu_stall_timeout", (3,)),
    ("KVFREE_RCU_BATCHED", ("n",)),
    ("PREEMPT", ("n",)),
    ("PREEMPT_LAZY", ("y",)),
    ("preempt_voluntary", ("y",)),
    ("PROVE_LOCKING", ("n",)),
    ("lockdep_keep_going", ("y",)),
    ("debug_pagealloc", ("y",)),
    ("page_owner", ("y",)),
    ("slub_debug", ("y",)),
    ("DEBUG_OBJECTS_FREE", ("y",)),
    ("DEBUG_OBJECTS_TIMERS", ("y",)),
    ("DEBUG_OBJECTS_WORK", ("y",)),
    ("DEBUG_OBJECTS_RCU_HEAD", ("y",)),
    ("debug_objects_pool", (4,)),
    ("SOFTLOCKUP_DETECTOR", ("y",)),
    ("HARDLOCKUP_DETECTOR", ("y",)),
    ("migrate", ("y",)),
    ("latitude", ("y",)),
    ("hotplug", ("y",)),
    ("irq_work_interrupt", ("n",)),
    ("timer_migration", ("y",)),
    ("stat_interval", (1,)),
    ("cpu_intensive_thresh_us", (20,)),
    ("hung_task_timeout_secs", (1,)),
    ("watchdog_thresh", (1,)),
    ("fair_server_runtime", (0,)),
    ("maxcpus", (1,)),
    ("stack_depot_full", ("y",)),
    ("KASAN", ("y",)),
)
_ODD: Final = 5
"""Settings of a program, at most, that are not the default."""


@attrs.frozen
class Program:
    """What is drawn. `wrong`: percent of the operations that are done where they must not be."""

    seed: int
    kernel: str
    strategy: str
    settings: dict[str, str]
    threads: int
    length: int
    wrong: int

    @property
    def faults(self) -> tuple[str, ...]:
        """What may go wrong besides who goes next, by name."""
        return faults_in(self.settings)


def drawn(seed: int) -> Program:
    """By its seed."""
    rng = random.Random(f"drawn {seed}")
    kernels, builds = list(ERAS), list(BUILDS)
    kernel, build = kernels[seed % len(kernels)], builds[(seed // len(kernels)) % len(builds)]
    settings: dict[str, str] = dict(BUILDS[build].settings)
    for name, values in rng.sample(_SETTINGS, rng.randrange(_ODD + 1)):
        more = {name: str(rng.choice(values)), **settings}
        if _exists(kernel, more):
            settings = more
    strategy = rng.choice(_STRATEGIES)
    return Program(
        seed=seed,
        kernel=kernel,
        strategy=strategy,
        settings=_with_faults(seed, kernel, strategy, settings),
        threads=rng.randrange(1, 4),
        length=rng.randrange(8, 30),
        wrong=rng.choice([0, 0, 0, 4, 12]),
    )


def _with_faults(seed: int, kernel: str, strategy: str, settings: dict[str, str]) -> dict[str, str]:
    """Some have faults besides, by numbers of their own: but for those, programs are as they were without."""
    if strategy == "timed":  # which is asked of none but failing allocations, which are drawn already
        return settings
    for fault in drawn_faults(random.Random(f"faults {seed}"), settings):
        more = {**settings, fault.setting: fault.value}
        if _exists(kernel, more):
            settings = more
    return settings


def _exists(kernel: str, settings: dict[str, str]) -> bool:
    """Whether that version can be configured so."""

    async def nothing(_k: Kernel) -> None:
        pass

    try:
        PlainRun(nothing, RunOptions(kernel=kernel, settings=settings))
    except BadInput:
        return False
    return True


def _handler(s: Shop, level: int) -> Any:
    rng = random.Random(f"{s.rng.random()}")

    async def handler(*_object: object) -> None:
        await s.k.ndelay(rng.randrange(800))
        await _step(s, rng, level)

    return handler


async def _step(s: Shop, rng: random.Random, level: int) -> None:
    """One operation, often within a section or two."""
    if rng.randrange(100) < s.wrong:
        await rng.choice(OPERATIONS)[1](s, rng)
        return
    possible = [one for one in SECTIONS if one[0] <= level]
    if possible and level > ATOMIC and rng.random() < 0.55:
        _, within, section = rng.choice(possible)
        async with section(s, rng):
            for _ in range(rng.randrange(1, 3)):
                await _step(s, rng, min(level, within))
        return
    await rng.choice(allowed(level))(s, rng)


async def _body(k: Kernel, program: Program) -> None:
    rng = random.Random(program.seed)
    s = await opened(k, rng, program.wrong, _handler)

    async def thread(number: int) -> None:
        own = random.Random(f"{program.seed} {number}")
        for _ in range(program.length):
            await _step(s, own, TOP)
            await s.fill() if own.random() < 0.2 else None

    tasks = [await k.kthread_run(thread, n, name=f"own{n}", urgent=rng.random() < 0.1) for n in range(program.threads)]
    for task in tasks:
        await k.kthread_join(task)
    await closed(s)


def made(program: Program) -> tuple[Scenario, RunOptions]:
    """What is to be run, and how."""

    async def program_body(k: Kernel) -> None:
        await _body(k, program)

    options = RunOptions(
        kernel=program.kernel, strategy=program.strategy, seed=program.seed, settings=program.settings, max_steps=_STEPS
    )
    return scenario()(program_body), options
