"""The elements of a timeline. Times are virtual nanoseconds; lanes and counters are named by their numbers.

A lane belongs to a group, which a picture keeps together: each CPU, the grace periods, the timers, the workers. What
lies on a lane is a span or a mark; spans of one lane may lie within each other, and do not overlap otherwise. Arrows go
from one lane and moment to another. `detail` is what is told of an element when somebody points at it, name and value.
"""

from __future__ import annotations

import enum

import attrs

# Spans, stations of lives and samples come by the thousand: to freeze one costs three times as much as to make it.

Detail = tuple[tuple[str, str], ...]
"""More about an element: names and values, as they are shown."""


class LaneKind(enum.Enum):
    """What a lane shows. Those of a CPU stand in this order, from the top."""

    __hash__ = object.__hash__

    THREADS = "threads"
    SOFTIRQ = "softirq"
    HARDIRQ = "hardirq"
    NMI = "nmi"
    IRQS_OFF = "irqs off"
    PREEMPTION_OFF = "preemption off"
    LOCKS = "locks"
    READERS = "readers"
    GRACE_PERIOD = "grace period"
    HRTIMER = "hrtimer"
    TIMER = "timer"
    WORKER = "worker"
    POOL = "pool"
    OTHER = "other"


class SpanKind(enum.Enum):
    """What lasts."""

    __hash__ = object.__hash__

    RUNS = "runs"
    IDLE = "idle"
    SOFTIRQ = "softirq"
    HARDIRQ = "hardirq"
    NMI = "nmi"
    IRQS_OFF = "irqs off"
    PREEMPTION_OFF = "preemption off"
    LOCK_HELD = "lock held"
    LOCK_WAITED_FOR = "lock waited for"
    READER = "reader"
    GRACE_PERIOD = "grace period"
    GP_STEP = "step of a grace period"
    TIMER_ARMED = "timer armed"
    WORK_PENDING = "work pending"
    WORK_RUNS = "work runs"
    CALL = "call"
    OTHER = "other"


class MarkKind(enum.Enum):
    """What happens at one moment."""

    __hash__ = object.__hash__

    EVENT = "event"
    DEPARTURE = "departure"
    VIOLATION = "violation"
    TIMER_FIRED = "timer fired"
    GAP = "gap"


class ArrowKind(enum.Enum):
    """What leads from one moment to another."""

    __hash__ = object.__hash__

    MESSAGE = "message"
    WAKE_UP = "wake-up"
    HAND_OVER = "lock hand-over"
    LIFE = "life of an object"
    RELIES_ON = "grace period relied on"


class CounterKind(enum.Enum):
    """What a curve counts."""

    __hash__ = object.__hash__

    BLOCKS = "blocks held"
    CACHED_PAGES = "cached pages"
    OBJECTS = "outstanding objects"
    BYTES = "outstanding bytes"
    PCPLIST = "pages on the CPU's list"


class Stage(enum.Enum):
    """A station in the life of an object."""

    __hash__ = object.__hash__

    ALLOCATED = "allocated"
    RETIRED = "retired"
    QUEUED = "queued"
    BATCHED = "batched"
    READY = "grace period over"
    FREED = "freed"


@attrs.frozen
class Lane:
    """One lane. `group` is the heading above it; `cpu` is -1 where it is nobody's."""

    number: int
    group: str
    name: str
    kind: LaneKind
    cpu: int = -1


@attrs.define
class Span:
    """Something that lasts. `open_ended`: it had not ended when the telling did.

    It is begun, and told of when it has ended; until then `end_ns` is no more than where it began. `who` is the thread,
    handler or device; `about` the lock, timer, work or object that a search for its name finds.
    """

    lane: int
    begin_ns: int
    end_ns: int
    kind: SpanKind
    label: str
    who: str = ""
    about: str = ""
    detail: Detail = ()
    open_ended: bool = False


@attrs.frozen
class Mark:
    """Something at one moment; the name of an event, the title of a violation."""

    lane: int
    time_ns: int
    kind: MarkKind
    label: str
    who: str = ""
    about: str = ""
    detail: Detail = ()


@attrs.frozen
class Arrow:
    """From one lane and moment to another, which is never earlier."""

    kind: ArrowKind
    from_lane: int
    from_ns: int
    to_lane: int
    to_ns: int
    label: str
    about: str = ""


@attrs.define
class Life:
    """An object has come to a station of its life. `serial` tells apart objects that had one address in turn.

    `where` says more: the block and channel that it was queued in, the batch, the number of the grace period.
    """

    serial: int
    address: int
    stage: Stage
    lane: int
    time_ns: int
    where: str = ""


@attrs.frozen
class Counter:
    """One curve. `cpu` is -1 where it is the whole machine's; `unit` as it is shown."""

    number: int
    kind: CounterKind
    name: str
    unit: str
    cpu: int = -1


@attrs.define
class Sample:
    """A counter has this value from now on."""

    counter: int
    time_ns: int
    value: int


@attrs.frozen
class Krcp:
    """What a CPU's `struct kfree_rcu_cpu` holds from now on: names and values, in the order in which they are shown."""

    cpu: int
    time_ns: int
    state: Detail


@attrs.frozen
class Told:
    """A report, whole: its title and kind, and the text that the kernel would print, or whoever found it."""

    lane: int
    time_ns: int
    kind: str
    title: str
    text: str
