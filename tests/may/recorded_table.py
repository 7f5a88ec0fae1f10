"""What real kernels said of calls in contexts, in short, as the package has it; this file, run by itself, writes it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from rcuactors.lock_matrix.comparison import sort_rows
from rcuactors.lock_matrix.presets import PRESETS
from rcuactors.lock_matrix.recording import read_matrix
from rcuactors.may.recorded import COLUMNS
from rcuactors.questions.recording import read_recordings

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = ROOT / "tests" / "data"
RIGS = "lib/debugobjects.c"
"""Debug objects of that kernel had run out in the context: a matter of how it was booted."""
NOISE = re.compile(r"(?<=atomic): \S+/\d+/0x[0-9a-f]+| CPU: \d+ PID: \d+")

QUESTIONS = {"6.1": ("A_6.1", "R_6.1"), "6.12": ("A_6.12", "R_6.12")}
"""By recorded version, the kernels as the package names them; the first letter is that of the recordings."""
OPERATIONS = {
    "spin": "spin_lock",
    "read": "read_lock",
    "write": "write_lock",
    "try": "spin_trylock",
    "spinirq": "spin_lock_irqsave",
    "spinbh": "spin_lock_bh",
    "mutex": "mutex_lock",
    "ms": "might_sleep",
    "msleep": "msleep",
    "kmalloc": "kmalloc_kernel",
    "synch": "synchronize_rcu",
    "bhdis": "local_bh_disable",
}
"""What the questions f2 and f5 ask (`op=`), as the calls are named here."""
CONTEXTS = {
    "f2": {
        "none": "process",
        "raw": "raw_spin",
        "rawirq": "raw_spin_irqsave",
        "irq": "irq_disable",
        "preempt": "preempt_disable",
        "bh": "bh_disable",
        "spin": "spin",
        "rcu": "rcu_read",
        "rcubh": "rcu_read_bh",
        "rcusched": "rcu_read_sched",
        "mutex": "mutex",
    },
    "f5": {
        "rcu": "rcu_callback",
        "timer": "softirq_timer",
        "hrtimer": "hrtimer",
        "hrhard": "hardirq_hrtimer",
        "hrsoft": "hrtimer_soft",
        "tasklet": "softirq_tasklet",
        "iw": "irqwork_nonhard",
        "iwhard": "hardirq_irqwork",
        "work": "workqueue",
        "syswork": "workqueue",
        "ipi": "hardirq_smpcall",
    },
}
"""Where they ask it (`v=`), as the laboratory names the contexts."""

Said = tuple[str, str, str, str, str, str]
"""Kernel, operation, variant, first line, lock, context."""


def cells() -> Iterator[Said]:
    """Of the matrices, the cells that can be compared."""
    for kernel, preset in PRESETS.items():
        for name in (f"matrix_{preset.word}.csv", f"matrix_{preset.word}_repeats.csv"):
            path = DATA / "lock-nesting" / name
            for row in sort_rows(read_matrix(str(path)).rows).wanted if path.exists() else ():
                cell = row.cell
                yield kernel, cell.op, cell.variant, NOISE.sub("", row.first_line), row.offending_lock, cell.context


def questions() -> Iterator[Said]:
    """Of the questions, those that are one call in one context, and came back."""
    for version, kernels in QUESTIONS.items():
        recordings = read_recordings(str(DATA / f"context-{version}" / f"context-{version}.tar.xz"))
        for kernel in kernels:
            for one in recordings:
                if one.kernel != kernel[0] or one.command is None:
                    continue
                question = one.command.question
                contexts = CONTEXTS.get(question.verb.name)
                if contexts is None or question.word("v") not in contexts or question.word("op") not in OPERATIONS:
                    continue
                said = next((NOISE.sub("", each.title) for each in one.reports if RIGS not in each.title), "")
                yield kernel, OPERATIONS[question.word("op")], "first", said, "", contexts[question.word("v")]


def table() -> str:
    """The file's text."""
    lines: dict[tuple[str, ...], list[str]] = {}
    for *said, context in (*cells(), *questions()):
        contexts = lines.setdefault(tuple(said), [])
        if context not in contexts:
            contexts.append(context)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([*said, " ".join(contexts)] for said, contexts in lines.items())
    return stream.getvalue()


if __name__ == "__main__":
    (ROOT / "rcuactors" / "may" / "recorded_cells.csv").write_text(table(), encoding="utf-8")
