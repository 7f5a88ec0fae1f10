"""The modelled kernel's configuration, by the kernel's own names.

Kconfig symbols, boot parameters, and a few sizes of the machine: one frozen value, checked in one place. It knows
nothing of what the names do; each floor reads the fields that concern it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any, Final

import attrs

from .errors import BadInput, bad_value, shown
from .spelling import no_such

_TRUE: Final = frozenset({"y", "yes", "1", "true", "on"})
_FALSE: Final = frozenset({"n", "no", "0", "false", "off"})
_SUFFIXES: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def _kconfig(default: bool, about: str) -> Any:
    return attrs.field(default=default, metadata={"about": about}, validator=attrs.validators.instance_of(bool))


def _number(default: int, low: int, high: int, about: str, *, size: bool = False) -> Any:
    return attrs.field(default=default, metadata={"about": about, "low": low, "high": high, "size": size})


@attrs.frozen(kw_only=True, cache_hash=True)
class Config:
    """What the kernel was built and booted with. Raises BadInput for a value out of its range."""

    PREEMPT: bool = _kconfig(True, "the kernel is preemptible (PREEMPT_RCU, PREEMPT_COUNT); n: PREEMPT_NONE")
    PREEMPT_RT: bool = _kconfig(False, "spinlock_t sleeps, softirqs are threaded; implies PREEMPT")
    PREEMPT_LAZY: bool = _kconfig(
        False,
        "a thread that is not real-time preempts another such one at a tick only (v6.18 and later, with PREEMPT or "
        "PREEMPT_RT)",
    )
    PREEMPT_RT_NEEDS_BH_LOCK: bool = _kconfig(
        False,
        "on PREEMPT_RT bottom halves off is a lock of the CPU: a choice from v6.18 on, before it is always so",
    )
    preempt_voluntary: bool = _kconfig(
        False, "booted with preempt=voluntary: built as with PREEMPT, but a thread gives way at cond_resched() only"
    )
    PROVE_LOCKING: bool = _kconfig(True, "lockdep: held locks are tracked and judged; selects PREEMPT_COUNT")
    PROVE_RCU_LIST: bool = _kconfig(
        False,
        "an RCU list that is gone through outside of a reader is reported (needs PROVE_LOCKING)",
    )
    PROVE_RAW_LOCK_NESTING: bool = _kconfig(
        False, "lockdep checks wait types: no spinlock_t under a raw_spinlock_t; implies PROVE_LOCKING"
    )
    lockdep_keep_going: bool = _kconfig(
        False, "lockdep goes on validating after its first report; the kernel switches itself off"
    )
    DEBUG_ATOMIC_SLEEP: bool = _kconfig(False, "might_sleep() reports atomic context; selects PREEMPT_COUNT")
    DEBUG_PREEMPT: bool = _kconfig(
        False, "smp_processor_id() and this_cpu_ptr() report who could be moved; needs a preemptible kernel"
    )
    DEBUG_LOCKDEP: bool = _kconfig(
        False, "lockdep compares what it knows of interrupts and bottom halves with what is (check_flags())"
    )
    DEBUG_IRQFLAGS: bool = _kconfig(
        False, "local_irq_restore() with interrupts on is reported (v5.12 and later: of the versions here v6.1-stable)"
    )
    DETECT_HUNG_TASK: bool = _kconfig(True, "a thread that sleeps uninterruptibly for too long is reported")
    hung_task_timeout_secs: int = _number(120, 0, 1_000_000, "how long that is, in seconds; 0: never")
    WQ_WATCHDOG: bool = _kconfig(True, "a pool of workers that starts nothing for too long is reported")
    watchdog_thresh: int = _number(
        30, 0, 1_000_000, "how long that is (workqueue.watchdog_thresh), in seconds; 0: never"
    )
    cpu_intensive_thresh_us: int = _number(
        10_000,
        0,
        1_000_000,
        "how long a work may run before its pool starts the next one (v6.6 and later), in microseconds; 0: for ever",
    )
    SOFTLOCKUP_DETECTOR: bool = _kconfig(False, "a CPU on which nothing else can run for more than 20 s is reported")
    HARDLOCKUP_DETECTOR: bool = _kconfig(False, "a CPU that takes no interrupt for 10 s is reported")
    fair_server_runtime: int = _number(
        50_000_000,
        0,
        1_000_000_000,
        "how much of a second a real-time thread leaves to the others (v6.12 and later), in nanoseconds; 0: nothing",
    )
    HZ: int = attrs.field(default=250, metadata={"about": "jiffies a second: 100, 250, 300 or 1000"})
    nr_cpus: int = _number(2, 1, 4096, "CPUs of the machine")
    maxcpus: int = _number(
        0, 0, 4096, "of these, how many are brought up at boot, from CPU 0 on; 0, or more than there are: all"
    )
    mem: int = _number(512 << 20, 4 << 20, 1 << 40, "bytes of memory that the zone manages (suffix K, M, G)", size=True)
    pcp_batch: int = _number(
        0, 0, 4096, "pages moved between a pcplist and the zone at a time; 0: as zone_batchsize() has it"
    )
    rcu_min_cached_objs: int = _number(-1, -1, 4096, "pages that a CPU's cache may hold; -1: the version's default")
    KVFREE_RCU_BATCHED: bool = _kconfig(
        True, "n: kvfree_rcu() is call_rcu() of each object, as in a kernel with SLUB_TINY (v6.18 and later)"
    )
    rcu_delay_page_cache_fill_msec: int = _number(
        5000, 0, 100_000, "how long a refill is put off when the shrinker has looked (v6.1 and later)"
    )
    jiffies_till_first_fqs: int = _number(
        -1, -1, 1_000_000, "jiffies from the start of a grace period to its first scan for idle CPUs; -1: by HZ"
    )
    jiffies_till_next_fqs: int = _number(-1, -1, 1_000_000, "jiffies from one such scan to the next; -1: by HZ")
    rcu_fanout: int = _number(64, 2, 64, "nodes below one of the rcu_node tree (CONFIG_RCU_FANOUT)")
    rcu_fanout_leaf: int = _number(16, 2, 64, "CPUs of one of its leaves (rcutree.rcu_fanout_leaf)")
    rcu_nocbs: bool = _kconfig(
        False, "booted with rcu_nocbs=all: threads invoke the callbacks of all CPUs (RCU_NOCB_CPU)"
    )
    RCU_LAZY: bool = _kconfig(
        False, "call_rcu() on such a CPU may wait ten seconds for company, call_rcu_hurry() not (v6.6 and later)"
    )
    rcu_expedited: bool = _kconfig(False, "booted with rcupdate.rcu_expedited: synchronize_rcu() is an expedited one")
    rcu_normal: bool = _kconfig(False, "booted with rcupdate.rcu_normal: nobody gets an expedited grace period")
    rcu_normal_wake_from_gp: int = _number(
        -1, -1, 1, "1: the grace-period kthread itself wakes who waits in synchronize_rcu(); -1: as the version has it"
    )
    rcu_cpu_stall_timeout: int = _number(
        21, 3, 300, "seconds until a grace period is said to stall; PROVE_LOCKING adds five"
    )
    stat_interval: int = _number(
        0, 0, 3600, "seconds between vmstat's looks at grown page lists (vm.stat_interval; 0: never, a kernel's is 1)"
    )
    fail_page_alloc: int = _number(0, 0, 100, "percent of page allocations that fail (the kernel's fault injection)")
    debug_pagealloc: bool = _kconfig(
        False, "pages are unmapped while they are free; (un)mapping takes a spinlock_t, as on powerpc with hash tables"
    )
    page_owner: bool = _kconfig(False, "who allocates or frees a page leaves a stack in the stack depot")
    KASAN: bool = _kconfig(False, "pages are poisoned while they are free, and a use of one that is so is reported")
    KCSAN: bool = _kconfig(
        False,
        "two plain accesses of two CPUs to a field, one a write, that nothing orders are reported",
    )
    KCSAN_STRICT: bool = _kconfig(
        False, "with KCSAN two such writes are reported, too, and writes of what was there (KCSAN_STRICT)"
    )
    stack_depot_full: bool = _kconfig(
        False, "the next new stack that KASAN saves needs memory for the stack depot (lib/stackdepot.c)"
    )
    DEBUG_OBJECTS_FREE: bool = _kconfig(
        False, "freed memory is searched for active timers, works and rcu_heads, of the kinds that are switched on"
    )
    DEBUG_OBJECTS_TIMERS: bool = _kconfig(False, "debug objects watch timers and hrtimers")
    DEBUG_OBJECTS_WORK: bool = _kconfig(False, "debug objects watch works")
    DEBUG_OBJECTS_RCU_HEAD: bool = _kconfig(False, "debug objects watch rcu_heads: a second call_rcu() is dropped")
    debug_objects_pool: int = _number(
        -1, -1, 1 << 20, "objects in debug objects' own pool when the run begins; -1: it is full (lib/debugobjects.c)"
    )
    DEBUG_LIST: bool = _kconfig(
        False, "list_add() and list_del() look at what is around an entry first, and leave a spoilt list as it is"
    )
    slub_debug: bool = _kconfig(
        False, "booted with slub_debug=FZPU: the slab allocator checks what it is given back, and tells who freed it"
    )
    migrate: bool = _kconfig(
        False, "threads that are not bound may be moved between CPUs, by strategies that do not obey time"
    )
    latitude: bool = _kconfig(
        False,
        "which of the threads of one urgency runs next, and how late a timer is, are open, to strategies that do not "
        "obey time",
    )
    late_timers: bool = _kconfig(False, "of these, how late a timer is, alone")
    waiters: bool = _kconfig(False, "of these, which thread that waits for a CPU runs next, alone")
    slow_workers: bool = _kconfig(
        False, "a worker may begin late on what it was woken for, with strategies that do not obey time"
    )
    spurious_irqs: bool = _kconfig(
        False, "an interrupt that nobody wants may come at any point, with strategies that do not obey time"
    )
    spurious_nmis: bool = _kconfig(
        False, "an NMI that nobody wants may come at any point, with strategies that do not obey time"
    )
    reclaim_now: bool = _kconfig(
        False,
        "an allocation of a page that may reclaim does so now and then as if memory were low, with strategies that do "
        "not obey time",
    )
    irq_work_interrupt: bool = _kconfig(
        True, "a CPU can interrupt itself for irq_works (arch_irq_work_has_interrupt()); without, a tick runs them"
    )
    timer_migration: bool = _kconfig(
        False, "idle CPUs leave timers that are not pinned to others, from v6.9 on, as soon as the kernel lets them"
    )
    hotplug: bool = _kconfig(False, "CPUs may go off- and online at any moment, with strategies that do not obey time")
    cold_caches: bool = _kconfig(
        False, "when a scenario begins, each CPU's page list is empty, and its page cache of kvfree_rcu() as well"
    )
    warm_caches: bool = _kconfig(False, "when a scenario begins, these are filled, as by others before it")
    bystanders: bool = _kconfig(
        False, "while a scenario runs, others on the other CPUs take pages, and hold its locks for a moment each"
    )
    panic_on_warn: bool = _kconfig(False, "the first report ends the run")

    @HZ.validator
    def _check_hz(self, _attribute: object, value: int) -> None:
        if value not in (100, 250, 300, 1000):
            raise bad_value(f"HZ={value}", "100, 250, 300 or 1000, as the kernel has them")

    def __attrs_post_init__(self) -> None:
        for field in attrs.fields(Config):
            if "low" in field.metadata:
                _check_range(field.name, getattr(self, field.name), field.metadata["low"], field.metadata["high"])
        if self.preempt_voluntary and (self.PREEMPT_RT or not self.PREEMPT):
            wrong = "PREEMPT_RT=y" if self.PREEMPT_RT else "PREEMPT=n"
            raise bad_value(f"preempt_voluntary=y with {wrong}", "a kernel with PREEMPT=y and PREEMPT_RT=n")
        self._check_fanout()
        if self.PREEMPT_LAZY and not self.full_preemption:
            wrong = "preempt_voluntary=y" if self.preempt_voluntary else "PREEMPT=n"
            raise bad_value(f"PREEMPT_LAZY=y with {wrong}", "a kernel with PREEMPT=y or PREEMPT_RT=y")
        if self.DEBUG_PREEMPT and not self.preemptible_kernel:
            raise bad_value("DEBUG_PREEMPT=y with PREEMPT=n", "a kernel with PREEMPT=y or PREEMPT_RT=y")
        if self.cold_caches and self.warm_caches:
            raise bad_value("cold_caches=y with warm_caches=y", "one of them")

    def _check_fanout(self) -> None:
        """The rcu_node tree has four levels at most (include/linux/rcu_node_tree.h)."""
        held = self.rcu_fanout_leaf * self.rcu_fanout**3
        if self.nr_cpus > held:
            raise BadInput(
                f"rcu_fanout={self.rcu_fanout} and rcu_fanout_leaf={self.rcu_fanout_leaf} with nr_cpus={self.nr_cpus}: "
                f"a tree of four levels has room for {held} CPUs"
            )

    @property
    def preemptible_kernel(self) -> bool:
        """CONFIG_PREEMPTION: RCU is preemptible, too."""
        return self.PREEMPT or self.PREEMPT_RT

    @property
    def full_preemption(self) -> bool:
        """A thread is preempted wherever its preempt_count is 0 and interrupts are on (preempt_model_full())."""
        return self.preemptible_kernel and not self.preempt_voluntary

    @property
    def preempt_model(self) -> str:
        """preempt_model_str() of a kernel with PREEMPT_DYNAMIC (kernel/sched/core.c, 6.18.2)."""
        if self.PREEMPT_RT:
            return "PREEMPT_{RT,(full)}"
        if not self.PREEMPT:
            return "NONE"
        return "PREEMPT(voluntary)" if self.preempt_voluntary else "PREEMPT(full)"

    @property
    def preempt_count(self) -> bool:
        """CONFIG_PREEMPT_COUNT: preempt_disable() leaves a trace (include/linux/preempt.h).

        PROVE_LOCKING and DEBUG_ATOMIC_SLEEP select it (lib/Kconfig.debug).
        """
        return self.preemptible_kernel or self.DEBUG_ATOMIC_SLEEP or self.lockdep

    @property
    def lockdep(self) -> bool:
        """CONFIG_LOCKDEP."""
        return self.PROVE_LOCKING or self.PROVE_RAW_LOCK_NESTING

    @property
    def surroundings(self) -> tuple[str, ...]:
        """What only a scenario's run has of its own: by the names of those that are asked for."""
        return tuple(name for name in ("cold_caches", "warm_caches", "bystanders") if getattr(self, name))

    @property
    def jiffy_ns(self) -> int:
        """Length of a jiffy in nanoseconds."""
        return 1_000_000_000 // self.HZ

    def as_settings(self) -> dict[str, str]:
        """Every field by its name, in the form in which it is set: y, n, or a number."""
        return dict(_texts_of(self))


@lru_cache(maxsize=64)
def _texts_of(config: Config) -> tuple[tuple[str, str], ...]:
    return tuple((field.name, value_text(getattr(config, field.name))) for field in attrs.fields(Config))


def settings_as_texts(given: object) -> dict[str, str]:
    """Settings by name, as texts: given as numbers, texts, True and False. Raises BadInput for anything else."""
    if not isinstance(given, Mapping):
        raise bad_value(f"settings={shown(given)}", "values by name, such as {'HZ': 1000}")
    for name, value in given.items():
        if not isinstance(name, str) or not isinstance(value, bool | int | str):
            where = f"{name if isinstance(name, str) else shown(name)}={shown(value)}"
            raise bad_value(where, "a number, a text or True or False, by its name")
    return {name: value_text(value) for name, value in given.items()}


def value_text(value: object) -> str:
    """A value in the form in which it is set: y, n, a number or a text."""
    if isinstance(value, bool):
        return "y" if value else "n"
    return str(value)


def _check_range(name: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise bad_value(f"{name}={value}", f"a whole number from {low} to {high}")


@cache
def field_names() -> tuple[str, ...]:
    """The names that can be set, in the order of the class."""
    return tuple(field.name for field in attrs.fields(Config))


def describe_fields() -> list[tuple[str, str, str]]:
    """(name, default, what it does) of each field."""
    default = Config().as_settings()
    return [(field.name, default[field.name], field.metadata["about"]) for field in attrs.fields(Config)]


def _parse_bool(name: str, text: str) -> bool:
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise bad_value(f"{name}={text}", "y or n")


def _parse_number(name: str, text: str, *, size: bool) -> int:
    word = text.strip().lower()
    factor = 1
    if size and word and word[-1] in _SUFFIXES:
        word, factor = word[:-1], _SUFFIXES[word[-1]]
    try:
        # int() would also take underscores and other scripts' digits, which the kernel does not
        return int(word if word.isascii() and "_" not in word else "x") * factor
    except ValueError:
        example = "a size such as 64M" if size else "a whole number"
        raise bad_value(f"{name}={text}", example) from None


def parse_value(name: str, text: str) -> bool | int:
    """Parse the text given for a field. Raises BadInput when it is not of the field's type."""
    fields = {field.name: field for field in attrs.fields(Config)}
    field = fields[name]
    if field.type in (bool, "bool"):
        return _parse_bool(name, text)
    return _parse_number(name, text, size=bool(field.metadata.get("size")))


def split_setting(setting: str) -> tuple[str, str]:
    """Split NAME=VALUE; a leading CONFIG_ is taken off. Raises BadInput when there is no value."""
    name, equals, value = setting.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise bad_value(f"--set {setting}", "NAME=VALUE, such as PREEMPT_RT=y")
    return name.strip().removeprefix("CONFIG_"), value.strip()


def with_settings(config: Config, settings: Mapping[str, str]) -> Config:
    """The configuration with the named fields set from text. Raises BadInput for an unknown name or a wrong value."""
    names = field_names()
    changes: dict[str, Any] = {}
    for name, text in settings.items():
        if name not in names:
            raise no_such("", name, names, wrong="no such configuration name")
        changes[name] = parse_value(name, text)
    return attrs.evolve(config, **changes)
