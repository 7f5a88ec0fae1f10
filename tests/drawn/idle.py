"""What is called only where there is something to do: then a test that is left out before such a call shows.

Without this it would show in nothing but speed. A probe is told only while somebody listens to it, and events are built
only for such a one; whether a reader has ended is asked only where one is open; lockdep hears of locks only while it is
on, and that interrupts come on only where that can matter.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from rcuactors.context.lockdep.validator import Lockdep
from rcuactors.context.preempt import HARDIRQ_OFFSET
from rcuactors.engine.probe import Probe
from rcuactors.kernel.cpu import Cpu
from rcuactors.marks import MACHINERY
from rcuactors.rcu.book import ReaderBook

__trace__ = MACHINERY

Needs = Callable[..., bool]


def _listened_to(probe: Probe[Any], *_told: object, **_named: object) -> bool:
    return probe.on


def _reader_open(_book: ReaderBook, cpu: Cpu) -> bool:
    return cpu.ctx.reader is not None


def _lockdep_on(lockdep: Lockdep, *_lock: object, **_how: object) -> bool:
    return lockdep.on


def _locks_held(_lockdep: Lockdep, cpu: Cpu) -> bool:
    return bool(cpu.ctx.held) or cpu.ctx.preempt_count >= HARDIRQ_OFFSET


_WATCHED: Final[tuple[tuple[type, str, Needs], ...]] = (
    (Probe, "__call__", _listened_to),
    (ReaderBook, "look", _reader_open),
    (Lockdep, "acquire", _lockdep_on),
    (Lockdep, "release", _lockdep_on),
    (Lockdep, "hardirqs_on", _locks_held),
    (Lockdep, "softirqs_on", _locks_held),
)


@contextlib.contextmanager
def nothing_in_vain() -> Iterator[None]:
    """Of what is run in here."""
    idle: Counter[str] = Counter()
    with pytest.MonkeyPatch.context() as patch:
        for of, name, needs in _WATCHED:
            _watch(patch, of, name, needs, idle)
        yield
    assert not idle, f"in vain: {dict(idle)}"


def _watch(patch: pytest.MonkeyPatch, of: type, name: str, needs: Needs, idle: Counter[str]) -> None:
    function = getattr(of, name)

    @functools.wraps(function)
    def watched(self: Any, *args: Any, **named: Any) -> Any:
        if not needs(self, *args, **named):
            idle[f"{of.__name__}.{name}() by {_caller()}"] += 1
        return function(self, *args, **named)

    patch.setattr(of, name, watched)


def _caller() -> str:
    frame = sys._getframe(2)
    return f"{frame.f_code.co_qualname}:{frame.f_lineno}"
