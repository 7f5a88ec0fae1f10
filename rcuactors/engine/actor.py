"""Actors: the things that take turns, each with a clock of its own and a mailbox.

An actor is a line of virtual time. At any moment one Trio task, its *strand*, speaks for it: a device has one strand
for ever, a CPU lends itself to whichever kernel thread owns it. Messages go through a Trio memory channel; posting
never suspends, so an interrupt handler may do it. What a message does to the line is the conductor's matter
(`Conductor.post`).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
import trio

from .orders import BLOCKED

if TYPE_CHECKING:
    from .strand import Strand


@attrs.frozen(kw_only=True)
class Message:
    """Base of everything that one actor tells another: who says it, and at which virtual nanosecond."""

    sender: str
    time_ns: int


_open_channel: Callable[[float], tuple[trio.MemorySendChannel[Message], trio.MemoryReceiveChannel[Message]]]
_open_channel = trio.open_memory_channel[Message]
# Subscribed once, for that is a search each time.


class Mailbox:
    """An unbounded Trio memory channel that counts what lies in it, so that looking costs nothing.

    It is opened when the first message comes: some actors never get one.
    """

    __slots__ = ("_is_open", "_receive", "_send", "waiting")

    _send: trio.MemorySendChannel[Message]
    _receive: trio.MemoryReceiveChannel[Message]

    def __init__(self) -> None:
        self._is_open = False
        self.waiting = 0

    def post(self, message: Message) -> None:
        """Put a message in; never suspends."""
        if not self._is_open:
            self._send, self._receive = _open_channel(math.inf)
            self._is_open = True
        self._send.send_nowait(message)
        self.waiting += 1

    def take_nowait(self) -> Message | None:
        """Take the oldest message out, or None."""
        if not self.waiting:
            return None
        self.waiting -= 1
        return self._receive.receive_nowait()


class PlainMailbox:
    """The same without Trio: `waiting`, oldest first."""

    __slots__ = ("waiting",)

    def __init__(self) -> None:
        self.waiting: deque[Message] = deque()

    def post(self, message: Message) -> None:
        """Put a message in; never suspends."""
        self.waiting.append(message)

    def take_nowait(self) -> Message | None:
        """Take the oldest message out, or None."""
        return self.waiting.popleft() if self.waiting else None


@attrs.define(eq=False, kw_only=True)
class Actor:
    """One line of virtual time.

    `clock` is in virtual nanoseconds. `ticket` names the actor's place in the conductor's line (0: in no line).
    `listening` says that a message ends the actor's wait; `attention` that something arrived that the actor has not
    looked at. `paused` is true for an actor that could go on at once, false for one that waits for a point of time;
    `due` is since when, or from when on, it can. `yields` says that it would rather have others go first.
    """

    name: str
    index: int
    clock: int = 0
    ticket: int = BLOCKED
    due: int = 0
    paused: bool = False
    yields: bool = False
    listening: bool = False
    attention: bool = False
    waiting_for: str = ""
    strand: Strand = attrs.field(init=False)
    mailbox: Mailbox | PlainMailbox = attrs.field(init=False, factory=PlainMailbox)

    def let_others_go_first(self) -> None:
        """Until it is elected again it would rather not be the next."""
        self.yields = True

    def hints(self) -> tuple[str, ...]:
        """What a strategy may want to know of it beyond who it is, in words; nothing here."""
        return ()

    def label(self) -> str:
        """What it is about to do, in words: where it stands. Nothing here."""
        return ""

    def identity(self) -> str:
        """The actor, and the thread that speaks for it, by names that are the same in every schedule."""
        path = self.strand.path
        return self.name if path == self.name else f"{self.name}:{path}"
