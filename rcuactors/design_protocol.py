"""The methods that a design may have, as data for the check of a user's file: `kvfree.rules`, written out.

Those of `PageSource` are read off it. Those of `DesignExtras` stand there as types; here they are as one writes them.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Protocol

import attrs

from .kvfree.rules import PageSource

if TYPE_CHECKING:
    from .kernel.cpu import Cpu
    from .kvfree.core import KvfreeRcu
    from .kvfree.krc import Krc
    from .kvfree.rules import EraRules
    from .mm.objects import KObject


class _Extras(Protocol):
    def rules(self, era_rules: EraRules) -> EraRules: ...

    def attach(self, kvfree: KvfreeRcu) -> None: ...

    def prepare(self, kvfree: KvfreeRcu, krcp: Krc) -> None: ...

    async def take(self, kvfree: KvfreeRcu, cpu: Cpu, item: KObject, head: bool) -> bool: ...

    async def get_page_unlocked(self, kvfree: KvfreeRcu, cpu: Cpu, head: bool) -> int | None: ...

    async def put_page(self, kvfree: KvfreeRcu, cpu: Cpu, krcp: Krc, page: int) -> bool: ...


@attrs.frozen
class Method:
    """One of them. `parameters` are without self; `returns` is 'int | None' for a page, 'bool' or 'None'."""

    name: str
    parameters: tuple[str, ...]
    is_async: bool
    returns: str
    required: bool

    @property
    def needed(self) -> str:
        """How it is written."""
        return f"`{'async ' * self.is_async}def {self.name}({', '.join(('self', *self.parameters))})`"


def _methods(protocol: type, *, required: bool) -> Iterator[Method]:
    for name, function in vars(protocol).items():
        if inspect.isfunction(function) and not name.startswith("_"):
            signature = inspect.signature(function)
            yield Method(
                name,
                tuple(signature.parameters)[1:],
                inspect.iscoroutinefunction(function),
                str(signature.return_annotation),
                required,
            )


METHODS: Final = {
    method.name: method for method in (*_methods(PageSource, required=True), *_methods(_Extras, required=False))
}
