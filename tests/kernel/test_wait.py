"""Wait queues: their lock is a spinlock_t, a completion's is raw (K: wake_up() under a raw lock)."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, RunOptions, run, scenario

OPTIONS = RunOptions(kernel="v6.1-stable")


@pytest.mark.parametrize(("what", "expected"), [("wake_up", "invalid-wait-context"), ("complete", "clean")])
def test_under_a_raw_lock(what: str, expected: str) -> None:
    async def script(k: Kernel) -> None:
        raw, head, done = k.raw_spinlock("q_raw"), k.wait_queue_head("q_wait"), k.completion("q_done")
        flags = await k.raw_spin_lock_irqsave(raw)
        await (k.wake_up(head) if what == "wake_up" else k.complete(done))
        await k.raw_spin_unlock_irqrestore(raw, flags)

    assert run(scenario()(script), OPTIONS, PROVE_RAW_LOCK_NESTING="y").outcome() == expected


@pytest.mark.parametrize("rt", ["n", "y"])
def test_who_waits_looks_again_after_every_wake_up(rt: str) -> None:
    async def script(k: Kernel) -> None:
        head, count, woken = k.wait_queue_head("q_wait"), [0], list[int]()

        async def waiter() -> None:
            await k.wait_event(head, lambda: count[0] == 3)
            woken.append(count[0])

        threads = [await k.kthread_run(waiter, cpu=cpu) for cpu in (0, 1)]
        for _ in range(3):
            await k.msleep(10)
            assert not woken
            count[0] += 1
            await k.wake_up(head)
        for thread in threads:
            await k.kthread_join(thread)
        assert woken == [3, 3]

    assert run(scenario()(script), OPTIONS, PREEMPT_RT=rt).clean
