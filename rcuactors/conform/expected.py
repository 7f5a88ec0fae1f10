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

_BULK: Final = re.compile(r"bulk=0x([0-9a-f]+) nr_records=(\d+)$")
_OBJECT: Final = re.compile(r"rhp=0x([0-9a-f]+) func=(\d+)$")

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
    """Which events a recording would have, if they happened: by the marks of who recorded, and what its kernel shows."""
    seen = told.events
    shown: frozenset[str] = frozenset()
    if told.by_rig:
        shown |= _FIRST_RIG
        if told.addresses:
            shown |= _SECOND_RIG
        if later_kernel:
            shown |= _LATER_KERNEL
    else:
        shown |= seen & (_FIRST_RIG | _SECOND_RIG | _LATER_KERNEL)
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


class Expecter:
    """Turns asks into lines, for one recording."""

    def __init__(self, told: Told, *, later_kernel: bool) -> None:
        self._shown = shown_events(told, later_kernel=later_kernel)
        self._told = told

    def shows(self, event: str) -> bool:
        """The recording has such lines."""
        return event in self._shown

    def only(self, *wanted: Expected) -> tuple[Expected, ...]:
        return tuple(one for one in wanted if one.event in self._shown)

    def of_ask(self, ask: Ask, kind: str) -> tuple[Expected, ...]:
        """The lines that an ask is, in their order."""
        match ask.kind:
            case Kind.HRTIMER:
                return self.only(Expected("hrtimer_start", ask.cpu_id))
            case Kind.TIMER:
                return self.only(Expected("timer_start", ask.cpu_id, ask.told))
            case Kind.QUEUE:
                role, workqueue = ask.told
                name = WORKQUEUES.get(workqueue, workqueue)
                return self.only(Expected("workqueue_queue_work", ask.cpu_id, (role, name)))
            case Kind.PAGE:
                by = "fill_page_cache_func" if kind == "page" else "kvfree_call_rcu"
                return self.only(Expected("get_free_pages"), Expected("get_free_pages_ret", -1, (by,)))
            case Kind.FREE_PAGE:
                return self.only(Expected("free_pages", -1, ask.told))
            case Kind.BULK:
                return self.only(Expected("kmem_cache_free_bulk", -1, ask.told))
            case Kind.FREE if ask.told[0].is_vmalloc:
                return self.only(Expected("vfree", -1, ask.told))
            case Kind.ENTER:
                return self.only(Expected(ask.told[0], ask.cpu_id, ask.told[1:]))
            case Kind.RETURN:
                return self.only(Expected(f"{ask.told[0]}_ret", ask.cpu_id, ask.told[1:]))
            case Kind.GRACE_PERIOD:
                return self.only(Expected("synchronize_rcu"))
        return ()

    def of_event(self, name: str, text: str) -> Expected:
        """The line of an event that the mechanism tells itself."""
        if (m := _BULK.search(text)) is not None:
            return Expected(name, -1, ((int(m[1], 16) - PAGE_OFFSET) // PAGE_SIZE, int(m[2])))
        m = _OBJECT.search(text)
        assert m is not None, text
        return Expected(name, -1, (int(m[1], 16), int(m[2])))

    @staticmethod
    def workqueue(name: str) -> str:
        """What a workqueue is called in the lines."""
        return WORKQUEUES.get(name, name)


def matches(wanted: Expected, line: Line) -> str:  # noqa: PLR0911, PLR0912, C901 - one branch an event
    """Why the line is not the one that was expected; "" if it is."""
    if wanted.event != line.event:
        return f"{wanted} was to come"
    told = line.told
    whose = told.get("whose")
    if isinstance(whose, tuple) and wanted.cpu_id >= 0 and whose[0] != wanted.cpu_id:
        return f"of CPU {whose[0]}, but {wanted} was to come"
    match wanted.event:
        case "timer_start":
            if isinstance(whose, tuple) and whose[1] != wanted.told[0]:
                return f"{wanted} was to come"
        case "workqueue_queue_work":
            role, workqueue = wanted.told
            if not role.startswith(str(told["role"])) or told["workqueue"] != workqueue:
                return f"{wanted} was to come"
            if isinstance(whose, tuple) and whose[1] != role:
                return f"{wanted} was to come"
        case "get_free_pages_ret":
            if told["by"] != wanted.told[0]:
                return f"{wanted} was to come"
        case "free_pages":
            page = wanted.told[0]
            if page >= 0 and told["address"] != page * PAGE_SIZE:
                return f"another page than {page * PAGE_SIZE:#x}"
        case "kmem_cache_free_bulk":
            if told["size"] != wanted.told[0]:
                return f"{told['size']} objects, but {wanted.told[0]} are in the block"
        case "rcu_invoke_kfree_bulk_callback":
            page, size = wanted.told
            bulk = told["bulk"]
            if told["size"] != size:
                return f"{told['size']} objects, but {size} are in the block"
            if isinstance(bulk, int) and page >= 0 and bulk // PAGE_SIZE != page:
                return f"another block than that in the page {page * PAGE_SIZE:#x}"
        case "rcu_invoke_kvfree_callback":
            return _other_object(wanted, line)
        case "kvfree" | "vfree":
            item = wanted.told[0]
            if isinstance(item, Item) and item.address and told["address"] != item.address:
                return f"another object than {item.address:#x}"
        case "kvfree_rcu_bulk":
            page, channel, size = wanted.told
            if (told["channel"], told["size"]) != (channel, size):
                return f"channel {told['channel']}, {told['size']} objects, but {channel}, {size} was to come"
            if page >= 0 and told["page"] != page * PAGE_SIZE:
                return f"another block than that in the page {page * PAGE_SIZE:#x}"
        case "kvfree_rcu_queue_batch":
            if told["cpu"] != wanted.cpu_id:
                return f"of CPU {told['cpu']}, but {wanted} was to come"
        case "kvfree_rcu_queue_batch_ret":
            if bool(told["returned"]) != bool(wanted.told[0]):
                return f"{told['returned']} is returned, not {int(wanted.told[0])}"
    return ""


def _other_object(wanted: Expected, line: Line) -> str:
    address, offset = wanted.told
    real, real_offset = line.told["rhp"], int(str(line.told["offset"]))
    if bool(offset) != bool(real_offset):
        return f"an object of {'a block' if offset else 'the list'}, but one of {'the list' if offset else 'a block'} was to come"
    if offset:
        address -= offset
        if address <= 0:
            return ""
        return "" if not isinstance(real, int) or real - real_offset == address else f"another object than {address:#x}"
    return "" if not isinstance(real, int) or not address or real == address else f"another object than {address:#x}"
