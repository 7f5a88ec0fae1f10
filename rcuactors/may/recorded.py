"""What real kernels said of the same calls in the same contexts, where they were asked.

`recorded_cells.csv` is two sets of recordings in short, one line for each thing that a kernel said of an operation in a
variant, with the contexts in which it did; a test holds it against them. One is the matrix of lock-nesting, on three
machines of 6.1.192; the other the questions f2 and f5 that are one call in one context, put to 6.1.192 and 6.12.117
with lockdep, and as PREEMPT_RT with lockdep. That a kernel without checks said nothing is no "yes".
"""

from __future__ import annotations

import csv
import enum
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

import attrs

from ..lab.contexts import CONTEXTS, Context, State, Where
from ..lock_matrix.presets import PRESETS
from ..mm.gfp import GFP_ATOMIC, GFP_KERNEL, GFP_NOWAIT, Gfp
from .calls import Asked
from .kernels import AskedKernel
from .places import Place

FILE: Final = "recorded_cells.csv"
COLUMNS: Final = ("kernel", "op", "variant", "said", "lock", "contexts")


@attrs.frozen
class RecordedKernel:
    """A kernel that was asked. `version` is the model's; `checks`: it had lockdep and DEBUG_ATOMIC_SLEEP."""

    name: str
    release: str
    version: str
    rt: bool
    checks: bool
    about: str


def _kernels() -> Iterator[RecordedKernel]:
    for preset in PRESETS.values():
        settings = preset.settings
        rt, checks = settings.get("PREEMPT_RT") == "y", settings["PROVE_LOCKING"] == "y"
        yield RecordedKernel(preset.name, "6.1.192", "v6.1-stable", rt, checks, preset.about)
    for suffix, release, version in (("6.1", "6.1.192", "v6.1-stable"), ("6.12", "6.12.117", "v6.12")):
        yield RecordedKernel(
            f"A_{suffix}", release, version, False, True, "PREEMPT=y with lockdep and every other check"
        )
        yield RecordedKernel(
            f"R_{suffix}", release, version, True, True, "PREEMPT_RT=y with lockdep and every other check"
        )


KERNELS: Final[Mapping[str, RecordedKernel]] = MappingProxyType({kernel.name: kernel for kernel in _kernels()})

_SAME_NAME: Final = frozenset(
    {
        "raw_spin_lock",
        "spin_lock",
        "spin_lock_irqsave",
        "spin_lock_bh",
        "read_lock",
        "write_lock",
        "local_bh_disable",
        "might_sleep",
        "spin_trylock",
        "mutex_lock",
        "mutex_trylock",
        "free_page",
        "kfree",
        "vfree",
        "call_rcu",
        "synchronize_rcu",
        "queue_work",
        "queue_delayed_work",
        "mod_timer",
        "irq_work_queue",
        "wake_up_process",
        "cond_resched",
        "msleep",
    }
)
"""Operations that the recordings call as C does."""
_TWO_ARGUMENTS: Final = ("kfree_rcu", "kvfree_rcu")
_ONE_ARGUMENT: Final = (*_TWO_ARGUMENTS, "kfree_rcu_mightsleep", "kvfree_rcu_mightsleep")
_FLAGS: Final = {GFP_NOWAIT: "nowait", GFP_ATOMIC: "atomic", GFP_KERNEL: "kernel", Gfp(0): "gfp0"}
_PAGES: Final = ("__get_free_page", "alloc_page", "alloc_pages", "__get_free_pages")


@attrs.frozen
class RecordedCell:
    """What one kernel said of the call in one variant; `said` is empty where it said nothing."""

    kernel: str
    op: str
    variant: str
    said: str
    lock: str
    contexts: tuple[str, ...]

    @property
    def by(self) -> RecordedKernel:
        """The kernel."""
        return KERNELS[self.kernel]


def recorded_ops(asked: Asked) -> tuple[str, ...]:
    """The operations of the recordings that are this call; none where they do not have it."""
    name, given = asked.form.name, asked.given
    if name in _SAME_NAME:
        return (name,)
    if name in _TWO_ARGUMENTS and len(asked.form.words) == 2:
        return ("kfree_rcu2", "kvfree_rcu2_vmalloc") if asked.form.areas_too else ("kfree_rcu2",)
    if name in _ONE_ARGUMENT:
        return ("kvfree_rcu1",)
    if name == "hrtimer_start":
        return ("hrtimer_start_hard",) if "HARD" in given.get("mode", "") else ("hrtimer_start",)
    flags = _FLAGS.get(given["gfp"]) if "gfp" in given else None
    if flags is not None and name in _PAGES:
        return (f"get_page_{flags}",)
    if flags is not None and name == "kmalloc":
        return (f"kmalloc_{flags}",)
    return ()


@cache
def all_recorded() -> tuple[RecordedCell, ...]:
    """Every line of the file."""
    text = files(__package__).joinpath(FILE).read_text(encoding="utf-8")
    head, *rows = csv.reader(text.splitlines())
    assert tuple(head) == COLUMNS
    return tuple(
        RecordedCell(kernel, op, variant, said, lock, tuple(contexts.split()))
        for kernel, op, variant, said, lock, contexts in rows
    )


def recorded_for(asked: Asked, place: Place) -> tuple[tuple[RecordedCell, ...], str]:
    """What was recorded of this call in this place, and the context in which it was.

    That is another one, with the same things off, where this one was not recorded: of interrupts there are many.
    """
    if len(place.contexts) != 1:
        return (), ""
    ops, here = recorded_ops(asked), CONTEXTS[place.contexts[0]]
    alike = [name for name, one in CONTEXTS.items() if _state(one) == _state(here) and one.enter is not here.enter]
    for context in (here.name, *(alike if here.found.where is not Where.TASK else ())):
        cells = tuple(cell for cell in all_recorded() if cell.op in ops and context in cell.contexts)
        if cells:
            return cells, context
    return (), ""


class Evidence(enum.Enum):
    """What stands behind an answer of the model's."""

    CELL = "a real kernel's cell"
    """A kernel of this version, PREEMPT_RT or not as this one, was asked for this call in this context."""
    RECORDINGS = "recordings of this version"
    """Such a kernel was asked for other things, on which the model agrees with it (docs/trust.md)."""
    SOURCE = "its source"
    """The model follows the version's source; no kernel of it was recorded."""


def evidence_for(asked: Asked, place: Place, kernel: AskedKernel) -> Evidence:
    """What stands behind the answer of this kernel."""
    if kernel.version not in {one.version for one in KERNELS.values()}:
        return Evidence.SOURCE
    cells, context = recorded_for(asked, place)
    here = context in place.contexts
    if any(here and (cell.by.version, cell.by.rt) == (kernel.version, kernel.rt) for cell in cells):
        return Evidence.CELL
    return Evidence.RECORDINGS


def _state(context: Context) -> tuple[State, State]:
    return context.state(rt=False), context.state(rt=True)
