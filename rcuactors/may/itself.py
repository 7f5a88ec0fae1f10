"""What the call is given is never what its context belongs to: a timer waited for in a timer's handler is another one.

Of its own it would wait for itself, for ever. That is no question of contexts, and the answer says that it was not
asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from .calls import Form
from .places import Place

_OF_WORKS: Final = (
    "flush_work flush_delayed_work flush_rcu_work cancel_work_sync cancel_delayed_work_sync disable_work_sync "
    "disable_delayed_work_sync"
)
_WAITED_FOR: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "softirq_timer": ("timer", "timer_delete_sync del_timer_sync timer_shutdown_sync"),
        "hrtimer": ("hrtimer", "hrtimer_cancel"),
        "hrtimer_soft": ("hrtimer", "hrtimer_cancel"),
        "hardirq_hrtimer": ("hrtimer", "hrtimer_cancel"),
        "softirq_tasklet": ("tasklet", "tasklet_kill tasklet_disable"),
        "irqwork_nonhard": ("irq_work", "irq_work_sync"),
        "hardirq_irqwork": ("irq_work", "irq_work_sync"),
        "workqueue": ("work", _OF_WORKS),
        "srcu_read": ("srcu_struct", "synchronize_srcu synchronize_srcu_expedited"),
    }
)
"""By context: what it belongs to, and the functions that wait for one of those."""


def not_its_own(form: Form, place: Place) -> str:
    """That another one was asked for, in words; empty where the call waits for nothing that the context could be of."""
    for context in place.contexts:
        thing, functions = _WAITED_FOR.get(context, ("", ""))
        if form.name in functions.split():
            return f"of another {thing} than the context's own, for which it would wait for ever"
    return ""
