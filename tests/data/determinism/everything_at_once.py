"""everything_at_once: CPUs, interrupts, locks, timers, works, RCU, kvfree_rcu() and Trio's own waits.

Run as a program it prints the whole event stream: `everything_at_once.py SEED STRATEGY`.
"""

from __future__ import annotations

import io
import sys

import trio

from rcuactors import GFP_ATOMIC, Kernel, Run, RunOptions, scenario
from rcuactors.engine.events import TextSink
from rcuactors.explore import make_strategy


@scenario(settings={"nr_cpus": "4", "fail_page_alloc": "20", "PROVE_RAW_LOCK_NESTING": "y"})
async def everything_at_once(k: Kernel, rounds: int = 6) -> None:
    raw, spin, mutex = k.raw_spinlock("raw"), k.spinlock("spin"), k.mutex("mutex")
    told, began = trio.Event(), trio.current_time()
    send, receive = trio.open_memory_channel[int](0)

    async def irq() -> None:
        await free_some(k, 2)

    async def callback() -> None:
        k.pr_info("callback")

    async def on_each_cpu(number: int) -> None:
        for turn in range(rounds):
            await k.raw_spin_lock(raw)
            await k.udelay(3)
            await free_some(k, 3)
            await k.raw_spin_unlock(raw)
            await k.raise_irq(irq, cpu=(number + 1) % 4)
            await k.mutex_lock(mutex)
            await k.kvfree_rcu_mightsleep(await k.vmalloc(8192))
            await k.mutex_unlock(mutex)
            await trio.sleep_until(began + 0.005 * (turn + 1))
            with k.rcu_reader():
                await k.udelay(5)
            await k.call_rcu(callback)
            await k.tasklet_schedule(irq)
            flags = await k.spin_lock_irqsave(spin)
            await k.spin_unlock_irqrestore(spin, flags)
        if number == 0:
            told.set()

    async def waits_for_word() -> None:
        await told.wait()
        await send.send(1)
        k.pr_info("told")

    async def listens() -> None:
        with trio.move_on_after(1000):
            k.pr_info(f"received {await receive.receive()}")

    async with k.open_nursery() as nursery:
        for number in range(4):
            await nursery.start_soon(on_each_cpu, number, cpu=number, name=f"cpu{number}")
            await nursery.start_soon(
                waits_for_word if number == 1 else listens if number == 2 else free_some_more, cpu=number
            )
            if number == 3:
                await k.schedule_work(k.work(irq, name="irq_work"))
    await k.synchronize_rcu()


async def free_some(k: Kernel, count: int) -> None:
    for _ in range(count):
        await k.kvfree_rcu(await k.kmalloc(64, GFP_ATOMIC), "rcu")


async def free_some_more() -> None:
    await trio.sleep(0)  # noqa: ASYNC115 - what a scenario writes


def prepared(seed: int, strategy: str, out: io.StringIO) -> Run:
    """A run that writes its events to `out`."""
    options = RunOptions(
        seed=seed, strategy=make_strategy(strategy), sinks=(TextSink(out), TextSink(out, as_json=True))
    )
    return Run(everything_at_once, options)


def transcript(run: Run, out: io.StringIO) -> str:
    """Everything that a finished run left."""
    result = run.result()
    texts = [violation.text for violation in result.violations]
    return "\n".join([out.getvalue(), *texts, str(result.as_json())])


if __name__ == "__main__":
    written = io.StringIO()
    this_run = prepared(int(sys.argv[1]), sys.argv[2], written)
    this_run.run()
    print(transcript(this_run, written))
