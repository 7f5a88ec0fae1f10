"""Objects with fields (kapi/objects.py)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from rcuactors import Kernel, run, scenario
from rcuactors.errors import BadInput


def test_a_field_is_read_and_written_through_the_object() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        foo = k.struct("foo", next=None, value=7)
        p, q = await k.kmalloc(foo), await k.kzalloc(foo)
        assert (p.value, q.value, p.next) == (7, 7, None)
        p.value += 1
        k.rcu_assign_pointer(p, "next", q)
        assert (p.value, q.value, p.next) == (8, 7, q)
        assert k.rcu_replace_pointer(p, "next", None) is q
        k.WRITE_ONCE(q, "value", 3)
        k.RCU_INIT_POINTER(q, "next", p)
        assert (k.READ_ONCE(q, "value"), k.READ_ONCE(p, "next"), q.next) == (3, None, p)
        assert str(p) == f"struct foo {p.address:016x}"
        await k.kfree(p)
        await k.kfree(q)

    assert run(script).clean


USES = {
    "read": lambda _, p: p.value,
    "write": lambda _, p: setattr(p, "value", 1),
    "rcu_assign_pointer": lambda k, p: k.rcu_assign_pointer(p, "next", None),
    "RCU_INIT_POINTER": lambda k, p: k.RCU_INIT_POINTER(p, "next", None),
    "rcu_replace_pointer": lambda k, p: k.rcu_replace_pointer(p, "next", None),
    "READ_ONCE": lambda k, p: k.READ_ONCE(p, "value"),
    "WRITE_ONCE": lambda k, p: k.WRITE_ONCE(p, "value", 2),
}


@pytest.mark.parametrize("kasan", ["n", "y"])
@pytest.mark.parametrize("name", list(USES))
def test_each_use_of_a_freed_object_is_seen_at_its_line(name: str, kasan: str) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(k.struct("foo", next=None, value=0))
        await k.kfree(p)
        USES[name](k, p)

    result = run(script, KASAN=kasan)
    assert result.outcome() == "use-after-free"
    found = result.violations[0]
    assert found.line.startswith("test_objects.py:")
    assert found.by == ("kernel" if kasan == "y" else "oracle")
    assert "use of foo->" in found.text
    assert "object allocated at script (test_objects.py:" in found.text


def test_the_address_of_a_member_is_no_use() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(k.struct("foo", lock=k.spinlock))
        await k.kfree(p)
        assert p.lock is not None

    assert run(script).clean


def test_members_are_initialised_with_the_object_and_called_with_it() -> None:
    seen: list[Any] = []

    @scenario()
    async def script(k: Kernel) -> None:
        async def note(p: Any) -> None:
            seen.append(p.value)

        async def destroy(p: Any) -> None:
            await note(p)
            await k.kfree(p)

        foo = k.struct(
            "foo",
            value=0,
            lock=k.mutex,
            timer=k.timer_list(note),
            work=k.work_struct(note),
            dwork=k.delayed_work_struct(note),
            hrtimer=k.hrtimer_list(note),
            irq_work=k.irq_work_struct(note),
            rcu=k.rcu_head,
        )
        for value in (1, 2):
            p = await k.kmalloc(foo)
            p.value = value
            assert p.lock.name == "&foo->lock"
            await k.mutex_lock(p.lock)
            await k.mutex_unlock(p.lock)
            await k.mod_timer(p.timer, 1)
            await k.hrtimer_start(p.hrtimer, 1000)
            await k.schedule_work(p.work)
            await k.queue_delayed_work(k.system_wq, p.dwork, 1)
            await k.irq_work_queue(p.irq_work)
            await k.msleep(50)
            await k.call_rcu(p.rcu, destroy)
            await k.rcu_barrier()

    assert run(script).clean
    assert seen == [1] * 6 + [2] * 6


async def _never() -> None:
    raise AssertionError


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (lambda k, _: k.struct("bad", state=1), "struct bad: 'state' is a name of the model's own"),
        (lambda k, p: k.WRITE_ONCE(p, "nothing", 1), "struct foo: field nothing: there are next, lock"),
        (
            lambda k, p: k.rcu_assign_pointer(None, "next", p),
            "rcu_assign_pointer(p=None): needs an object of a type",
        ),
        (lambda _, p: setattr(p, "lock", 1), "foo.lock is no value"),
        (lambda k, _: k.timer_setup(_never, inside=3), "inside=3): needs what kmalloc()"),
        (lambda k, _: k.kmalloc(k.struct("big", 5000, a=1)), "5000 bytes are more than a page"),
    ],
)
def test_what_cannot_be_is_said(body: Any, said: str) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(k.struct("foo", next=None, lock=k.spinlock))
        body(k, p)

    with pytest.raises(BadInput, match=re.escape(said)):
        run(script)
