"""Objects with fields: a field read or written is a use of the object's memory, marked or plain.

`p.value` is plain; READ_ONCE() and its kin go through `load` and `store`, which say what the access orders. In memory
of the model's own everything is sequentially consistent: that matters to who reads the code, and to KCSAN.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CoroutineType
from typing import Any, ClassVar

import attrs

from ..context.trace import Origin
from ..engine.probe import Access
from ..errors import BadInput
from ..kernel.atomic import Order
from ..machine import Machine
from ..mm.objects import KObject
from .arguments import wrong_argument


@attrs.frozen(eq=False)
class MemberType:
    """What a field is when it is no value: `make` initialises it in an object, under the name that reports show."""

    make: Callable[[StructObject, str], Any]


class StructObject(KObject):
    """An object of a struct type. Its fields are those of the type; `values` has them by name."""

    __slots__ = ("values",)

    machine: ClassVar[Machine]
    struct: ClassVar[str]

    def __init__(self, address: int, size: int, home: object, origin: Origin) -> None:
        super().__init__(address, size, home, origin)
        self.values: dict[str, Any] = {}

    def __str__(self) -> str:
        return f"struct {self.struct} {self.address:016x}"

    __repr__ = __str__


def load(p: StructObject, field: str, order: Order | None) -> Any:
    """Read a field that is no member: plainly (None), or marked."""
    machine = p.machine
    machine.oracle.accessed(p, Access.READ)
    cpu = machine.this_cpu
    cpu.judge.used(cpu, p, f"{p.struct}->{field}")
    value = p.values[field]
    kcsan = machine.system.kcsan
    if kcsan is not None:
        kcsan.read(cpu, p, field, value, order)
    return value


def store(p: StructObject, field: str, value: object, order: Order | None) -> None:
    """Write it. Raises BadInput for a member, and for a coroutine."""
    if _is_member(p, field):
        raise BadInput(f"{p.struct}.{field} is no value: it was initialised with the object, and stays")
    if value.__class__ is CoroutineType:
        raise wrong_argument(p.struct, field, value, "a value")
    machine = p.machine
    machine.oracle.accessed(p, Access.WRITE)
    cpu = machine.this_cpu
    cpu.judge.used(cpu, p, f"{p.struct}->{field}")
    kcsan = machine.system.kcsan
    if kcsan is not None:
        kcsan.wrote(cpu, p, field, (p.values[field], value), order)
    p.values[field] = value


def _is_member(p: StructObject, field: str) -> bool:
    return isinstance(getattr(type(p), field), Member)


class Field:
    """One field of a struct type, as a descriptor of its class."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, p: StructObject | None, owner: type) -> Any:
        return self if p is None else load(p, self._name, None)

    def __set__(self, p: StructObject, value: Any) -> None:
        store(p, self._name, value, None)


class Member:
    """The same of one that is no value: reading it is `&p->member`, an address."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, p: StructObject | None, owner: type) -> Any:
        return self if p is None else p.values[self._name]

    def __set__(self, p: StructObject, value: Any) -> None:
        store(p, self._name, value, None)


@attrs.frozen(eq=False)
class StructType:
    """A struct type: what kmalloc() is given in place of sizeof(struct foo). `size` in bytes."""

    name: str
    size: int
    fields: dict[str, Any]
    layout: type[StructObject]

    def init(self, p: StructObject) -> None:
        """Give every field its first value, and initialise the members."""
        for name, value in self.fields.items():
            made = value.make(p, f"&{self.name}->{name}") if isinstance(value, MemberType) else value
            p.values[name] = made
