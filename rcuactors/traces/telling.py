"""From a line to the event that it tells.

One function for each event that says something here, found by the event's name; a probe is found by the function that
it stands on (probes.py), so its name is the user's own affair. A line that ought to say something and does not is
`Broken`; an event of a family that the kernel has and that says nothing here is `Other`; the rest is `Unknown`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Final

import attrs

from .calls import CallReader
from .events import (
    Addresses,
    AddressesTold,
    BlockFreed,
    Broken,
    BulkCallback,
    BulkFreed,
    Entered,
    Event,
    ExpeditedPeriod,
    GracePeriod,
    Header,
    HrtimerExpired,
    HrtimerStarted,
    ListFreed,
    Mark,
    ObjectCallback,
    ObjectFreed,
    Other,
    PageAsked,
    PageFreed,
    PageGot,
    Returned,
    Statement,
    StateTold,
    TimerCancelled,
    TimerExpired,
    TimerStarted,
    Unknown,
    WorkEnded,
    WorkQueued,
    WorkStarted,
)
from .krc import parse_addresses, parse_state
from .lines import Columns, TraceLine
from .probes import Probe, probe_of, returns_to
from .values import NoNumber, arguments, kernel_pointer, number, tracepoint_pointer

_OTHERS: Final = (
    "rcu_",
    "hrtimer_",
    "timer_",
    "tick_",
    "itimer_",
    "workqueue_",
    "sched_",
    "mm_",
    "irq_",
    "softirq_",
    "tasklet_",
    "ipi_",
    "kmalloc",
    "kmem_",
    "kfree",
    "cpuhp_",
    "sys_",
    "console",
)
"""Families of the kernel's tracepoints that are no surprise in a trace, and of whose other events nothing is wanted."""

_GRACE_PERIOD: Final = re.compile(r"(\S+) (-?[0-9]{1,19}) ([\w-]+)", re.ASCII)
_OBJECT_CALLBACK: Final = re.compile(r"\S+ rhp=(\S+) func=(\S+)", re.ASCII)
_BULK_CALLBACK: Final = re.compile(r"\S+ bulk=(\S+) nr_records=([0-9]{1,18})", re.ASCII)
_HRTIMER: Final = re.compile(r"hrtimer=(\S+) function=(\S+)(?: \[\w+\])? (?:expires|now)=([0-9]{1,20})\b.*", re.ASCII)
_TIMER_START: Final = re.compile(
    r"timer=(\S+) function=(\S+)(?: \[\w+\])? expires=([0-9]{1,20}) \[timeout=(-?[0-9]{1,19})\]"
    r"(?:.* cpu=([0-9]{1,5}))?.*",
    re.ASCII,
)
_TIMER_EXPIRE: Final = re.compile(r"timer=(\S+) function=(\S+)(?: \[\w+\])? now=([0-9]{1,20})\b.*", re.ASCII)
_TIMER_CANCEL: Final = re.compile(r"(?:hr)?timer=(\S+)", re.ASCII)
_QUEUE_WORK: Final = re.compile(
    r"work struct[= ](\S+) function=(\S+)(?: \[\w+\])? workqueue=(\S+) req_cpu=-?[0-9]+ cpu=(-?[0-9]{1,10})", re.ASCII
)
_WORK: Final = re.compile(r"work struct (\S+?)(?:: function (\S+)(?: \[\w+\])?)?", re.ASCII)
_STATEMENT: Final = re.compile(r"cpu=\d+ (.+)", re.ASCII)
_FREED: Final = re.compile(r"\([^)]*\) \w+=(\S+)", re.ASCII)
_PRINTED: Final = re.compile(r"(\w+): ?(.*)", re.DOTALL)

ENTRIES: Final = frozenset(
    {
        "fill_page_cache_func",
        "kfree_rcu_monitor",
        "kfree_rcu_shrink_count",
        "kfree_rcu_shrink_scan",
        "kfree_rcu_work",
        "kvfree_rcu_barrier",
        "kvfree_rcu_queue_batch",
        "schedule_page_work_fn",
        "synchronize_rcu",
        "synchronize_rcu_expedited",
        "synchronize_rcu_normal",
    }
)
"""Functions whose probes come as `Entered` and `Returned`."""

_GRACE_PERIOD_STEPS: Final = {"rcu_gp_init": "start", "rcu_gp_cleanup": "end"}

_MOST_NAMES: Final = 1000

Told = Event | Unknown | Broken
_Tell = Callable[[TraceLine, int], Event | None]


@attrs.define
class Teller:
    """Tells events one after the other. `probe` is the user's name of the probe on kvfree_call_rcu(), "" for any."""

    header: Header
    calls: CallReader
    columns: Columns
    probe: str = ""
    _tells: dict[str, _Tell | None] = attrs.field(factory=dict, init=False)
    """By the name of the event, found once."""
    _printed: Mapping[str, _Tell] = attrs.field(init=False)
    _tracepoints: Mapping[str, _Tell] = attrs.field(init=False)
    _functions: Mapping[str, _Tell] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._printed = {
            "kvt_write": self._mark,
            "tracing_mark_write": self._mark,
            "state": self._state,
            "runp": self._statement,
        }
        self._tracepoints = {
            "rcu_grace_period": _grace_period,
            "rcu_exp_grace_period": _expedited_period,
            "rcu_invoke_kfree_bulk_callback": self._bulk_callback,
            "rcu_invoke_kvfree_callback": self._object_callback,
            "hrtimer_start": self._hrtimer_start,
            "hrtimer_expire_entry": self._hrtimer_expire,
            "hrtimer_cancel": self._timer_cancel,
            "timer_start": self._timer_start,
            "timer_expire_entry": self._timer_expire,
            "timer_cancel": self._timer_cancel,
            "workqueue_queue_work": self._queue_work,
            "workqueue_execute_start": self._work,
            "workqueue_execute_end": self._work,
            "print": self._print,
            "bprint": self._print,
            "bputs": self._print,
        }
        self._functions = {
            "kvfree_call_rcu": self._call,
            "__get_free_pages": _page_asked,
            "free_pages": _page_freed,
            "kvfree_rcu_bulk": _block_freed,
            "kvfree_rcu_list": _list_freed,
            "kmem_cache_free_bulk": _bulk_freed,
        }

    def tell(self, line: TraceLine, at: int) -> Told:
        """The event of a line, which is the `at`th of its file."""
        if line.text.startswith(" "):  # padding, which trace-cmd adds
            line = attrs.evolve(line, text=line.text.lstrip(" "))
        try:
            tell = self._tells[line.event]
        except KeyError:
            tell = self._find(line)
        if tell is None:
            if line.event.startswith(_OTHERS):
                return Other(*_who(line), line.event, line.text, number=at)
            return Unknown(at, line.event, line.text)
        try:
            told = tell(line, at)
        except NoNumber as error:
            return Broken(at, line.event, line.text, str(error))
        return told if told is not None else Broken(at, line.event, line.text, "it does not say what such a line says")

    def _find(self, line: TraceLine) -> _Tell | None:
        """How an event of this name is told."""
        tell = self._printed.get(line.event) or self._tracepoints.get(line.event)
        if self.probe and line.event == self.probe:
            tell = self._call
        if tell is None and (probe := probe_of(line.event, line.text)) is not None:
            tell = self._of_probe(probe)
        if len(self._tells) < _MOST_NAMES:  # of a text that is no trace there are more
            self._tells[line.event] = tell
        return tell

    def _of_probe(self, probe: Probe) -> _Tell | None:
        function = probe.function
        if function == "kvfree_call_rcu" and (self.probe or probe.returns):
            return None  # the user has said which one it is; its return tells nothing
        if probe.returns:
            return _page_got if function == "__get_free_pages" else self._returned_from(function)
        tell = self._functions.get(function)
        return tell if tell is not None else self._entry_of(function)

    def _returned_from(self, function: str) -> _Tell | None:
        if function not in ENTRIES:
            return None

        def returned(line: TraceLine, at: int) -> Event | None:
            if ")" not in line.text:
                return None
            value = arguments(line.text).get("ret")
            to = returns_to(line.text)
            return Returned(*_who(line), function, to, None if value is None else number(value), number=at)

        return returned

    def _entry_of(self, function: str) -> _Tell | None:
        """Of functions of which several are told in the same words."""
        if function in ("kvfree", "vfree"):
            return functools.partial(_object_freed, function)
        if function in _GRACE_PERIOD_STEPS:
            return functools.partial(_grace_period_probe, _GRACE_PERIOD_STEPS[function])
        return functools.partial(_entered, function) if function in ENTRIES else None

    # What tasks write.

    def _print(self, line: TraceLine, at: int) -> Event | None:
        """Some tools print who called trace_printk() as the beginning of the text, not as the event."""
        match = _PRINTED.fullmatch(line.text)
        if match is None or (tell := self._printed.get(match[1])) is None:
            return Mark(*_who(line), line.text, number=at)
        return tell(attrs.evolve(line, event=match[1], text=match[2]), at)

    def _mark(self, line: TraceLine, at: int) -> Event | None:
        text = line.text.rstrip()
        if text.startswith("KRCADDR"):
            addresses = parse_addresses(text)
            if addresses is None:
                return None
            self.header.krc[addresses.cpu] = addresses
            return AddressesTold(*_who(line), addresses, number=at)
        return Mark(*_who(line), text, number=at)

    def _state(self, line: TraceLine, at: int) -> Event | None:
        """A snapshot; other texts there are the rig's own."""
        if not line.text.startswith("KRC "):
            return Mark(*_who(line), line.text, number=at)
        state = parse_state(line)
        if state is None:
            return None
        if wrong := state.contradiction():
            raise NoNumber(wrong)
        return StateTold(*_who(line), state, number=at)

    def _statement(self, line: TraceLine, at: int) -> Event | None:
        word, _, rest = line.text.rstrip().partition(" ")
        if word not in ("STMT", "STMTEND"):
            return Mark(*_who(line), line.text, number=at)
        match = _STATEMENT.fullmatch(rest)
        words = () if match is None else tuple(match[1].split())
        statement = Statement(*_who(line), words, word == "STMTEND", number=at)
        self.calls.note(statement)
        return statement

    # Probes.

    def _call(self, line: TraceLine, at: int) -> Event | None:
        return self.calls.read(line, self.columns.context_of(line.flags), at)

    # Tracepoints, of which the pointers may be hashed or hidden.

    def _pointer(self, text: str, function: str = "") -> int | None:
        """`function` is what that timer or work calls: the model's own traces have no address there, but this name."""
        if function and text == function:
            return None
        value = tracepoint_pointer(text)
        if self.header.addresses is Addresses.UNKNOWN and value != 0:
            if value is None:
                self.header.addresses = Addresses.HIDDEN
            else:
                self.header.addresses = Addresses.REAL if value >> 32 else Addresses.HASHED
        return value

    def _bulk_callback(self, line: TraceLine, at: int) -> Event | None:
        match = _BULK_CALLBACK.fullmatch(line.text)
        if match is None:
            return None
        return BulkCallback(*_who(line), self._pointer(match[1]), int(match[2]), number=at)

    def _object_callback(self, line: TraceLine, at: int) -> Event | None:
        match = _OBJECT_CALLBACK.fullmatch(line.text)
        if match is None:
            return None
        return ObjectCallback(*_who(line), self._pointer(match[1]), number(match[2]), number=at)

    def _hrtimer_start(self, line: TraceLine, at: int) -> Event | None:
        match = _HRTIMER.fullmatch(line.text)
        if match is None:
            return None
        return HrtimerStarted(*_who(line), self._pointer(match[1], match[2]), match[2], int(match[3]), number=at)

    def _hrtimer_expire(self, line: TraceLine, at: int) -> Event | None:
        match = _HRTIMER.fullmatch(line.text)
        if match is None:
            return None
        return HrtimerExpired(*_who(line), self._pointer(match[1], match[2]), match[2], int(match[3]), number=at)

    def _timer_start(self, line: TraceLine, at: int) -> Event | None:
        match = _TIMER_START.fullmatch(line.text)
        if match is None:
            return None
        times = int(match[3]), int(match[4])
        return TimerStarted(
            *_who(line), self._pointer(match[1], match[2]), match[2], *times, int(match[5] or -1), number=at
        )

    def _timer_expire(self, line: TraceLine, at: int) -> Event | None:
        match = _TIMER_EXPIRE.fullmatch(line.text)
        if match is None:
            return None
        return TimerExpired(*_who(line), self._pointer(match[1], match[2]), match[2], int(match[3]), number=at)

    def _timer_cancel(self, line: TraceLine, at: int) -> Event | None:
        match = _TIMER_CANCEL.fullmatch(line.text)
        if match is None:
            return None
        return TimerCancelled(*_who(line), self._pointer(match[1]), line.event == "hrtimer_cancel", number=at)

    def _queue_work(self, line: TraceLine, at: int) -> Event | None:
        match = _QUEUE_WORK.fullmatch(line.text)
        if match is None:
            return None
        return WorkQueued(*_who(line), self._pointer(match[1], match[2]), match[2], match[3], int(match[4]), number=at)

    def _work(self, line: TraceLine, at: int) -> Event | None:
        match = _WORK.fullmatch(line.text)
        if match is None:
            return None
        kind = WorkStarted if line.event == "workqueue_execute_start" else WorkEnded
        return kind(*_who(line), self._pointer(match[1], match[2] or ""), match[2] or "", number=at)


def _who(line: TraceLine) -> tuple[int, int, str, int, str]:
    """The fields that every event has."""
    return line.time_ns, line.cpu, line.comm, line.pid, line.flags


def _grace_period(line: TraceLine, at: int) -> Event | None:
    match = _GRACE_PERIOD.fullmatch(line.text)
    return None if match is None else GracePeriod(*_who(line), match[1], int(match[2]), match[3], number=at)


def _expedited_period(line: TraceLine, at: int) -> Event | None:
    match = _GRACE_PERIOD.fullmatch(line.text)
    return None if match is None else ExpeditedPeriod(*_who(line), match[1], int(match[2]), match[3], number=at)


def _grace_period_probe(step: str, line: TraceLine, at: int) -> Event | None:
    return GracePeriod(*_who(line), "", None, step, number=at) if ")" in line.text else None


def _entered(function: str, line: TraceLine, at: int) -> Event | None:
    if ")" not in line.text:
        return None
    krcp = arguments(line.text).get("krcp")
    return Entered(*_who(line), function, None if krcp is None else kernel_pointer(krcp), number=at)


def _object_freed(function: str, line: TraceLine, at: int) -> Event | None:
    match = _FREED.fullmatch(line.text)
    return None if match is None else ObjectFreed(*_who(line), function, kernel_pointer(match[1]), number=at)


def _page_asked(line: TraceLine, at: int) -> Event | None:
    told = arguments(line.text)
    if "gfp" not in told:
        return None
    return PageAsked(*_who(line), number(told["gfp"]), number(told.get("order", "0")), number=at)


def _page_got(line: TraceLine, at: int) -> Event | None:
    told = arguments(line.text)
    return (
        PageGot(*_who(line), kernel_pointer(told["ret"]), returns_to(line.text), number=at) if "ret" in told else None
    )


def _page_freed(line: TraceLine, at: int) -> Event | None:
    told = arguments(line.text)
    return PageFreed(*_who(line), kernel_pointer(told["addr"]), number=at) if "addr" in told else None


def _block_freed(line: TraceLine, at: int) -> Event | None:
    told = arguments(line.text)
    if told.get("idx") not in ("0", "1") or not {"krcp", "bnode", "nr"} <= told.keys():
        return None
    krcp, block = kernel_pointer(told["krcp"]), kernel_pointer(told["bnode"])
    return BlockFreed(*_who(line), krcp, block, int(told["idx"]), number(told["nr"]), number=at)


def _list_freed(line: TraceLine, at: int) -> Event | None:
    told = arguments(line.text)
    return ListFreed(*_who(line), kernel_pointer(told["head"]), number=at) if "head" in told else None


def _bulk_freed(line: TraceLine, at: int) -> Event | None:
    told = arguments(line.text)
    if not {"s", "size"} <= told.keys():
        return None
    return BulkFreed(*_who(line), number(told["s"]), number(told["size"]), number=at)
