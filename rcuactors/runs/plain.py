"""A run without Trio where the scenario lets it, for who makes many: events, reports and results are those of `Run`.

A scenario that needs Trio is run on it, by itself: what was done until then is done again, with the same answers of the
strategy and in a new machine, and sinks hear nothing twice. Code of the scenario's own that lives outside the model, a
list that it appends to, sees the beginning twice. Which scenarios need Trio is remembered, so that of many runs only
the first is begun in vain.

Of many runs of one thing each may begin with what lockdep has validated in those before it
(context/lockdep/validated.py): with its first report such a run begins again in the same way, by itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any, Final
from weakref import WeakSet

import attrs

from ..context.lockdep.validated import Kept, Validated
from ..engine.absence import can_be_noticed
from ..engine.choice import Answered, Strategy
from ..engine.conductor import Conductor
from ..engine.errors import InVain, NeedsTrio
from ..engine.events import CountSink, Event, Sink
from ..engine.plain import PlainConductor
from ..machine import Machine, Setup
from ..userfiles.designs import as_design
from .options import RunOptions
from .result import Result
from .run import Listen, Run, Script, patient_collector
from .watchdog import WATCHDOG, ctrl_c_without_trio

_needs_trio: Final[WeakSet[Callable[..., object]]] = WeakSet()
"""Bodies of scenarios that were seen to."""


def needs_trio(body: Callable[..., object]) -> bool:
    """Whether a scenario was seen to need Trio."""
    try:
        return body in _needs_trio
    except TypeError:  # an object that is called, and cannot be in a set
        return False


@attrs.define(eq=False)
class _Rest:
    """A sink that has heard the first events already."""

    sink: Sink
    heard: int

    def take(self, event: Event) -> None:
        """Pass it on, if it is new."""
        if self.heard:
            self.heard -= 1
        else:
            self.sink.take(event)


def _again(strategy: Strategy, conductor: PlainConductor) -> Answered:
    """The strategy, with what it has answered in a run that begins again."""
    return Answered(strategy, conductor.answered, conductor.unasked)


class PlainRun(Run):
    """A run that goes without Trio as far as it can. Arguments and errors are those of `Run`.

    `kept` is for one of many: what lockdep has left of others like it, of the same scenario, under any strategy that is
    asked at each point. Figures of lockdep's are those of all of them then, and of such a run's events no digest is
    made; nothing else that it leaves is another for it.

    `machine` may be another one after the run than before: who listens to probes says how (`go`).
    """

    def __init__(
        self, script: Script, options: RunOptions | None = None, kept: Kept | None = None, /, **words: object
    ) -> None:
        self._kept, self._is_one_of_many = kept, kept is not None
        super().__init__(script, options, **words)

    def _own_sink(self) -> CountSink:
        return CountSink() if self._is_one_of_many else super()._own_sink()

    def _how(self, setup: Setup) -> dict[str, Any]:
        if needs_trio(self.scenario.body) or not can_be_noticed():
            return {}
        if not (setup.strategy.order.asks_always or setup.strategy.holds_up):
            # Where time alone decides, a call in one step depends on what lockdep knows (kvfree/core.py).
            self._kept = None
        if self._kept is None:
            return {"conductor": PlainConductor}
        validated = self._kept.take(setup.era.rules.lockdep, setup.config)
        return {"conductor": PlainConductor, "validated": validated}

    def run(self, listen: Listen | None = None) -> Result:
        """As `Run.run`."""
        self.go(listen)
        return self.result()

    def go(self, listen: Listen | None = None) -> None:
        """As `Run.go`; `listen` is called with each machine before it runs, and may listen to its probes."""
        self._see_where_we_are()
        while isinstance(conductor := self.machine.conductor, PlainConductor):
            if listen is not None:
                listen(self.machine)
            try:
                with patient_collector(), self._nothing_dropped():
                    self._run_plain(conductor)
            except NeedsTrio:
                with contextlib.suppress(TypeError):
                    _needs_trio.add(self.scenario.body)
                self._begin_again(_again(self.machine.setup.strategy, conductor), Conductor)
            except InVain:
                assert self._kept is not None
                self._kept.in_vain()
                self._begin_again(_again(self.machine.setup.strategy, conductor), PlainConductor)
            else:
                self._keep()
                return
        super().go(listen)

    def _keep(self) -> None:
        """It has come to its end: the next one may go on from what it has left, if it was silent."""
        if self._kept is not None and not self.machine.reporter.count:
            setup = self.machine.setup
            self._kept.leave(setup.validated, setup.era.rules.lockdep, setup.config)

    async def arun(self) -> Result:
        """As `Run.arun`: within somebody else's `trio.run` it is on that."""
        self._see_where_we_are()
        return await super().arun()

    def _see_where_we_are(self) -> None:
        """It may have been made before a `trio.run`, and be run within that."""
        if isinstance(self.machine.conductor, PlainConductor) and not can_be_noticed():
            self._begin_again(self.machine.setup.strategy, Conductor)

    def _run_plain(self, conductor: PlainConductor) -> None:
        try:
            with WATCHDOG.watching(conductor), ctrl_c_without_trio(conductor):
                conductor.run_plain(partial(self.machine.boot, self._main, self.scenario.name))
                if conductor.failure is not None:
                    raise conductor.failure
        except (NeedsTrio, InVain):
            raise
        except BaseException as error:
            blamed = self._blamed(error)
            if blamed is not error:
                raise blamed from blamed.__cause__
            raise

    def _begin_again(self, strategy: Strategy, conductor: type[Conductor]) -> None:
        """A new machine for the same run, by itself."""
        setup, heard = self.machine.setup, self._heard.count
        self._heard = self._own_sink()
        sinks: tuple[Sink, ...] = setup.sinks
        if sinks:
            sinks = (self._heard, *(_Rest(sink, heard) for sink in sinks[1:]))
        design = as_design(self.options.design) if self.options.design is not None else None
        self.machine = Machine(
            attrs.evolve(
                setup, design=design, strategy=strategy, sinks=sinks, conductor=conductor, validated=Validated()
            )
        )


def run_plain(
    script: Script, options: RunOptions | None = None, kept: Kept | None = None, /, **words: object
) -> Result:
    """As `run`, without Trio where the scenario lets it."""
    with patient_collector():
        return PlainRun(script, options, kept, **words).run()
