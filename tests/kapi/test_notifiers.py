"""Notifier chains (kapi/notifiers.py, rcu/notifier.py)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from rcuactors import NOTIFY_BAD, NOTIFY_DONE, NOTIFY_OK, NOTIFY_STOP, Kernel, run, scenario
from rcuactors.errors import BadInput

FORMS = ["atomic", "blocking"]


def functions(k: Kernel, form: str) -> tuple[Any, Any, Any, Any]:
    return tuple(
        getattr(k, f"{form}_notifier_{name}") for name in ("head", "chain_register", "chain_unregister", "call_chain")
    )  # type: ignore[return-value]


@pytest.mark.parametrize("form", FORMS)
def test_they_are_called_by_priority_until_one_says_stop(form: str) -> None:
    called: list[tuple[str, int, object]] = []

    @scenario()
    async def script(k: Kernel) -> None:
        head, register, unregister, call = functions(k, form)
        chain = head("chain")
        assert await call(chain, 1) == NOTIFY_DONE

        def block(name: str, priority: int, answer: int) -> Any:
            async def notify(nb: Any, action: int, data: object) -> int:
                called.append((nb.name, action, data))
                return answer

            return k.notifier_block(notify, priority=priority, name=name)

        low, high = block("low", -1, NOTIFY_OK), block("high", 10, NOTIFY_DONE)
        for nb in (low, high):
            assert await register(chain, nb) == 0
        assert await call(chain, 5, "data") == NOTIFY_OK
        stop = block("stop", 5, NOTIFY_STOP)
        await register(chain, stop)
        assert await call(chain, 6) == NOTIFY_STOP
        assert await unregister(chain, stop) == 0
        assert await unregister(chain, stop) == -2
        assert await call(chain, 7) == NOTIFY_OK

    assert run(script, DEBUG_ATOMIC_SLEEP=True).clean
    assert called == [
        ("high", 5, "data"),
        ("low", 5, "data"),
        ("high", 6, None),
        ("stop", 6, None),
        ("high", 7, None),
        ("low", 7, None),
    ]


@pytest.mark.parametrize("form", FORMS)
def test_a_callback_that_sleeps_is_for_a_blocking_chain(form: str) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        head, register, _, call = functions(k, form)

        async def sleeps(nb: Any, action: int, data: object) -> int:
            await k.msleep(1)
            return NOTIFY_BAD

        chain = head("chain")
        await register(chain, k.notifier_block(sleeps))
        assert await call(chain, 0) == NOTIFY_BAD

    assert run(script).outcome() == ("voluntary-switch-in-reader" if form == "atomic" else "clean")


@pytest.mark.parametrize("form", FORMS)
def test_a_block_that_is_registered_twice_is_told(form: str) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        head, register, _, _ = functions(k, form)

        async def notify(nb: Any, action: int, data: object) -> int:
            return NOTIFY_OK

        chain, nb = head("chain"), k.notifier_block(notify)
        assert [await register(chain, nb), await register(chain, nb)] == [0, -17]

    result = run(script)
    assert result.violations[0].title == "WARNING: notifier callback notify already registered"


@pytest.mark.parametrize("unregistered", [False, True])
def test_an_object_that_goes_with_its_block_in_the_chain_is_used_when_the_chain_is(unregistered: bool) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        async def notify(nb: Any, action: int, data: object) -> int:
            return NOTIFY_OK

        chain = k.blocking_notifier_head("chain")
        p = await k.kmalloc(64)
        nb = k.notifier_block(notify, inside=p)
        await k.blocking_notifier_chain_register(chain, nb)
        if unregistered:
            await k.blocking_notifier_chain_unregister(chain, nb)
        await k.kfree(p)
        await k.blocking_notifier_call_chain(chain, 0)

    assert run(script).outcome() == ("clean" if unregistered else "use-after-free")


def test_what_unregisters_from_an_atomic_chain_waits_for_who_goes_through_it() -> None:
    order = []

    @scenario()
    async def script(k: Kernel) -> None:
        async def slow(nb: Any, action: int, data: object) -> int:
            await k.udelay(500)
            order.append("called")
            return NOTIFY_OK

        async def caller() -> None:
            await k.atomic_notifier_call_chain(chain, 0)

        chain, nb = k.atomic_notifier_head("chain"), k.notifier_block(slow)
        await k.atomic_notifier_chain_register(chain, nb)
        async with k.open_nursery() as nursery:
            await nursery.start_soon(caller, cpu=1)
            await k.udelay(100)
            await k.atomic_notifier_chain_unregister(chain, nb)
            order.append("unregistered")

    assert run(script).clean
    assert order == ["called", "unregistered"]


async def no_answer(nb: Any, action: int, data: object) -> None:
    pass


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            lambda k: k.atomic_notifier_call_chain(k.blocking_notifier_head("b"), 0),
            "needs a chain from k.atomic_notifier_head()",
        ),
        (
            lambda k: k.blocking_notifier_chain_register(k.atomic_notifier_head("a"), k.notifier_block(no_answer)),
            "needs a chain from k.blocking_notifier_head()",
        ),
    ],
)
def test_what_cannot_be_is_said(body: Any, said: str) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        await body(k)

    with pytest.raises(BadInput, match=re.escape(said)):
        run(script)


def test_a_callback_that_returns_no_number_is_named() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        chain = k.blocking_notifier_head("chain")
        await k.blocking_notifier_chain_register(chain, k.notifier_block(no_answer))  # type: ignore[arg-type]
        await k.blocking_notifier_call_chain(chain, 0)

    with pytest.raises(BadInput, match=re.escape("no_answer(return=None): needs NOTIFY_OK")):
        run(script)
