"""Doubly linked lists and hash lists (include/linux/list.h): heads, entries, and what is between them.

A struct list_head is a head or a member of an object; what is in a list is the member. Each step from one to the next
reads memory, each change writes that of the neighbours: of freed memory, if one of these is free. What was taken out by
list_del() has poison for pointers (include/linux/poison.h): who uses it once more, or takes it out again, faults, or
with DEBUG_LIST is told of a corrupt list, which is left as it is (lib/list_debug.c).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from ..context.memory import Memory
from ..context.violation import ViolationKind, exception_for
from ..engine.probe import Access
from ..marks import MACHINERY
from .atomic import Order

__trace__ = MACHINERY  # inline in their callers

if TYPE_CHECKING:
    from .cpu import Cpu

_POISON: Final = 0xDEAD000000000100
"""LIST_POISON1; LIST_POISON2 is 0x22 further."""


_DATA: Final = 0xFFFFFFFF82B00000
"""Where heads are that are in no object."""


@attrs.define(eq=False, repr=False)
class _Link:
    """What heads and entries have in common. `inside` is the object that it is a member of; a head may be in none."""

    name: str
    inside: Memory | None = None

    def __str__(self) -> str:
        return self.name

    __repr__ = __str__

    @property
    def address(self) -> int:
        """Where it is, as far as that is known."""
        return self.inside.address if self.inside is not None else _DATA


@attrs.define(eq=False, repr=False)
class ListHead(_Link):
    """struct list_head."""

    next: ListHead = attrs.field(init=False)
    prev: ListHead = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.next = self.prev = self


@attrs.define(eq=False, repr=False)
class HlistNode(_Link):
    """struct hlist_node. `before` is what points to it, whose field **pprev is: a head, or the node before."""

    next: HlistNode | None = None
    before: HlistHead | HlistNode | None = None


@attrs.define(eq=False, repr=False)
class HlistHead(_Link):
    """struct hlist_head: points to the first node, in the field that a node has for the next."""

    next: HlistNode | None = None


Linked = ListHead | HlistNode | HlistHead

POISON1: Final = ListHead("LIST_POISON1")
POISON2: Final = ListHead("LIST_POISON2")
HLIST_POISON: Final = HlistNode("LIST_POISON1")


def expect_no_poison(cpu: Cpu, node: Linked) -> None:
    """An object is looked for around it. Raises KernelBug for poison, where there is none."""
    if node is POISON1 or node is POISON2 or node is HLIST_POISON:
        _fault(cpu, node)


def touch(cpu: Cpu, node: Linked, access: Access, field: str, order: Order | None) -> None:
    """A pointer in it is read or written: plainly (None), or marked."""
    expect_no_poison(cpu, node)
    if node.inside is not None:
        cpu.judge.used(cpu, node.inside, f"{node.name}.{field}")
    told = cpu.conductor.probes.access
    if told.on:
        told(node.inside if node.inside is not None else node, access)
    kcsan = cpu.system.kcsan
    if kcsan is None:
        return
    value = getattr(node, field)
    if access is Access.READ:
        kcsan.read(cpu, node, field, value, Order.ACQUIRE if order is not None else None)
    else:
        kcsan.wrote(cpu, node, field, (None, value), order)


def _fault(cpu: Cpu, node: Linked) -> None:
    """The poison is no address. Whatever ran here does not go on: raises KernelBug."""
    address = _POISON + 0x22 * (node is POISON2)
    raise exception_for(cpu.judge.poison_fault(cpu, ViolationKind.LIST_CORRUPTION, address))


def follow(cpu: Cpu, node: ListHead, order: Order | None = None) -> ListHead:
    """The next one."""
    touch(cpu, node, Access.READ, "next", order)
    return node.next


def _set_next(cpu: Cpu, node: ListHead, value: ListHead, order: Order | None = None) -> None:
    touch(cpu, node, Access.WRITE, "next", order)
    node.next = value


def _set_prev(cpu: Cpu, node: ListHead, value: ListHead) -> None:
    touch(cpu, node, Access.WRITE, "prev", None)
    node.prev = value


def _corrupt(cpu: Cpu, what: str, said: str) -> bool:
    """CHECK_DATA_CORRUPTION(): a WARN(), unless BUG_ON_DATA_CORRUPTION is set."""
    function = "__list_add_valid" if what == "add" else "__list_del_entry_valid"
    cpu.judge.warn(cpu, ViolationKind.LIST_CORRUPTION, f"list_{what} corruption{said}", function)
    return False


def _add_is_valid(cpu: Cpu, new: ListHead, prev: ListHead, following: ListHead) -> bool:
    """__list_add_valid(), with DEBUG_LIST."""
    if not cpu.system.config.DEBUG_LIST:
        return True
    if following.prev is not prev:
        return _corrupt(cpu, "add", f". next->prev should be prev ({prev.name}), but was {following.prev.name}.")
    if prev.next is not following:
        return _corrupt(cpu, "add", f". prev->next should be next ({following.name}), but was {prev.next.name}.")
    if new is prev or new is following:
        return _corrupt(cpu, "add", f". double add: new={new.name}, prev={prev.name}, next={following.name}.")
    return True


def _del_is_valid(cpu: Cpu, entry: ListHead) -> bool:
    """__list_del_entry_valid(), with DEBUG_LIST."""
    if not cpu.system.config.DEBUG_LIST:
        return True
    for which, pointer, poison in (("next", entry.next, POISON1), ("prev", entry.prev, POISON2)):
        if pointer is poison:
            return _corrupt(cpu, "del", f", {entry.name}->{which} is {poison.name}")
    if entry.prev.next is not entry:
        return _corrupt(cpu, "del", f". prev->next should be {entry.name}, but was {entry.prev.next.name}.")
    if entry.next.prev is not entry:
        return _corrupt(cpu, "del", f". next->prev should be {entry.name}, but was {entry.next.prev.name}.")
    return True


def init(cpu: Cpu, node: ListHead) -> None:
    """INIT_LIST_HEAD(): points to itself."""
    _set_next(cpu, node, node, Order.NONE)
    _set_prev(cpu, node, node)


def add_between(cpu: Cpu, new: ListHead, prev: ListHead, following: ListHead, order: Order | None = None) -> None:
    """__list_add(), and with an order __list_add_rcu(): readers find a whole entry."""
    if not _add_is_valid(cpu, new, prev, following):
        return
    _set_next(cpu, new, following)
    _set_prev(cpu, new, prev)
    _set_next(cpu, prev, new, order)
    _set_prev(cpu, following, new)


def unlink(cpu: Cpu, entry: ListHead) -> bool:
    """__list_del_entry(): its neighbours are each other's. Whether it could be."""
    if not _del_is_valid(cpu, entry):
        return False
    following, prev = follow(cpu, entry), entry.prev
    _set_prev(cpu, following, prev)
    _set_next(cpu, prev, following, Order.NONE)
    return True


def delete(cpu: Cpu, entry: ListHead, *, rcu: bool = False) -> None:
    """list_del(); list_del_rcu() leaves the way on to readers."""
    if unlink(cpu, entry):
        if not rcu:
            _set_next(cpu, entry, POISON1)
        _set_prev(cpu, entry, POISON2)


def replace(cpu: Cpu, old: ListHead, new: ListHead, order: Order | None = None) -> None:
    """list_replace(), and with an order list_replace_rcu()."""
    following, prev = follow(cpu, old), old.prev
    _set_next(cpu, new, following)
    _set_prev(cpu, new, prev)
    _set_next(cpu, prev, new, order)
    _set_prev(cpu, following, new)
    if order is not None:
        _set_prev(cpu, old, POISON2)


def splice_init(cpu: Cpu, entries: ListHead, head: ListHead) -> None:
    """list_splice_init(): what is in the one list is at the beginning of the other, and the one is empty."""
    first, last = follow(cpu, entries), entries.prev
    if first is entries:
        return
    at = follow(cpu, head)
    _set_prev(cpu, first, head)
    _set_next(cpu, head, first)
    _set_next(cpu, last, at)
    _set_prev(cpu, at, last)
    init(cpu, entries)


# -- hash lists --


def hlist_follow(cpu: Cpu, node: HlistHead | HlistNode, order: Order | None = None) -> HlistNode | None:
    """The first, or the next one."""
    touch(cpu, node, Access.READ, "next", order)
    return node.next


def hlist_add_after(cpu: Cpu, n: HlistNode, before: HlistHead | HlistNode, order: Order | None = None) -> None:
    """hlist_add_head(), hlist_add_behind(); with an order their RCU forms."""
    first = hlist_follow(cpu, before)
    touch(cpu, n, Access.WRITE, "next", None)
    n.next, n.before = first, before
    touch(cpu, before, Access.WRITE, "next", order)
    before.next = n
    if first is not None:
        touch(cpu, first, Access.WRITE, "before", None)
        first.before = n


def hlist_unlink(cpu: Cpu, n: HlistNode) -> None:
    """__hlist_del(): the one before points to the one behind."""
    following, before = hlist_follow(cpu, n), n.before
    if following is HLIST_POISON or before is None:
        _fault(cpu, HLIST_POISON)
    assert before is not None
    touch(cpu, before, Access.WRITE, "next", Order.NONE)
    before.next = following
    if following is not None:
        touch(cpu, following, Access.WRITE, "before", None)
        following.before = before


def hlist_delete(cpu: Cpu, n: HlistNode, *, rcu: bool = False) -> None:
    """hlist_del(); hlist_del_rcu() leaves the way on to readers."""
    hlist_unlink(cpu, n)
    touch(cpu, n, Access.WRITE, "before", None)
    n.before = HLIST_POISON
    if not rcu:
        n.next = HLIST_POISON


def hlist_delete_init(cpu: Cpu, n: HlistNode, *, rcu: bool = False) -> None:
    """hlist_del_init(), hlist_del_init_rcu(): unhashed from now on; what is so already stays."""
    if n.before is None:
        return
    hlist_unlink(cpu, n)
    touch(cpu, n, Access.WRITE, "before", None)
    n.before = None
    if not rcu:
        n.next = None
