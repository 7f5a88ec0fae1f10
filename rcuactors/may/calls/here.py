"""What asks where one is, what is there once for each CPU, and what happens when CPUs come and go.

include/linux/preempt.h, percpu-defs.h, lockdep.h, cpu.h, cpuhotplug.h, shrinker.h, include/asm-generic/bug.h.
"""

from __future__ import annotations

from typing import Final

import attrs

from ..things import Things
from .form import Form, Undo, form

_STATE: Final = "CPUHP_AP_ONLINE_DYN"
_UNTRUE: Final = "its condition is taken not to hold"


def _questions() -> list[Form]:
    names = (
        *("in_atomic", "in_hardirq", "in_interrupt", "in_nmi", "in_serving_softirq", "in_softirq", "in_task"),
        *("irq_count", "irqs_disabled", "preempt_count", "preemptible", "num_online_cpus"),
    )
    asserts = ("irqs_disabled", "irqs_enabled", "preemption_disabled", "preemption_enabled", "cpus_held")
    return [
        *(form(f"{name}()") for name in names),
        form("cpu_online(cpu)"),
        *(form(f"lockdep_assert_{name}()") for name in asserts),
        form("lockdep_assert_not_held(lock)", needs="spin_lock"),
        form("lockdep_is_held(lock)", needs="spin_lock"),
        form("mutex_is_locked(lock)", needs="mutex"),
        form("spin_is_locked(lock)", needs="spin_lock"),
        *(form(f"{name}(condition)", needs="c", about=_UNTRUE) for name in ("WARN_ON", "WARN_ON_ONCE", "BUG_ON")),
        *(form(f"{name}(condition, format, ...)", needs="c name", about=_UNTRUE) for name in ("WARN", "WARN_ONCE")),
    ]


def _per_cpu() -> list[Form]:
    return [
        form("this_cpu_read(pcp)", needs="percpu"),
        form("this_cpu_write(pcp, val)", needs="percpu i"),
        form("this_cpu_add(pcp, val)", needs="percpu i"),
        form("this_cpu_inc(pcp)", needs="percpu"),
        form("this_cpu_dec(pcp)", needs="percpu"),
        form("this_cpu_xchg(pcp, nval)", needs="percpu i"),
        form("this_cpu_ptr(ptr)", needs="percpu"),
        form("per_cpu_ptr(ptr, cpu)", needs="percpu cpu"),
        form("per_cpu(var, cpu)", needs="percpu cpu"),
        form("get_cpu_ptr(var)", needs="percpu", undo=Undo("put_cpu_ptr")),
    ]


def _made() -> list[Form]:
    """Locks that nobody else has yet."""
    return [form(f"{name}(lock)", "lock_init", word) for name, word in _INITIALISERS]


_INITIALISERS: Final = (
    ("raw_spin_lock_init", "raw_lock"),
    ("spin_lock_init", "spin_lock"),
    ("mutex_init", "mutex"),
    ("rwlock_init", "rwlock"),
    ("init_rwsem", "rwsem"),
)


def _set_up(name: str) -> Form:
    """cpuhp_setup_state() and its kin, with functions that do nothing; taken back right after."""

    async def act(things: Things) -> None:
        k = things.k
        setup = await getattr(k, name)(_STATE, "state", startup=things["on_cpu"], teardown=things["on_cpu"])
        await k.cpuhp_remove_state_nocalls(setup)

    return Form(name=name, words=("state", "name", "startup", "teardown"), act=act, needs=("on_cpu",))


def _hotplug() -> list[Form]:
    return [
        form("remove_cpu(cpu)", needs="last_cpu", undo=Undo("add_cpu")),
        form("cpu_down(cpu)", needs="last_cpu", undo=Undo("cpu_up")),
        form("add_cpu(cpu)", needs="gone_cpu", undo=Undo("remove_cpu")),
        form("cpu_up(cpu)", needs="gone_cpu", undo=Undo("cpu_down")),
        _set_up("cpuhp_setup_state"),
        _set_up("cpuhp_setup_state_nocalls"),
        form("cpuhp_remove_state(state)", needs="hp_setup"),
        form("cpuhp_remove_state_nocalls(state)", needs="hp_setup"),
    ]


def _shrinkers() -> list[Form]:
    """By their names before v6.7, and from then on."""
    registering = Form(name="register_shrinker", words=("shrinker",), act=_register, needs=("count", "scan"))
    return [
        registering,
        attrs.evolve(registering, name="shrinker_register"),
        form("unregister_shrinker(shrinker)", needs="own_shrinker"),
        form("shrinker_free(shrinker)", "unregister_shrinker", "own_shrinker"),
    ]


async def _register(things: Things) -> None:
    await things.k.register_shrinker("shrinker", things["count"], things["scan"])


FORMS: Final = (*_questions(), *_per_cpu(), *_made(), *_hotplug(), *_shrinkers())
