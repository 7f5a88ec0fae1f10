"""What watches over a design out of a user's file while it runs, so that its mistakes are named as its own.

A bundled design is trusted; one that somebody has just written may return what is no page, or a page that is
somebody else's, or forget an `await`. Each is said in one line, at once, instead of as whatever would follow from it
in the model. What the design does that a kernel would object to is none of this: the model judges that.
"""

from __future__ import annotations

import ast
import functools
import inspect
import sys
from collections.abc import Callable, Collection, Coroutine, Iterable
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, cast

from ..errors import DesignError, shown
from ..kvfree.krc import Krc
from ..mm.objects import KObject
from .blame import blame_design, is_mistake
from .protocol import Method
from .pyfile import place_of

if TYPE_CHECKING:
    from ..kvfree.core import KvfreeRcu
    from ..mm.slab.cache import Slab

Check = Callable[["KvfreeRcu", object], str]
_DROPPED: Final = "__rcuactors_dropped__"


# -- what it returns -----------------------------------------------------------------------------------------------


def guarded(cls: type, methods: Iterable[Method]) -> type:
    """A subclass of a design's class that looks at what these methods of it do, the ones that the file defines."""
    wrapped: dict[str, object] = {
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "__doc__": cls.__doc__,
    }
    for method in methods:
        function = inspect.getattr_static(cls, method.name)
        wrapped[method.name] = _guard(function, _CHECKS[method.returns]) if method.is_async else _guard_plain(function)
    return type(cls)(cls.__name__, (cls,), wrapped)


def _guard_plain(method: FunctionType) -> Callable[..., Any]:
    """A method that may be called while the machine is put together, and not out of a run."""

    @functools.wraps(method)
    def _guarded(self: object, *args: Any) -> Any:
        try:
            return method(self, *args)
        except BaseException as error:
            if not is_mistake(error):
                raise
            raise blame_design(error) from error

    return _guarded


def _guard(method: FunctionType, wrong: Check) -> Callable[..., Coroutine[Any, Any, Any]]:
    @functools.wraps(method)
    async def _guarded(self: object, *args: Any) -> Any:
        value: object = await method(self, *args)
        for krcp in args:
            if isinstance(krcp, Krc):
                _check_cache(method, args[0], krcp)
        if value is not None:
            what = wrong(args[0], value)
            if what:
                raise _mistake(method, what)
        return value

    return _guarded


def _no_page(kvfree: KvfreeRcu, value: object) -> str:
    if type(value) is not int:
        return f"returned {_shown(value)}: needs a page frame number, or None"
    why = _whose(kvfree, value)
    return f"returned page {value}, which {why}" if why else ""


def _no_truth(_kvfree: KvfreeRcu, value: object) -> str:
    return "" if isinstance(value, bool) else f"returned {_shown(value)}: needs True or False"


def _no_none(_kvfree: KvfreeRcu, value: object) -> str:
    return f"returned {_shown(value)}" if inspect.iscoroutine(value) else ""


_CHECKS: Final[dict[str, Check]] = {"int | None": _no_page, "bool": _no_truth, "None": _no_none}
"""What a method returns, by its annotation -> what is wrong with a value other than None."""


def _mistake(method: FunctionType, what: str) -> DesignError:
    code = method.__code__
    place = place_of([(code.co_filename, code.co_firstlineno)])
    return DesignError(f"design file {Path(code.co_filename).name}: {method.__name__}() {what} ({place})")


def _shown(value: object) -> str:
    """A value that should not be there, in words."""
    if inspect.iscoroutine(value):
        value.close()  # or Python would complain on its own, later
        return f"the coroutine {value.__name__}() (`await` is missing)"
    return f"{shown(value)} ({type(value).__name__})"


def _whose(kvfree: KvfreeRcu, page: int) -> str:
    """Why a page cannot be a new block: '' if it can."""
    if page not in kvfree.pages.zone.in_use:
        return "is not allocated"
    for krcp in kvfree.all_krcs():
        if page in krcp.cache:
            return f"is in the cache of CPU {krcp.cpu_id}"
        if _is_block(krcp, page):
            return f"is a block of CPU {krcp.cpu_id} already"
    for item in kvfree.oracle.live.values():
        if isinstance(item, KObject) and page in _pages_of(item):
            return f"is somebody else's: of a {item}, allocated at {item.allocated_at}"
    return ""


def _is_block(krcp: Krc, page: int) -> bool:
    channels = (*krcp.blocks, *(channel for batch in krcp.batches for channel in batch.blocks))
    return any(block.page == page for blocks in channels for block in blocks)


def _pages_of(item: KObject) -> Collection[int]:
    if item.is_vmalloc:
        return cast("list[int]", item.home)
    return (cast("Slab", item.home).pfn,)


def _check_cache(method: FunctionType, kvfree: KvfreeRcu, krcp: Krc) -> None:
    """What is in the cache of the CPU that the method was called for: each a page of its own."""
    for index, value in enumerate(krcp.cache):
        if type(value) is not int:
            raise _mistake(method, f"put {_shown(value)} into the cache: needs page frame numbers")
        wrong = ""
        if value not in kvfree.pages.zone.in_use:
            wrong = "is not allocated"
        elif value in krcp.cache[:index]:
            wrong = "is there already"
        elif _is_block(krcp, value):
            wrong = f"is a block of CPU {krcp.cpu_id}"
        if wrong:
            raise _mistake(method, f"put page {value} into the cache, which {wrong}")


# -- what it drops -------------------------------------------------------------------------------------------------


class _KeepsCoroutines(ast.NodeTransformer):
    """Rewrites each statement that is nothing but a call, so that a coroutine for which nobody waits is noticed."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr:
        self.generic_visit(node)
        if isinstance(node.value, ast.Call):
            call = ast.Call(ast.Name(_DROPPED, ast.Load()), [node.value], [])
            node.value = ast.fix_missing_locations(ast.copy_location(call, node.value))
        return node


def notice_dropped(tree: ast.Module) -> ast.Module:
    """Rewrite a design's file for `given_names`."""
    _KeepsCoroutines().visit(tree)
    return tree


def given_names() -> dict[str, object]:
    """What a rewritten file needs to find in its module."""
    return {_DROPPED: _dropped}


def _dropped(value: object) -> None:
    if inspect.iscoroutine(value):
        value.close()
        frame = sys._getframe(1)
        file = frame.f_code.co_filename
        raise DesignError(
            f"design file {Path(file).name}: {value.__name__}() is called without `await` "
            f"({place_of([(file, frame.f_lineno)])})"
        )
