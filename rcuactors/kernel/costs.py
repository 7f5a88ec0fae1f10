"""The cost model: virtual nanoseconds for each primitive that the machine charges to a CPU's clock.

Every figure has its source, or is marked as an assumption; all are listed by `describe()` and in docs/cost-model.md,
and any can be replaced from a TOML file. The measured ones come from the slab bulk-free measurements (commit message
of the slab bulk API series, i7-4790K, 256-byte objects) and from SLUB's fast path (42 cycles, 10.55 ns for an
alloc+free pair).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from ..errors import BadInput, bad_value, shown
from ..spelling import no_such

_ASSUMED: Final = "assumption: order of magnitude on a 3-4 GHz x86-64"
_PAIR: Final = (
    "assumption within what rcuscale measured: 50.7 s for 200,000 x 1,000 objects a thread (commit 34c881745549, "
    "SLUB) are 253 ns for kmalloc(), kvfree_rcu() and the free together"
)
_LARGEST_FILE: Final = 1 << 20
_BULK: Final = "slab bulk API measurements, i7-4790K, 256-byte objects"


def _cost(default: int, about: str, source: str = _ASSUMED) -> Any:
    return attrs.field(default=default, metadata={"about": about, "source": source})


@attrs.frozen(kw_only=True)
class CostModel:
    """Nanoseconds each. Raises BadInput for a figure that is negative or above one second."""

    lock_ns: int = _cost(10, "take and release an uncontended lock")
    lock_handover_ns: int = _cost(70, "a contended lock's cache line travels to the next waiter")
    irq_entry_ns: int = _cost(250, "enter a hardirq handler")
    irq_exit_ns: int = _cost(150, "leave it")
    softirq_ns: int = _cost(60, "enter and leave softirq processing")
    context_switch_ns: int = _cost(1_200, "switch to another thread")
    wake_up_ns: int = _cost(300, "try_to_wake_up(), locks aside")
    ipi_ns: int = _cost(600, "an interrupt from another CPU arrives")
    hrtimer_start_ns: int = _cost(120, "enqueue an hrtimer and program the clock event device")
    timer_arm_ns: int = _cost(50, "put a timer on the wheel")
    queue_work_ns: int = _cost(90, "put a work item on a pool's list")
    worker_create_ns: int = _cost(30_000, "create a kworker")
    tick_ns: int = _cost(400, "the scheduling-clock tick")
    kvfree_append_ns: int = _cost(4, "cache-hot append of a pointer to a block")
    kvfree_call_ns: int = _cost(80, "the rest of kvfree_call_rcu(): per-CPU look-up, count, tests", _PAIR)
    list_push_ns: int = _cost(8, "push an rcu_head: the object's line is usually still hot")
    list_walk_ns: int = _cost(60, "pointer chase to the next rcu_head: a cache miss an object")
    rcu_read_ns: int = _cost(2, "rcu_read_lock() or rcu_read_unlock()")
    call_rcu_ns: int = _cost(25, "enqueue a callback")
    callback_ns: int = _cost(70, "invoke a callback, its cache miss included")
    poll_state_ns: int = _cost(10, "take or ask a cookie of a polled grace period: two loads and a full barrier")
    gp_init_ns: int = _cost(2_000, "initialise a grace period")
    gp_cleanup_ns: int = _cost(2_000, "clean up after a grace period")
    fqs_ns: int = _cost(1_500, "one forced-quiescent-state scan")
    kmalloc_ns: int = _cost(
        20, "kmalloc() from the CPU's slab", f"{_PAIR}; at least half of SLUB's 10.55 ns an alloc+free pair"
    )
    kmalloc_slow_ns: int = _cost(90, "kmalloc() that takes over another slab")
    kfree_ns: int = _cost(10, "kfree() of one object after a grace period", f"{_BULK}: 10.5 ns in bulk of 1")
    kfree_bulk_object_ns: int = _cost(4, "kfree_bulk(), each object", f"{_BULK}: 3.3-4.1 ns in bulks of 32 to 250")
    kfree_bulk_call_ns: int = _cost(10, "kfree_bulk(), the call")
    page_alloc_ns: int = _cost(60, "a page from the CPU's pcplist")
    page_look_ns: int = _cost(10, "look for a page on a CPU's pcplist that has none to give")
    page_free_ns: int = _cost(50, "a page to the CPU's pcplist")
    page_bulk_ns: int = _cost(25, "each page that moves between a pcplist and the zone, under zone->lock")
    page_zero_ns: int = _cost(200, "clear a page")
    gfp_test_ns: int = _cost(1, "one more test of a gfp flag in the page allocator")
    stack_save_ns: int = _cost(1_000, "unwind a stack and look it up in the stack depot")
    vmalloc_ns: int = _cost(2_500, "vmalloc(): an area and its page tables")
    vfree_ns: int = _cost(3_000, "vfree(): unmap, lazily flushed")
    reclaim_page_ns: int = _cost(700, "reclaim one page-cache page")
    reclaim_scan_ns: int = _cost(8_000, "one round of direct reclaim")
    shrinker_ns: int = _cost(1_000, "one call of a shrinker")
    oom_kill_ns: int = _cost(2_000_000, "choose and kill an OOM victim")
    copy_user_ns: int = _cost(100, "one unit of work in a scenario's cpu_relax() or cond_resched() loop")

    def __attrs_post_init__(self) -> None:
        for field in attrs.fields(CostModel):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 1_000_000_000:
                raise bad_value(f"cost {field.name} = {value!r}", "a whole number of nanoseconds from 0 to 1000000000")

    def changed(self) -> dict[str, int]:
        """The figures that are not the default's."""
        default = STANDARD
        if self == default:
            return {}
        return {
            field.name: getattr(self, field.name)
            for field in attrs.fields(CostModel)
            if getattr(self, field.name) != getattr(default, field.name)
        }


STANDARD: Final = CostModel()
"""The figures of a run that names no others."""


def describe() -> list[tuple[str, int, str, str]]:
    """(name, nanoseconds, what it is, source) of each figure."""
    default = STANDARD
    return [
        (field.name, getattr(default, field.name), field.metadata["about"], field.metadata["source"])
        for field in attrs.fields(CostModel)
    ]


def load_costs(path: Path) -> CostModel:
    """Read a TOML file of `name = nanoseconds` lines; names left out keep their default. Raises BadInput."""
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
        text = content.decode()
    except UnicodeDecodeError:
        raise BadInput(f"cost file {path}: cannot be read: is no UTF-8 text") from None
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        said = error.strerror if isinstance(error, OSError) else None
        raise BadInput(f"cost file {path}: cannot be read: {said or error}") from None
    if len(content) > _LARGEST_FILE:
        raise BadInput(f"cost file {path}: has more than {_LARGEST_FILE} bytes; needs lines of `name = nanoseconds`")
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"cost file {path}: not TOML: {error}") from None
    unknown = sorted(set(table) - set(_names()))
    if unknown:
        raise _no_such_cost(f"cost file {path}: cost", unknown[0])
    try:
        return CostModel(**table)
    except BadInput as error:
        raise BadInput(f"cost file {path}: {error}") from None


def cost_model(given: object) -> CostModel:
    """A cost model as it is, the default for None, or one of the figures that differ, by name. Raises BadInput."""
    if given is None:
        return STANDARD
    if isinstance(given, CostModel):
        return given
    if not isinstance(given, Mapping):
        raise bad_value(f"costs={shown(given)}", "a CostModel, or nanoseconds by name, such as {'lock_ns': 20}")
    for name in given:
        if name not in _names():
            raise _no_such_cost("cost", str(name))
    return CostModel(**given)


def _no_such_cost(what: str, name: str) -> BadInput:
    return no_such(what, name, _names(), wrong="no such cost", there="`rcuactors list costs` names them")


def _names() -> dict[str, None]:
    return dict.fromkeys(field.name for field in attrs.fields(CostModel))
