"""What every subject of the API stands on: the machine, and the CPU that runs.

Each function asks anew which CPU that is: between two calls its thread may have moved.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import CoroutineType
from typing import Any, Final, TypeAlias, TypeVar

from ..context.trace import caller_site
from ..engine.errors import RunOver
from ..errors import BadInput, StepBoundExceeded, bad_value, described
from ..kernel.cpu import Cpu
from ..kernel.debugobjects import Member
from ..kernel.stack import StackFrame
from ..kernel.thread import Thread
from ..machine import Machine
from ..mm.objects import KObject
from .arguments import expect_await

Action = Callable[[], Awaitable[None]]
"""A scenario's function that runs elsewhere: a handler, a work, a callback."""

T = TypeVar("T")

Inside: TypeAlias = KObject | StackFrame
"""What something can be a member of: an object, or a function's variables."""


class NotThere(BadInput):
    """A function was called that this version does not have."""


def handler_of(action: Action) -> Callable[[Cpu], Awaitable[None]]:
    """A scenario's function as the machine calls handlers."""

    async def run_handler(_cpu: Cpu) -> None:
        await begun(action)

    # For who looks on: which handler that is.
    run_handler.__name__ = name_of(action)
    return run_handler


def begun(function: Callable[..., Awaitable[T]], *arguments: Any) -> Awaitable[T]:
    """What a scenario's function has for us to await. Raises BadInput for a plain one, and for one that takes others.

    Whether it is a plain function cannot be told before: one that returns what can be awaited is as good.
    """
    try:
        waits = function(*arguments)
    except TypeError as error:
        try:
            inspect.signature(function).bind(*arguments)
        except TypeError:
            given = ", ".join(described(each) for each in arguments) or "without arguments"
            raise bad_value(f"{_name_and_place(function)}, which is called {given}", "other arguments") from error
        raise
    if waits.__class__ is not CoroutineType and not isinstance(waits, Awaitable):
        raise bad_value(f"{_name_and_place(function)}, a plain function", "to be `async def`")
    return waits


def _name_and_place(function: object) -> str:
    code = getattr(inspect.unwrap(function) if callable(function) else function, "__code__", None)
    name = f"{name_of(function)}()"
    return f"{name} ({Path(code.co_filename).name}:{code.co_firstlineno})" if code is not None else name


def name_of(function: object) -> str:
    """A function's own name; of what is called like one, that of its class."""
    return getattr(function, "__name__", type(function).__name__)


def site_of_function(action: Action) -> object:
    """What tells the lockdep maps of two works, or timers, of one name apart: the code that each runs."""
    return getattr(action, "__code__", action)


LARGEST: Final = (1 << 63) - 1
"""LONG_MAX."""


def not_negative(what: str, value: int) -> int:
    """The value. Raises BadInput unless it is a whole number, 0 or more."""
    if value.__class__ is not int or not 0 <= value <= LARGEST:
        expect_await(what, argument=value)
        largest = f", at most {LARGEST}" if value.__class__ is int and value > 0 else ""
        # The value stands where what it is for leaves room for it: `f(size=)`, `size=`, `f`.
        before, equals, after = what.partition("=")
        said = f"{before}={described(value)}{after}" if equals else f"{what}({described(value)})"
        raise bad_value(said, f"a whole number, 0 or more{largest}")
    return value


M = TypeVar("M", bound=Member)


MOST_FOR_NOTHING: Final = 100_000
"""Calls one after the other that wait for nothing and take no virtual time, after which a run is ended."""


class KernelBase:
    """Holds the machine."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._system = machine.system
        self._conductor = machine.conductor
        self._locks = machine.system.locks
        self._stands_at: tuple[int, int] | None = None
        self._for_nothing = 0

    def _took_no_time(self, function: str) -> None:
        """Count a call for which no virtual time went by: `while True: await k.udelay(0)` takes no steps, either.

        Raises StepBoundExceeded after `MOST_FOR_NOTHING` of them, or `max_steps` if that is less, without a step and
        without time in between.
        """
        conductor, clock = self._conductor, self._cpu.clock
        if self._stands_at != (clock, conductor.steps):
            self._stands_at, self._for_nothing = (clock, conductor.steps), 0
        self._for_nothing += 1
        most = min(MOST_FOR_NOTHING, conductor.max_steps)
        if self._for_nothing > most:
            conductor.finish(
                StepBoundExceeded(
                    f"{function}() took no virtual time {most:,} times in a row: does the loop end? ({caller_site()})"
                )
            )
            raise RunOver

    def _member(self, inside: Inside | None, member: M, *, on_stack: bool = False) -> M:
        """Put it into the object or frame, if there is one. Raises BadInput for anything else."""
        if inside is not None:
            self._expect_object(inside)
            self._system.debug_objects.put_in(self._cpu, inside, member, on_stack=on_stack)
        elif on_stack:
            raise bad_value("on_stack=True", "inside=, a function's frame from stack_frame()")
        return member

    @staticmethod
    def _expect_object(inside: object) -> None:
        if not isinstance(inside, KObject | StackFrame):
            raise bad_value(
                f"inside={described(inside)}", "what kmalloc(), vmalloc(), kvmalloc() or stack_frame() returned"
            )

    def _expect_version(self, function: str, *, has: bool, since: str) -> None:
        """Raises BadInput, one clear line, for what this kernel does not have; `since` says which have it."""
        if not has:
            raise NotThere(f"{function}: {self._machine.setup.era.name} has no such function; it came with {since}")

    @property
    def machine(self) -> Machine:
        """What it all runs on: for tests and rigs, which look at what no kernel code sees.

        `machine.this_cpu` and `machine.current` are what runs now, `machine.statistics()` is what was counted so far.
        """
        return self._machine

    @property
    def _cpu(self) -> Cpu:
        """The CPU that has the baton. Raises as `Machine.this_cpu`."""
        running = self._conductor.running
        # The same as behind it, for a call less.
        return running if isinstance(running, Cpu) else self._machine.this_cpu

    def _online_cpu(self, what: str, cpu_id: int) -> Cpu:
        """The CPU of that number. Raises BadInput when the machine has no such CPU, or that is offline.

        Where CPUs go when a strategy decides so (`hotplug`), nobody can know: then it is the first active one.
        """
        cpu = self._system.cpu(cpu_id)
        if not cpu.online and self._system.hotplug.on_off.enabled:
            return self._system.cpu(min(self._system.masks.active))
        if not cpu.online:
            raise BadInput(f"{what}(cpu={cpu_id}): CPU {cpu_id} is offline")
        return cpu

    @property
    def _thread(self) -> Thread:
        """The thread whose stack this runs on. Raises as `_cpu`."""
        running = self._conductor.running
        # The same as below, for a call less.
        return running.current if isinstance(running, Cpu) else self._cpu.current
