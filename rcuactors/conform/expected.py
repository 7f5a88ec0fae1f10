"""What line the mechanism's next deed would be, and whether a line is that.

Not every recording shows everything: which events it has is read from what its kernel shows at all, and an event that
it does not have is expected of nobody.
"""

from __future__ import annotations

import re
from typing import Any, Final

import attrs

from ..mm.objects import PAGE_OFFSET, PAGE_SIZE
from .asks import Ask, Kind
from .lines import Line, Told
from .standins import WORKQUEUES, Item

_BULK: Final = re.compile(r"bulk=0x([0-9a-f]{1,20}) nr_records=(\d{1,18})$")
_OBJECT: Final = re.compile(r"rhp=0x([0-9a-f]{1,20}) func=(\d{1,20})$")

_FIRST_RIG: Final = frozenset(
    {
        "hrtimer_start",
        "timer_start",
        "workqueue_queue_work",
        "workqueue_execute_end",
        "fill_page_cache_func",
        "fill_page_cache_func_ret",
        "get_free_pages",
        "get_free_pages_ret",
        "free_pages",
        "kfree_rcu_monitor",
        "kfree_rcu_work",
        "kfree_rcu_work_ret",
        "kmem_cache_free_bulk",
        "vfree",
    }
)
_SECOND_RIG: Final = frozenset({"kfree_rcu_monitor_ret", "shrink_scan_ret", "synchronize_rcu"})
_LATER_KERNEL: Final = frozenset(
    {
        "kvfree_rcu_bulk",
        "kvfree_rcu_list",
        "kvfree_rcu_queue_batch",
        "kvfree_rcu_queue_batch_ret",
        "kvfree_rcu_barrier",
        "kvfree_rcu_barrier_ret",
    }
)
_TRACEPOINTS: Final = frozenset({"rcu_invoke_kfree_bulk_callback", "rcu_invoke_kvfree_callback"})


def shown_events(told: Told, *, later_kernel: bool) -> frozenset[str]:
    """Which events a recording would have, if they happened: by who recorded, and what its kernel shows."""
    seen = told.events
    shown = seen & (_FIRST_RIG | _SECOND_RIG | _LATER_KERNEL)
    if told.by_rig:
        shown |= _FIRST_RIG
        if told.addresses:
            shown |= _SECOND_RIG
        if later_kernel:
            shown |= _LATER_KERNEL
    if any(line.event == "rcu_grace_period" and line.told["seq"] is None for line in told.lines):
        shown |= {"kvfree"}
    elif seen & (_TRACEPOINTS | {"rcu_grace_period"}):
        shown |= _TRACEPOINTS
    return shown


@attrs.frozen
class Expected:
    """A line that would be the mechanism's next deed: the event, and what of it is compared."""

    event: str
    cpu_id: int = -1
    told: tuple[Any, ...] = ()

    def __str__(self) -> str:
        told = " ".join(str(one) for one in self.told)
        where = f" of CPU {self.cpu_id}" if self.cpu_id >= 0 else ""
        return f"{self.event}{where}{': ' if told else ''}{told}"


_LINES: Final = {
    Kind.HRTIMER: "hrtimer_start",
    Kind.TIMER: "timer_start",
    Kind.FREE_PAGE: "free_pages",
    Kind.BULK: "kmem_cache_free_bulk",
    Kind.FREE: "vfree",
    Kind.GRACE_PERIOD: "synchronize_rcu",
}
"""The line of an ask that is one."""


class Expecter:
    """Turns asks into lines, for one recording."""

    def __init__(self, told: Told, *, later_kernel: bool) -> None:
        self._shown = shown_events(told, later_kernel=later_kernel)
        self._told = told
        self.offsets: dict[int, int] = {}
        """Where in an object its rcu_head is, by its address."""

    def shows(self, event: str) -> bool:
        """The recording has such lines."""
        return event in self._shown

    def only(self, *wanted: Expected) -> tuple[Expected, ...]:
        """Those of the lines that such a recording has."""
        return tuple(one for one in wanted if one.event in self._shown)

    def of_ask(self, ask: Ask, kind: str, at: int, after: int) -> tuple[Expected, ...]:
        """The lines that an ask of an operation of some kind is, in their order.

        `at`: its last line; so many lines come `after` it first.
        """
        told = ask.told
        match ask.kind:
            case Kind.PAGE:
                by = "fill_page_cache_func" if kind == "page" else "kvfree_call_rcu"
                return self.only(Expected("get_free_pages"), Expected("get_free_pages_ret", -1, (by,)))
            case Kind.QUEUE:
                return self.only(Expected("workqueue_queue_work", ask.cpu_id, (told[0], self.workqueue(told[1]))))
            case Kind.FREE if not told[0].is_vmalloc and not (told[0].is_from_before and self._is_area(at, after)):
                return ()
            case Kind.ENTER:
                return self.only(Expected(told[0], ask.cpu_id, told[1:]))
            case Kind.RETURN:
                return self.only(Expected(f"{told[0]}_ret", ask.cpu_id, told[1:]))
        return self.only(Expected(_LINES[ask.kind], ask.cpu_id, told)) if ask.kind in _LINES else ()

    def _is_area(self, at: int, after: int) -> bool:
        """What is freed is from vmalloc(): so it says itself, some lines after one of the same context."""
        for _ in range(after + 1):
            at = self._told.lines[at].after
            if at < 0:
                return False
        return self._told.lines[at].event == "vfree"

    def of_event(self, name: str, text: str) -> Expected:
        """The line of an event that the mechanism tells itself."""
        if (m := _BULK.search(text)) is not None:
            return Expected(name, -1, ((int(m[1], 16) - PAGE_OFFSET) // PAGE_SIZE, int(m[2])))
        m = _OBJECT.search(text)
        assert m is not None, text
        address, is_head = int(m[1], 16) - int(m[2]), bool(int(m[2]))
        return Expected(name, -1, (address, is_head, self.offsets.get(address, -1)))

    def is_busy(self, at: int) -> bool:
        """The CPU did not idle when a line was written."""
        return bool(self._told.lines[at].raw.pid)

    @staticmethod
    def workqueue(name: str) -> str:
        """What a workqueue is called in the lines."""
        return WORKQUEUES.get(name, name)


def matches(wanted: Expected, line: Line) -> str:
    """Why the line is not the one that was expected; "" if it is."""
    if wanted.event != line.event:
        return f"{wanted} was to come"
    whose = line.told.get("whose")
    if isinstance(whose, tuple) and wanted.cpu_id >= 0 and whose[0] != wanted.cpu_id:
        return f"of CPU {whose[0]}, but {wanted} was to come"
    compare = _COMPARED.get(wanted.event)
    return "" if compare is None else compare(wanted, line)


def _timer(wanted: Expected, line: Line) -> str:
    whose = line.told.get("whose")
    return f"{wanted} was to come" if isinstance(whose, tuple) and whose[1] != wanted.told[0] else ""


def _work(wanted: Expected, line: Line) -> str:
    role, workqueue = wanted.told
    whose = line.told.get("whose")
    other = isinstance(whose, tuple) and whose[1] != role
    if other or not role.startswith(str(line.told["role"])) or line.told["workqueue"] != workqueue:
        return f"{wanted} was to come"
    return ""


def _asked_by(wanted: Expected, line: Line) -> str:
    return f"{wanted} was to come" if line.told["by"] not in ("", wanted.told[0]) else ""


def _page(wanted: Expected, line: Line) -> str:
    page = wanted.told[0]
    return f"another page than {page * PAGE_SIZE:#x}" if page >= 0 and line.told["address"] != page * PAGE_SIZE else ""


def _size(wanted: Expected, line: Line) -> str:
    size = line.told["size"]
    return f"{size} objects, but {wanted.told[-1]} are in the block" if size != wanted.told[-1] else ""


def _bulk(wanted: Expected, line: Line) -> str:
    page, bulk = wanted.told[0], line.told["bulk"]
    if isinstance(bulk, int) and bulk >> _REAL and page >= 0 and bulk // PAGE_SIZE != page:
        return f"another block than that in the page {page * PAGE_SIZE:#x}"
    return _size(wanted, line)


def _block(wanted: Expected, line: Line) -> str:
    page, channel, size = wanted.told
    told = line.told
    if (told["channel"], told["size"]) != (channel, size):
        return f"channel {told['channel']}, {told['size']} objects, but {channel}, {size} was to come"
    if page >= 0 and told["page"] != page * PAGE_SIZE:
        return f"another block than that in the page {page * PAGE_SIZE:#x}"
    return ""


def _freed(wanted: Expected, line: Line) -> str:
    item = wanted.told[0]
    if isinstance(item, Item) and item.address and line.told["address"] != item.address:
        return f"another object than {item.address:#x}"
    return ""


def _listed(wanted: Expected, line: Line) -> str:
    item, head = wanted.told[0], line.told["head"]
    if isinstance(item, Item) and item.address and head != item.address + item.offset:
        return f"another object than {item.address:#x}"
    return ""


def _of_cpu(wanted: Expected, line: Line) -> str:
    cpu = line.told.get("cpu", wanted.cpu_id)
    return f"of CPU {cpu}, but {wanted} was to come" if cpu != wanted.cpu_id else ""


def _returned(wanted: Expected, line: Line) -> str:
    value = line.told["returned"]
    return f"{value} is returned, not {int(wanted.told[0])}" if bool(value) != bool(wanted.told[0]) else ""


def _object(wanted: Expected, line: Line) -> str:
    address, is_head, offset = wanted.told
    real, real_offset = line.told["rhp"], int(str(line.told["offset"]))
    if (real_offset != offset) if is_head and offset >= 0 else (is_head != bool(real_offset)):
        wrong, right = ("a block", "the list") if is_head else ("the list", "a block")
        return f"an object of {wrong}, or at another offset, but one of {right} was to come"
    if address <= 0 or not isinstance(real, int) or not real >> _REAL or real - real_offset == address:
        return ""
    return f"another object than {address:#x}"


_REAL: Final = 63
"""A kernel's address has this bit; what was hashed has not."""

_COMPARED: Final = {
    "timer_start": _timer,
    "workqueue_queue_work": _work,
    "get_free_pages_ret": _asked_by,
    "free_pages": _page,
    "kmem_cache_free_bulk": _size,
    "rcu_invoke_kfree_bulk_callback": _bulk,
    "rcu_invoke_kvfree_callback": _object,
    "kvfree": _freed,
    "vfree": _freed,
    "kvfree_rcu_bulk": _block,
    "kvfree_rcu_list": _listed,
    "kvfree_rcu_queue_batch": _of_cpu,
    "kvfree_rcu_queue_batch_ret": _returned,
}
"""What of a line is compared, by its event, beside whose it is."""
