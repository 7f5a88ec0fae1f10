"""A result as plain text: a head line, the splats as the kernel logs them, the figures, the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..builds import BUILDS
from ..config import Config, value_text
from ..context.violation import Violation
from ..engine.choice import Timed
from ..eras import find_era
from ..runs.result import Result
from ..spelling import plural
from .figures import Row, figure_rows

_CHECKS: Final = ("PROVE_LOCKING", *BUILDS["all"].settings)
"""What looks for mistakes."""

_CHECKS_NAMED: Final = 2

SPLATS_SHOWN: Final = 20
"""How many splats are printed in full, unless all are asked for."""


def settings_that_differ(result: Result) -> dict[str, str]:
    """Return the configuration's names that are not at their default, and the scenario's parameters."""
    default = Config().as_settings()
    default["rcu_min_cached_objs"] = str(find_era(result.kernel).rules.kvfree.min_cached_objs)
    chosen = {name: value for name, value in result.config.items() if value != default[name]}
    return chosen | {name: value_text(value) for name, value in result.parameters.items()}


def head_line(result: Result) -> str:
    """Say what was run: enough to run it again."""
    settings = " ".join(f"{name}={value}" for name, value in settings_that_differ(result).items())
    parts = [
        f"{result.scenario} on {result.kernel}",
        f"design {result.design}",
        settings,
        " ".join(f"cost {name}={value}" for name, value in result.costs.items()),
        f"strategy {result.strategy}",
        f"seed {result.seed}",
    ]
    return ", ".join(part for part in parts if part)


def splat_lines(violation: Violation) -> list[str]:
    """Return a report with the time stamps of the kernel's log, and below it what the kernel does not say."""
    seconds, rest = divmod(violation.time_ns, 1_000_000_000)
    stamp = f"[{seconds:5d}.{rest // 1000:06d}]"
    return [*(f"{stamp} {line}".rstrip() for line in violation.text.split("\n")), *_fault_lines(violation)]


def _fault_lines(violation: Violation) -> list[str]:
    """Whose line it is, and who forbade what it wanted."""
    facts = (
        ("at fault:", violation.line),
        ("preemption disabled at", violation.preempt_disabled_at),
        ("interrupts disabled at", violation.irqs_disabled_at),
    )
    return [f"  {label} {site}" for label, site in facts if site]


def shown_splats(result: Result, *, every: bool = False) -> tuple[Sequence[Violation], str]:
    """Choose the violations to print in full; the text is about those left out, if any are."""
    shown = result.violations if every else result.violations[:SPLATS_SHOWN]
    left = result.violation_count - len(shown)
    if not left:
        return shown, ""
    where = "" if every else " (-v prints all that were kept)"
    return shown, f"... and {plural(left, 'more report')}{where}"


def label_width(rows: Sequence[Row]) -> int:
    """How wide the table's first column is."""
    return max(len(label) for label, _ in rows)


def aligned(rows: Sequence[Row]) -> list[str]:
    """Return the table as lines."""
    width = label_width(rows)
    return [f"{label:<{width}}  {text}" for label, text in rows]


def verdict(result: Result, *, so_far: bool = False) -> str:
    """`clean` and what that is worth, or how many violations of which kinds; what was expected, if that is another.

    `so_far` when the run was not finished.
    """
    if so_far:
        return "clean so far" if result.clean else f"{_found(result, ' so far')}"
    other = [] if result.as_expected else [f"expect= says {result.expected}"]
    if result.clean:
        return f"clean ({'; '.join([*other, *worth(result)])})"
    return f"{_found(result, '')} ({other[0]})" if other else _found(result, "")


def _found(result: Result, unfinished: str) -> str:
    return f"{plural(result.violation_count, 'violation')}{unfinished}: {result.outcome()}"


def worth(result: Result) -> list[str]:
    """What one clean run does not say: other schedules were not tried, and the checks that were off saw nothing."""
    how = "in order of time" if result.strategy == Timed.name else f"strategy {result.strategy}"
    off = [name for name in _CHECKS if result.config[name] == "n"]
    named, more = off[:_CHECKS_NAMED], len(off) - _CHECKS_NAMED
    rest = f" and {more} more" if more > 0 else ""
    checks = f"off: {', '.join(named)}{rest}" if off else "all checks on"
    return [f"one schedule, {how}", checks, "worst case: rcuactors check"]


def result_lines(result: Result, *, every_splat: bool = False, so_far: bool = False) -> list[str]:
    """Everything below the head line."""
    lines: list[str] = []
    shown, more = shown_splats(result, every=every_splat)
    for violation in shown:
        lines += [*splat_lines(violation), ""]
    if more:
        lines += [more, ""]
    return [*lines, *aligned(figure_rows(result)), verdict(result, so_far=so_far)]
