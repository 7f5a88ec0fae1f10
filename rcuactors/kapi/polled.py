"""Polled grace periods: a cookie now, and later whether a grace period has passed (include/linux/rcutree.h).

Where C fills in a struct rcu_gp_oldstate, it is returned here. A cookie says nothing to anybody but the function that
has the same ending as the one which gave it.
"""

from __future__ import annotations

from ..errors import bad_value
from ..rcu.polled import COMPLETED, RcuGpOldstate
from ..rcu.seq import GET_STATE_COMPLETED
from .base import KernelBase


class PolledRcu(KernelBase):
    """Cookies. Of these v5.9 and v5.11 have get_state_synchronize_rcu() and cond_synchronize_rcu(), no others."""

    def get_state_synchronize_rcu(self) -> int:
        """get_state_synchronize_rcu(): a cookie of now, one unsigned long; asks for no grace period."""
        self._looks()
        return self._machine.polled.get_state_synchronize_rcu()

    def get_state_synchronize_rcu_full(self) -> RcuGpOldstate:
        """get_state_synchronize_rcu_full(): one that an expedited grace period satisfies by itself. From v6.1 on."""
        self._has_polling("get_state_synchronize_rcu_full")
        self._looks()
        return self._machine.polled.get_state_synchronize_rcu_full()

    def start_poll_synchronize_rcu(self) -> int:
        """start_poll_synchronize_rcu(): the same as without `start_poll`, and a grace period is asked for.

        Interrupts have to be on, until v6.18.
        """
        self._has_polling("start_poll_synchronize_rcu")
        self._looks()
        return self._machine.polled.start_poll_synchronize_rcu(self._cpu)

    def start_poll_synchronize_rcu_full(self) -> RcuGpOldstate:
        """start_poll_synchronize_rcu_full()."""
        self._has_polling("start_poll_synchronize_rcu_full")
        self._looks()
        return self._machine.polled.start_poll_synchronize_rcu_full(self._cpu)

    async def start_poll_synchronize_rcu_expedited(self) -> int:
        """start_poll_synchronize_rcu_expedited(): an expedited grace period is asked for, if need be. From v6.1 on.

        Legal anywhere but in an NMI: it takes a raw lock and queues a work.
        """
        self._has_polling("start_poll_synchronize_rcu_expedited")
        self._looks()
        return await self._machine.exp_polled.start_poll_synchronize_rcu_expedited(self._cpu)

    async def start_poll_synchronize_rcu_expedited_full(self) -> RcuGpOldstate:
        """start_poll_synchronize_rcu_expedited_full()."""
        self._has_polling("start_poll_synchronize_rcu_expedited_full")
        self._looks()
        return await self._machine.exp_polled.start_poll_synchronize_rcu_expedited_full(self._cpu)

    def poll_state_synchronize_rcu(self, oldstate: int) -> bool:
        """poll_state_synchronize_rcu(): whether a full grace period has passed since that cookie was taken."""
        self._has_polling("poll_state_synchronize_rcu")
        self._looks()
        return self._machine.polled.poll_state_synchronize_rcu(_word("poll_state_synchronize_rcu", oldstate))

    def poll_state_synchronize_rcu_full(self, rgosp: RcuGpOldstate) -> bool:
        """poll_state_synchronize_rcu_full()."""
        self._has_polling("poll_state_synchronize_rcu_full")
        self._looks()
        return self._machine.polled.poll_state_synchronize_rcu_full(_full("poll_state_synchronize_rcu_full", rgosp))

    async def cond_synchronize_rcu(self, oldstate: int) -> None:
        """cond_synchronize_rcu(): synchronize_rcu(), unless a grace period has passed since then."""
        self._looks()
        await self._machine.polled.cond_synchronize_rcu(self._thread, _word("cond_synchronize_rcu", oldstate))

    async def cond_synchronize_rcu_full(self, rgosp: RcuGpOldstate) -> None:
        """cond_synchronize_rcu_full()."""
        self._has_polling("cond_synchronize_rcu_full")
        self._looks()
        await self._machine.polled.cond_synchronize_rcu_full(self._thread, _full("cond_synchronize_rcu_full", rgosp))

    async def cond_synchronize_rcu_expedited(self, oldstate: int) -> None:
        """cond_synchronize_rcu_expedited(): the same, and what is waited for is an expedited one. From v6.1 on."""
        self._has_polling("cond_synchronize_rcu_expedited")
        self._looks()
        cookie = _word("cond_synchronize_rcu_expedited", oldstate)
        await self._machine.polled.cond_synchronize_rcu_expedited(self._thread, cookie)

    async def cond_synchronize_rcu_expedited_full(self, rgosp: RcuGpOldstate) -> None:
        """cond_synchronize_rcu_expedited_full()."""
        self._has_polling("cond_synchronize_rcu_expedited_full")
        self._looks()
        cookie = _full("cond_synchronize_rcu_expedited_full", rgosp)
        await self._machine.polled.cond_synchronize_rcu_expedited_full(self._thread, cookie)

    def get_completed_synchronize_rcu(self) -> int:
        """get_completed_synchronize_rcu(): a cookie whose grace period is over, for ever."""
        self._has_polling("get_completed_synchronize_rcu")
        return GET_STATE_COMPLETED

    def get_completed_synchronize_rcu_full(self) -> RcuGpOldstate:
        """get_completed_synchronize_rcu_full()."""
        self._has_polling("get_completed_synchronize_rcu_full")
        return COMPLETED

    def same_state_synchronize_rcu(self, oldstate1: int, oldstate2: int) -> bool:
        """same_state_synchronize_rcu(): whether the cookies are equal, and so stand for each other."""
        self._has_polling("same_state_synchronize_rcu")
        return _word("same_state_synchronize_rcu", oldstate1) == _word("same_state_synchronize_rcu", oldstate2)

    def same_state_synchronize_rcu_full(self, rgosp1: RcuGpOldstate, rgosp2: RcuGpOldstate) -> bool:
        """same_state_synchronize_rcu_full(): the same, word by word."""
        self._has_polling("same_state_synchronize_rcu_full")
        return _full("same_state_synchronize_rcu_full", rgosp1) == _full("same_state_synchronize_rcu_full", rgosp2)

    def _has_polling(self, function: str) -> None:
        self._expect_version(f"{function}()", has=self._machine.callbacks.rules.polled_functions, since="v6.1")

    def _looks(self) -> None:
        cpu = self._cpu
        cpu.clock += cpu.system.costs.poll_state_ns


def _word(function: str, cookie: object) -> int:
    if not isinstance(cookie, int) or isinstance(cookie, bool):
        raise bad_value(f"{function}({cookie!r})", "the number that get_state_synchronize_rcu() returned")
    return cookie


def _full(function: str, cookie: object) -> RcuGpOldstate:
    if not isinstance(cookie, RcuGpOldstate):
        raise bad_value(f"{function}({cookie!r})", "what get_state_synchronize_rcu_full() returned")
    return cookie
