"""A CPU's sheaves in every state that there is, with everything that may fail on the way (rcuactors/mm/slab/pcs.py)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, Final

import attrs
import pytest

from rcuactors import GFP_KERNEL, Kernel, run, scenario
from rcuactors.kernel.cpu import Cpu
from rcuactors.kernel.thread import Thread
from rcuactors.mm.gfp import GFP_NOWAIT, Gfp
from rcuactors.mm.slab.cache import Cache, Place
from rcuactors.mm.slab.pcs import alloc_from_pcs, free_to_pcs
from rcuactors.mm.slab.sheaf import MAX_FULL_SHEAVES, CpuSheaves, Sheaf, SheafLayer

CAPACITY: Final = 4
MEANWHILE: Final = (
    "a full spare",
    "an empty spare",
    "room in the main one",
    "a full main one",
    "something in the main one, and an empty spare",
)


@attrs.frozen
class State:
    """How full the CPU's sheaves are, what the barn has, and what will fail."""

    main: int
    spare: int | None
    full: int
    empty: int
    spin: bool
    memory: bool
    locks_again: bool
    meanwhile: str = ""
    """What somebody else does while the lock is dropped."""
    may_sleep: bool = True


def states() -> Iterator[State]:
    fills = (0, 2, CAPACITY)
    yes = (True, False)
    for values in product(fills, (None, *fills), (0, 1, MAX_FULL_SHEAVES), (0, 1), yes, yes, yes):
        yield State(*values)
    for meanwhile, values in product(MEANWHILE, product(fills, (None, *fills), (0, MAX_FULL_SHEAVES), (0, 1))):
        yield State(*values, spin=True, memory=True, locks_again=True, meanwhile=meanwhile)
    for values in product(fills, (None, *fills), (0, 1), (0, 1)):
        yield State(*values, spin=True, memory=True, locks_again=True, may_sleep=False)


class Failing(SheafLayer):
    """The real one, but for memory, and for the lock once it was dropped."""

    def __init__(self, of: SheafLayer, *, come_first: bool, one_step: bool) -> None:
        super().__init__(of.system, of.slabs, attrs.evolve(of.rules, come_first=come_first))
        self.one_step = one_step
        self.state: Any = None
        self.meanwhile: Callable[[], None] = lambda: None
        self.gfps: set[Gfp] = set()
        self.taken = self.made = self.freed = 0

    def begin(self, state: State) -> None:
        self.state, self.taken, self.made, self.freed = state, 0, 0, 0

    def trylock(self, cpu: Cpu, mine: CpuSheaves) -> bool:
        if self.taken and not self.state.locks_again:
            return False
        self.taken += 1
        return super().trylock(cpu, mine)

    async def alloc_empty(self, _thread: Thread, cache: Cache, *, spin: bool, gfp: Gfp = GFP_NOWAIT) -> Sheaf | None:
        assert spin
        self.gfps.add(gfp)
        self.meanwhile()
        self.made += self.state.memory
        return Sheaf(cache, None) if self.state.memory else None

    async def free_empty(self, _thread: Thread, sheaf: Sheaf) -> None:
        assert not sheaf.free
        self.freed += 1


class Tried:
    """One cache of a machine that does nothing else."""

    def __init__(self, k: Kernel, *, come_first: bool, one_step: bool) -> None:
        layer = k.machine.slab.sheaves
        assert layer is not None
        self.layer = Failing(layer, come_first=come_first, one_step=one_step)
        self.handle = k.kmem_cache_create("tried", 64, sheaf_capacity=CAPACITY)
        self.cache = self.handle.cache
        assert self.cache.sheaves is not None
        self.capacity = self.cache.sheaves.capacity
        self.barn = self.cache.sheaves.barn
        self.mine = self.cache.sheaves.cpus[0]
        self.slabs: set[Any] = set()
        self.elsewhere: list[Place] = []
        self.layer.meanwhile = self.meanwhile

    def meanwhile(self) -> None:
        """As who runs there meanwhile would leave it."""
        mine, what = self.mine, self.layer.state.meanwhile
        if what in MEANWHILE[:2] and mine.spare is None:
            mine.spare = Sheaf(self.cache, None)
            self.layer.made += 1
            if what == MEANWHILE[0]:
                mine.spare.free, self.elsewhere = self.elsewhere, []
        elif what == MEANWHILE[4]:
            if mine.spare is None:
                mine.spare = Sheaf(self.cache, None)
                self.layer.made += 1
            if not mine.main.free:
                mine.main.free += self.elsewhere[:2]
                del self.elsewhere[:2]
        elif what == MEANWHILE[2]:
            self.elsewhere += mine.main.free[:2]
            del mine.main.free[:2]
        elif what == MEANWHILE[3]:
            room = self.capacity - len(mine.main.free)
            mine.main.free += self.elsewhere[:room]
            del self.elsewhere[:room]

    @property
    def thread(self) -> Thread:
        thread = self.layer.system.cpu(0).current
        assert thread is not None
        return thread

    async def places(self, count: int) -> list[Place]:
        found = await self.layer.slabs.refill_objects(self.thread, self.cache, GFP_KERNEL, count)
        assert len(found) == count
        self.slabs |= {place.home for place in found}
        return found

    async def sheaf(self, filled: int) -> Sheaf:
        """In quarters of what goes into it."""
        return Sheaf(self.cache, None, free=await self.places(filled * self.capacity // CAPACITY))

    async def put(self, state: State) -> None:
        self.layer.begin(state)
        self.mine.main = await self.sheaf(state.main)
        self.mine.spare = None if state.spare is None else await self.sheaf(state.spare)
        self.barn.full[:] = [await self.sheaf(CAPACITY) for _ in range(state.full)]
        self.barn.empty[:] = [await self.sheaf(0) for _ in range(state.empty)]
        self.elsewhere = await self.places(self.capacity) if state.meanwhile else []

    def all(self) -> list[Sheaf]:
        own = [self.mine.main] + ([] if self.mine.spare is None else [self.mine.spare])
        return [*own, *self.barn.full, *self.barn.empty]

    def check(self, sheaves: int, out: list[Place]) -> str:
        """Nothing is lost, and none twice; what came of it, in short."""
        held = [place for sheaf in self.all() for place in sheaf.free] + self.elsewhere + out
        self.slabs |= {place.home for place in held}
        assert len(held) == len(set(held)) == sum(slab.in_use for slab in self.slabs)
        assert all(len(sheaf.free) <= self.capacity for sheaf in self.all())
        assert all(len(sheaf.free) == self.capacity for sheaf in self.barn.full)
        assert all(not sheaf.free for sheaf in self.barn.empty)
        assert self.mine.lock.owner is None
        layer = self.layer
        assert len(set(map(id, self.all()))) == len(self.all()) == sheaves + layer.made - layer.freed
        spare = "none" if self.mine.spare is None else len(self.mine.spare.free)
        barn = f"{len(self.barn.full)} {len(self.barn.empty)}"
        return f"{len(self.mine.main.free)} {spare} {barn} {layer.taken} {layer.made} {layer.freed}"

    async def clear(self, out: list[Place]) -> None:
        held = [place for sheaf in self.all() for place in sheaf.free] + self.elsewhere + out
        self.elsewhere = []
        self.mine.main, self.mine.spare = Sheaf(self.cache, None), None
        self.barn.full.clear()
        self.barn.empty.clear()
        if held:
            await self.layer.slabs.free_to_slabs(self.thread, held)


async def allocate(at: Tried, state: State) -> str:
    sheaves = len(at.all())
    gfp = GFP_KERNEL if state.may_sleep else GFP_NOWAIT
    taken = await alloc_from_pcs(at.layer, at.thread, at.cache, gfp, spin=state.spin)
    out = [] if taken is None else [taken]
    if state.main or state.spare or state.full:
        assert taken is not None, "there was one, and the lock was there to be taken"
    told = at.check(sheaves, out)
    await at.clear(out)
    return f"{bool(out)} {told}"


async def free(at: Tried, state: State) -> str:
    sheaves, out = len(at.all()), await at.places(1)
    taken = await free_to_pcs(at.layer, at.thread, at.cache, out[0], spin=state.spin)
    if state.main < CAPACITY or (state.spare is not None and state.spare < CAPACITY):
        assert taken, "there was room, and the lock was there to be taken"
    told = at.check(sheaves, [] if taken else out)
    await at.clear([] if taken else out)
    return f"{taken} {told}"


@pytest.mark.parametrize(
    ("does", "come_first", "one_step", "digest"),
    [
        (allocate, True, False, "368b06daa0c9"),
        (allocate, True, True, "c4159ea3997b"),
        (allocate, False, False, "d820d7e79e3e"),
        (free, True, False, "087985ba9037"),
        (free, True, True, "abb8f7e42154"),
    ],
)
def test_nothing_is_lost_whatever_fails(does: Any, come_first: bool, one_step: bool, digest: str) -> None:
    """What comes of each state is as it was when it was last looked at: the digest.

    Where sheaves do not come first they have only what has come out of kfree_rcu() (`SheafRules.come_first`).
    """
    told: list[str] = []

    async def script(k: Kernel) -> None:
        at = Tried(k, come_first=come_first, one_step=one_step)
        for state in states():
            await at.put(state)
            told.append(await does(at, state))
        assert at.layer.gfps <= ({GFP_KERNEL} if does is allocate else {GFP_NOWAIT})
        await k.kmem_cache_destroy(at.handle)

    assert run(scenario()(script), kernel="v7.3", mem="64M").clean
    assert len(told) == len(list(states()))
    assert hashlib.sha256("\n".join(told).encode()).hexdigest()[:12] == digest
