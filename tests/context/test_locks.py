"""Who has a lock next (rcuactors/context/locks.py): after each step all of its queues are looked at."""

from __future__ import annotations

import pytest

from rcuactors.context.locks import Lock, LockKind
from rcuactors.context.processor import Sleeper


class Thread:
    """A thread by its name; a reader's begins with r."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


def lock(owner: str, readers: str, waiters: str) -> Lock:
    """With these: the waiting ones in order."""
    made = Lock("lock", LockKind.RWSEM)
    made.owner = Thread(owner) if owner else None  # type: ignore[assignment]
    made.readers += map(Thread, readers.split())  # type: ignore[arg-type]
    made.waiters += map(Thread, waiters.split())  # type: ignore[arg-type]
    made.waiting_readers += [one for one in made.waiters if repr(one).startswith("r")]
    return made


def state(of: Lock) -> tuple[str, str, str, str]:
    """Its owner, its readers, who waits, and who of these to read."""

    def names(threads: list[Sleeper]) -> str:
        return " ".join(map(repr, threads))

    return repr(of.owner or "").strip("'"), names(of.readers), names(of.waiters), names(of.waiting_readers)


@pytest.mark.parametrize(
    ("before", "now", "granted"),
    [
        (("w", "", ""), ("", "", "", ""), ""),
        (("w", "", "w1 w2"), ("w1", "", "w2", ""), "w1"),
        (("w", "", "r1 r2 w1 r3"), ("", "r1 r2", "w1 r3", "r3"), "r1 r2"),
        (("w", "", "r1 r2"), ("", "r1 r2", "", ""), "r1 r2"),
        (("w", "", "w1 r1"), ("w1", "", "r1", "r1"), "w1"),
        (("", "r0", "w1 r1"), ("", "r0", "w1 r1", "r1"), ""),
        (("", "r0", "r1 w1"), ("", "r0 r1", "w1", ""), "r1"),
        (("", "r0", ""), ("", "r0", "", ""), ""),
    ],
)
def test_it_is_passed_on(before: tuple[str, str, str], now: tuple[str, str, str, str], granted: str) -> None:
    """To the first writer, if no reader is in, or to all readers before it."""
    one = lock(*before)
    assert " ".join(map(repr, one.pass_on())) == granted
    assert state(one) == now


def test_who_keeps_it() -> None:
    assert [repr(one) for one in lock("w", "", "").holders()] == ["w"]
    assert [repr(one) for one in lock("", "r1 r2", "w").holders()] == ["r1", "r2"]
    assert lock("", "", "w").holders() == []
