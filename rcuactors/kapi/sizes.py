"""Memory of any size, and of another size than it had: kvmalloc(), krealloc() and their kin (include/linux/slab.h)."""

from __future__ import annotations

from collections.abc import Coroutine
from sys import _getframe
from types import FrameType
from typing import Any

from ..context.trace import origin_of
from ..mm import kvmalloc
from ..mm.gfp import GFP_KERNEL, Gfp
from ..mm.objects import KObject, VmallocArea
from .arguments import WORDS, checks_itself, wrong_argument
from .base import not_negative
from .fields import StructObject
from .memory import check_gfp, checked
from .objects import Objects, array_size, no_object


class Sizes(Objects):
    """kvmalloc(), krealloc() and their kin.

    Where the flags allow it they may sleep, and are legal where kmalloc() with those flags is; what is longer than a
    page comes from vmalloc(), which is for process context. One that fails is None, as NULL is returned there.
    """

    async def kvmalloc(self, size: int, gfp: Gfp = GFP_KERNEL) -> KObject | None:
        """kvmalloc(): `size` bytes by kmalloc() if a page is enough, else by vmalloc(). To be freed by kvfree().

        More than a page with flags that may not wait: None, until v6.19. Raises BadInput for a size out of range.
        """
        checked("kvmalloc", size, gfp)
        machine = self._machine
        fallback = machine.setup.era.rules.mm.kvmalloc_fallback
        p = await kvmalloc.kvmalloc(self._thread, machine.slab, machine.vmalloc, fallback, size, gfp)
        if p is not None:
            p.origin = origin_of(_getframe(1))
        return p

    @checks_itself
    def kvzalloc(self, size: int, gfp: Gfp = GFP_KERNEL) -> Coroutine[Any, Any, KObject | None]:
        """kvmalloc(), cleared."""
        checked("kvzalloc", size, gfp)
        return self.kvmalloc(size, gfp | Gfp.ZERO)

    @checks_itself
    def kvmalloc_array(self, n: int, size: int, gfp: Gfp = GFP_KERNEL) -> Coroutine[Any, Any, KObject | None]:
        """kvmalloc() of `n` times `size` bytes; None where the product overflows."""
        total = array_size("kvmalloc_array", n, size)
        check_gfp("kvmalloc_array", gfp)
        return self.kvmalloc(total, gfp) if total is not None else no_object()

    @checks_itself
    def kvcalloc(self, n: int, size: int, gfp: Gfp = GFP_KERNEL) -> Coroutine[Any, Any, KObject | None]:
        """kvmalloc_array(), cleared."""
        total = array_size("kvcalloc", n, size)
        check_gfp("kvcalloc", gfp)
        return self.kvmalloc(total, gfp | Gfp.ZERO) if total is not None else no_object()

    @checks_itself
    async def krealloc(self, p: KObject | None, new_size: int, gfp: Gfp = GFP_KERNEL) -> KObject | None:
        """krealloc(): the object, if it has room for `new_size` bytes, else a longer one, and the old one is freed.

        None for `p` is kmalloc(); 0 bytes are kfree(), which returns None here for ZERO_SIZE_PTR. When there is no
        memory it is None, and the old object stays. An object of a struct type stays what it is: Raises BadInput for
        that, for an area from vmalloc(), and for a size out of range.
        """
        return await self._krealloc("krealloc", p, not_negative("krealloc(new_size=)", new_size), gfp, _getframe(1))

    @checks_itself
    async def krealloc_array(
        self, p: KObject | None, new_n: int, new_size: int, gfp: Gfp = GFP_KERNEL
    ) -> KObject | None:
        """krealloc() to `new_n` times `new_size` bytes; None, and nothing is done, where the product overflows."""
        total = array_size("krealloc_array", new_n, new_size)
        if total is None:
            return None
        return await self._krealloc("krealloc_array", p, total, gfp, _getframe(1))

    async def _krealloc(self, function: str, p: object, new_size: int, gfp: Gfp, caller: FrameType) -> KObject | None:
        check_gfp(function, gfp)
        if (p is not None and not isinstance(p, KObject)) or isinstance(p, StructObject | VmallocArea):
            raise wrong_argument(function, "p", p, f"{WORDS['KObject']} of so many bytes, by kmalloc()")
        slab, longer, origin = self._machine.slab, None, origin_of(caller)
        if new_size:
            longer = await (
                slab.kmalloc(self._thread, new_size, gfp)
                if p is None
                else kvmalloc.krealloc(self._thread, slab, p, new_size, gfp)
            )
            if longer is None or longer is p:
                return longer
            longer.origin = origin
        if p is not None and self._freeable(p, "krealloc", caller, vmalloc=False):
            await slab.kfree(self._thread, p)
        return longer
