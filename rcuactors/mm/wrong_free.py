"""Freeing what was not allocated so, as the kernel meets it (mm/slab_common.c, mm/slub.c, mm/vmalloc.c).

kfree() takes any address for one in the direct map and looks for its page: for one that is not, it reads where no page
has a descriptor, and oopses. __vunmap() is warier: it warns and does nothing. Texts recorded on 6.1.192 and 6.12.117;
those of v5.9 and v5.11 are 6.1's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..context import splat
from ..context.trace import call_trace
from ..context.violation import KERNEL, ORACLE, ViolationKind
from ..errors import described
from ..marks import MACHINERY
from .objects import PAGE_OFFSET, PAGE_SIZE, KObject

__trace__ = MACHINERY

if TYPE_CHECKING:
    from ..kernel.cpu import Cpu
    from .rules import MmRules

_VMEMMAP: Final = 0xFFFFEA0000000000
_PAGE_DESCRIPTOR: Final = 64
_COMPOUND_HEAD: Final = 8
"""Offset of page->compound_head, which kfree() reads first."""
_NOWHERE: Final = 0xFFFFFFFF81000000
"""In place of the address of something that has none here: the kernel's text."""
_WORD: Final = (1 << 64) - 1


def _address(p: object) -> int:
    return p.address if isinstance(p, KObject) else p if isinstance(p, int) else _NOWHERE


def _lines(p: object) -> str:
    if isinstance(p, KObject):
        return "\n".join([f"{p!r} was to be freed", *p.history()])
    return f"{described(p)} was to be freed"


def report_kfree(cpu: Cpu, p: object) -> None:
    """What kfree() does: virt_to_folio() of an address that is not in the direct map."""
    descriptor = _VMEMMAP + ((_address(p) - PAGE_OFFSET) >> 12) * _PAGE_DESCRIPTOR + _COMPOUND_HEAD & _WORD
    text = splat.page_fault(cpu.judge.scene(cpu), descriptor, ["kfree", *call_trace()])
    cpu.judge.report(cpu, ViolationKind.WRONG_FREE, text.partition("\n")[0], f"{text}\n{_lines(p)}")


def report_kfree_inside(cpu: Cpu, rules: MmRules, address: int, p: KObject) -> None:
    """What kfree() does about an address in the middle of an object, which it takes for an object's.

    KASAN tells (mm/kasan/common.c, nearest_obj()), slub_debug tells (mm/slub.c, check_valid_pointer()), and neither
    frees it. Else it goes on the slab's list, and whoever gets it there shares it with the object: the model does not
    give it out.
    """
    judge, config = cpu.judge, cpu.system.config
    kind, said = ViolationKind.WRONG_FREE, f"{address - p.address} bytes inside {p}"
    trace = ["kfree", *call_trace()]
    if config.KASAN:
        word = rules.kasan_double_free if "invalid-free" in rules.kasan_double_free else "invalid-free"
        title = f"BUG: KASAN: {word} in kfree"
    elif config.slub_debug:
        cache = getattr(p.home, "cache", None)
        name = cache.name if cache is not None else "kmalloc"
        title = f"BUG {name} ({judge.ident.tainted}): Invalid object pointer 0x{address:016x}"
    else:
        title = f"BUG: invalid free: {address:016x} is {said}"
    by = KERNEL if config.KASAN or config.slub_debug else ORACLE
    text = "\n".join([title, said, *p.history(), *splat.stack(judge.scene(cpu), trace)])
    judge.report(cpu, kind, title, text, by)
    if by == KERNEL:
        judge.lockdep_unreliable()
    if config.slub_debug and not config.KASAN and rules.object_err_warns:
        judge.warn_on(cpu, kind, "1", "__slab_err")


def report_vfree(cpu: Cpu, rules: MmRules, p: object) -> None:
    """What vfree() says of an address that is not page-aligned, or has no area."""
    if not _address(p) % PAGE_SIZE:
        _nonexistent(cpu, rules, ViolationKind.WRONG_FREE, p)
        return
    where = "remove_vm_area" if rules.vfree_removes_area else "__vunmap"
    _warn(cpu, ViolationKind.WRONG_FREE, "bad address", where, p)
    if rules.vfree_removes_area:
        _nonexistent(cpu, rules, ViolationKind.WRONG_FREE, p)


def report_freed_area(cpu: Cpu, rules: MmRules, area: KObject) -> None:
    """What vfree() says of an area that was freed already."""
    _nonexistent(cpu, rules, ViolationKind.DOUBLE_FREE, area)


def _nonexistent(cpu: Cpu, rules: MmRules, kind: ViolationKind, p: object) -> None:
    _warn(cpu, kind, "nonexistent vm area", "vfree" if rules.vfree_removes_area else "__vunmap", p)


def _warn(cpu: Cpu, kind: ViolationKind, what: str, where: str, p: object) -> None:
    message = f"Trying to vfree() {what} ({_address(p):016x})"
    text = splat.warning(cpu.judge.scene(cpu), message, where, ["vfree", *call_trace()])
    cpu.judge.report(cpu, kind, f"WARNING: {message}", f"{text}\n{_lines(p)}")
