"""Objects with fields: struct types, what may be a member of one, pointers between objects.

A field is read and written as an attribute of the object, `p.value`, `p.next = q`, and each time is a use of its
memory (fields.py): of freed memory, if the object is free. `p.lock`, `p.timer` and the like are `&p->lock`, an address
and no use; what is done with them is one.

include/linux/rcupdate.h, include/linux/compiler.h, include/linux/container_of.h.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable
from sys import _getframe
from typing import Any, Final, overload

from ..context.trace import Origin, origin_of
from ..errors import BadInput, bad_value, described
from ..kernel.atomic import Order
from ..kernel.thread import Thread
from ..kernel.time.timer import Timer
from ..kernel.workqueue import DelayedWork, Work
from ..mm.gfp import GFP_KERNEL, Gfp
from ..mm.objects import KObject
from ..mm.slab.cache import SIZES
from ..rcu.data import RcuHead, rcu_leak_callback
from ..rcu.rcu_work import RcuWork
from ..spelling import no_such
from .arguments import WORDS, checks_itself, expect_await, wrong_argument
from .base import Inside, begun, name_of, not_negative
from .fields import Field, Member, MemberType, StructObject, StructType, load, store
from .interrupts import Interrupts
from .locking import Locking
from .memory import Memory, check_gfp, checked
from .rcu import Rcu
from .threads import Threads
from .workqueues import Workqueues

OnObject = Callable[[Any], Awaitable[None]]
"""A function of a member: it is called with the object that the member is in, as container_of() would find it."""

_WORD: Final = 8


def _on(p: StructObject, function: OnObject) -> Callable[[], Awaitable[None]]:
    async def _handler() -> None:
        await begun(function, p)

    _handler.__name__ = name_of(function)
    return _handler


_SIZE_MAX: Final = (1 << 64) - 1


def array_size(what: str, count: int, size: int) -> int | None:
    """check_mul_overflow(); None when the product is more than a size_t holds."""
    if count.__class__ is not int or size.__class__ is not int or count < 0 or size < 0:
        expect_await(what, n=count, size=size)
        raise bad_value(f"{what}({described(count)}, {described(size)})", "two whole numbers, 0 or more")
    return count * size if count * size <= _SIZE_MAX else None


def zero_members(values: Iterable[Any]) -> None:
    """Of these fields' values, what nobody has initialised: zeroes."""
    for value in values:
        if isinstance(value, DelayedWork):
            zero_members((value.work, value.timer))
        elif isinstance(value, RcuWork):
            zero_members((value.work,))
        elif isinstance(value, Timer | Work):
            value.zero()


async def no_object() -> None:
    """NULL."""


class Objects(Interrupts, Workqueues, Locking, Rcu, Threads, Memory):
    """A struct types and their objects."""

    def struct(self, name: str, /, size: int = 0, **fields: Any) -> StructType:
        """A struct type with these fields, each with the value that it has in a new object.

        A field whose value is `k.spinlock`, `k.raw_spinlock`, `k.rwlock`, `k.mutex`, `k.rwsem`, `k.rt_mutex`,
        `k.seqcount_t`, `k.seqlock_t`, `k.completion`, `k.wait_queue_head`, `k.atomic_t`, `k.atomic64_t`,
        `k.atomic_long_t`, `k.refcount_t`, `k.kref`, `k.list_head`, `k.hlist_head`, `k.hlist_node` or `k.rcu_head` is a
        member of that type, initialised with the object; so is one from `k.timer_list()`, `k.hrtimer_list()`,
        `k.work_struct()`, `k.delayed_work_struct()`, `k.rcu_work_struct()`, `k.tasklet_struct()` or
        `k.irq_work_struct()`, which take the function that is to be called with the object.
        `size` is that of the struct in bytes, by default eight a field. Raises BadInput for a field that an object has
        already, such as `state`.
        """
        not_negative(f"struct {name}: size=", size)
        taken = [field for field in fields if hasattr(StructObject, field)]
        if taken:
            raise BadInput(f"struct {name}: {taken[0]!r} is a name of the model's own; call the field something else")
        known = {field: self._member_type(value) for field, value in fields.items()}
        namespace: dict[str, Any] = {
            field: Member(field) if isinstance(value, MemberType) else Field(field) for field, value in known.items()
        }
        namespace |= {"__slots__": (), "machine": self._machine, "struct": name}
        layout = type(name, (StructObject,), namespace)
        return StructType(name, size or max(_WORD * len(fields), _WORD), known, layout)

    def _member_type(self, value: Any) -> Any:
        if getattr(value, "__self__", None) is not self:
            return value
        return MemberType(lambda p, name: value(name, inside=p))

    # -- members with a function --

    def timer_list(self, function: OnObject) -> MemberType:
        """A struct timer_list, as timer_setup() leaves it."""
        return MemberType(lambda p, _: self.timer_setup(_on(p, function), inside=p))

    def hrtimer_list(self, function: OnObject, *, hard: bool = False, soft: bool = False) -> MemberType:
        """A struct hrtimer, as hrtimer_init() leaves it."""
        return MemberType(lambda p, _: self.hrtimer(_on(p, function), hard=hard, soft=soft, inside=p))

    def work_struct(self, function: OnObject) -> MemberType:
        """A struct work_struct, as INIT_WORK() leaves it."""
        return MemberType(lambda p, _: self.work(_on(p, function), inside=p))

    def delayed_work_struct(self, function: OnObject) -> MemberType:
        """A struct delayed_work, as INIT_DELAYED_WORK() leaves it."""
        return MemberType(lambda p, _: self.delayed_work(_on(p, function), inside=p))

    def tasklet_struct(self, function: OnObject) -> MemberType:
        """A struct tasklet_struct, as tasklet_setup() leaves it."""
        return MemberType(lambda p, _: self.tasklet_setup(_on(p, function), inside=p))

    def irq_work_struct(self, function: OnObject, *, hard: bool = False) -> MemberType:
        """A struct irq_work, as init_irq_work() leaves it."""
        return MemberType(lambda p, _: self.irq_work(_on(p, function), hard=hard, inside=p))

    def rcu_work_struct(self, function: OnObject) -> MemberType:
        """A struct rcu_work, as INIT_RCU_WORK() leaves it."""
        return MemberType(lambda p, _: self.rcu_work(_on(p, function), name=name_of(function), inside=p))

    def rcu_head(self, name: str = "rcu_head", *, inside: Inside | None = None, on_stack: bool = False) -> RcuHead:
        """A struct rcu_head, for call_rcu(); as a member of an object it is used with it.

        It needs no initialising, but with `on_stack` (init_rcu_head_on_stack()) where it is on a stack.
        """
        return self._member(inside, RcuHead(rcu_leak_callback, name), on_stack=on_stack)

    # -- allocating --

    async def _alloc(self, struct: StructType, gfp: Gfp, origin: Origin, *, init: bool = True) -> Any:
        p = await self._machine.slab.kmalloc(self._thread, struct.size, gfp, make=struct.layout)
        if p is not None:
            assert isinstance(p, StructObject)
            p.origin = origin
            struct.init(p)
            if not init:
                zero_members(p.values.values())
        return p

    @overload
    def kzalloc(
        self, what: int, gfp: Gfp = GFP_KERNEL, *, init: bool = True
    ) -> Coroutine[Any, Any, KObject | None]: ...
    @overload
    def kzalloc(self, what: StructType, gfp: Gfp = GFP_KERNEL, *, init: bool = True) -> Coroutine[Any, Any, Any]: ...
    @checks_itself
    def kzalloc(self, what: int | StructType, gfp: Gfp = GFP_KERNEL, *, init: bool = True) -> Coroutine[Any, Any, Any]:
        """kmalloc() of cleared memory: the same here, where a new object's fields have their first values.

        Without `init` nobody has initialised the timers and works in it, which are all zeroes then.
        """
        check_gfp("kzalloc", gfp)
        if init.__class__ is not bool:
            raise wrong_argument("kzalloc", "init", init, WORDS["bool"])
        return self._kmalloc("kzalloc", what, gfp | Gfp.ZERO, origin_of(_getframe(1)), init=init)

    @overload
    def kmalloc(self, what: int, gfp: Gfp = GFP_KERNEL) -> Coroutine[Any, Any, KObject | None]: ...
    @overload
    def kmalloc(self, what: StructType, gfp: Gfp = GFP_KERNEL) -> Coroutine[Any, Any, Any]: ...
    @checks_itself
    def kmalloc(self, what: int | StructType, gfp: Gfp = GFP_KERNEL) -> Coroutine[Any, Any, Any]:
        """An object of so many bytes, or of a struct type; at most one page. Raises BadInput for a size out of range.

        One that fails is None, as NULL is returned there.
        """
        if what.__class__ is not int or gfp.__class__ is not Gfp:
            # The test here, since it is made often.
            return self._kmalloc("kmalloc", what, gfp, origin_of(_getframe(1)))
        try:
            # As in _thread, which would be one call more.
            thread: Thread = self._conductor.running.current  # type: ignore[union-attr]  # who has no thread has no such field
        except AttributeError:
            thread = self._thread
        return self._machine.slab.kmalloc(thread, what, gfp)

    @checks_itself
    def kmalloc_array(self, n: int, size: int, gfp: Gfp = GFP_KERNEL) -> Coroutine[Any, Any, KObject | None]:
        """kmalloc() of `n` times `size` bytes; None where the product overflows. Raises BadInput as kmalloc()."""
        total = array_size("kmalloc_array", n, size)
        return self.kmalloc(total, gfp) if total is not None else no_object()

    @checks_itself
    def kcalloc(self, n: int, size: int, gfp: Gfp = GFP_KERNEL) -> Coroutine[Any, Any, KObject | None]:
        """kmalloc_array(), cleared."""
        total = array_size("kcalloc", n, size)
        return self.kzalloc(total, gfp) if total is not None else no_object()

    def _kmalloc(
        self, name: str, what: int | StructType, gfp: Gfp, origin: Origin, *, init: bool = True
    ) -> Coroutine[Any, Any, Any]:
        if not isinstance(what, StructType):
            checked(name, what, gfp)
            return self._machine.slab.kmalloc(self._thread, what, gfp)
        check_gfp(name, gfp)
        if what.size > SIZES[-1]:
            raise BadInput(f"{name}(struct {what.name}): {what.size} bytes are more than a page")
        return self._alloc(what, gfp, origin, init=init)

    # -- pointers --

    def rcu_assign_pointer(self, p: StructObject, field: str, value: object) -> None:
        """rcu_assign_pointer(p->field, value): publish what is initialised. Reading is rcu_dereference(p.field)."""
        self._expect_field(p, field)
        store(p, field, value, Order.RELEASE)

    def RCU_INIT_POINTER(  # noqa: N802  # the kernel's name
        self, p: StructObject, field: str, value: object
    ) -> None:
        """RCU_INIT_POINTER(p->field, value): for NULL, and for what no reader can see yet."""
        self._expect_field(p, field)
        store(p, field, value, Order.NONE)

    def rcu_replace_pointer(self, p: StructObject, field: str, value: object, c: bool = True) -> Any:
        """rcu_replace_pointer(p->field, value, c): publish it, and return what was there; `c` is what keeps others out.

        It is rcu_dereference_protected() and rcu_assign_pointer().
        """
        self._expect_field(p, field)
        old = load(p, field, None)
        self._machine.readers.check_dereference(self._cpu, c, "rcu_dereference_protected")
        store(p, field, value, Order.RELEASE)
        return old

    def READ_ONCE(  # noqa: N802  # the kernel's name
        self, p: StructObject, field: str
    ) -> Any:
        """READ_ONCE(p->field)."""
        self._expect_field(p, field)
        return load(p, field, Order.NONE)

    def WRITE_ONCE(  # noqa: N802  # the kernel's name
        self, p: StructObject, field: str, value: object
    ) -> None:
        """WRITE_ONCE(p->field, value)."""
        self._expect_field(p, field)
        store(p, field, value, Order.NONE)

    @staticmethod
    def _expect_field(p: object, field: str) -> None:
        if not isinstance(p, StructObject):
            raise wrong_argument("a field", "of", p, "an object of a type from k.struct()")
        if field not in p.values:
            raise no_such(f"struct {p.struct}: field", str(field), p.values)
