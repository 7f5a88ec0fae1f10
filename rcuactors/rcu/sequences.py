"""The counters of struct rcu_state that the polled functions look at besides gp_seq (kernel/rcu/tree.c).

`gp_seq_polled` counts whatever a one-word cookie takes for a grace period: normal and expedited ones, and those of
early boot. The first of two that overlap begins it; it ends with the one that has noted its value, gp_seq_polled_snap
or gp_seq_polled_exp_snap, and whatever else has noted that value then does not count (rcu_poll_gp_seq_start(),
rcu_poll_gp_seq_end()). `expedited_sequence` counts expedited grace periods alone. Both begin at 0, unlike gp_seq.
"""

from __future__ import annotations

import attrs

from ..marks import MACHINERY
from . import seq as gp_seq

__trace__ = MACHINERY


@attrs.define(eq=False)
class PolledSequences:
    """One machine's; whoever advances them has the root node's lock, which is one step here."""

    gp_seq_polled: int = 0
    gp_seq_polled_snap: int = 0
    """Its value at the start of the normal grace period; 0: that does not count any more."""
    gp_seq_polled_exp_snap: int = 0
    """The same of the expedited one."""
    expedited_sequence: int = 0

    def normal_begins(self) -> None:
        """rcu_poll_gp_seq_start(&rcu_state.gp_seq_polled_snap)."""
        self._note_begin()
        self.gp_seq_polled_snap = self.gp_seq_polled

    def normal_ends(self) -> None:
        """rcu_poll_gp_seq_end(&rcu_state.gp_seq_polled_snap)."""
        if not self._note_end(self.gp_seq_polled_snap):
            self.gp_seq_polled_snap = 0

    def expedited_begins(self) -> None:
        """rcu_exp_gp_seq_start()."""
        self.expedited_sequence_begins()
        self.expedited_polled_begins()

    def expedited_sequence_begins(self) -> None:
        """Its first half: rcu_seq_start(&rcu_state.expedited_sequence)."""
        self.expedited_sequence = gp_seq.start(self.expedited_sequence)

    def expedited_polled_begins(self) -> None:
        """Its second half: rcu_poll_gp_seq_start_unlocked(&rcu_state.gp_seq_polled_exp_snap)."""
        self._note_begin()
        self.gp_seq_polled_exp_snap = self.gp_seq_polled

    def expedited_ends(self) -> None:
        """rcu_exp_gp_seq_end()."""
        self.expedited_polled_ends()
        self.expedited_sequence_ends()

    def expedited_polled_ends(self) -> None:
        """Its first half: rcu_poll_gp_seq_end_unlocked(&rcu_state.gp_seq_polled_exp_snap)."""
        if not self._note_end(self.gp_seq_polled_exp_snap):
            self.gp_seq_polled_exp_snap = 0

    def expedited_sequence_ends(self) -> None:
        """Its second half: rcu_seq_end(&rcu_state.expedited_sequence)."""
        self.expedited_sequence = gp_seq.end(self.expedited_sequence)

    def _note_begin(self) -> None:
        if not gp_seq.in_progress(self.gp_seq_polled):
            self.gp_seq_polled = gp_seq.start(self.gp_seq_polled)

    def _note_end(self, snap: int) -> bool:
        """Whether the one that has noted it is still in effect; then it is over, for others that have noted it, too."""
        if not snap or snap != self.gp_seq_polled:
            return False
        self.gp_seq_polled = gp_seq.end(self.gp_seq_polled)
        self.gp_seq_polled_snap = self.gp_seq_polled_exp_snap = 0
        return True
