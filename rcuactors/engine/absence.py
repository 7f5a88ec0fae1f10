"""What Trio's functions find when they are called in a run that goes without it (`plain`).

Trio keeps its run and its current task for each thread in one place. While a run goes without Trio there is somebody
in that place who notes that he was asked anything: `trio.sleep()`, a cancel scope, a nursery, the current time. The run
then begins again on Trio, whatever the scenario makes of the exception. Where Trio has no such place any more, or
looks there in another way, nobody can be put there, and every run is on Trio.

What is answered as on Trio: that there is a run (`in_trio_run()`, `in_trio_task()`, sniffio). What needs no run, such
as posting to a memory channel that nobody waits at, needs no Trio either.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final, NoReturn

import trio

from .errors import NeedsTrio


def _found(module: str, name: str) -> Any:
    """Something of another package's that it does not promise to have; None where it has it no more."""
    try:
        return getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None


_PLACE: Final = _found("trio._core._run", "GLOBAL_RUN_CONTEXT")
_SNIFFIO: Final = _found("sniffio", "thread_local")
_NAMES: Final = ("runner", "task")


class _Absent:
    """In the place of Trio's run and task: whatever it is asked, it tells that it was, and raises NeedsTrio."""

    __slots__ = ("_asked",)

    def __init__(self, asked: Callable[[], object]) -> None:
        object.__setattr__(self, "_asked", asked)

    def __getattribute__(self, name: str) -> NoReturn:
        object.__getattribute__(self, "_asked")()
        raise NeedsTrio(name)

    def __setattr__(self, name: str, _value: object) -> NoReturn:
        self.__getattribute__(name)

    def __delattr__(self, name: str) -> NoReturn:
        self.__getattribute__(name)

    def __eq__(self, _other: object) -> NoReturn:
        self.__getattribute__("__eq__")

    def __hash__(self) -> NoReturn:  # noqa: PLE0309 - nor anything else
        self.__getattribute__("__hash__")

    def __repr__(self) -> NoReturn:
        self.__getattribute__("__repr__")

    def __bool__(self) -> NoReturn:  # noqa: PLE0304 - as above
        self.__getattribute__("__bool__")


@contextlib.contextmanager
def noticing(asked: Callable[[], object]) -> Iterator[None]:
    """Notice meanwhile when Trio is asked for anything. For where no Trio runs in this thread."""
    absent = _Absent(asked)
    hooks = sys.get_asyncgen_hooks()
    library = getattr(_SNIFFIO, "name", None)

    def thrown_away(_generator: object) -> None:
        """Trio would finish an async generator that is thrown away half-way, at one of its turns."""
        asked()

    for name in _NAMES:
        setattr(_PLACE, name, absent)
    if _SNIFFIO is not None:
        _SNIFFIO.name = "trio"
    sys.set_asyncgen_hooks(finalizer=thrown_away)
    try:
        yield
    finally:
        sys.set_asyncgen_hooks(*hooks)
        if _SNIFFIO is not None:
            _SNIFFIO.name = library
        for name in _NAMES:
            delattr(_PLACE, name)


@cache
def _is_noticed() -> bool:
    """Whether Trio looks there: asked of Trio itself, once in a process."""
    asked = []
    try:
        with noticing(lambda: asked.append(True)):
            if not (trio.lowlevel.in_trio_run() and trio.lowlevel.in_trio_task()):
                return False
            for ask in (trio.current_time, trio.current_effective_deadline, trio.CancelScope().__enter__):
                with contextlib.suppress(NeedsTrio):
                    ask()
                    return False
    except Exception:
        return False
    return len(asked) == 3 and not trio.lowlevel.in_trio_run()


def can_be_noticed() -> bool:
    """Whether a run can go without Trio here: no Trio runs in this thread, and it would be noticed if it were asked."""
    return _PLACE is not None and not trio.lowlevel.in_trio_run() and _is_noticed()
