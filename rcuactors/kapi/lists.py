"""Lists: struct list_head and struct hlist_head (include/linux/list.h), and under RCU (include/linux/rculist.h).

A member of an object is a struct list_head, and so is a list's head: `k.struct("foo", node=k.list_head)`,
and `foos = k.list_head("foos")`. Functions take what they take in C, `k.list_add_rcu(p.node, foos)`; those that go
through a list take the head and the member's name, and yield the objects.

What changes a list is for whoever keeps others from changing it. Readers go through it in a read-side section of any
flavour, or say in `cond` what protects them: with PROVE_RCU_LIST anything else is reported. It may be done in every
context.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..context.trace import caller_site
from ..errors import BadInput, bad_value
from ..kernel import list as lists
from ..kernel.atomic import Order
from ..kernel.list import HlistHead, HlistNode, ListHead
from .base import Inside
from .fields import StructObject
from .objects import Objects


class _Walking(Objects):
    """From one entry to the next."""

    def _object_of(self, function: str, node: ListHead | HlistNode, member: str) -> StructObject:
        """container_of(). Raises BadInput where the entry is no member of that name."""
        p = node.inside
        if not isinstance(p, StructObject) or p.values.get(member) is not node:
            where = f"struct {p.struct}" if isinstance(p, StructObject) else "no object of a struct type"
            raise bad_value(f"{function}(member={member!r})", f"the member that is in the list: {node} of {where}")
        return p

    def _check_rcu(self, cond: bool) -> None:
        """__list_check_rcu()."""
        if self._system.config.PROVE_RCU_LIST and not cond and not self.rcu_read_lock_any_held():
            self._machine.judge.suspicious_rcu(self._cpu, "RCU-list traversed in non-reader section!")

    def _found(self, p: StructObject, site: str) -> StructObject:
        """A reader has come to it, and may hold it from now on."""
        self._machine.book.dereferenced(self._cpu, p, site)
        return p

    def _walk(
        self, function: str, head: ListHead, member: str, found: Callable[[StructObject], StructObject] | None
    ) -> Iterator[Any]:
        order = None if found is None else Order.NONE
        node = lists.follow(self._cpu, head, order)
        while node is not head:
            lists.expect_no_poison(self._cpu, node)
            p = self._object_of(function, node, member)
            yield p if found is None else found(p)
            node = lists.follow(self._cpu, node, order)

    def _hwalk(
        self, function: str, head: HlistHead, member: str, found: Callable[[StructObject], StructObject] | None
    ) -> Iterator[Any]:
        order = None if found is None else Order.NONE
        node = lists.hlist_follow(self._cpu, head, order)
        while node is not None:
            lists.expect_no_poison(self._cpu, node)
            p = self._object_of(function, node, member)
            yield p if found is None else found(p)
            node = lists.hlist_follow(self._cpu, node, order)


class Lists(_Walking):
    """struct list_head. Raises BadInput for a member that is not the one in the list."""

    def list_head(self, name: str = "list", *, inside: Inside | None = None) -> ListHead:
        """LIST_HEAD(name), or a member of an object, as INIT_LIST_HEAD() leaves it."""
        return self._member(inside, ListHead(name))

    def INIT_LIST_HEAD(self, list: ListHead) -> None:  # noqa: N802, A002 - the kernel's names
        """INIT_LIST_HEAD(): empty; of an entry: in no list."""
        lists.init(self._cpu, list)

    def list_add(self, new: ListHead, head: ListHead) -> None:
        """list_add(): behind the head."""
        lists.add_between(self._cpu, new, head, head.next)

    def list_add_tail(self, new: ListHead, head: ListHead) -> None:
        """list_add_tail(): before the head, as the last."""
        lists.add_between(self._cpu, new, head.prev, head)

    def list_del(self, entry: ListHead) -> None:
        """list_del(): its pointers are poison from now on."""
        lists.delete(self._cpu, entry)

    def list_del_init(self, entry: ListHead) -> None:
        """list_del_init(): list_empty() of it from now on."""
        if lists.unlink(self._cpu, entry):
            lists.init(self._cpu, entry)

    def list_replace(self, old: ListHead, new: ListHead) -> None:
        """list_replace(): the new one where the old one is."""
        lists.replace(self._cpu, old, new)

    def list_move(self, list: ListHead, head: ListHead) -> None:  # noqa: A002 - the kernel's name
        """list_move(): out of its list, behind that head."""
        if lists.unlink(self._cpu, list):
            self.list_add(list, head)

    def list_move_tail(self, list: ListHead, head: ListHead) -> None:  # noqa: A002 - the kernel's name
        """list_move_tail(): out of its list, before that head."""
        if lists.unlink(self._cpu, list):
            self.list_add_tail(list, head)

    def list_splice_init(self, list: ListHead, head: ListHead) -> None:  # noqa: A002 - the kernel's name
        """list_splice_init(): all entries of the list, in their order, behind the head; the list is empty then."""
        lists.splice_init(self._cpu, list, head)

    def list_empty(self, head: ListHead) -> bool:
        """list_empty(): READ_ONCE(head->next) is the head itself."""
        return lists.follow(self._cpu, head, Order.NONE) is head

    def list_first_entry(self, head: ListHead, member: str) -> Any:
        """list_first_entry(): the first object of a list that is not empty. Raises BadInput of one that is."""
        if (node := lists.follow(self._cpu, head)) is head:
            raise BadInput(f"list_first_entry({head}): the list is empty")
        return self._object_of("list_first_entry", node, member)

    def list_first_entry_or_null(self, head: ListHead, member: str) -> Any:
        """list_first_entry_or_null(): the first object, or None."""
        node = lists.follow(self._cpu, head, Order.NONE)
        return None if node is head else self._object_of("list_first_entry_or_null", node, member)

    def list_for_each_entry(self, head: ListHead, member: str) -> Iterator[Any]:
        """list_for_each_entry(): each object; the way on is looked up when it is gone on, so it must not be freed."""
        return self._walk("list_for_each_entry", head, member, None)

    def list_for_each_entry_safe(self, head: ListHead, member: str) -> Iterator[Any]:
        """list_for_each_entry_safe(): the same; the next one is looked up before, so that this one may go."""
        node = lists.follow(self._cpu, head)
        while node is not head:
            following = lists.follow(self._cpu, node)
            yield self._object_of("list_for_each_entry_safe", node, member)
            node = following

    # -- under RCU --

    def list_add_rcu(self, new: ListHead, head: ListHead) -> None:
        """list_add_rcu(): behind the head, so that readers see it whole."""
        lists.add_between(self._cpu, new, head, head.next, Order.RELEASE)

    def list_add_tail_rcu(self, new: ListHead, head: ListHead) -> None:
        """list_add_tail_rcu(): before the head, as the last."""
        lists.add_between(self._cpu, new, head.prev, head, Order.RELEASE)

    def list_del_rcu(self, entry: ListHead) -> None:
        """list_del_rcu(): readers that are at it find their way on; it goes when they are gone."""
        lists.delete(self._cpu, entry, rcu=True)

    def list_replace_rcu(self, old: ListHead, new: ListHead) -> None:
        """list_replace_rcu(): readers see the old one or the new one."""
        lists.replace(self._cpu, old, new, Order.RELEASE)

    def list_for_each_entry_rcu(self, head: ListHead, member: str, cond: bool = False) -> Iterator[Any]:
        """list_for_each_entry_rcu(): each object, which a reader may hold to its end."""
        self._check_rcu(cond)
        site = caller_site()
        return self._walk("list_for_each_entry_rcu", head, member, lambda p: self._found(p, site))

    def list_first_or_null_rcu(self, head: ListHead, member: str) -> Any:
        """list_first_or_null_rcu(): the first object, or None."""
        node = lists.follow(self._cpu, head, Order.NONE)
        if node is head:
            return None
        return self._found(self._object_of("list_first_or_null_rcu", node, member), caller_site())


class HashLists(_Walking):
    """struct hlist_head and struct hlist_node: one way, and the head is one pointer."""

    def hlist_head(self, name: str = "hlist", *, inside: Inside | None = None) -> HlistHead:
        """HLIST_HEAD(name), or a member of an object: empty."""
        return self._member(inside, HlistHead(name))

    def hlist_node(self, name: str = "node", *, inside: Inside | None = None) -> HlistNode:
        """A struct hlist_node, as INIT_HLIST_NODE() leaves it."""
        return self._member(inside, HlistNode(name))

    def hlist_empty(self, h: HlistHead) -> bool:
        """hlist_empty()."""
        return lists.hlist_follow(self._cpu, h, Order.NONE) is None

    def hlist_unhashed(self, h: HlistNode) -> bool:
        """hlist_unhashed(): it is in no list, and was not taken out by hlist_del()."""
        return h.before is None

    def hlist_add_head(self, n: HlistNode, h: HlistHead) -> None:
        """hlist_add_head(): as the first."""
        lists.hlist_add_after(self._cpu, n, h)

    def hlist_add_behind(self, n: HlistNode, prev: HlistNode) -> None:
        """hlist_add_behind(): behind that one."""
        lists.hlist_add_after(self._cpu, n, prev)

    def hlist_del(self, n: HlistNode) -> None:
        """hlist_del(): its pointers are poison from now on."""
        lists.hlist_delete(self._cpu, n)

    def hlist_del_init(self, n: HlistNode) -> None:
        """hlist_del_init(): hlist_unhashed() from now on; one that is so already stays."""
        lists.hlist_delete_init(self._cpu, n)

    def hlist_for_each_entry(self, head: HlistHead, member: str) -> Iterator[Any]:
        """hlist_for_each_entry(): each object."""
        return self._hwalk("hlist_for_each_entry", head, member, None)

    # -- under RCU --

    def hlist_add_head_rcu(self, n: HlistNode, h: HlistHead) -> None:
        """hlist_add_head_rcu(): as the first, so that readers see it whole."""
        lists.hlist_add_after(self._cpu, n, h, Order.RELEASE)

    def hlist_add_behind_rcu(self, n: HlistNode, prev: HlistNode) -> None:
        """hlist_add_behind_rcu(): behind that one."""
        lists.hlist_add_after(self._cpu, n, prev, Order.RELEASE)

    def hlist_del_rcu(self, n: HlistNode) -> None:
        """hlist_del_rcu(): readers that are at it find their way on."""
        lists.hlist_delete(self._cpu, n, rcu=True)

    def hlist_del_init_rcu(self, n: HlistNode) -> None:
        """hlist_del_init_rcu(): the same, and hlist_unhashed(); one that is so already stays."""
        lists.hlist_delete_init(self._cpu, n, rcu=True)

    def hlist_for_each_entry_rcu(self, head: HlistHead, member: str, cond: bool = False) -> Iterator[Any]:
        """hlist_for_each_entry_rcu(): each object, which a reader may hold to its end."""
        self._check_rcu(cond)
        site = caller_site()
        return self._hwalk("hlist_for_each_entry_rcu", head, member, lambda p: self._found(p, site))
