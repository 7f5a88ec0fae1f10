"""engine/actor.py: messages say who and when; a mailbox is first in, first out."""

from __future__ import annotations

import attrs
import pytest

from rcuactors.engine.actor import Actor, Mailbox, Message, PlainMailbox
from rcuactors.engine.orders import BLOCKED


@attrs.frozen(kw_only=True)
class Numbered(Message):
    number: int


Made = type[Mailbox] | type[PlainMailbox]
both = pytest.mark.parametrize("made", [Mailbox, PlainMailbox])


@both
def test_messages_come_out_in_the_order_they_went_in(made: Made) -> None:
    mailbox = made()
    assert not mailbox.waiting
    for number in range(1000):
        mailbox.post(Numbered(sender="a", time_ns=1000 - number, number=number))
    assert mailbox.waiting
    taken = [mailbox.take_nowait() for _ in range(1000)]
    assert [message.number for message in taken if isinstance(message, Numbered)] == list(range(1000))
    assert not mailbox.waiting


@both
def test_an_empty_mailbox_gives_nothing(made: Made) -> None:
    mailbox = made()
    assert mailbox.take_nowait() is None
    mailbox.post(Message(sender="a", time_ns=1))
    assert mailbox.take_nowait() == Message(sender="a", time_ns=1)
    assert mailbox.take_nowait() is None


@both
def test_posting_to_the_mailbox_never_suspends_and_needs_no_run(made: Made) -> None:
    mailbox = made()
    assert mailbox.post(Message(sender="a", time_ns=1)) is None  # type: ignore[func-returns-value]
    assert mailbox.waiting


def test_a_message_cannot_be_changed_and_says_who_and_when() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Message(sender="a", time_ns=1).time_ns = 2  # type: ignore[misc]
    with pytest.raises(TypeError):
        Message(sender="a")  # type: ignore[call-arg]


def test_a_new_actor_stands_in_no_line() -> None:
    actor = Actor(name="a", index=0)
    assert (actor.ticket, actor.clock, actor.listening, actor.attention) == (BLOCKED, 0, False, False)
