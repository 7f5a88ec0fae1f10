"""What the grace-period kthread and the CPUs tell each other; the rest is in what they share (nodes.py, data.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ..engine.actor import Message

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu


@attrs.frozen(kw_only=True)
class GpKthreadWoken(Message):
    """rcu_gp_kthread_wake(), by what runs on a CPU: there may be something to do. `force` is RCU_GP_FLAG_FQS."""

    cpu: Cpu
    force: bool = False


@attrs.frozen(kw_only=True)
class GpKthreadRan(Message):
    """The kthread has started or ended a grace period on the receiving CPU, and sleeps again."""
