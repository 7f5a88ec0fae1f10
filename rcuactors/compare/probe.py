"""A probe: what a kernel says of kvfree_rcu() with one design in one context, tried on a fresh machine.

CPU 0 allocates its objects, empties its cache of kvfree_rcu() pages, fills or empties its page list (the pcplist),
enters the context and frees the objects by the two-argument form, which must never sleep. Meanwhile CPU 1 takes pages
and gives its page list back, again and again, as the rest of a machine does: so zone->lock is contended. Where an NMI
has to hit something, CPU 1 waits for that instead. The run goes on to its end: what was freed must be freed, and a
machine that stands still is a verdict, too.

A third time the list is filled, but the zone is below its low watermark: whoever asks for a page then finds kswapd
asleep and wakes it, unless the flags forbid that. CPU 1 does nothing there, or it would wake kswapd first.

A probe's blocks hold fewer pointers than the version's, so that a short burst needs pages enough to empty a reserve;
nothing else on the way depends on the number.
"""

from __future__ import annotations

import enum
from typing import Final

import attrs

from ..context.locks import Lock
from ..engine.choice import Strategy
from ..eras import find_era
from ..errors import DesignError, StepBoundExceeded
from ..explore import make_strategy
from ..kapi import Kernel
from ..lab import bystanders
from ..machine import Machine, Setup
from ..mm.objects import PAGE_SIZE, KObject
from ..userfiles.blame import blame_design
from .contexts import CONTEXTS, Way
from .designs import DesignRef
from .kernels import ComparedKernel
from .raised import FATAL, RAISED, UNFINISHED, raised_text, title_of

OBJECTS: Final = 160
"""That a burst gives to kvfree_rcu()."""
INTERRUPTED: Final = 8
"""vmalloc() areas of a thread that an NMI interrupts."""
_BLOCK_CAPACITY: Final = 4
_PAGE_LIST: Final = 64
"""Pages that a filled list holds: more than the blocks of a burst."""
_OBJECT_SIZE: Final = 64
MAX_STEPS: Final = 400_000
"""After which a run is given up as one that does not end."""


class Fill(enum.Enum):
    """What the CPU's page list held; LOW: it was filled, and the zone had fewer pages than its low watermark."""

    FILLED = "filled"
    EMPTY = "empty"
    LOW = "low"


@attrs.frozen(kw_only=True)
class Finding:
    """What one probe found: nothing (`kind` is empty), or its first report, and how the machine ended.

    `way` is how the context was entered. `fatal` is the kind of the report after which nothing went on.
    """

    fill: str
    way: str
    kind: str = ""
    title: str = ""
    fatal: str = ""

    @property
    def legal(self) -> bool:
        """Nothing was reported."""
        return not self.kind


class Probe:
    """One machine, and what its threads share."""

    def __init__(
        self, design: DesignRef, kernel: ComparedKernel, way: Way, fill: Fill, strategy: Strategy, seed: int
    ) -> None:
        era = find_era(kernel.version)
        kvfree = attrs.evolve(era.rules.kvfree, block_capacity=_BLOCK_CAPACITY)
        config = kernel.config()
        self.machine = Machine(
            Setup(
                era=attrs.evolve(era, rules=attrs.evolve(era.rules, kvfree=kvfree)),
                config=attrs.evolve(config, pcp_batch=config.pcp_batch or _PAGE_LIST),
                design=design.make(),
                strategy=strategy,
                seed=seed,
                max_steps=MAX_STEPS,
            )
        )
        self.k = Kernel(self.machine)
        self._way = way
        self._fill = fill
        self._interrupted: list[KObject | None] = []
        self._body: list[KObject | None] = []
        self._done = False

    def run(self) -> Finding:
        """Run it to its end."""
        ended = ""
        try:
            self.machine.run(self._main, "probe")
        except StepBoundExceeded:
            ended = UNFINISHED
        except BaseException as error:
            blamed = blame_design(error)
            if not isinstance(blamed, Exception):
                raise
            return self._finding(RAISED, raised_text(blamed))
        return self._finding(ended, f"the run took more than {MAX_STEPS:,} steps" if ended else "")

    def _finding(self, ended: str, said: str) -> Finding:
        violations = self.machine.reporter.violations
        way, fill = self._way.name, self._fill.value
        fatal = next((violation.kind.value for violation in violations if violation.kind in FATAL), ended)
        if not violations:
            return Finding(fill=fill, way=way, kind=ended, title=said, fatal=fatal)
        first = violations[0]
        return Finding(fill=fill, way=way, kind=first.kind.value, title=title_of(first.title, ended, said), fatal=fatal)

    # -- CPU 0 ---------------------------------------------------------------------------------------------------------

    async def _main(self) -> None:
        k = self.k
        self._body = [await k.kmalloc(_OBJECT_SIZE) for _ in range(OBJECTS)]
        # Of vmalloc(), so that they go to krcp->lock also where slab objects go elsewhere first.
        self._interrupted = [await k.vmalloc(PAGE_SIZE) for _ in range(INTERRUPTED)]
        neighbour = None
        if not self._way.needs_other_cpu and self._fill is not Fill.LOW:
            neighbour = await k.kthread_run(bystanders.neighbour, k, lambda: not self._done, cpu=1, name="neighbour")
            await k.udelay(5)
        await k.cold_caches()
        if self._fill is not Fill.EMPTY:
            await k.free_page(await k.get_free_page())
        if self._fill is Fill.LOW:
            zone = self.machine.pages.zone
            zone.set_aside(zone.free - zone.watermark_low)
        await self._way.enter(self, self._free_all)
        self._done = True
        while self._body:
            # An NMI that never came: what it should have hit was over too soon. That is no verdict on anything.
            await k.kfree(self._body.pop())
        await self.free_some()
        if neighbour is not None:
            await k.kthread_join(neighbour)

    async def _free_all(self) -> None:
        """The body: in the context."""
        while self._body:
            await self.k.kvfree_rcu(self._body.pop(), "rcu")

    async def free_some(self) -> None:
        """What a thread does that an NMI finds in kvfree_rcu()."""
        while self._interrupted:
            await self.k.kvfree_rcu(self._interrupted.pop(), "rcu")

    async def use_pages(self) -> None:
        """What a thread does that an NMI finds in the page allocator."""
        for _ in range(3):
            await bystanders.stir_zone(self.k)

    def krcp_lock(self) -> Lock:
        """krcp->lock of CPU 0."""
        return self.machine.kvfree.krc(0).lock


def probe_cell(design: DesignRef, kernel: ComparedKernel, context: str, strategy: str, seed: int) -> list[Finding]:
    """Every way into the context, with a filled list, with an empty one, and with a filled one in a low zone."""

    def look(way: Way, fill: Fill) -> Finding:
        try:
            probe = Probe(design, kernel, way, fill, make_strategy(strategy), seed)
        except DesignError as error:  # there is no machine with this design
            said = raised_text(error)
            return Finding(fill=fill.value, way=way.name, kind=RAISED, title=said, fatal=RAISED)
        return probe.run()

    return [look(way, fill) for way in CONTEXTS[context].ways for fill in Fill]
