"""Lists: include/linux/list.h, rculist.h. Whoever changes one keeps others from it: that is not asked here."""

from __future__ import annotations

from typing import Any, Final

from ..things import Things
from .form import Form, form


def _walks(prototype: str, head: str, check: str = "") -> Form:
    """Going through a list of one object, to its end."""
    made = form(prototype, needs=f"{head} member")
    name = made.name

    async def act(things: Things) -> None:
        walk: Any = getattr(things.k, name)
        things.kept.append(list(walk(things[head], things["member"])))

    return Form(name=name, words=made.words, act=act, needs=made.needs, check=check)


def _lists() -> list[Form]:
    adding = [
        form(f"{name}(new, head)", needs="new_entry list")
        for name in ("list_add", "list_add_tail", "list_add_rcu", "list_add_tail_rcu")
    ]
    taking = [form(f"{name}(entry)") for name in ("list_del", "list_del_init", "list_del_rcu")]
    moving = [form(f"{name}(list, head)", needs="entry list") for name in ("list_move", "list_move_tail")]
    replacing = [form(f"{name}(old, new)", needs="entry new_entry") for name in ("list_replace", "list_replace_rcu")]
    first = [
        form(f"{name}(head, type, member)", needs="full_list member")
        for name in ("list_first_entry", "list_first_entry_or_null", "list_first_or_null_rcu")
    ]
    return [
        *(*adding, *taking, *moving, *replacing, *first),
        form("list_splice_init(list, head)", needs="other_list list"),
        form("list_empty(head)", needs="list"),
        form("INIT_LIST_HEAD(list)", needs="new_entry"),
        _walks("list_for_each_entry(pos, head, member)", "full_list"),
        _walks("list_for_each_entry_safe(pos, n, head, member)", "full_list"),
        _walks("list_for_each_entry_rcu(pos, head, member)", "full_list", "PROVE_RCU_LIST"),
    ]


def _hash_lists() -> list[Form]:
    return [
        form("hlist_add_head(n, h)", needs="new_node hlist"),
        form("hlist_add_head_rcu(n, h)", needs="new_node hlist"),
        form("hlist_add_behind(n, prev)", needs="new_node hnode"),
        form("hlist_add_behind_rcu(n, prev)", needs="new_node hnode"),
        *(form(f"{name}(n)", needs="hnode") for name in ("hlist_del", "hlist_del_init")),
        *(form(f"{name}(n)", needs="hnode") for name in ("hlist_del_rcu", "hlist_del_init_rcu")),
        form("hlist_empty(h)", needs="hlist"),
        form("hlist_unhashed(h)", needs="hnode"),
        _walks("hlist_for_each_entry(pos, head, member)", "full_hlist"),
        _walks("hlist_for_each_entry_rcu(pos, head, member)", "full_hlist", "PROVE_RCU_LIST"),
    ]


FORMS: Final = (*_lists(), *_hash_lists())
