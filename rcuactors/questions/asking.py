"""A question put to the model: one machine, the question's thread on it, and what came of that as a console's text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from ..config import field_names
from ..context.violation import KERNEL as BY_KERNEL
from ..context.violation import KernelBug, Violation
from ..engine.events import Event
from ..eras import find_era
from ..errors import BadInput, RcuactorsError
from ..kapi import Kernel
from ..kernel.costs import cost_model
from ..lab.time_limit import TimeLimit
from ..machine import Machine
from ..marks import KERNEL, machinery
from ..report.console import ConsoleReport, Entry, Said, is_kernels, read_console
from ..runs import RunOptions
from ..runs.run import patient_collector, setup_of
from .before import Before
from .command import Command
from .kernels import MODELLED, AskedKernel
from .module import Module, NotExpressible
from .printk import Printk, about_console
from .verbs import DO
from .words import Question

__trace__ = KERNEL

_MAX_STEPS: Final = 500_000_000
_AFTERWARDS_MS: Final = 20
"""The recorded machines went on while somebody read what they had printed."""
_SMALL: Final = 64
_PATIENCE_S: Final = 30
"""Beyond what the question itself takes: longer than any time-out of the recordings."""
_SECONDS: Final = ("wait", "s", "ms")


@attrs.frozen(kw_only=True)
class Answer:
    """What came of a question.

    `entries` is the console, in its order; `ended` says that the question's thread came to its end in time. `ours` is
    what only the model's oracle saw, of which its kernel would have printed nothing. `unread` are reports of the
    kernel's that the parser of consoles does not know as such: no comparison that has one can agree. `not_expressible`
    is the reason why the question could not be put, `raised` the error that ended the run.
    """

    question: Question
    entries: tuple[Entry, ...] = ()
    ended: bool = False
    ours: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    not_expressible: str = ""
    raised: str = ""
    text: str = ""

    @property
    def reports(self) -> tuple[ConsoleReport, ...]:
        """The kernel's reports."""
        return tuple(entry for entry in self.entries if isinstance(entry, ConsoleReport))

    @property
    def said(self) -> tuple[Said, ...]:
        """What the module printed."""
        return tuple(entry for entry in self.entries if isinstance(entry, Said))


class _Batches:
    """Counts runs of rcu_do_batch() on the event stream."""

    def __init__(self) -> None:
        self.ended = 0

    def take(self, event: Event) -> None:
        """One event."""
        self.ended += event.name == "rcu_batch_end"


class _Asked:
    """One question's machine."""

    def __init__(
        self,
        command: Command,
        options: RunOptions,
        limit_s: float,
        kernel: AskedKernel,
        *,
        live: bool,
        before: Before | None,
        rcu_wants: bool,
    ) -> None:
        self.poison = kernel.poison
        self.before = before
        self._rcu_wants = rcu_wants
        self._live = live
        self.command = command
        self.question = question = command.question
        self._batches = _Batches()
        sinks = (self._batches,) if question.verb.name == "batch" else ()
        self.machine = Machine(setup_of(attrs.evolve(options, events=bool(sinks)), options.settings, sinks=sinks))
        self.console = Printk(self.machine, live=live)
        self.texts: list[str] = []
        self.ours: list[str] = []
        self.unread: list[str] = []
        self.ended = False
        self.machine.probes.violation.listen(self._reported)
        # As the time shows that the first of their works takes to begin.
        self.machine.workqueues.highpri_is_new()
        self._limit = TimeLimit(self.machine, int(limit_s * 1_000_000_000), self.machine.conductor.finish)

    def _reported(self, violation: Violation) -> None:
        self.texts.append(violation.text)
        if violation.by != BY_KERNEL:
            self.ours.append(violation.title)
        elif is_kernels(violation.text):
            self.console.report(violation.text.split("\n"))
        else:
            self.unread.append(violation.title)

    @property
    def batches(self) -> int:
        """How many runs of rcu_do_batch() have ended."""
        return self._batches.ended

    def say(self, line: str) -> None:
        """A line for the console."""
        self.console.printk([line])
        self.texts.append(line)

    @machinery
    async def main(self) -> None:
        """init: starts the question's thread, and waits for its end."""
        kernel = Kernel(self.machine)
        module = Module(kernel, self.command, self)
        do = DO[self.question.verb.name]

        async def delayed_put_task_struct() -> None:
            """What release_task() leaves to RCU."""

        async def job_thr() -> None:
            # A machine that runs has had small objects before: its CPU has some at hand.
            await kernel.kfree(await kernel.kmalloc(_SMALL))
            if self._rcu_wants:
                await kernel.call_rcu(delayed_put_task_struct)
            await do(module)
            await kernel.call_rcu(delayed_put_task_struct)

        self._limit.begin("init")
        for beside in self.command.beside:
            await kernel.user_process(beside.name, beside.pages)
        task = await module.start(job_thr, self.question.verb.cpu, "q_main")
        # The writer of the module's file waits interruptibly: nobody calls it hung.
        await kernel.wait_for_completion_interruptible(task.done)
        self.ended = True
        await kernel.msleep(_AFTERWARDS_MS)
        if not self._live:
            await self._dmesg(kernel)
        self.machine.conductor.finish()

    async def _dmesg(self, kernel: Kernel) -> None:
        """syslog_print_all(): whoever reads the console's text afterwards allocates memory for a line of it."""
        await kernel.kfree(await kernel.kmalloc(self.machine.system.rules.syslog_line))

    def answer(self, *, not_expressible: str = "", raised: str = "") -> Answer:
        """What came of it."""
        return Answer(
            question=self.question,
            entries=tuple(entry for entry in read_console(self.console.lines) if not about_console(entry)),
            ended=self.ended,
            ours=tuple(self.ours),
            unread=tuple(self.unread),
            not_expressible=not_expressible,
            raised=raised,
            text="\n".join(self.texts),
        )


def _limit_s(question: Question) -> float:
    """How long the question may take: its own times, and patience."""
    known = {key.name for key in question.verb.keys}
    times = [question.number(name) / (1000 if name == "ms" else 1) for name in _SECONDS if name in known]
    if question.verb.name in ("od", "f5"):
        times = [time / 1000 for time in times]
    return _PATIENCE_S + 2 * sum(times)


def options_for(kernel: AskedKernel, settings: Mapping[str, str], version: str = MODELLED) -> RunOptions:
    """How the question is run: on that version, with the kernel's settings, and those on top. Raises BadInput."""
    chosen = {name: value for name, value in kernel.settings.items() if name in field_names()}
    if find_era(version).rules.kernel.timer_migration:
        # A sysctl, which is on.
        chosen["timer_migration"] = "y"
    return RunOptions(
        kernel=version, settings={**chosen, **settings}, costs=cost_model(kernel.costs), max_steps=_MAX_STEPS
    )


def ask(
    command: Command,
    kernel: AskedKernel,
    settings: Mapping[str, str] | None = None,
    *,
    version: str = MODELLED,
    limit_s: float | None = None,
    live: bool = False,
    before: Before | None = None,
    rcu_wants: bool = False,
) -> Answer:
    """Put the question to a fresh machine of that version.

    `limit_s` is when it counts as not having come back, in virtual seconds. With `live` the console is live: printing
    takes its locks. `before` is what the zone and the CPU's list have when pages are asked for, where that is known:
    what a machine's CPUs have on their lists of other types, and give back then, is its past. `rcu_wants`: so is that a
    callback waits on the question's CPU, so that RCU wants something of the ticks to come.
    Raises BadInput for a setting with a wrong value, or a version that does not exist.
    """
    question = command.question
    wanted = {**command.settings, **(settings or {})}
    missing = [*kernel.missing, *(name for name in wanted if name not in field_names())]
    if missing:
        return Answer(question=question, not_expressible=f"the configuration has no {', '.join(missing)}")
    limit = limit_s if limit_s is not None else _limit_s(question)
    options = options_for(kernel, wanted, version)
    asked = _Asked(command, options, limit, kernel, live=live, before=before, rcu_wants=rcu_wants)
    try:
        with patient_collector():
            asked.machine.run(asked.main, "init")
    except NotExpressible as error:
        return asked.answer(not_expressible=str(error))
    except BadInput as error:
        return asked.answer(not_expressible=str(error))
    except KernelBug:
        # An oops: it stands on the console, and its thread does not go on.
        return asked.answer()
    except (RcuactorsError, RuntimeError, AttributeError, AssertionError, TypeError) as error:
        return asked.answer(raised=f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")
    return asked.answer()
