"""Every function of the API refuses every wrong argument, before it has done anything (kapi/arguments.py).

The functions are found by looking, so that a new one joins by itself. What fits an argument is said here once more, by
its annotation as it is written: the check itself is read from that.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from rcuactors import GFP_KERNEL, WQ_UNBOUND, Kernel, run, scenario
from rcuactors.errors import BadInput

HUGE: Final = 10**30

ASYNC: Final = ("function", "passes on")
"""A plain function may return what can be awaited: one that cannot is refused when it is given."""

FITS: Final[dict[str, tuple[str, ...]]] = {
    "int": ("int",),
    "int | None": ("int", "None"),
    "bool": ("bool",),
    "str": ("text",),
    "str | None": ("text", "None"),
    "Lock": ("lock",),
    "LocalLock": ("local lock",),
    "Lock | LocalLock": ("lock", "local lock"),
    "Inside | None": ("object", "struct object", "frame", "None"),
    "Workqueue": ("workqueue",),
    "SrcuStruct": ("srcu_struct",),
    "Pointer": ("object", "struct object", "None"),
    "KObject | None": ("object", "struct object", "None"),
    "StructObject": ("struct object",),
    "DelayedWork": ("delayed work",),
    "Work": ("work",),
    "RcuWork": ("rcu work",),
    "IrqWork": ("irq_work",),
    "Timer": ("timer",),
    "Hrtimer": ("hrtimer",),
    "Initialised": ("timer", "hrtimer", "work", "delayed work"),
    "Completion": ("completion",),
    "WaitQueueHead": ("wait queue head",),
    "Atomic": ("atomic",),
    "Atomic64": ("atomic64",),
    "AtomicLong": ("atomic_long",),
    "Refcount": ("refcount",),
    "Kref": ("kref",),
    "Seqcount": ("seqcount",),
    "Seqlock": ("seqlock",),
    "ListHead": ("list head",),
    "HlistHead": ("hlist head",),
    "HlistNode": ("hlist node",),
    "NotifierHead": ("chain", "atomic chain"),
    "NotifierBlock": ("notifier block",),
    "Tasklet": ("tasklet",),
    "Tasklet | Action": ("tasklet", *ASYNC),
    "Notify": ASYNC,
    "KmemCache": ("cache",),
    "Gfp": ("gfp",),
    "WqFlags | int": ("wq flags",),
    "int | StructType": ("int", "struct"),
    "RcuGpOldstate": ("full cookie",),
    "PerCpuVariable[T]": ("per-CPU variable",),
    "PerCpuVariable[Any]": ("per-CPU variable",),
    "Task": ("task",),
    "Task | None": ("task", "None"),
    "Module": ("module",),
    "CpuhpSetup": ("cpuhp setup",),
    "Shrinker": ("shrinker",),
    "RcuHead | Action": ("rcu_head", *ASYNC),
    "Action": ASYNC,
    "OnObject": ASYNC,
    "Code": ASYNC,
    "Code | None": (*ASYNC, "None"),
    "CpuCallback | None": (*ASYNC, "None"),
    "Callable[..., Awaitable[None]]": ASYNC,
    "Callable[..., Awaitable[None]] | None": (*ASYNC, "None"),
    "Callable[[], Awaitable[int]]": ASYNC,
    "Callable[[int], Awaitable[int | None]]": ASYNC,
    "Callable[[], bool]": ("condition", "passes on"),
    "Sequence[KObject]": (),
    "Iterable[int]": ("cpus",),
    "StateName": (),
    "TaskState": (),
}
"""An annotation -> which of the pool fit it."""

VALUES: Final = ("object", "Any", "T", "T | Callable[[], T]")
"""Annotations of what is only kept: nothing but a coroutine is wrong there."""

FREES: Final = ("kfree", "kfree_bulk", "vfree", "kvfree", "kfree_nolock", "kmem_cache_free")
"""A wrong pointer is reported, as the kernel reports it (tests/mm/test_wrong_free.py)."""

ANY_NUMBER: Final = ("amount", "idx", "oldstate", "oldstate1", "oldstate2", "pfn", "start", "action", "priority")
"""Every number may be a cookie, or added; a page that was never allocated is reported as a double free."""

AN_INT: Final = ("i", "a", "u", "n", "old", "new")
"""What is for an atomic_t may be below 0."""

TOO_MUCH_IS_NULL: Final = (
    "kmalloc",
    "kzalloc",
    "vmalloc",
    "vzalloc",
    "kvmalloc",
    "kvzalloc",
    "kvmalloc_array",
    "kvcalloc",
    "krealloc_array",
    "kmalloc_array",
    "kcalloc",
    "kmalloc_nolock",
)
"""By the kernel's own rule, with a warning of its own."""

RIGHT: Final = {
    "StateName": "CPUHP_AP_ONLINE_DYN",
    "TaskState": "TASK_UNINTERRUPTIBLE",
    "has.function": "kvfree_rcu_barrier",
    "field": "value",
}
"""What is right for an argument, where the annotation does not say it."""


def public_functions() -> Iterator[tuple[str, list[inspect.Parameter]]]:
    for name in dir(Kernel):
        function = inspect.getattr_static(Kernel, name)
        if not name.startswith("_") and inspect.isfunction(function):
            parameters = list(inspect.signature(function).parameters.values())[1:]
            yield name, [each for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]


async def _function() -> None:
    pass


def _plain() -> bool:
    return True


def _passes_on() -> Any:
    return _function()


def data_of(k: Kernel) -> dict[str, Any]:
    """One of every kind of what keeps data."""
    return {
        "atomic": k.atomic_t("atomic"),
        "atomic64": k.atomic64_t("atomic64"),
        "atomic_long": k.atomic_long_t("atomic_long"),
        "refcount": k.refcount_t("refcount"),
        "kref": k.kref("kref"),
        "seqcount": k.seqcount_t("seqcount"),
        "seqlock": k.seqlock_t("seqlock"),
        "list head": k.list_head("list"),
        "hlist head": k.hlist_head("hlist"),
        "hlist node": k.hlist_node("node"),
        "chain": k.blocking_notifier_head("chain"),
        "atomic chain": k.atomic_notifier_head("chain"),
        "notifier block": k.notifier_block(_function),  # type: ignore[arg-type]
        "tasklet": k.tasklet_setup(_function),
    }


async def pool_of(k: Kernel) -> dict[str, Any]:
    """One of every kind."""
    foo = k.struct("foo", size=64, next=None, value=0)
    async with k.stack_frame() as frame:
        pass
    return data_of(k) | {
        "lock": k.mutex("m"),
        "local lock": k.local_lock_t("l"),
        "timer": k.timer_setup(_function),
        "hrtimer": k.hrtimer(_function),
        "work": k.work(_function),
        "delayed work": k.delayed_work(_function),
        "rcu work": k.rcu_work(_function),
        "irq_work": k.irq_work(_function),
        "workqueue": k.alloc_workqueue("wq"),
        "completion": k.completion(),
        "wait queue head": k.wait_queue_head("q"),
        "srcu_struct": k.srcu_struct("s"),
        "rcu_head": k.rcu_head(),
        "full cookie": k.get_state_synchronize_rcu_full(),
        "object": await k.kmalloc(64),
        "struct object": await k.kmalloc(foo),
        "frame": frame,
        "gfp": GFP_KERNEL,
        "wq flags": WQ_UNBOUND,
        "struct": foo,
        "cache": k.kmem_cache_create("cache", 64),
        "task": await k.kthread_run(_function, name="task"),
        "module": await k.load_module("drv"),
        "shrinker": await k.register_shrinker("shrinker", _function, _function),
        "cpuhp setup": await k.cpuhp_setup_state_nocalls("CPUHP_AP_ONLINE_DYN", "setup"),
        "per-CPU variable": k.define_per_cpu("variable", 0),
        "function": _function,
        "condition": _plain,
        "passes on": _passes_on,
        "int": 1,
        "bool": True,
        "text": "x",
        "None": None,
        "cpus": {0},
        "fraction": 1.5,
        "stranger": object(),
        "class": int,
        "negative": -1,
        "huge": HUGE,
    }


class Survey:
    """Calls every function with every argument wrong, one at a time."""

    def __init__(self, k: Kernel, pool: dict[str, Any]) -> None:
        self.k, self.pool = k, pool
        self.calls = 0
        self.begun: list[object] = []
        self.locks = {
            "raw_spin": k.raw_spinlock("raw"),
            "spin": k.spinlock("spin"),
            "read": k.rwlock("rw"),
            "write": k.rwlock("rw"),
            "down": k.rwsem("rwsem"),
            "up": k.rwsem("rwsem"),
            "rt_mutex": k.rt_mutex("rt"),
        }

    def right(self, name: str, parameter: inspect.Parameter) -> Any:
        if parameter.name == "lock" and parameter.annotation == "Lock":
            return next((lock for word, lock in self.locks.items() if name.startswith(word)), self.pool["lock"])
        for key in (f"{name}.{parameter.name}", parameter.annotation, parameter.name):
            if key in RIGHT:
                return RIGHT[key]
        fitting = FITS.get(parameter.annotation, ())
        return self.pool[fitting[0]] if fitting else []

    def wrong(self, name: str, parameter: inspect.Parameter) -> dict[str, Any]:
        if parameter.annotation in VALUES:
            return {}
        fitting = FITS[parameter.annotation]
        wrong = {key: value for key, value in self.pool.items() if key not in fitting}
        if parameter.name in ANY_NUMBER:
            del wrong["negative"], wrong["huge"]
        if parameter.name in AN_INT and name.startswith(("atomic_", "atomic64_", "refcount_")):
            del wrong["negative"]
        if name in TOO_MUCH_IS_NULL:
            wrong.pop("huge", None)
        return wrong

    async def all(self) -> None:
        for name, parameters in public_functions():
            for parameter in parameters:
                if name in FREES and parameter.name in ("p", "pointers"):
                    continue
                for key, value in self.wrong(name, parameter).items():
                    await self.one(name, parameters, parameter, key, value)
                await self.one(name, parameters, parameter, "coroutine", self.k.msleep(1))

    async def one(
        self, name: str, parameters: list[inspect.Parameter], wrong: inspect.Parameter, key: str, value: object
    ) -> None:
        words = {
            each.name: value if each is wrong else self.right(name, each)
            for each in parameters
            if each is wrong or each.default is each.empty or each.name == "rhf"
        }
        positional = [words.pop(each.name) for each in parameters if each.kind is each.POSITIONAL_ONLY]
        self.calls += 1
        what = f"{name}({wrong.name}={key})"
        try:
            answer = getattr(self.k, name)(*positional, **words)
            if hasattr(answer, "__await__"):
                # As far as the first point: what is refused is refused before that.
                self.begun.append(begun := answer.__await__())
                next(begun)
            raise AssertionError(f"{what}: accepted")
        except StopIteration:
            raise AssertionError(f"{what}: accepted") from None
        except BadInput as error:
            said = str(error)
            assert "\n" not in said, said
            assert len(said) < 250, said
            assert "no such function" not in said, said


def test_every_function_refuses_every_wrong_argument() -> None:
    surveys: list[Survey] = []

    @scenario()
    async def script(k: Kernel) -> None:
        surveys.append(Survey(k, await pool_of(k)))
        await surveys[0].all()

    run(script, kernel="v7.3", KASAN=True)
    (survey,) = surveys
    assert survey.calls > 5_000


@pytest.mark.parametrize("kernel", ["v5.9", "v6.12", "v7.3"])
def test_an_object_has_room_for_the_rcu_head_that_it_is_freed_by(kernel: str) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        small, enough = await k.kmalloc(8), await k.kmalloc(16)
        with pytest.raises(
            BadInput, match=r"^kvfree_rcu\(8-byte object \w+, \.\.\.\): needs an object with an rcu_head"
        ):
            k.kvfree_rcu(small, "rcu")
        if k.has("kfree_rcu_nolock"):
            with pytest.raises(BadInput, match=r"^kfree_rcu_nolock"):
                k.kfree_rcu_nolock(small, "rcu")
        await k.kvfree_rcu(enough, "rcu")
        await k.kfree(small)

    assert run(script, kernel=kernel).clean


def test_null_is_no_wrong_pointer() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        with k.rcu_reader():
            assert k.rcu_dereference(None) is None
        await k.kfree(None)
        await k.kvfree_rcu(None, "rcu")

    assert run(script).clean


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda k: k.alloc_workqueue("wq", 0, -1), "alloc_workqueue(max_active=-1)"),
        (lambda k: k.struct("s", -1), "struct s: size=-1"),
        (lambda k: k.usleep_range(5, -1), "usleep_range(-1)"),
    ],
)
def test_a_number_stands_where_it_was_given(call: Callable[[Kernel], Any], said: str) -> None:
    async def script(k: Kernel) -> None:
        await call(k)

    with pytest.raises(BadInput, match=rf"^{re.escape(said)}: needs a whole number, 0 or more \("):
        run(script)
