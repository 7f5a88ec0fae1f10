"""The kernels that questions about contexts were put to, as configurations, and how their reports are read."""

from __future__ import annotations

from rcuactors import Result, RunOptions, run, scenario

A = {
    "PROVE_RAW_LOCK_NESTING": "y",
    "DEBUG_ATOMIC_SLEEP": "y",
    "DEBUG_PREEMPT": "y",
    "DEBUG_IRQFLAGS": "y",
    "DEBUG_LOCKDEP": "y",
}
"""6.1.192 with PREEMPT=y and every check of contexts."""
R = {**A, "PREEMPT_RT": "y"}
"""The same with PREEMPT_RT (6.1-rt64)."""
N = {"PREEMPT": "n", "PROVE_LOCKING": "n"}
"""6.1.192 without preemption and without checks."""


def asked(script, kernel: dict[str, str], **settings: str) -> Result:
    """What comes of it on one of these."""
    return run(scenario()(script), RunOptions(kernel="v6.1-stable", settings={**kernel, **settings}))


def kinds(script, kernel: dict[str, str], **settings: str) -> list[str]:
    """The kinds of report, each once, in the order of their first."""
    outcome = asked(script, kernel, **settings).outcome()
    return [] if outcome == "clean" else outcome.split(", ")


def held_in(text: str) -> list[str]:
    """The names of the locks in a report's list, outermost first, as they are printed."""
    lines = [line.split(" ", 3)[3] for line in text.splitlines() if line.startswith(" #")]
    return [line[: line.index("{")] for line in lines]
