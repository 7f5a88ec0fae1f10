"""What the functions of the API are given is looked at before anything is done: C's compiler would have refused it.

The annotation of an argument is the check: `refusing_wrong_arguments` has every public function of a class look at its
arguments by theirs, when it is called. A handle of another kind, a text for a number, a coroutine that nobody awaited,
a function with its parentheses: each is one line that names the function, the argument and what would be right.

Those that are called by the million, and those that look at who calls them, say `@checks_itself`.
"""

from __future__ import annotations

import collections.abc
import dis
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from functools import cache, wraps
from typing import Any, Final, TypeVar

from ..context.locks import Lock
from ..errors import BadInput, bad_value, described
from ..kernel.completion import Completion
from ..kernel.irq.irq_work import IrqWork
from ..kernel.stack import StackFrame
from ..kernel.time.hrtimer import Hrtimer
from ..kernel.time.timer import Timer
from ..kernel.wait import WaitQueueHead
from ..kernel.workqueue import DelayedWork, Work, Workqueue
from ..mm.gfp import Gfp
from ..mm.objects import KObject
from ..rcu.data import RcuHead
from ..rcu.polled import RcuGpOldstate
from ..rcu.rcu_work import RcuWork
from ..rcu.srcu_struct import SrcuStruct

WORDS: Final[dict[str, str]] = {
    cls.__name__: words
    for cls, words in (
        (int, "a whole number"),
        (bool, "True or False"),
        (str, "a text"),
        (type(None), "None"),
        (Lock, "a lock, from k.spinlock(), k.mutex() and the like"),
        (Timer, "a timer, from k.timer_setup()"),
        (Hrtimer, "an hrtimer, from k.hrtimer()"),
        (Work, "a work, from k.work()"),
        (DelayedWork, "a delayed work, from k.delayed_work()"),
        (RcuWork, "an rcu work, from k.rcu_work()"),
        (IrqWork, "an irq_work, from k.irq_work()"),
        (Workqueue, "a workqueue, such as k.system_wq, or from k.alloc_workqueue()"),
        (Completion, "a completion, from k.completion()"),
        (WaitQueueHead, "a wait queue head, from k.wait_queue_head()"),
        (SrcuStruct, "an srcu_struct, from k.srcu_struct()"),
        (RcuHead, "an rcu_head, from k.rcu_head()"),
        (RcuGpOldstate, "what get_state_synchronize_rcu_full() returned"),
        (KObject, "what kmalloc(), vmalloc() or kvmalloc() returned"),
        (StackFrame, "a function's frame from k.stack_frame()"),
        (Gfp, "gfp flags, such as GFP_KERNEL or GFP_NOWAIT | GFP_NOWARN"),
    )
} | {
    "Atomic": "an atomic_t, from k.atomic_t()",
    "Atomic64": "an atomic64_t, from k.atomic64_t()",
    "AtomicLong": "an atomic_long_t, from k.atomic_long_t()",
    "Refcount": "a refcount_t, from k.refcount_t()",
    "Kref": "a struct kref, from k.kref()",
    "Seqcount": "a seqcount, from k.seqcount_t(), k.seqcount_mutex() and the like",
    "Seqlock": "a seqlock, from k.seqlock_t()",
    "ListHead": "a list_head, from k.list_head()",
    "HlistHead": "an hlist_head, from k.hlist_head()",
    "HlistNode": "an hlist_node, from k.hlist_node()",
    "Tasklet": "a tasklet, from k.tasklet_setup()",
    "NotifierHead": "a notifier chain, from k.atomic_notifier_head() or k.blocking_notifier_head()",
    "NotifierBlock": "a notifier block, from k.notifier_block()",
    "LocalLock": "a local lock, from k.local_lock_t()",
    "StructObject": "an object of a type from k.struct()",
    "StructType": "a type from k.struct()",
    "KmemCache": "a cache, from k.kmem_cache_create()",
    "Task": "a thread, from k.kthread_run()",
    "Module": "a module, from k.load_module()",
    "Shrinker": "a shrinker, from k.register_shrinker()",
    "CpuhpSetup": "what k.cpuhp_setup_state() returned",
    "PerCpuVariable": "a per-CPU variable, from k.define_per_cpu()",
    "WqFlags": "flags of a workqueue, such as WQ_UNBOUND | WQ_HIGHPRI",
}
"""What an argument needs, by the name of its class."""

_ASYNC: Final = "a function that is `async def`"
_PLAIN: Final = "a plain function, which waits for nothing"
_WAITS: Final = inspect.CO_COROUTINE | inspect.CO_ITERABLE_COROUTINE
_AWAITABLE: Final = (collections.abc.Awaitable, collections.abc.Coroutine)

_C = TypeVar("_C", bound=type)
_F = TypeVar("_F", bound=Callable[..., Any])
Fits = Callable[[object], bool]


def _is_number(value: object) -> bool:
    return value.__class__ is int


def _is_called(value: object) -> bool:
    return callable(value) and not isinstance(value, type)


def _may_be_awaited(value: object) -> bool:
    """Whether what it returns can be something to wait for: not that of a plain function which returns constants only.

    What else it may return is known when it has been called (`begun()` in base.py).
    """
    if not _is_called(value):
        return False
    function: Any = getattr(value, "__func__", value)
    if isinstance(function, types.FunctionType) and function.__code__.co_flags & _WAITS:
        return True
    function = inspect.unwrap(function)
    if not isinstance(function, types.FunctionType) or function.__code__.co_flags & _WAITS:
        return True
    return not _returns_constants(function.__code__)


@cache
def _returns_constants(code: types.CodeType) -> bool:
    before = ""
    for instruction in dis.get_instructions(code):
        if instruction.opname == "RETURN_VALUE" and not before.startswith("LOAD_CONST"):
            return False
        before = instruction.opname
    return True


def _is_called_plainly(value: object) -> bool:
    return _is_called(value) and not inspect.iscoroutinefunction(value)


def _is_anything(value: object) -> bool:
    return not inspect.iscoroutine(value)


@cache
def _union(fits: tuple[Fits, ...]) -> Fits:
    def one_of(value: object) -> bool:
        return any(each(value) for each in fits)

    return one_of


@cache
def _instance(cls: type) -> Fits:
    def is_one(value: object) -> bool:
        return isinstance(value, cls)

    return is_one


def _of_callable(annotation: object) -> tuple[Fits, str]:
    returns = typing.get_args(annotation)[-1:]
    waits = bool(returns) and typing.get_origin(returns[0]) in _AWAITABLE
    return (_may_be_awaited, _ASYNC) if waits else (_is_called_plainly, _PLAIN)


def read_annotation(annotation: Any) -> tuple[Fits, str]:
    """What says whether a value is of that type, and the type in words."""
    if isinstance(annotation, TypeVar):
        annotation = annotation.__bound__ or object
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        read = [read_annotation(each) for each in typing.get_args(annotation)]
        words = dict.fromkeys(words for _, words in read if words != WORDS["NoneType"])
        none = " or None" if len(words) < len(read) else ""
        return _union(tuple(fits for fits, _ in read)), " or ".join(words) + none
    if origin is collections.abc.Callable:
        return _of_callable(annotation)
    if origin is typing.Literal:
        return _instance(str), WORDS["str"]
    cls = origin or annotation
    if cls is int:
        return _is_number, WORDS["int"]
    if not isinstance(cls, type) or cls in (object, Any) or cls.__module__.startswith("collections"):
        return _is_anything, "a value"
    return _instance(cls), WORDS.get(cls.__name__, f"a {cls.__name__}")


def wrong_argument(function: str, name: str, value: object, needs: str) -> BadInput:
    """The error for an argument of the wrong kind."""
    where = f"{function}({name}={described(value)})"
    if inspect.iscoroutine(value):
        value.close()  # or Python would complain on its own, later
        if needs in (_ASYNC, _PLAIN):
            return bad_value(where, f"the function itself: leave out the parentheses behind {value.__name__}")
        return bad_value(where, f"an `await` before {value.__name__}()")
    if needs == WORDS["Work"] and isinstance(value, DelayedWork | RcuWork):
        kind = "delayed" if isinstance(value, DelayedWork) else "rcu"
        return bad_value(where, f"a work: its `.work`, or there is {function.replace('_work', f'_{kind}_work', 1)}()")
    return bad_value(where, needs)


def expect_await(function: str, **values: object) -> None:
    """Raises BadInput where one of the arguments is a coroutine that nobody has awaited."""
    for name, value in values.items():
        if inspect.iscoroutine(value):
            raise wrong_argument(function, name, value, "a value")


def checks_itself(what: _F) -> _F:
    """Say of a function, or of all functions of a class, that it looks at its arguments itself."""
    for function in vars(what).values() if isinstance(what, type) else (what,):
        if isinstance(function, types.FunctionType):
            function.__dict__["checks_itself"] = True
    return what


class _Arguments:
    """The checks of one function's arguments, read from its annotations when it is first called."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = inspect.unwrap(function)
        self.name = function.__name__
        self.signature = inspect.signature(function)
        self.in_order: tuple[tuple[str, Fits, str], ...] = ()
        self.by_name: Mapping[str, tuple[str, Fits, str]] = {}
        self.read = False

    def prepare(self) -> None:
        """Read the annotations; the modules that they name are all there by now."""
        names = self._function.__globals__
        in_order, by_name = [], {}
        for parameter in list(self.signature.parameters.values())[1:]:
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            written = parameter.annotation
            entry = (parameter.name, *read_annotation(eval(written, names) if isinstance(written, str) else written))  # noqa: S307 - our own annotations
            by_name[parameter.name] = entry
            if parameter.kind is not parameter.KEYWORD_ONLY:
                in_order.append(entry)
        self.in_order, self.by_name, self.read = tuple(in_order), by_name, True

    def miscalled(self, arguments: tuple[Any, ...], words: dict[str, Any]) -> BadInput | None:
        """The error for a call with too few arguments, too many, or of another name; None if it is none."""
        try:
            self.signature.bind(*arguments, **words)
        except TypeError as error:
            taken = ", ".join(list(self.signature.parameters)[1:])
            return BadInput(f"{self.name}(): {error}; it takes ({taken})")
        return None


def _refusing(function: Callable[..., Any]) -> Callable[..., Any]:
    checks = _Arguments(function)

    @wraps(function)
    def refusing(*arguments: Any, **words: Any) -> Any:
        if not checks.read:
            checks.prepare()
        for (name, fits, needs), value in zip(checks.in_order, arguments[1:], strict=False):
            if not fits(value):
                raise wrong_argument(checks.name, name, value, needs)
        for word, value in words.items():
            if word in checks.by_name and not checks.by_name[word][1](value):
                raise wrong_argument(checks.name, word, value, checks.by_name[word][2])
        try:
            return function(*arguments, **words)
        except TypeError as error:
            miscalled = checks.miscalled(arguments, words)
            if miscalled is None:
                raise
            raise miscalled from error

    return refusing


def refusing_wrong_arguments(cls: _C) -> _C:
    """Have all public functions of a class refuse what does not fit their annotations. Raises BadInput there."""
    for name in dir(cls):
        function = inspect.getattr_static(cls, name)
        if name.startswith("_") or not isinstance(function, types.FunctionType):
            continue
        if (
            not getattr(inspect.unwrap(function), "checks_itself", False)
            and len(inspect.signature(function).parameters) > 1
        ):
            setattr(cls, name, _refusing(function))
    return cls
