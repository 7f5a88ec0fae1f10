"""What the writers of traces hold of a run does not grow with its length."""

from __future__ import annotations

import io
from collections import deque
from functools import _lru_cache_wrapper

import attrs
import pytest

from rcuactors import Kernel, Run, RunOptions, scenario
from rcuactors.exports import FORMATS, PerfettoTrace, SchedulerEvents, Writer, ordered
from rcuactors.exports.ordered import Ordered
from rcuactors.exports.perfetto import interning, track_events
from rcuactors.timeline import Watch

SMALL = 4
"""So many words and events are kept to be used again, where there are thousands else: full after some rounds."""
MOST_BYTES = 10_000
"""So many bytes are held before they are put on the disk, where there are millions else."""
ROUNDS = 10
LONGER = 60


@scenario(settings={"nr_cpus": "1"})
async def steady(k: Kernel, rounds: int = 10) -> None:
    """Objects come and go, a few at a time, for so long."""
    lock = k.raw_spinlock("L")
    for _ in range(rounds):
        for _ in range(4):
            await k.kvfree_rcu(await k.kmalloc(64), "rcu")
        await k.raw_spin_lock(lock)
        await k.raw_spin_unlock(lock)
        await k.msleep(6_000)


def held(root: object) -> int:
    """How many things everything reachable from there has in its containers, but what waits to be put on the disk."""
    things = 0
    seen: set[int] = set()
    waiting = deque([root])
    while waiting:
        one = waiting.popleft()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, Ordered):
            assert one.held_bytes < 2 * MOST_BYTES
        elif isinstance(one, dict):
            things += len(one)
            waiting.extend([*one.keys(), *one.values()])
        elif isinstance(one, list | tuple | set | deque):
            things += len(one)
            waiting.extend(one)
        elif isinstance(one, _lru_cache_wrapper):
            things += one.cache_info().currsize
        elif attrs.has(type(one)):
            waiting.extend(getattr(one, field.name) for field in attrs.fields(type(one)))
    return things


def after(rounds: int) -> dict[str, tuple[int, int]]:
    """By format: bytes written of a run of that length, and things held at its end."""
    writers: dict[str, Writer] = {form.name: form.make(None) for form in FORMATS}
    run = Run(steady, RunOptions(sinks=tuple(writers.values())), rounds=rounds)
    for writer in writers.values():
        SchedulerEvents(run.machine, writer.take).listen()
        if isinstance(writer, PerfettoTrace):
            watch = Watch(run.machine, writer)
    run.run()
    watch.end()
    found = {}
    for name, writer in writers.items():
        things, out = held(writer), io.BytesIO()
        writer.write(out, nr_cpus=1)
        writer.close()
        found[name] = len(out.getvalue()), things
    return found


def test_what_writers_hold_does_not_grow_with_the_length(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("perfetto.protos.perfetto.trace.perfetto_trace_pb2", reason="rcuactors[perfetto] is missing")
    monkeypatch.setattr(ordered, "HELD_BYTES", MOST_BYTES)
    monkeypatch.setattr(interning, "MOST", SMALL)
    monkeypatch.setattr(track_events, "MOST", SMALL)
    short, long = after(ROUNDS), after(LONGER)
    for name, (written, things) in long.items():
        assert written > 3 * short[name][0]
        assert things == short[name][1]
