"""The words of the questions: verbs, their keys, and the values that a key may have.

They are the words of the module that asked the real kernels: a line is a verb and key=value words in any order. A key
without a value in its list takes a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

from ..errors import BadInput, bad_value
from ..spelling import did_you_mean, no_such

_MOST: Final = 1 << 40
_SWITCH: Final = ("0", "1")


@attrs.frozen
class Key:
    """A key of a verb. `values` are what it may be; without any, a number of at least `low`."""

    name: str
    default: str
    values: tuple[str, ...] = ()
    low: int = 0
    high: int = _MOST

    def check(self, verb: str, value: str) -> str:
        """The value. Raises BadInput unless it is one of the key's."""
        if self.values:
            if value not in self.values:
                known = f"{self.name} is one of {', '.join(self.values)}"
                raise BadInput(f"{verb} {self.name}={value}: {did_you_mean(value, self.values)}{known}")
            return value
        try:
            number = int(value, 0) if value.isascii() and "_" not in value else None
        except ValueError:
            number = None
        if number is None or not self.low <= number <= self.high:
            raise bad_value(f"{verb} {self.name}={value}", f"a whole number from {self.low} to {self.high}")
        return value


@attrs.frozen
class Verb:
    """A verb: its keys, what it asks, and the CPU on which the module ran it."""

    name: str
    about: str
    cpu: int
    keys: tuple[Key, ...]

    def key(self, name: str) -> Key:
        """The key of that name. Raises BadInput."""
        for key in self.keys:
            if key.name == name:
                return key
        raise no_such(f"{self.name}:", name, [key.name for key in self.keys], wrong="no such key")


def _one_of(name: str, words: str, default: str | None = None) -> Key:
    values = tuple(words.split())
    return Key(name, default if default is not None else values[0], values)


def _number(name: str, default: int, high: int = _MOST, low: int = 0) -> Key:
    return Key(name, str(default), (), low, high)


def _switch(name: str, default: str = "0") -> Key:
    return Key(name, default, _SWITCH)


_GFP: Final = "nowait atomic gfp0 kernel"
_OPS: Final = (
    "none spin read write try spinirq spinbh mutex ms msleep inc incraw rawspin kmalloc synch bhdis "
    "leakpre leakspin leakrcu leakirq leakmutex leakbh dump"
)
_F5: Final = (
    "rcu timer timerirqsafe hrtimer hrhard hrsoft tasklet iw iwhard iwlazy work syswork dwork rwork kthread ipi"
)
_OD: Final = (
    "timer work dwork hrtimer rcu rcu2 rcukrcu krcu2 krcu2x krcukfree krcutimer krcuwork reinit reinitw reinitwork "
    "addtwice uninit uninitw stack stackrh stackw afterfree queuefree rcufree delfree cancelfree rwork workrun"
)
_FL: Final = "spin raw try mutex rwsem rwlock compl wait wq krcuheld krcuheldm rd wr"
_M: Final = (
    "exit deref derefchk derefpre derefbh syncreader syncsched syncsrcu sleepreader msleepreader rcuunbal spinunbal "
    "mutexunbal mutexother recspin recmutex recraw abba dtsself dtslock dtslockirq dtsirq flushself cancelself "
    "flushwqself badflush destroy hcself dblfree dblpage kfreevm vfreeslab vfreemid vfreetwice kfreestr kfreemid "
    "kfreestack kfreebad vfreeirq vfreespin kvfreespin syncwork kmspin kvrcu1spin kvrcu1reader irqreader waitirq "
    "complirq wakeraw"
)
_HOW: Final = "none sleep spin busy"

_VERBS: Final = (
    Verb("a1", "a reader whose unlock is not yet its end: what synchronize_rcu() waits for", 0, (
        _one_of("v", "none preempt irq bh rawirq spin again"), _one_of("order", "first late"), _switch("pre", "1"),
        _switch("exp"), _number("n", 3, 1000, 1), _number("ms", 200, 60_000))),
    Verb("a8", "regions that are readers without saying so", 0, (
        _one_of("v", "none preempt irq bh hardirq softirq spin"), _switch("exp"), _number("n", 3, 1000, 1),
        _number("ms", 200, 60_000))),
    Verb("a3", "pages under a lock, with the zone low or not", 1, (
        _one_of("v", "low ok"), _number("reps", 1, 100_000, 1), _number("free", 64, 1_000_000), _one_of("gfp", _GFP),
        _one_of("lock", "raw none spin"), _switch("woken"), _switch("high"))),
    Verb("a4a", "flushing a work under a mutex that it takes", 1, (
        _one_of("v", "flush cancel flushwq drain pending"), _one_of("wq", "sys own"), _switch("first", "1"),
        _switch("then"))),
    Verb("a4b", "what flushing and cancelling wait for, and return", 1, (_number("ms", 200, 60_000),)),
    Verb("a4c", "works that never end, or spin", 0, (
        _one_of("v", "never neverord neverm inter spin spinp spinr"), _one_of("wq", "sys own"), _number("s", 12, 600),
        _number("wait", 15, 600), _switch("flush"))),
    Verb("a4d", "mod_delayed_work() and cancel_delayed_work() against the timer", 1, (
        _one_of("v", "mod cancel"), _number("n", 100_000, 10_000_000, 1))),
    Verb("a4e", "the pool's next work while the first one waits for a lock", 1, (
        _one_of("v", "spin write mutex"), _switch("pre"))),
    Verb("batch", "how many callbacks run at a time", 1, (
        _number("n", 1000, 40_000, 1), _switch("busy"), _switch("irqon"))),
    Verb("wcpu", "a work that is queued again while it runs", 1, (
        _number("hold", 50, 60_000), _one_of("how", "busy sleep"))),
    Verb("word", "six works of one queue: in which order, and beside each other or not", 1, (
        _one_of("wq", "own ord unb hi"), _one_of("how", _HOW))),
    Verb("a6", "bottom halves with interrupts off, in hardirq, unbalanced", 1, (
        _one_of("v", "irqoff enaonly disonly hardirq hrtimer spinbh rawspinbh twice unbal underpre"),)),
    Verb("a7", "local_lock_t", 1, (
        _one_of("v", "two irq softirq rec raw sleep mutex spinin irqsave"), _switch("inside"))),
    Verb("a9", "how long grace periods take", 0, (
        _one_of("v", "sync cb exp barrier jit"), _number("n", 50, 200, 1), _one_of("hog", "none relax cond yield pre"),
        _number("s", 5, 600), _number("pms", 20, 10_000), _number("pre_ms", 100, 60_000))),
    Verb("a10", "sleeping where one must not, tasklets, timeouts", 1, (
        _one_of("v", "sched msleep restore mutex preempt condr spin tasklet times"),)),
    Verb("f2", "an operation in a context that a thread enters by itself", 1, (
        _one_of("v", "none raw rawirq irq preempt bh spin rcu rcubh rcusched mutex"), _one_of("op", _OPS))),
    Verb("f3", "bottom halves off while another thread of the CPU has them off", 0, (
        _one_of("v", "plain preempt irq"), _switch("sleep"), _number("rel", 300, 60_000))),
    Verb("f5", "an operation in a context that somebody else enters", 1, (
        _one_of("v", _F5), _one_of("op", _OPS), _number("wait", 100, 60_000))),
    Verb("f8", "readers that stall a grace period", 0, (
        _one_of("v", "none pre spin irq preempt sleep mutex"), _number("s", 8, 600), _switch("exp"))),
    Verb("f9", "allocations that fail", 1, (
        _one_of("v", "page kmalloc big vm one nowarn"), _one_of("gfp", "nowait atomic kernel noretry nofs norm gfp0"),
        _number("order", 0, 20), _number("size", 0), _number("max", 10_000_000))),
    Verb("od", "objects that are freed or used while something of them is armed", 1, (
        _one_of("v", _OD), _number("wait", 600, 600_000), _number("hold", 50, 60_000), _one_of("how", "busy sleep"))),
    Verb("fl", "locks in freed memory", 1, (
        _one_of("v", _FL), _switch("held"), _switch("unl"), _one_of("by", "kfree krcu"))),
    Verb("m", "misuse of many kinds", 1, (
        _one_of("v", _M), _one_of("l", "none mutex rcu spin pre irq"))),
)  # fmt: skip

VERBS: Final[Mapping[str, Verb]] = MappingProxyType({verb.name: verb for verb in _VERBS})


@attrs.frozen
class Question:
    """One question: the verb, and the words that were given, in their order."""

    verb: Verb
    words: tuple[tuple[str, str], ...] = ()

    def word(self, name: str) -> str:
        """What stands for a key, or its default."""
        return dict(self.words).get(name, self.verb.key(name).default)

    def number(self, name: str) -> int:
        """The same, as a number."""
        return int(self.word(name), 0)

    def on(self, name: str) -> bool:
        """The same, as a switch."""
        return self.word(name) == "1"

    def __str__(self) -> str:
        return " ".join([self.verb.name, *(f"{name}={value}" for name, value in self.words)])


def parse_question(text: str) -> Question:
    """The question in these words. Raises BadInput, in one line, for words that make none."""
    words = text.split()
    if not words:
        raise BadInput(f"a question begins with one of {', '.join(VERBS)}")
    verb = VERBS.get(words[0])
    if verb is None:
        raise no_such("question", words[0], VERBS)
    given: dict[str, str] = {}
    for word in words[1:]:
        name, equals, value = word.partition("=")
        if not equals:
            raise bad_value(f"{verb.name} {word}", f"key=value, such as {_example(verb)}")
        if name in given:
            raise BadInput(f"{verb.name} {word}: {name} was given already")
        given[name] = verb.key(name).check(verb.name, value)
    return Question(verb, tuple(given.items()))


def _example(verb: Verb) -> str:
    key = verb.keys[0]
    return f"{key.name}={key.default}"
