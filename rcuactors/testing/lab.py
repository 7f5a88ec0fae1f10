"""What a test has its runs made by: `RcuLab`, and the log of what the kernels of a test's runs reported.

While a test is tried under many schedules, it is the schedule that says who decides in a run (explored.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from ..context.violation import Violation
from ..errors import BadInput
from ..report.text import splat_lines
from ..runs import Result, Run, RunOptions
from ..runs.run import Script
from ..spelling import plural
from .now import LOG, NOW

if TYPE_CHECKING:
    from ..check import Checked

AsyncRun = Callable[..., Awaitable[Result]]
"""What the fixture `rcu_run` is; the arguments are those of `RcuLab.prepare`."""

_SCHEDULES: Final = 300
_KEPT: Final = 10


class KernelLog:
    """The last reports of a test's runs."""

    def __init__(self) -> None:
        self._reports: deque[tuple[str, Violation]] = deque(maxlen=_KEPT)
        self._count = 0

    def listen(self, run: Run) -> None:
        """Hear of what a run reports."""
        name = f"{run.scenario.name} on {run.machine.setup.era.name}, seed {run.machine.setup.seed}"
        run.machine.probes.violation.listen(lambda violation: self._take(name, violation))

    def _take(self, name: str, violation: Violation) -> None:
        self._count += 1
        self._reports.append((name, violation))

    def text(self) -> str:
        """All of it, a headline where another run begins."""
        lines: list[str] = []
        if self._count > _KEPT:
            lines.append(f"... {plural(self._count - _KEPT, 'report')} before these")
        shown = ""
        for name, violation in self._reports:
            lines += [f"{name}:"] if name != shown else []
            lines += splat_lines(violation)
            shown = name
        return "\n".join(lines)


class RcuLab:
    """What the fixture `rcu_lab` is: makes runs, and runs them."""

    def prepare(self, script: Script, options: RunOptions | None = None, /, **words: object) -> Run:
        """Make a run without starting it, for a test that looks into its `machine`.

        Arguments are those of `rcuactors.run()`: kernel="v5.9", design="direct", seed=3, strategy="random" and so on;
        what is none of these is a configuration name or a parameter of the scenario.
        """
        if NOW.maker is not None:
            return NOW.maker.prepare(script, options, words)
        run = Run(script, options, **words)
        if NOW.item is not None:
            NOW.item.stash.setdefault(LOG, KernelLog()).listen(run)
        return run

    def run(self, script: Script, options: RunOptions | None = None, /, **words: object) -> Result:
        """Make the run and run it. Raises what the script raises, and the first KernelBug under panic_on_warn."""
        return self.prepare(script, options, **words).run()

    async def arun(self, script: Script, options: RunOptions | None = None, /, **words: object) -> Result:
        """The same inside somebody else's `trio.run`: what the fixture `rcu_run` is."""
        return await self.prepare(script, options, **words).arun()

    def check(self, script: Script, options: RunOptions | None = None, /, **words: Any) -> Checked:
        """The worst case of a scenario that stands at the top of a module; assert that it is `clean`.

        `kernels`, `builds`, `schedules` (300, in all) and `seconds` are the bounds, as of `rcuactors check`; the other
        words are as those of `run()`.
        """
        from ..check import check  # noqa: PLC0415 - a plugin is loaded by everybody's tests

        if NOW.maker is not None:
            raise BadInput("rcu_lab.check(): a test that is explored makes one run; check() makes many by itself")
        if "schedules" not in words and "seconds" not in words:
            words["schedules"] = _SCHEDULES
        return check(script, options, **words)
