"""Footprints: what a step has read, and what it has left otherwise than it was.

A step is what an actor does between two elections. Two steps that touch nothing in common, or only read it, leave the
same in either order; a search by partial orders tries one of the two. What is forgotten here would be an order that is
never tried, so nothing is declared by hand: while a `Footprints` is installed, every attribute of every object of the
machine's classes is noted as it is read or set. A container that is an attribute's value (list, dict, set, deque) is
compared at the end of the step with what it was when it was first reached in that step: who has only
looked has read it. An object that is neither plain nor of the machine's is taken as written by whoever reaches it.

A scenario's own variables are things, too, by their names: a step in which a thread of the scenario runs reads all that
its functions can see, and has written those that are others afterwards.

Lockdep is left out: what it knows is the union of what it was shown, whatever came first. So is what gives out numbers
that only tell things apart, and what is noted for those who look on (`kernel.probes`, `kernel.kcsan`).

While nothing is installed, nothing of this costs anything: classes are as they were.
"""

from __future__ import annotations

import collections
import enum
import sys
import types
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Generic, TypeVar

import attrs

from ..context.locks import LockClass, LockFactory
from ..engine.actor import Actor, Mailbox, PlainMailbox
from ..engine.strand import Strand
from ..errors import StepBoundExceeded
from .variables import PLAIN, UNKNOWN, Thing, Variables

_END: Final[Thing] = (0, "the end of the run")

_PACKAGE: Final = __name__.partition(".")[0]
_ROOMS: Final = tuple(
    f"{_PACKAGE}.{room}" for room in ("context", "kernel", "rcu", "mm", "kvfree", "designs", "eras", "kapi", "scenario")
)
_LEFT_OUT: Final = tuple(
    f"{_PACKAGE}.{room}"
    for room in ("context.lockdep", "context.trace", "kapi.arguments", "kernel.kcsan", "kernel.probes")
)

_LOCKDEPS: Final = (LockClass, LockFactory)

_PLAIN: Final = frozenset(
    {
        *_LOCKDEPS,
        int,
        str,
        float,
        bool,
        bytes,
        type(None),
        type,
        types.FunctionType,
        types.MethodType,
        types.BuiltinFunctionType,
        types.MethodDescriptorType,
        types.WrapperDescriptorType,
        types.MethodWrapperType,
        types.ModuleType,
        types.CodeType,
        range,
    }
)
_CONTAINERS: Final = (list, dict, set, collections.deque, bytearray)


Answer = TypeVar("Answer")


@attrs.define(eq=False)
class Step:
    """One step: whose, in which window of time, what it has read and written, and what else was decided in it.

    `enabler` is the number of the step after which its actor could go on. `picks`: (kind, option, of how many) of each
    decision that is none of who goes next.
    """

    actor: str
    window: int
    enabler: int
    reads: set[Thing] = attrs.field(factory=set)
    writes: set[Thing] = attrs.field(factory=set)
    picks: list[tuple[str, int, int]] = attrs.field(factory=list)


class _This:
    """An object that is itself and no other. It is kept: one that came in its place could be where it was."""

    __slots__ = ("item",)

    def __init__(self, item: object) -> None:
        self.item = item

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _This) and other.item is self.item

    def __hash__(self) -> int:
        return id(self.item)


def _snapshot(value: Any, depth: int = 0) -> Hashable:
    """What a container holds: others' objects by identity, containers in it as such."""
    kind = type(value)
    if issubclass(kind, dict):
        return tuple((_inner(key, depth), _inner(item, depth)) for key, item in value.items())
    if issubclass(kind, set):
        return frozenset(_inner(item, depth) for item in value)
    return tuple([_inner(item, depth) for item in value])


def _inner(item: Any, depth: int) -> Hashable:
    kind = type(item)
    if kind in _CONTAINERS or (kind is tuple and depth < _DEEPEST) or issubclass(kind, _CONTAINERS):
        return _snapshot(item, depth + 1)
    return item if kind is int or kind is str else _This(item)


_DEEPEST: Final = 4


class _Known(dict[type, Answer], Generic[Answer]):
    """What was found out of a class, once."""

    def __init__(self, find_out: Callable[[type], Answer]) -> None:
        self._find_out = find_out

    def __missing__(self, kind: type) -> Answer:
        answer = self[kind] = self._find_out(kind)
        return answer


def _found_frozen(kind: Any) -> bool:
    return getattr(kind.__setattr__, "__name__", "") == "_frozen_setattrs" or issubclass(kind, enum.Enum | tuple)


def _found_fixed(kind: type) -> frozenset[str]:
    """Names that are the class's: methods, properties and the like; not what is an object's own."""
    found = set(dir(object))
    for base in reversed(kind.__mro__):
        for name, value in vars(base).items():
            if isinstance(value, types.MemberDescriptorType):
                found.discard(name)
            elif callable(value) or hasattr(value, "__get__") or name.startswith("__"):
                found.add(name)
    return frozenset(found)


def _is_in_a_room(module: str) -> bool:
    return module.startswith(_ROOMS) and not module.startswith(_LEFT_OUT)


_FROZEN: Final = _Known(_found_frozen)
_FIXED: Final = _Known(_found_fixed)


def _machines_classes() -> Iterator[type]:
    """All classes of the machine whose objects have a state."""
    found: dict[type, None] = {Actor: None, Mailbox: None, PlainMailbox: None}
    for name, module in sorted(sys.modules.items()):
        if not _is_in_a_room(name):
            continue
        for value in vars(module).values():
            if isinstance(value, type) and value.__module__ == name and _has_state(value) and value not in _LOCKDEPS:
                found[value] = None
    yield from found


def _has_state(kind: type) -> bool:
    told = not issubclass(kind, BaseException | enum.Enum | tuple | dict | list | set) and not _FROZEN[kind]
    return told and not getattr(kind, "_is_protocol", False)


class Footprints:
    """The steps of the run that is in progress, or was the last."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.current: Step | None = None
        self._kept: dict[int, object] = {}
        self._contents: dict[int, tuple[Any, Hashable]] = {}
        self._able: dict[str, int] = {}
        self._variables = Variables(_kind_of)
        self._strand: Strand | None = None
        self.are_installed = False

    def start(self) -> None:
        """A run begins."""
        self.steps, self.current, self._kept, self._contents, self._able = [], None, {}, {}, {}
        self._variables = Variables(_kind_of)

    # -- as the election tells ---------------------------------------------------------------------------------------

    def begin(self, actor: Actor, window: int, candidates: list[Actor]) -> None:
        """That one goes on."""
        number = len(self.steps)
        able = self._able
        names = [candidate.name for candidate in candidates]
        for name in [name for name in able if name not in names]:
            del able[name]
        for name in names:
            able.setdefault(name, number - 1)
        self.current = step = Step(actor.name, window, able.pop(actor.name))
        self._strand = actor.strand
        self.steps.append(step)

    def end(self) -> None:
        """Its step is over."""
        step, self.current = self.current, None
        if step is None:
            return
        for key, (value, before) in self._contents.items():
            if _snapshot(value) != before:
                step.writes.add((key, "contents"))
        self._contents = {}
        assert self._strand is not None
        read, written = self._variables.look(self._strand)
        step.reads |= read
        step.writes |= written

    def end_of_run(self, failure: BaseException | None) -> None:
        """The last step is over. If it has ended the run, all steps have to do with it: after it there are none.

        What the bound of steps has cut short has no end of its own.
        """
        self.end()
        ended = failure is not None or self.passed_over
        if self.steps and ended and not isinstance(failure, StepBoundExceeded):
            for step in self.steps:
                step.reads.add(_END)
            self.steps[-1].writes.add(_END)

    @property
    def passed_over(self) -> tuple[str, ...]:
        """Who could have gone on in the place of the last step, and never has since."""
        return tuple(self._able)

    def decided(self, kind: str, picked: int, count: int) -> None:
        """Something else than who goes next was decided."""
        if self.current is not None:
            self.current.picks.append((kind, picked, count))

    # -- as objects tell ---------------------------------------------------------------------------------------------

    def read(self, owner: object, name: str, value: object) -> None:
        """An attribute was read."""
        step = self.current
        assert step is not None
        kind = type(value)
        number = id(owner)
        if not _FROZEN[type(owner)]:
            self._kept[number] = owner
            step.reads.add((number, name))
        if kind in _PLAIN or (number := id(value)) in self._contents or (held := _kind_of(value)) is PLAIN:
            return
        self._kept[number] = value
        if held is UNKNOWN:
            step.writes.add((number, "contents"))
        else:
            step.reads.add((number, "contents"))
            self._contents[number] = value, held

    def wrote(self, owner: object, name: str) -> None:
        """An attribute was set."""
        assert self.current is not None
        self._kept[id(owner)] = owner
        self.current.writes.add((id(owner), name))

    # -- looking on --------------------------------------------------------------------------------------------------

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Have the machine's classes tell meanwhile."""
        kinds = list(_machines_classes())
        _TRACKED.update(kinds)
        before = [(kind, dict(vars(kind))) for kind in kinds]
        for kind in kinds:
            setattr(kind, "__getattribute__", _reading(self))  # noqa: B010 - as below
            setattr(kind, "__setattr__", _writing(self, kind.__setattr__))  # noqa: B010 - of the class
        self.are_installed = True
        try:
            yield
        finally:
            self.are_installed = False
            for kind, own in before:
                for special in ("__getattribute__", "__setattr__"):
                    if special in own:
                        setattr(kind, special, own[special])
                    else:
                        delattr(kind, special)


_TRACKED: Final[set[type]] = set()


def _found_plain(kind: type) -> bool:
    """Whether an object of that class is none that changes, or one whose changes are noted or left out elsewhere."""
    module = kind.__module__
    return (
        kind in _PLAIN
        or kind in _TRACKED
        or _FROZEN[kind]
        or issubclass(kind, type | tuple | frozenset)
        or module.startswith("trio")
        or (module.startswith(f"{_PACKAGE}.") and not _is_in_a_room(module))
        or module in ("builtins", "types", "functools", "itertools", "inspect", "weakref", "re")
    )


_PLAIN_KINDS: Final = _Known(_found_plain)


def _kind_of(value: object) -> object:
    kind = type(value)
    if issubclass(kind, _CONTAINERS):
        return _snapshot(value)
    return PLAIN if _PLAIN_KINDS[kind] else UNKNOWN


def _reading(footprints: Footprints) -> Callable[[Any, str], Any]:
    get = object.__getattribute__

    def reads(owner: Any, name: str) -> Any:
        value = get(owner, name)
        if footprints.current is not None and name not in _FIXED[type(owner)]:
            footprints.read(owner, name, value)
        return value

    return reads


def _writing(footprints: Footprints, inner: Any) -> Callable[[Any, str, Any], None]:
    def writes(owner: Any, name: str, value: Any) -> None:
        inner(owner, name, value)
        if footprints.current is not None:
            footprints.wrote(owner, name)

    return writes
