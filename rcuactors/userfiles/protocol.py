"""The methods that a design may have, as data for the check of a user's file; `kvfree.rules` has them as protocols."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Final

import attrs

from ..kvfree.rules import OptionalMethods, PageSource


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
    method.name: method for method in (*_methods(PageSource, required=True), *_methods(OptionalMethods, required=False))
}
