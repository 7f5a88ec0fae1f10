"""Polled grace periods (kernel/rcu/tree.c): a cookie now, and later whether a full grace period has passed since.

A cookie is the value of a counter at which that will be so (rcu_seq_snap()). The one-word form looks at
rcu_state.gp_seq_polled, for normal and expedited grace periods alike. The full form has a word for each kind, and
waits for whichever comes first; its normal one is looked for in the root rcu_node, which sets out later than
rcu_state.gp_seq and is through earlier (gp.py), so that a grace period is never seen as over before each CPU could
know. Which of the two a cookie is *taken* of is the version's: of the root node until commit 85aad7cc4178, which makes
it too old while a grace period is being initialised. Before v5.13 (commit 7abb18bd7567) there was no polling, and
cond_synchronize_rcu() went by rcu_state.gp_seq.

To take a cookie is one step, as are the looks here: a load or two behind a full barrier.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from ..context.lockdep.demands import assert_irqs_enabled
from ..marks import machinery
from . import seq as gp_seq
from .synchronize_rcu import synchronize_rcu, synchronize_rcu_expedited

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kernel.thread import Thread
    from .callbacks import Callbacks
    from .gp import GracePeriodMachine
    from .nodes import RcuNode
    from .rules import RcuRules


@attrs.frozen
class RcuGpOldstate:
    """struct rcu_gp_oldstate: the cookie of the full form, one word a kind of grace period."""

    rgos_norm: int
    rgos_exp: int


COMPLETED: RcuGpOldstate = RcuGpOldstate(gp_seq.GET_STATE_COMPLETED, gp_seq.GET_STATE_COMPLETED)


@machinery
def start_poll_synchronize_rcu_common(machine: GracePeriodMachine, rules: RcuRules, cpu: Cpu) -> None:
    """start_poll_synchronize_rcu_common(): interrupts have to be on, until v6.18."""
    if rules.start_poll_wants_irqs:
        assert_irqs_enabled(cpu.system.lockdep, cpu, "start_poll_synchronize_rcu_common")
    cpu.clock += cpu.system.costs.lock_ns
    machine.rcu_start_this_gp(cpu, gp_seq.snap(machine.gp_seq))


@attrs.frozen(eq=False)
class PolledGracePeriods:
    """The functions, for one machine. Words are given as unsigned longs, and taken as either."""

    machine: GracePeriodMachine
    callbacks: Callbacks
    rules: RcuRules

    # -- taking a cookie ---------------------------------------------------------------------------------------------

    @machinery
    def get_state_synchronize_rcu(self) -> int:
        """get_state_synchronize_rcu(): the one-word cookie of now. Legal anywhere; asks for no grace period."""
        machine = self.machine
        machine.watched()
        seen = machine.sequences.gp_seq_polled if self.rules.polled_functions else machine.gp_seq
        return gp_seq.ulong(gp_seq.snap(seen))

    @machinery
    def get_state_synchronize_rcu_full(self) -> RcuGpOldstate:
        """get_state_synchronize_rcu_full(): the full one."""
        machine = self.machine
        machine.watched()
        seen = machine.root.gp_seq if self.rules.cookies_from_root else machine.gp_seq
        return RcuGpOldstate(
            gp_seq.ulong(gp_seq.snap(seen)), gp_seq.ulong(gp_seq.snap(machine.sequences.expedited_sequence))
        )

    def full_cookies(self) -> Callable[[], RcuGpOldstate]:
        """get_state_synchronize_rcu_full() for who takes many: the same value again while no counter has moved."""
        machine, sequences, root = self.machine, self.machine.sequences, self.machine.root
        normal: GracePeriodMachine | RcuNode = root if self.rules.cookies_from_root else machine
        seen, seen_exp, cookie = normal.gp_seq, sequences.expedited_sequence, COMPLETED

        def take() -> RcuGpOldstate:
            nonlocal seen, seen_exp, cookie
            if cookie is COMPLETED or seen != normal.gp_seq or seen_exp != sequences.expedited_sequence:
                seen, seen_exp = normal.gp_seq, sequences.expedited_sequence
                cookie = self.get_state_synchronize_rcu_full()
            else:
                machine.looked_at()
            return cookie

        return take

    def start_poll_synchronize_rcu(self, cpu: Cpu) -> int:
        """start_poll_synchronize_rcu(): the same, and ask for the grace period."""
        cookie = self.get_state_synchronize_rcu()
        start_poll_synchronize_rcu_common(self.machine, self.rules, cpu)
        return cookie

    def start_poll_synchronize_rcu_full(self, cpu: Cpu) -> RcuGpOldstate:
        """start_poll_synchronize_rcu_full()."""
        cookie = self.get_state_synchronize_rcu_full()
        start_poll_synchronize_rcu_common(self.machine, self.rules, cpu)
        return cookie

    # -- asking ------------------------------------------------------------------------------------------------------

    @machinery
    def poll_state_synchronize_rcu(self, oldstate: int) -> bool:
        """poll_state_synchronize_rcu(): whether a full grace period has passed since the cookie was taken."""
        machine = self.machine
        machine.watched()
        if not self.rules.polled_functions:
            return gp_seq.done(machine.gp_seq, oldstate)
        return oldstate == gp_seq.GET_STATE_COMPLETED or self._done(machine.sequences.gp_seq_polled, oldstate)

    @machinery
    def poll_state_synchronize_rcu_full(self, oldstate: RcuGpOldstate) -> bool:
        """poll_state_synchronize_rcu_full(): a normal one or an expedited one."""
        machine = self.machine
        machine.watched()
        return (
            oldstate.rgos_norm == gp_seq.GET_STATE_COMPLETED
            or self._done(machine.root.gp_seq, oldstate.rgos_norm)
            or oldstate.rgos_exp == gp_seq.GET_STATE_COMPLETED
            or self._done(machine.sequences.expedited_sequence, oldstate.rgos_exp)
        )

    def _done(self, seq: int, oldstate: int) -> bool:
        return gp_seq.done_exact(seq, oldstate, self.rules.done_exact_guard)

    # -- waiting -----------------------------------------------------------------------------------------------------

    async def cond_synchronize_rcu(self, thread: Thread, oldstate: int) -> None:
        """cond_synchronize_rcu(): wait for a grace period unless one has passed; only then it is asked about sleep."""
        if not self.poll_state_synchronize_rcu(oldstate):
            await synchronize_rcu(self.callbacks, thread)

    async def cond_synchronize_rcu_full(self, thread: Thread, oldstate: RcuGpOldstate) -> None:
        """cond_synchronize_rcu_full()."""
        if not self.poll_state_synchronize_rcu_full(oldstate):
            await synchronize_rcu(self.callbacks, thread)

    async def cond_synchronize_rcu_expedited(self, thread: Thread, oldstate: int) -> None:
        """cond_synchronize_rcu_expedited()."""
        if not self.poll_state_synchronize_rcu(oldstate):
            await synchronize_rcu_expedited(self.callbacks, thread)

    async def cond_synchronize_rcu_expedited_full(self, thread: Thread, oldstate: RcuGpOldstate) -> None:
        """cond_synchronize_rcu_expedited_full()."""
        if not self.poll_state_synchronize_rcu_full(oldstate):
            await synchronize_rcu_expedited(self.callbacks, thread)
