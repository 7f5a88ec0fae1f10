"""Contexts by the names that the kernel's code has for them, and what stands in what.

A name is that of the function that enters it, or what a kernel developer calls it; the laboratory's own names, which
are those of the recordings, are known as well. What others run (an interrupt, a softirq, a work) is where everything
else stands in: `spin_lock` and `hardirq`, in whatever order they are given, is a handler that holds a lock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import attrs

from ..errors import BadInput
from ..kapi import Kernel
from ..lab import elsewhere
from ..lab.contexts import CONTEXTS, Context
from ..lab.sections import Body
from ..spelling import no_such

_NAMES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "process": ("process", "task", "thread", "kthread", "process_context"),
        "preempt_disable": (
            "preempt_disable",
            "get_cpu",
        ),
        "irq_disable": ("local_irq_disable", "local_irq_save", "irqs_off"),
        "bh_disable": ("local_bh_disable", "bh_off"),
        "migrate_disable": ("migrate_disable",),
        "rcu_read": ("rcu_read_lock", "rcu_reader", "rcu"),
        "rcu_read_bh": ("rcu_read_lock_bh",),
        "rcu_read_sched": ("rcu_read_lock_sched",),
        "srcu_read": ("srcu_read_lock",),
        "mutex": (
            "mutex",
            "mutex_lock",
        ),
        "down_read": ("down_read", "rwsem_read"),
        "down_write": ("down_write", "rwsem", "rw_semaphore"),
        "local_lock": ("local_lock", "local_lock_t"),
        "read_lock": ("read_lock",),
        "write_lock": ("write_lock", "rwlock", "rwlock_t"),
        "spin": ("spin_lock", "spinlock", "spinlock_t"),
        "spin_irqsave": ("spin_lock_irqsave", "spin_lock_irq"),
        "raw_spin": ("raw_spin_lock", "raw_spinlock", "raw_spinlock_t"),
        "raw_spin_irqsave": ("raw_spin_lock_irqsave", "raw_spin_lock_irq"),
        "rq_lock": ("rq_lock", "rq->lock", "runqueue_lock"),
        "zone_lock": (
            "zone_lock",
            "zone->lock",
        ),
        "softirq_tasklet": ("tasklet", "softirq"),
        "softirq_irq_exit": (
            "softirq_irq_exit",
            "irq_exit",
        ),
        "softirq_bh_enable": (
            "softirq_bh_enable",
            "local_bh_enable",
        ),
        "softirq_timer": ("timer", "timer_list"),
        "hrtimer_soft": (
            "hrtimer_soft",
            "HRTIMER_MODE_SOFT",
        ),
        "hrtimer": (
            "hrtimer",
            "HRTIMER_MODE_REL",
        ),
        "hardirq_hrtimer": ("hrtimer_hard", "HRTIMER_MODE_HARD"),
        "irqwork_nonhard": ("irq_work",),
        "hardirq_irqwork": ("irq_work_hard", "IRQ_WORK_HARD_IRQ"),
        "hardirq_smpcall": ("smp_call", "smp_call_function", "smp_call_function_single", "ipi"),
        "hardirq": ("hardirq", "irq", "interrupt", "in_hardirq", "IRQF_NO_THREAD"),
        "hardirq_threadable": ("request_irq", "irq_handler", "threaded_irq"),
        "hardirq_remote": ("hardirq_remote",),
        "rcu_callback": ("rcu_callback", "call_rcu", "rcu_cb"),
        "workqueue": ("workqueue", "work", "queue_work", "kworker"),
        "nmi": ("nmi", "in_nmi", "raise_nmi"),
        "nmi_raw_spin": ("nmi_raw_spin",),
    }
)
"""The laboratory's contexts, in the order of tables, with the kernel's names for each; the first is the one shown."""

_COMPOSED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "spin_lock_bh": ("bh_disable", "spin"),
        "raw_spin_lock_bh": ("bh_disable", "raw_spin"),
        "read_lock_bh": ("bh_disable", "read_lock"),
        "write_lock_bh": ("bh_disable", "write_lock"),
    }
)
"""One function that enters two of them."""

_SOMEBODY_ELSE: Final = elsewhere.__name__
"""Of the ways in that are in that file somebody else runs the body."""

UNSEEN: Final[Mapping[str, str]] = MappingProxyType(
    {"preempt_disable": "preempt_disable()", "irq_disable": "local_irq_disable()"}
)
"""What lockdep's check of wait types does not look at: it sees locks and kinds of interrupt, and no preempt_count."""


def _by_name() -> dict[str, str]:
    return {name: context for context, names in _NAMES.items() for name in (context, *names)}


BY_NAME: Final[Mapping[str, str]] = MappingProxyType(_by_name())
"""Every name that a context can be given by, and the laboratory's for it."""


def shown_name(context: str) -> str:
    """The name of a context in tables and lists: the kernel's."""
    return _NAMES[context][0]


def _is_theirs(context: str) -> bool:
    return getattr(CONTEXTS[context].enter, "__module__", "") == _SOMEBODY_ELSE


@attrs.frozen
class Place:
    """Where the call is made: contexts by the laboratory's names, the outermost first."""

    contexts: tuple[str, ...]

    @property
    def words(self) -> str:
        """In words: `an irq_work with IRQ_WORK_HARD_IRQ, a spinlock_t is held`."""
        return ", ".join(CONTEXTS[name].about for name in self.contexts)

    @property
    def names(self) -> tuple[str, ...]:
        """By the kernel's names."""
        return tuple(shown_name(name) for name in self.contexts)

    @property
    def unseen(self) -> str:
        """The part of it that lockdep does not look at, where nothing that it sees stands around; else nothing."""
        bare = [UNSEEN[name] for name in self.contexts if name in UNSEEN]
        return bare[0] if bare and not any(map(_is_theirs, self.contexts)) else ""

    @property
    def outermost(self) -> Context:
        """The way in that everything else stands in."""
        return CONTEXTS[self.contexts[0]]

    def body_in(self, k: Kernel, body: Body) -> Body:
        """The body inside of all but the outermost."""
        for name in reversed(self.contexts[1:]):
            body = _inside(CONTEXTS[name], k, body)
        return body


def _inside(context: Context, k: Kernel, body: Body) -> Body:
    async def entered() -> None:
        await context.enter(k, body)

    return entered


def find_place(names: Sequence[str]) -> Place:
    """The place that is meant by these names, whatever their order. Raises BadInput."""
    contexts = list(dict.fromkeys(context for name in names for context in _find(name)))
    theirs = [name for name in contexts if _is_theirs(name)]
    if len(theirs) > 1:
        raise BadInput(
            f"--in {shown_name(theirs[0])} and --in {shown_name(theirs[1])}: only one of them; the call is made in one "
            "handler, softirq or work at a time"
        )
    inner = [name for name in contexts if name not in theirs and name != "process"]
    return Place((*(theirs or ["process"]), *inner) if theirs or not inner else tuple(inner))


def _find(name: str) -> tuple[str, ...]:
    known = {**{each: (context,) for each, context in BY_NAME.items()}, **_COMPOSED}
    folded = {each.casefold(): contexts for each, contexts in known.items()}
    contexts = folded.get(name.partition("(")[0].strip().casefold())
    if contexts is None:
        listed = ", ".join([*map(shown_name, _NAMES), *_COMPOSED])
        raise no_such("--in", name, known, there=f"there are {listed}")
    return contexts


_VARIANTS: Final = (
    "migrate_disable",
    "down_read",
    "down_write",
    "local_lock",
    "read_lock",
    "write_lock",
    "softirq_irq_exit",
    "softirq_bh_enable",
    "hrtimer",
    "hardirq_remote",
    "nmi_raw_spin",
)
"""Much as others that are in tables of all of them, or other ways in: not in these."""


def all_places() -> list[Place]:
    """Each context by itself, in the order of tables."""
    return [Place((name,)) for name in _NAMES if name not in _VARIANTS]
