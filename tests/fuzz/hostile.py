"""Scenarios and designs that do what nobody would: wrong calls, objects with a will of their own, strange ends."""

from __future__ import annotations

from random import Random
from typing import Final

_EVIL: Final = '''"""evil: for the fuzzer."""
from rcuactors import Kernel, scenario

class Evil(Exception):
    def __str__(self):
        {ending}
    def __repr__(self):
        {ending}
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        {ending}
    def __eq__(self, other):
        {ending}
    __hash__ = Exception.__hash__

class Quiet:
    def __repr__(self):
        {ending}
    __str__ = __repr__

def plain(k):
    return {value}

async def other(k):
    await k.udelay(1)

@scenario()
async def evil(k: Kernel) -> None:
    lock, mutex, value = k.spinlock("a"), k.mutex("m"), {value}
    p = await k.kmalloc(64)
{body}
'''

_ENDINGS: Final = (
    *(
        "return 'plain'",
        "return 5",
        "raise SystemExit(0)",
        "raise SystemExit",
        "raise ValueError('x')",
        "return 'a\\nb'",
    ),
    *(
        "raise self",
        "return 'x' * 10000",
        "return '\\ud800'",
        "raise RecursionError",
        "return None",
        "raise GeneratorExit",
    ),
)

_VALUES: Final = (
    *(
        "None",
        "0",
        "-1",
        "1.5",
        "True",
        "'text'",
        "b'x'",
        "[]",
        "{}",
        "()",
        "Evil()",
        "Quiet()",
        "Evil",
        "plain",
        "other",
    ),
    *(
        "k",
        "k.kmalloc",
        "1 << 64",
        "-(1 << 200)",
        "float('nan')",
        "float('inf')",
        "object()",
        "lambda k: None",
        "print",
    ),
    *(
        "type",
        "k.spinlock('x')",
        "k.mutex('y')",
        "p",
        "lock",
        "'\\n'",
        "''",
        "'\\ud800'",
        "10 ** 5000",
        "iter(())",
        "...",
    ),
)

_FUNCTIONS: Final = (
    *(
        "kmalloc",
        "kfree",
        "kvfree_rcu",
        "spin_lock",
        "spin_unlock",
        "raw_spin_lock",
        "mutex_lock",
        "mutex_unlock",
        "msleep",
    ),
    *(
        "udelay",
        "ndelay",
        "synchronize_rcu",
        "call_rcu",
        "rcu_read_lock",
        "rcu_read_unlock",
        "local_irq_save",
        "vmalloc",
    ),
    *("local_irq_restore", "kthread_run", "timer", "hrtimer", "work", "queue_work", "mod_timer", "flush_work", "vfree"),
    *("schedule", "cond_resched", "wait_event", "wake_up", "completion", "complete", "wait_for_completion", "struct"),
    *("rcu_dereference", "rcu_assign_pointer", "kmem_cache_create", "spinlock", "mutex", "raw_spinlock", "tasklet"),
)

_STATEMENTS: Final = (
    *(
        "raise {value}",
        "raise Evil",
        "raise Evil from Evil()",
        "raise BaseExceptionGroup('', [Evil()])",
        "raise SystemExit({value})",
    ),
    *(
        "await k.{function}()",
        "await k.{function}({value})",
        "await k.{function}({value}, {value})",
        "k.{function}({value})",
    ),
    *(
        "k.{function}",
        "await k.{function}(p)",
        "await k.{function}(lock)",
        "await k.{function}({value}, p)",
        "return {value}",
    ),
    *(
        "assert False, {value}",
        "del k",
        "k = {value}",
        "p = {value}",
        "await other(k)",
        "other(k)",
        "plain(k)",
        "await plain(k)",
    ),
    *(
        "k.nothing({value})",
        "await {value}",
        "raise KeyboardInterrupt",
        "raise MemoryError",
        "raise StopIteration({value})",
    ),
    *(
        "raise StopAsyncIteration",
        "raise GeneratorExit",
        "raise RecursionError('x')",
        "raise AssertionError",
        "raise OSError(5, 'x')",
    ),
    *(
        "def f(): return f()\n    f()",
        "import sys; sys.exit({value})",
        "k.x = {value}",
        "setattr(k, 'kmalloc', {value})",
    ),
    *(
        "print({value})",
        "async with lock:\n        pass",
        "for x in {value}:\n        await k.udelay(1)",
        "import no_such_module",
    ),
    *(
        "raise UnicodeError('\\ud800')",
        "raise KeyError({value})",
        "raise type('\\n', (Exception,), {{}})('x')",
        "1 / 0",
    ),
    *(
        "await k.kthread_run(other, {value})",
        "await k.kthread_run({value}, 'x')",
        "k.spinlock({value})",
        "await k.msleep({value})",
    ),
    *(
        "class A(Kernel): pass\n    A()",
        "await k.kthread_run(lambda k: k.kfree(p), 'x', cpu={value})",
        "await k.kfree(p)",
    ),
    *(
        "while True:\n        await k.udelay(0)",
        "while True:\n        await k.msleep(1)",
        "while True:\n        await k.cond_resched()",
    ),
    *(
        "await k.rcu_read_lock()",
        "k.rcu_read_lock()",
        "await k.spin_lock(lock)",
        "await k.mutex_lock(mutex)",
        "await k.schedule()",
    ),
)


def _filled(random: Random, text: str) -> str:
    while "{value}" in text:
        text = text.replace("{value}", random.choice(_VALUES), 1)
    return text.replace("{function}", random.choice(_FUNCTIONS)).replace("{{}}", "{}")


def scenario(random: Random) -> bytes:
    """A scenario of a few strange statements."""
    ending = random.choice(_ENDINGS)
    body = "".join(f"    {_filled(random, random.choice(_STATEMENTS))}\n" for _ in range(random.randint(1, 3)))
    text = _EVIL.replace("{ending}", ending).replace("{value}", random.choice(_VALUES[:12])).replace("{body}\n", body)
    return text.replace("    pass\n    pass", "    pass").encode("utf-8", "replace")


_DESIGN: Final = '''"""bad: a design."""
class Evil(Exception):
    def __str__(self):
        {ending}
    __repr__ = __str__

class Bad{base}:
    name = {name}
    about = {about}
    {init}

    async def get_page(self, kvfree, cpu, krcp):
        {get_page}

    {is_async}def missed(self, kvfree, cpu, krcp):
        {missed}
'''

_METHODS: Final = (
    *(
        "return None",
        "return 0",
        "return -1",
        "return 10 ** 30",
        "return 'x'",
        "raise Evil",
        "raise SystemExit(0)",
        "return Evil()",
    ),
    *(
        "return await kvfree.pages.get_free_page(cpu.current, 0)",
        "kvfree.refill.run_page_cache_worker(cpu, krcp)",
        "1 / 0",
    ),
    *(
        "await kvfree.refill.run_page_cache_worker(cpu, krcp)",
        "return krcp.nothing",
        "return await self.get_page(kvfree, cpu, krcp)",
    ),
    *(
        "krcp.lock = None",
        "raise KeyboardInterrupt",
        "kvfree.pages = None",
        "raise BaseExceptionGroup('', [Evil()])",
        "return True",
    ),
)


def design(random: Random) -> bytes:
    """A design that loads, more or less, and does what it should not."""
    parts = {
        "ending": random.choice(_ENDINGS),
        "base": random.choice(("", "", "", "(Exception)", "(Evil)", "(tuple)", "(type)")),
        "name": random.choice(("'bad'", "'direct'", "''", "None", "5", "'a\\nb'", "'x' * 5000", "Evil()")),
        "about": random.choice(("'what it is'", "None", "''", "Evil()")),
        "init": random.choice(
            ("pass", "pass", "def __init__(self): raise Evil", "def __init__(self, x): pass", "__slots__ = ()")
        ),
        "get_page": random.choice(_METHODS),
        "missed": random.choice(_METHODS).replace("await ", ""),
        "is_async": random.choice(("async ", "async ", "")),
    }
    text = _DESIGN
    for name, part in parts.items():
        text = text.replace(f"{{{name}}}", part)
    return text.encode()
