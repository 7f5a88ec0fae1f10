"""kvfree_rcu() where versions differ: the one-argument form by its newer name, and the barrier."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from sys import _getframe
from typing import Any, Final

from ..context.memory import LIVE
from ..context.trace import origin_of
from ..machine import Machine
from ..mm.objects import KObject
from ..spelling import no_such
from .arguments import WORDS, checks_itself, wrong_argument
from .rcu import Rcu, nothing

_HAS: Final[dict[str, Callable[[Machine], bool]]] = {
    "kvfree_rcu_mightsleep": lambda machine: machine.kvfree.rules.says_mightsleep,
    "kfree_rcu_mightsleep": lambda machine: machine.kvfree.rules.says_mightsleep,
    "kvfree_rcu_barrier": lambda machine: machine.kvfree.rules.barrier is not None,
    "kfree_rcu_nolock": lambda machine: machine.slab.rules.kfree_rcu_nolock,
    "kmalloc_nolock": lambda machine: machine.slab.rules.kmalloc_nolock is not None,
    "sheaf_capacity": lambda machine: machine.slab.rules.sheaves is not None,
    "rcu_nocb_cpu_deoffload": lambda machine: (
        machine.setup.config.rcu_nocbs and machine.callbacks.rules.nocb_toggles_offline
    ),
}


class VersionedKvfreeRcu(Rcu):
    """kvfree_rcu_mightsleep(), kvfree_rcu_barrier() (include/linux/rcupdate.h, include/linux/slab.h)."""

    def has(self, function: str) -> bool:
        """Whether this kernel has a function that some versions have and others have not.

        Those are `kvfree_rcu_mightsleep`, `kfree_rcu_mightsleep`, `kvfree_rcu_barrier`, `kfree_rcu_nolock`,
        `kmalloc_nolock`, `sheaf_capacity` of kmem_cache_create(), and `rcu_nocb_cpu_deoffload` (with
        rcu_nocbs=y).

        For scenarios that run on all of them:
        `await (k.kvfree_rcu_mightsleep(p) if k.has("kvfree_rcu_mightsleep") else k.kvfree_rcu(p))`. Raises BadInput
        for any other name.
        """
        if function not in _HAS:
            raise no_such("function that only some versions have", function, _HAS)
        return _HAS[function](self._machine)

    @checks_itself
    def kvfree_rcu_mightsleep(self, p: KObject | None) -> Coroutine[Any, Any, None]:
        """kvfree_rcu_mightsleep(): the one-argument form, for objects that have no rcu_head; it may sleep.

        From v6.4 on (commit 7e3f926bf453), and in stable 6.1; before that kvfree_rcu(p). NULL is ignored. Raises
        BadInput where the kernel has no such function, and for anything that is no object.
        """
        has = self.has("kvfree_rcu_mightsleep")
        self._expect_version("kvfree_rcu_mightsleep()", has=has, since="v6.4, and stable 6.1")
        if p is None:
            return nothing()
        if not isinstance(p, KObject):
            raise wrong_argument("kvfree_rcu_mightsleep", "p", p, WORDS[KObject.__name__])
        if p.state == LIVE:
            p.retired_from = origin_of(_getframe(1))
        return self._machine.kvfree.kvfree_call_rcu(self._thread, p, head=False)

    kfree_rcu_mightsleep = kvfree_rcu_mightsleep
    """The same by its other name."""

    async def kvfree_rcu_barrier(self) -> None:
        """kvfree_rcu_barrier(): sleep until all that kvfree_rcu() has queued by now is freed. From v6.12 on.

        It does not wait for a one-argument call that waits for a grace period itself. Raises BadInput where the kernel
        has no such function: there rcu_barrier() waits for callbacks, and nothing for this.
        """
        has = self._machine.kvfree.rules.barrier is not None
        self._expect_version("kvfree_rcu_barrier()", has=has, since="v6.12")
        await self._machine.kvfree.barriers.kvfree_rcu_barrier(self._thread)
