"""Memory: include/linux/slab.h, gfp.h, vmalloc.h. What takes pages is tried with lists that are filled, and empty."""

from __future__ import annotations

from typing import Any, Final

from ..things import Things
from .form import Form, Worst, form


def _takes(prototype: str, function: str = "", needs: str | None = None, **more: Any) -> Form:
    return form(prototype, function, needs, worst=Worst.TAKES, **more)


def _frees(prototype: str, function: str, needs: str, **more: Any) -> Form:
    return form(prototype, function, needs, worst=Worst.FREES, **more)


def _free_page(prototype: str) -> Form:
    return _frees(prototype, "free_page", "page")


async def _kfree_bulk(things: Things) -> None:
    await things.k.kfree_bulk(things["objects"])


FORMS: Final = (
    _takes("kmalloc(size, gfp)"),
    _takes("kzalloc(size, gfp)"),
    _takes("kcalloc(n, size, gfp)"),
    _takes("kmalloc_array(n, size, gfp)"),
    _takes("kmem_cache_alloc(cache, gfp)"),
    _takes("kmalloc_nolock(size, gfp, node)", needs="size", about="takes no lock that is taken"),
    _takes("__get_free_page(gfp)", "get_free_page"),
    _takes("get_zeroed_page(gfp)", "get_free_page"),
    _takes("alloc_page(gfp)", "get_free_page"),
    _takes("alloc_pages(gfp, order)"),
    _takes("__get_free_pages(gfp, order)", "alloc_pages"),
    _takes("get_free_page(gfp)"),
    _takes("alloc_pages_nolock(node, order)", needs="", about="takes no lock that is taken"),
    _takes("alloc_pages_nolock(flags_too, node, order)", needs="", about="takes no lock that is taken"),
    _takes("vmalloc(size)"),
    _takes("vzalloc(size)"),
    _takes("kvmalloc(size, gfp)"),
    _takes("kvzalloc(size, gfp)"),
    _takes("kvcalloc(n, size, gfp)"),
    _takes("kvmalloc_array(n, size, gfp)"),
    _takes("krealloc(p, size, gfp)", needs="small_p size gfp"),
    _takes("krealloc_array(p, n, size, gfp)", needs="small_p n size gfp"),
    _frees("kfree(p)", "kfree", "slab_p"),
    _frees("kvfree(p)", "kvfree", "slab_p", areas_too=True),
    _frees("kmem_cache_free(cache, p)", "kmem_cache_free", "cache cached_p"),
    _frees("kfree_nolock(p)", "kfree_nolock", "slab_p", about="takes no lock that is taken"),
    Form(name="kfree_bulk", words=("n", "p"), act=_kfree_bulk, needs=("objects",), worst=Worst.FREES),
    _free_page("free_page(address)"),
    _free_page("__free_page(page)"),
    _free_page("free_pages(address, order)"),
    _free_page("__free_pages(page, order)"),
    _frees("free_pages_nolock(page, order)", "free_pages_nolock", "page", about="takes no lock that is taken"),
    form("vfree(p)", needs="area", worst=Worst.AREAS),
    form("kmem_cache_create(name, size, align, flags, ctor)", needs="name size"),
    form("kmem_cache_destroy(cache)", needs="own_cache"),
    form("kmem_cache_shrink(cache)"),
)
