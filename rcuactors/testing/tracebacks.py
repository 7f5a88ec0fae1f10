"""How an error came about, without the model's own frames: what is left is the test, the scenario, and what it says.

A frame of the package stands between the line of the test that runs a scenario and the line of the scenario that went
wrong; some thirty of them. They are left out, unless the error is none that the package raises on purpose: then it is
a mistake of the package's, and its frames say where. `--full-trace` shows all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Final

from ..errors import RcuactorsError
from ..spelling import did_you_mean

_PACKAGE: Final = __name__.partition(".")[0]
_WAITS: Final = ("trio", "outcome", "pytest_trio")
"""Packages whose frames stand between those of an async test."""


def shorten(error: BaseException) -> None:
    """Leave the package's frames out of what led to the error, and to those in a group or before it."""
    for one in _with_causes(error, set()):
        entries = list(_walk(one.__traceback__))
        if not any(_is_ours(entry) for entry in entries):
            continue
        _hint(one)
        ours_raised_it = _is_ours(entries[-1])
        if ours_raised_it and not isinstance(one, RcuactorsError):
            continue
        kept = [entry for entry in entries if not _is_between(entry)]
        if kept:
            one.__traceback__ = _chain(kept)


def _with_causes(error: BaseException, seen: set[int]) -> Iterator[BaseException]:
    if id(error) in seen:
        return
    seen.add(id(error))
    yield error
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for other in (*inner, error.__cause__, error.__context__):
        if other is not None:
            yield from _with_causes(other, seen)


def _walk(entry: TracebackType | None) -> Iterator[TracebackType]:
    while entry is not None:
        yield entry
        entry = entry.tb_next


def _root(entry: TracebackType) -> str:
    """The package of the frame's module. A bundled scenario is loaded as any other, and is in none."""
    return str(entry.tb_frame.f_globals.get("__name__", "")).partition(".")[0]


def _is_ours(entry: TracebackType) -> bool:
    return _root(entry) == _PACKAGE


def _is_between(entry: TracebackType) -> bool:
    return _root(entry) in (_PACKAGE, *_WAITS)


def _chain(entries: list[TracebackType]) -> TracebackType | None:
    chain: TracebackType | None = None
    for entry in reversed(entries):
        chain = TracebackType(chain, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return chain


def _hint(error: BaseException) -> None:
    """What was meant by a name that the kernel does not have; the command line says so, too."""
    if not isinstance(error, AttributeError) or getattr(error, "__notes__", None):
        return
    from ..kapi import Kernel  # noqa: PLC0415 - a plugin is loaded by everybody's tests; here there was a run

    if isinstance(error.obj, Kernel):
        meant = did_you_mean(error.name or "", [name for name in dir(Kernel) if not name.startswith("_")])
        if meant:
            error.add_note(meant.rstrip())
