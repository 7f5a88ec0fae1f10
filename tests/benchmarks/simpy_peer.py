"""The peer: the same batching as a SimPy user would write it.

A process a CPU, a store for messages, a timeout a call, no checks at all.

It keeps what batching is about: objects with the time of their call, blocks of 510 pointers, a page cache refilled by
a worker, a monitor, a grace period, a worker that frees block by block and gives pages back to the cache, and the
count and the sum of latencies. It has no locks, no contexts, no interrupts, no memory management, no oracle, no
readers.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import simpy

CAPACITY = 510
CACHE = 5
CALL_NS = 114
REFILL_NS = 3_000
DRAIN_NS = 20_000_000
GRACE_PERIOD_NS = 12_000_000
FREE_NS = 4

Process = Generator[Any, Any, None]


class Item:
    """What is freed."""

    __slots__ = ("retired_ns",)

    def __init__(self) -> None:
        self.retired_ns = 0


class PeerCpu:
    """One CPU's state, and its processes."""

    def __init__(self, env: simpy.Environment, calls: int, burst: int) -> None:
        self.env = env
        self.calls = calls
        self.burst = burst
        self.blocks: list[list[Item]] = []
        self.head: list[Item] = []
        self.cache = 0
        self.armed = False
        self.refilling = False
        self.refill: simpy.Store = simpy.Store(env)
        self.monitor: simpy.Store = simpy.Store(env)
        self.batches: simpy.Store = simpy.Store(env)
        self.freed = 0
        self.latency_sum = 0
        self.grace_periods = 0
        for process in (self.caller(), self.refill_worker(), self.monitor_worker(), self.free_worker()):
            env.process(process)

    def caller(self) -> Process:
        """Allocate a burst, free it, until all calls are made."""
        env, left = self.env, self.calls
        while left:
            items = [Item() for _ in range(min(self.burst, left))]
            left -= len(items)
            for item in items:
                item.retired_ns = env.now
                self.queue(item)
                yield env.timeout(CALL_NS)

    def queue(self, item: Item) -> None:
        """kvfree_rcu()."""
        blocks = self.blocks
        if blocks and len(blocks[-1]) < CAPACITY:
            blocks[-1].append(item)
        elif self.cache:
            self.cache -= 1
            blocks.append([item])
        else:
            self.head.append(item)
            if not self.refilling:
                self.refilling = True
                self.refill.put("refill")
        if not self.armed:
            self.armed = True
            self.monitor.put("armed")

    def refill_worker(self) -> Process:
        """Fill the cache when asked."""
        while True:
            yield self.refill.get()
            yield self.env.timeout(REFILL_NS)
            self.cache = CACHE
            self.refilling = False

    def monitor_worker(self) -> Process:
        """After the drain delay, hand everything over to wait for a grace period."""
        while True:
            yield self.monitor.get()
            yield self.env.timeout(DRAIN_NS)
            batch = self.blocks, self.head
            self.blocks, self.head, self.armed = [], [], False
            yield self.env.timeout(GRACE_PERIOD_NS)
            self.grace_periods += 1
            self.batches.put(batch)

    def free_worker(self) -> Process:
        """Free what has waited."""
        while True:
            blocks, head = yield self.batches.get()
            while blocks:
                block = blocks.pop()
                yield self.env.timeout(FREE_NS * len(block))
                self.free(block)
                self.cache = min(self.cache + 1, CACHE)
            self.free(head)

    def free(self, items: list[Item]) -> None:
        """Count them."""
        now = self.env.now
        self.freed += len(items)
        self.latency_sum += sum(now - item.retired_ns for item in items)


def run_peer(calls: int, burst: int, cpus: int = 1) -> int:
    """Simulate so many calls on each CPU; returns how many objects were freed."""
    env = simpy.Environment()
    machines = [PeerCpu(env, calls, burst) for _ in range(cpus)]
    env.run()
    return sum(machine.freed for machine in machines)
