"""What the grace-period machine and the CPUs tell each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ..engine.actor import Message

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from ..kernel.thread import Thread


@attrs.frozen(kw_only=True)
class GracePeriodRequested(Message):
    """A CPU has callbacks that wait for gp_seq to reach `seq`."""

    cpu: Cpu
    seq: int


@attrs.frozen(kw_only=True)
class QuiescentStateNeeded(Message):
    """Grace period `seq` waits for the receiving CPU."""

    seq: int


@attrs.frozen(kw_only=True)
class QuiescentStateReported(Message):
    """The CPU passed through a quiescent state after it learned of grace period `seq`."""

    cpu: Cpu
    seq: int


@attrs.frozen(kw_only=True)
class ReaderBlocked(Message):
    """A thread was switched out inside a read-side section."""

    cpu: Cpu
    thread: Thread


@attrs.frozen(kw_only=True)
class ReaderExited(Message):
    """A thread that had been switched out left its outermost read-side section."""

    thread: Thread


@attrs.frozen(kw_only=True)
class GracePeriodEnded(Message):
    """gp_seq has reached `seq`: callbacks that waited for it may be invoked."""

    seq: int
