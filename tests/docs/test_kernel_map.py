"""Who knows the kernel finds its terms: the map that docs/kernel-map.md shows, and the way there by listings."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent


def beside(name: str) -> Any:
    """The module of that name in this directory."""
    spec = importlib.util.spec_from_file_location(f"beside_{name}", HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


kernel_map = beside("kernel_map")
floors = beside("floors")

TERMS = {
    "schedule()": "kernel/sched.py",
    "try_to_wake_up()": "kernel/sched.py",
    "select_task_rq()": "kernel/migration.py",
    "mod_timer()": "kernel/time/timer.py",
    "hrtimer_start()": "kernel/time/hrtimer.py",
    "__do_softirq()": "kernel/irq/softirq.py",
    "irq_work_queue()": "kernel/irq/irq_work.py",
    "rt_spin_lock()": "kernel/locking/spinning.py",
    "mutex_lock()": "kernel/locking/sleeping.py",
    "__queue_work()": "kernel/workqueue/core.py",
    "process_one_work()": "kernel/workqueue/worker.py",
    "mark_lock()": "context/lockdep/chain_validation.py",
    "check_wait_context()": "context/lockdep/wait_context.py",
    "check_noncircular()": "context/lockdep/order.py",
    "rmqueue()": "mm/page/page_alloc.py",
    "rmqueue_bulk()": "mm/page/zone.py",
    "rmqueue_pcplist()": "mm/page/pcplist.py",
    "zone_watermark_ok()": "mm/page/zone.py",
    "kmalloc_nolock()": "mm/slab/slab_nolock.py",
    "synchronize_rcu()": "rcu/synchronize_rcu.py",
    "rcu_barrier()": "rcu/rcu_barrier.py",
    "queue_rcu_work()": "rcu/rcu_work.py",
    "rcu_gp_init()": "rcu/gp.py",
    "rcu_read_unlock_special()": "rcu/quiescent.py",
    "kvfree_call_rcu()": "kvfree/core.py",
    "krc_this_cpu_lock()": "kvfree/core.py",
    "put_cached_bnode()": "kvfree/krc.py",
    "kfree_rcu_monitor()": "kvfree/monitor.py",
    "queue_kfree_rcu_work()": "kvfree/monitor.py",
    "kfree_rcu_work()": "kvfree/drain.py",
    "fill_page_cache_func()": "kvfree/parts/refill.py",
    "struct rq": "kernel/sched.py",
    "struct held_lock": "context/held.py",
    "struct per_cpu_pages": "mm/page/page_lists.py",
    "struct kfree_rcu_cpu": "kvfree/krc.py",
}
"""What somebody who knows the kernel looks for, and where; the first that are found by name alone took long before."""


@pytest.mark.parametrize("term", TERMS)
def test_a_term_is_where_it_is_looked_for(term: str, package: Path) -> None:
    assert TERMS[term] in [home.path for home in kernel_map.homes(package) if home.kernel == term]


@pytest.mark.parametrize("term", TERMS)
def test_a_term_is_two_hops_from_the_listing_of_the_package(term: str, package: Path) -> None:
    """The room, by the listing and the heads of the rooms; then the file: its own head, or its name, has the term."""
    path = package / TERMS[term]
    head = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    name = term.removeprefix("struct ").removesuffix("()")
    assert path.stem == name or re.search(rf"(?<!\w){name}(?!\w)", head), (
        f"{TERMS[term]} does not say that it has {term}"
    )
    for room in path.parents:
        if room == package:
            break
        rooms = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8")))
        assert rooms, f"{room.name}/ does not say what it has"


@pytest.mark.parametrize("lock", ["krc.lock", "&zone->lock", "&pool->lock", "&rq->lock", "&p->pi_lock", "&pcp->lock"])
def test_a_lock_is_on_the_map(lock: str, package: Path) -> None:
    assert lock in [home.kernel for home in kernel_map.locks(package)]


def test_the_map_is_large_enough_to_be_looked_at(package: Path) -> None:
    homes = kernel_map.homes(package)
    assert len({home.kernel for home in homes}) > 250
    assert len({home.path for home in homes}) > 50


def bare(name: str) -> str:
    """A name without what marks it as an inner one, in the kernel or here."""
    return name.removesuffix("()").strip("_")


def test_no_function_has_the_name_of_another_function_of_the_kernel(package: Path) -> None:
    """One that bears the name of a kernel function that is on the map says that it is that one."""
    known = {bare(home.kernel) for home in kernel_map.homes(package) if home.kernel.endswith("()")}
    definitions = list(kernel_map.definitions(package))
    assert len(definitions) > 900
    wrong = [
        f"{path}: {where}"
        for path, where, docstring in definitions
        if (own := bare(where.rpartition(".")[2])) in known and own not in map(bare, kernel_map.named(docstring))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("mod_timer(): have it expire.", ["mod_timer()"]),
        ("hrtimer_start(HRTIMER_MODE_REL) on this CPU.", ["hrtimer_start()"]),
        ("__need_reclaim(), or might_alloc(): one.", ["__need_reclaim()", "might_alloc()"]),
        ("timer_delete(), which was del_timer(): whether.", ["timer_delete()", "del_timer()"]),
        ("struct rq, and what works on it.", ["struct rq"]),
        ("Like mod_timer(), but not.", []),
        ("", []),
    ],
)
def test_what_a_docstring_stands_for(docstring: str, expected: list[str]) -> None:
    assert kernel_map.named(docstring) == expected


def test_what_is_planted_is_found(tmp_path: Path) -> None:
    room = tmp_path / "kernel" / "time"
    room.mkdir(parents=True)
    (room / "a.py").write_text(
        'class A:\n    """struct timer."""\n    def _b(self):\n        """mod_timer(): x."""\n'
        '        self.l = f.make("&base->lock", K)\n'
    )
    assert [(home.kernel, home.path, home.where) for home in kernel_map.homes(tmp_path)] == [
        ("mod_timer()", "kernel/time/a.py", "A._b"),
        ("struct timer", "kernel/time/a.py", "A"),
    ]
    assert [(home.kernel, home.where) for home in kernel_map.locks(tmp_path)] == [("&base->lock", "A._b")]


def test_arrows_that_say_nothing_new_are_left_out() -> None:
    assert floors.reduced({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == {"a": {"b"}, "b": {"c"}, "c": set()}
    with pytest.raises(ValueError, match="circle: a, b"):
        floors.reduced({"a": {"b"}, "b": {"a"}})
