"""The state to begin with: what a `state:` line says, loaded into a place.

Objects and pages that are there already are known by number alone, so they are compared by that.
"""

from __future__ import annotations

from typing import Any, Final

from ..kvfree.krc import SLAB, VMALLOC, Block, Krc
from ..kvfree.parts.arming import PendingTimer, TodoFlag
from ..rcu.polled import COMPLETED
from ..rcu.seq import GET_STATE_COMPLETED
from ..traces import KrcState
from .deeds import OTHERS_TOO
from .lines import Ctx, Line, Told, state_of
from .place import Place
from .snapshots import NO_TIMER
from .standins import LONG_AGO, Item


class _Unknown:
    """Numbers for what was there before."""

    def __init__(self) -> None:
        self._last = 0

    def page(self) -> int:
        """A page that was not seen when it was taken."""
        self._last -= 1
        return self._last

    def items(self, number: int, *, is_vmalloc: bool = False) -> list[Any]:
        """Objects whose calls were not seen."""
        items = []
        for _ in range(number):
            self._last -= 1
            items.append(Item(self._last, 0, 0, is_vmalloc=is_vmalloc))
        return items


_UNKNOWN = _Unknown()


def set_state(place: Place, printed: KrcState, jiffies: int) -> None:
    """One CPU's."""
    krcp = place.krcs[printed.cpu]
    capacity = place.kvfree.rules.block_capacity
    newest = printed.newest_blocks or (-1, -1)
    krcp.count = printed.count
    krcp.cache = [_UNKNOWN.page() for _ in range(printed.cached)]
    krcp.head = _UNKNOWN.items(printed.head)
    krcp.blocks = [
        _blocks(printed.slab, printed.slab_pages, newest[SLAB], capacity, is_vmalloc=False),
        _blocks(printed.vmalloc, printed.vmalloc_pages, newest[VMALLOC], capacity, is_vmalloc=True),
    ]
    if place.kvfree.takes_cookies:
        krcp.head_gp_snap = place.cookies.another(full=False) if krcp.head else GET_STATE_COMPLETED
        _leave_cookies_open(place, krcp.blocks)
    works = place.works[printed.cpu]
    for index, (batch, told) in enumerate(zip(krcp.batches, printed.batches, strict=True)):
        batch.head = _UNKNOWN.items(told.head)
        batch.blocks = [
            _blocks(told.slab, -(-told.slab // capacity), -1, capacity, is_vmalloc=False),
            _blocks(told.vmalloc, -(-told.vmalloc // capacity), -1, capacity, is_vmalloc=True),
        ]
        if place.kvfree.takes_cookies:
            batch.head_free_gp_snap = place.cookies.another(full=True) if batch.head else COMPLETED
            _leave_cookies_open(place, batch.blocks)
        if batch.busy():
            work = works[f"krw{index}"]
            work.pending, work.asked = True, 1
    refilling = place.kvfree.refill.of(krcp)
    refilling.work_in_progress, refilling.backoff_page_cache_fill = printed.work_in_progress, printed.backoff
    monitor = works["monitor"]
    monitor.pending = printed.monitor_pending
    if printed.monitor_pending:
        monitor.asked = 1
        left = printed.monitor_left_ms
        if left is not None and left != NO_TIMER:
            monitor.expires = jiffies + left * place.system.config.HZ // 1000
        elif left is not None:
            monitor.queued = True
        else:
            monitor.expires = jiffies + place.kvfree.arming.delay_jiffies
        if monitor.expires is not None:
            arm(place, krcp, monitor.expires)


def arm(place: Place, krcp: Krc, expires: int, *, pending: bool = True) -> None:
    """Have the version know whether the monitor is pending, and until when its timer runs, or ran."""
    arming = place.kvfree.arming
    if isinstance(arming, PendingTimer):
        arming.of(krcp).monitor_expires = expires
    elif isinstance(arming, TodoFlag):
        arming.of(krcp).monitor_todo = pending


def _leave_cookies_open(place: Place, blocks: list[list[Block]]) -> None:
    """No line tells when their last objects were given."""
    for block in (one for channel in blocks for one in channel):
        block.gp_snap = place.cookies.another(full=True)


def _blocks(objects: int, pages: int, newest: int, capacity: int, *, is_vmalloc: bool) -> list[Block]:
    """So many objects in so many blocks: the newest has what is said, or what the others leave."""
    blocks: list[Block] = []
    left = objects
    for index in range(pages):
        last = index == pages - 1
        size = left if last else min(capacity, left - (pages - 1 - index))
        if not last and newest > 0 and index == pages - 2:
            size = left - newest
        blocks.append(Block(_UNKNOWN.page(), _UNKNOWN.items(size, is_vmalloc=is_vmalloc)))
        left -= size
    return blocks


def first_states(told: Told, place: Place, after: int) -> int:
    """Set a place to the first state of all CPUs that is told after a line; the line at which it is, -1 for none.

    One after which nothing is known to be under way: later ones than the first have to be quiet.
    """
    seen: dict[int, Line] = {}
    last = -1
    for line in told.lines[after + 1 :]:
        printed = state_of(line)
        if printed is None:
            if line.event and after >= 0:
                seen.clear()
            last = line.at if line.event not in _NOBODYS else last
            continue
        if after >= 0 and not (_is_quiet(printed) and last <= line.before):
            seen.clear()
            continue
        seen[printed.cpu] = line
        if len(seen) == len(place.krcs):
            _set_all(told, place, seen)
            return line.at
    return -1


def _set_all(told: Told, place: Place, seen: dict[int, Line]) -> None:
    """Each CPU's."""
    for known in seen.values():
        state = state_of(known)
        assert state is not None
        set_state(place, state, told.jiffies_before(known.at))
        _set_by_lines(told, place, state, known.at)


def _is_quiet(printed: KrcState) -> bool:
    waiting = sum(batch.slab + batch.vmalloc + batch.head for batch in printed.batches)
    return not (waiting or printed.work_in_progress or printed.monitor_pending or printed.refill_pending)


def states_behind(told: Told, place: Place, after: int) -> int:
    """Set a place to the next state of all CPUs behind a line; the line at which it is, -1 for none.

    It is one at which no task, work or handler is in the middle of anything, as far as lines tell. Of the other CPUs
    the last state is taken, if no line since was about them. A snapshot was taken at some time after the line before it
    in its context: nor may a line since that have been about its CPU. What timers run and which works are queued is
    found in the lines that follow.
    """
    seen: dict[int, Line] = {}
    last: dict[int, int] = {}
    under_way = _UnderWay(len(place.krcs))
    for line in told.lines:
        printed = state_of(line)
        if printed is None:
            for cpu_id in under_way.see(line):
                seen.pop(cpu_id, None)
                last[cpu_id] = line.at
            continue
        if last.get(printed.cpu, -1) > line.before:
            seen.pop(printed.cpu, None)
            continue
        seen[printed.cpu] = line
        if line.at > after and len(seen) == len(place.krcs) and not under_way.contexts:
            _set_all(told, place, seen)
            return line.at
    return -1


_NOBODYS: Final = frozenset({"", "mark", "runp", "rcu_grace_period", "rcu_exp_grace_period"})
_BEGIN: Final = frozenset({"workqueue_execute_start", "shrink_count", "shrink_scan", "kvfree_rcu_barrier"})
_END: Final = frozenset({"workqueue_execute_end", "runp", "kvfree_rcu_barrier_ret", "", "mark"})
_OF_ALL: Final = frozenset({"shrink_count", "shrink_scan", "kvfree_rcu_barrier"})


class _UnderWay:
    """Contexts that are in the middle of something, as far as lines tell, and the CPUs that it is about."""

    def __init__(self, nr_cpus: int) -> None:
        self.contexts: dict[Ctx, tuple[str, tuple[int, ...]]] = {}
        self._all = tuple(range(nr_cpus))

    def see(self, line: Line) -> tuple[int, ...]:
        """The next line: the CPUs whose state it may be about."""
        about = self._about(line)
        began, _ = self.contexts.get(line.ctx, ("", ()))
        if line.event in _BEGIN or line.event == "kvfree_call_rcu":
            if line.told.get("role", "krw") is not None:
                self.contexts[line.ctx] = line.event, about
        elif line.event in _END and (began != "workqueue_execute_start" or line.event == "workqueue_execute_end"):
            self.contexts.pop(line.ctx, None)
        return about

    def _about(self, line: Line) -> tuple[int, ...]:
        if line.event in _NOBODYS:
            return ()
        if line.event in _OF_ALL:
            return self._all
        whose = line.told.get("whose")
        if isinstance(whose, tuple):
            return (whose[0],)
        if line.ctx in self.contexts:
            began, about = self.contexts[line.ctx]
            return about if began == "workqueue_execute_start" else (*about, line.cpu)
        return () if line.event in OTHERS_TOO else (line.cpu,)


def _set_by_lines(told: Told, place: Place, printed: KrcState, at: int) -> None:
    """What a CPU's timers and works are at: by the first line that says what came of each."""
    works = place.works[printed.cpu]
    for index, batch in enumerate(place.krcs[printed.cpu].batches):
        if batch.busy():
            work = works[f"krw{index}"]
            work.since = LONG_AGO
            following = _next_of(told, printed.cpu, work.role, at)
            if following is not None and following.event == "workqueue_execute_start":
                work.queued, work.on = True, following.cpu
    monitor = works["monitor"]
    following = _next_of(told, printed.cpu, "monitor", at)
    if monitor.expires is not None and printed.monitor_left_ms is not None:
        monitor.expires = _due(told, printed.cpu, at, place.system.config.HZ)
    if monitor.pending and printed.monitor_left_ms is None and following is not None:
        if following.event == "workqueue_execute_start":
            monitor.expires, monitor.queued = None, True
        elif following.event == "timer_expire_entry":
            monitor.expires = int(str(following.told["now"]))
    if printed.work_in_progress:
        _set_refill(told, place, printed, at)


def _due(told: Told, cpu_id: int, at: int, hz: int) -> int:
    """When a monitor's timer is due: as the line says by which it was started, or as all states say that tell of it."""
    mine = (cpu_id, "monitor")
    for line in reversed(told.lines[:at]):
        if line.event == "timer_start" and line.told["whose"] == mine:
            return int(str(line.told["expires"]))
    earliest = 0
    for line in told.lines[at:]:
        if line.event in ("timer_start", "timer_expire_entry") and line.told["whose"] in (mine, None):
            break
        printed = state_of(line)
        if printed is not None and printed.cpu == cpu_id:
            left = printed.monitor_left_ms
            if left is None or left == NO_TIMER:
                break
            earliest = max(earliest, told.jiffies_before(line.at) + left * hz // 1000)
    return earliest


def _set_refill(told: Told, place: Place, printed: KrcState, at: int) -> None:
    """A refill is asked for: by its hrtimer, by a delayed work's timer, or its work is queued."""
    page = place.works[printed.cpu]["page"]
    following = _next_of(told, printed.cpu, "page", at)
    if following is None or following.event == "hrtimer_expire_entry":
        page.hrtimer = True
        place.know_handler(printed.cpu)
        return
    page.pending, page.asked = True, 1
    if following.event == "timer_expire_entry":
        page.expires = int(str(following.told["now"]))
    else:
        page.queued = True


def _next_of(told: Told, cpu_id: int, role: str, at: int) -> Line | None:
    """The first line behind one that says what came of a CPU's work or its timer."""
    kind = "krw" if role.startswith("krw") else role
    for line in told.lines[at + 1 :]:
        if line.event not in _ABOUT or (line.event == "hrtimer_expire_entry" and role != "page"):
            continue
        whose = line.told.get("whose")
        if whose == (cpu_id, role):
            return line
        if whose is None and line.cpu == cpu_id and line.told.get("role", "page") == kind:
            return line
    return None


_ABOUT: Final = frozenset(
    {"hrtimer_expire_entry", "timer_expire_entry", "workqueue_queue_work", "workqueue_execute_start"}
)
