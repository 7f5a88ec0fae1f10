"""PREEMPT_RT's rcuc and softirqs: it has bottom halves off, and serves what is pending when it enables them."""

from __future__ import annotations

from rcuactors import Kernel, RunOptions, run, scenario
from rcuactors.engine.events import ListSink

RT = {"PREEMPT_RT": "y"}


def test_on_rt_rcuc_serves_what_its_tick_has_raised_ahead_of_ksoftirqd() -> None:
    """Recorded of f5 v=timer op=rawspin on 6.12; a tick at which RCU wants nothing wakes ksoftirqd alone."""
    sink = ListSink()

    async def script(k: Kernel) -> None:
        async def timer() -> None:
            k.pr_info("timer")

        async def callback() -> None:
            pass

        late = k.timer_setup(timer)
        await k.call_rcu(callback)
        await k.mod_timer(late, 1)
        await k.msleep(100)
        await k.mod_timer(late, 1)
        await k.msleep(100)

    assert run(scenario()(script), RunOptions(sinks=(sink,), kernel="v6.12", settings={**RT, "nr_cpus": "1"})).clean
    assert [event.comm for event in sink.events if event.text == "timer"] == ["rcuc/0", "ksoftirqd/0"]
