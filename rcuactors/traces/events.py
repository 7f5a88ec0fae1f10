"""What a trace tells, line by line: one class for each kind of event, gap and oddity.

A trace is a stream of `Item`s. An `Event` is a line that the kernel wrote (what its own probe or tracepoint says, and
on which CPU, in which task, under which flags); `Gap` says that something is missing between the line before and the
one after, and nothing may be concluded across it; `Unknown` is a line that nobody here understands, `Broken` one that
ought to be understood and is not.

Probes are known by the function that they stand on, not by the name that somebody gave them: `Entered` and `Returned`
carry the kernel's name of the function. Addresses are integers, or None where the kernel hid them (`(____ptrval____)`);
hashed ones are integers like the real ones, equal for equal pointers: `Header.addresses` says which. `perf script` and
some `trace-cmd report` print no flags: `flags` is then "" and `context` "unknown".
"""

from __future__ import annotations

import enum

import attrs

from .krc import KrcAddresses, KrcState


@attrs.frozen
class Event:
    """A line of the kernel's. `number` is the line's, from 1 (0 for what is no line); `pid` the task's thread id."""

    time_ns: int
    cpu: int
    comm: str
    pid: int
    flags: str
    number: int = attrs.field(default=0, kw_only=True, eq=False)


@attrs.frozen
class Call(Event):
    """One kvfree_call_rcu().

    `address` is the object itself, not its rcu_head, which is `offset` into it (0 in the one-argument form). `kind`
    is slab or vmalloc. `caller` is '' where it was not recorded. `context` is what the flags say, and the rig's note of
    the statement where that knows better.
    """

    context: str
    one_argument: bool
    kind: str
    address: int
    caller: str
    offset: int = 0


@attrs.frozen
class Entered(Event):
    """A probe on a function's entry. `argument` is what identifies what it works on (a krcp), None where not told.

    Functions with a class of their own below do not come as this one.
    """

    function: str
    argument: int | None = None


@attrs.frozen
class Returned(Event):
    """A probe on a function's return: `to` what function it returns to, '' where not told; `value` likewise None."""

    function: str
    to: str
    value: int | None = None


@attrs.frozen
class PageAsked(Event):
    """__get_free_pages() or get_free_pages_noprof() is entered, for one page of `gfp`."""

    gfp: int
    order: int


@attrs.frozen
class PageGot(Event):
    """It returns: `page` is its address, 0 where there was none. `to` the function that asked, '' where not told."""

    page: int
    to: str


@attrs.frozen
class PageFreed(Event):
    """free_pages()."""

    page: int


@attrs.frozen
class BlockFreed(Event):
    """kvfree_rcu_bulk() is entered, v6.6 and later: a block of `nr_records` pointers at `block`, a whole page.

    `channel` is 0 for kmalloc() objects, 1 for vmalloc() areas.
    """

    krcp: int
    block: int
    channel: int
    nr_records: int


@attrs.frozen
class ListFreed(Event):
    """kvfree_rcu_list() is entered, v6.6 and later. `head` is the list's first rcu_head."""

    head: int


@attrs.frozen
class BulkCallback(Event):
    """The tracepoint rcu_invoke_kfree_bulk_callback: `records` is where the pointers lie (inside the block)."""

    records: int | None
    nr_records: int


@attrs.frozen
class BulkFreed(Event):
    """kmem_cache_free_bulk() is entered; `cache` 0 is how kvfree_rcu() asks, others name one."""

    cache: int
    size: int


@attrs.frozen
class ObjectCallback(Event):
    """The tracepoint rcu_invoke_kvfree_callback.

    `offset` is that of the rcu_head in the object, 0 for a vmalloc block's. `head` is the rcu_head, or for a vmalloc
    block the object.
    """

    head: int | None
    offset: int


@attrs.frozen
class ObjectFreed(Event):
    """kvfree() or vfree() (`function`) is entered for an address: whoever calls it, the recorded code or another."""

    function: str
    address: int


@attrs.frozen
class HrtimerStarted(Event):
    """hrtimer_start."""

    timer: int | None
    function: str
    expires_ns: int


@attrs.frozen
class HrtimerExpired(Event):
    """hrtimer_expire_entry. `now_ns` is the clock that it saw."""

    timer: int | None
    function: str
    now_ns: int


@attrs.frozen
class TimerStarted(Event):
    """timer_start. `expires` and `timeout` in jiffies: `now` is their difference.

    `on_cpu` is whose timers it is put among, -1 where that is not told.
    """

    timer: int | None
    function: str
    expires: int
    timeout: int
    on_cpu: int = -1

    @property
    def now(self) -> int:
        """The jiffies at which it was started."""
        return self.expires - self.timeout


@attrs.frozen
class TimerExpired(Event):
    """timer_expire_entry. `now` in jiffies."""

    timer: int | None
    function: str
    now: int


@attrs.frozen
class TimerCancelled(Event):
    """timer_cancel or hrtimer_cancel. The first is written for every timer that expires, too."""

    timer: int | None
    high_resolution: bool


@attrs.frozen
class WorkQueued(Event):
    """workqueue_queue_work. `on_cpu` is where it is to run, -1 for an unbound queue."""

    work: int | None
    function: str
    workqueue: str
    on_cpu: int


@attrs.frozen
class WorkStarted(Event):
    """workqueue_execute_start."""

    work: int | None
    function: str


@attrs.frozen
class WorkEnded(Event):
    """workqueue_execute_end. `function` is '' in kernels that do not print it."""

    work: int | None
    function: str


@attrs.frozen
class GracePeriod(Event):
    """rcu_grace_period, or, where there are no RCU tracepoints, probes on rcu_gp_init() and rcu_gp_cleanup().

    `step` is the tracepoint's word: "start" and "end" are the whole system's; "cpustart", "cpuend", "cpuqs" and
    others are steps inside one. `gp_seq` is the number that the tracepoint prints, None from a probe: there "start" is
    the entry of rcu_gp_init() and "end" that of rcu_gp_cleanup().
    """

    rcu_name: str
    gp_seq: int | None
    step: str


@attrs.frozen
class ExpeditedPeriod(Event):
    """rcu_exp_grace_period, of the whole system: `seq` is the number that was wanted, `step` the tracepoint's word."""

    rcu_name: str
    seq: int
    step: str


@attrs.frozen
class Statement(Event):
    """The rig notes what its task does next: `words` of the script. At `ends` it is done.

    Statements that free nothing have no end of their own: the next one of the same task ends them.
    """

    words: tuple[str, ...]
    ends: bool = False


@attrs.frozen
class Mark(Event):
    """Text that somebody wrote into the trace: `BEGIN` and `END` of the rig, phases of workloads, anything."""

    text: str


@attrs.frozen
class AddressesTold(Event):
    """The rig tells where the timers and works of one CPU's struct kfree_rcu_cpu are."""

    addresses: KrcAddresses


@attrs.frozen
class StateTold(Event):
    """A snapshot of one CPU's struct kfree_rcu_cpu: `state.cpu` is whose, `cpu` where it was printed."""

    state: KrcState


@attrs.frozen
class Other(Event):
    """An event of a family that is known and tells nothing here: sched_*, irq_*, timers and works of others' kind."""

    event: str
    text: str


class Missing(enum.Enum):
    """Why something is missing. The value is how it is told."""

    LOST = "events were lost"
    """The kernel's ring buffer overran while it was read."""
    OVERWRITTEN = "the start was overwritten"
    """The ring buffer was full, and has forgotten its oldest events: of all CPUs or of `cpu`."""
    CUT = "the file is cut"
    """It ends before the recording did, by its own words or in the middle of a line."""
    BACKWARDS = "time goes back"
    """A line is older than the one before it: lines out of order, or another run."""


@attrs.frozen
class Gap:
    """Something is missing (or out of order) before line `number`. Nothing may be compared across it.

    `cpu` is None where that is not told, or concerns all; `events` is how many were lost, None where not told; `to_ns`
    the time to which it goes back.
    """

    number: int
    missing: Missing
    cpu: int | None = None
    events: int | None = None
    text: str = ""
    to_ns: int | None = None


@attrs.frozen
class Unknown:
    """A line that is no event (`event` is ''), or an event that nobody here understands. `text` is all of it."""

    number: int
    event: str
    text: str


@attrs.frozen
class Broken:
    """A line of an event that is understood, but does not say what such a line says: `wrong` in words."""

    number: int
    event: str
    text: str
    wrong: str


Item = Event | Gap | Unknown | Broken


class Addresses(enum.Enum):
    """How pointers are printed in a trace."""

    REAL = "real"
    HASHED = "hashed"
    HIDDEN = "hidden"
    UNKNOWN = "unknown"


@attrs.define
class Header:
    """What the comments at the top say; more of it is known the further the trace is read.

    `script`, `pre` (commands before the run, such as fault injection) and `params` are the rig's; for workloads
    `params` is the whole kernel command line. A parameter without a value is ''. `kernel` is '' where it is not named.
    `buffered` is (entries in the buffer, entries written). `text_format` is `ftrace`, `trace-cmd` or `perf`, '' before
    the first event.
    """

    name: str = ""
    script: str = ""
    pre: str = ""
    params: dict[str, str] = attrs.field(factory=dict)
    kernel: str = ""
    nr_cpus: int = 0
    buffered: tuple[int, int] | None = None
    text_format: str = ""
    krc: dict[int, KrcAddresses] = attrs.field(factory=dict)
    """Where each CPU's timers and works are, by CPU, where the rig told it."""
    addresses: Addresses = Addresses.UNKNOWN
