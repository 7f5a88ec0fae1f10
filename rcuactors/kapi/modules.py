"""Modules that come and go (kernel/module/main.c): their code and data are gone after delete_module().

A module's exit function has to see to it that nobody comes back: that its callbacks have run (rcu_barrier()), and that
its objects are freed. What it forgets is found when somebody calls a function of it, or touches its data: a page fault.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Final

import attrs

from ..context import splat
from ..context.trace import call_trace
from ..context.violation import ViolationKind
from ..errors import BadInput
from ..mm.objects import KObject
from ..rcu.synchronize_rcu import synchronize_rcu
from .base import begun, name_of, not_negative
from .rcu import Rcu

_TEXT: Final = 0xFFFFFFFFC0000000
"""MODULES_VADDR."""

Code = Callable[..., Awaitable[Any]]


@attrs.define(eq=False)
class Module:
    """struct module: from load_module(). `data` is its static data, one object; `gone`: it was unloaded."""

    name: str
    data: KObject
    gone: bool = False


class Modules(Rcu):
    """load_module(), delete_module(), and code that lies in a module."""

    async def load_module(self, name: str, data: int = 4096) -> Module:
        """load_module(): its static data has so many bytes. May sleep.

        Raises BadInput when there is no memory for it.
        """
        not_negative("load_module(data=)", data)
        machine = self._machine
        area = await machine.vmalloc.vmalloc(self._thread, data or 1)
        if area is None:
            raise BadInput(f"load_module({name!r}): -ENOMEM, there is no memory for its {data or 1} bytes of data")
        return Module(name, area)

    def module_text(self, module: Module, function: Code) -> Code:
        """The function as the module has it: for callbacks, works, timers. Called when the module is gone, it faults.

        That is reported as a use after free, and the function does not run.
        """
        name = name_of(function)

        @wraps(function)
        async def in_module(*arguments: Any) -> Any:
            if module.gone:
                self._fault(module, name)
                return None
            return await begun(function, *arguments)

        return in_module

    def _fault(self, module: Module, name: str) -> None:
        cpu = self._cpu
        text = splat.page_fault(cpu.judge.scene(cpu), _TEXT, [f"{name} [{module.name}]", *call_trace()])
        said = f"{text}\n{name}() of the module {module.name} was called after that was unloaded"
        cpu.judge.report(cpu, ViolationKind.USE_AFTER_FREE, text.partition("\n")[0], said)

    async def delete_module(self, module: Module, exit_function: Code | None = None) -> None:
        """delete_module(): its exit function, if it has one, then free_module(): code and data are gone. May sleep."""
        if exit_function is not None:
            await begun(exit_function)
        await synchronize_rcu(self._machine.callbacks, self._thread)
        module.gone = True
        await self._machine.vmalloc.vfree(self._thread, module.data)
