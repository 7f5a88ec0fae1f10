"""mm/shrinkers.py: one that goes is waited for while somebody is at it."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, run

OLD, NEW = "v6.6", "v6.12"
"""With shrinker_rwsem, and with a count of who is at each."""


class Slow:
    """A shrinker that takes its time, and is gone when its owner thinks so."""

    def __init__(self, k: Kernel, said: list[str], name: str) -> None:
        self.k, self.said, self.name = k, said, name
        self.gone = self.late = False
        self.begun = k.completion("begun")

    async def count(self) -> int:
        self.late |= self.gone
        return 1

    async def scan(self, _nr_to_scan: int) -> int | None:
        await self.k.complete(self.begun)
        await self.k.msleep(10)
        self.said.append(f"{self.name} scanned")
        self.late |= self.gone
        return 0


@pytest.mark.parametrize("kernel", ["v5.9", OLD, NEW, "v7.3"])
def test_a_scan_under_way_is_waited_for(kernel: str) -> None:
    said: list[str] = []

    async def goes(k: Kernel) -> None:
        slow = Slow(k, said, "slow")
        shrinker = await k.register_shrinker("slow", slow.count, slow.scan)
        async with k.open_nursery() as nursery:
            await nursery.start_soon(k.drop_slab, cpu=1)
            await k.wait_for_completion(slow.begun)
            await k.unregister_shrinker(shrinker)
            slow.gone = True
            said.append("gone")
        assert not slow.late
        await k.drop_slab()

    assert run(goes, kernel=kernel, DEBUG_ATOMIC_SLEEP=True).clean
    assert said == ["slow scanned", "gone"]


@pytest.mark.parametrize(
    ("kernel", "order"), [(OLD, ["slow scanned", "other gone"]), (NEW, ["other gone", "slow scanned"])]
)
def test_who_is_waited_for_depends_on_the_version(kernel: str, order: list[str]) -> None:
    said: list[str] = []

    async def goes(k: Kernel) -> None:
        slow, other = Slow(k, said, "slow"), Slow(k, said, "other")
        shrinker = await k.register_shrinker("slow", slow.count, slow.scan)
        another = await k.register_shrinker("other", other.count, other.scan)
        async with k.open_nursery() as nursery:
            await nursery.start_soon(k.drop_slab, cpu=1)
            await k.wait_for_completion(slow.begun)
            await k.unregister_shrinker(another)
            said.append("other gone")
        await k.unregister_shrinker(shrinker)

    assert run(goes, kernel=kernel).clean
    assert said[:2] == order
    assert "other scanned" not in said


@pytest.mark.parametrize("kernel", [OLD, NEW])
@pytest.mark.parametrize("first", ["register", "unregister"])
def test_both_might_sleep(kernel: str, first: str) -> None:
    async def under_a_lock(k: Kernel) -> None:
        slow, lock = Slow(k, [], "slow"), k.raw_spinlock("lock")
        locked = first == "register"
        if locked:
            await k.raw_spin_lock(lock)
        shrinker = await k.register_shrinker("slow", slow.count, slow.scan)
        if not locked:
            await k.raw_spin_lock(lock)
            await k.unregister_shrinker(shrinker)
        await k.raw_spin_unlock(lock)

    found, lock = run(under_a_lock, kernel=kernel, DEBUG_ATOMIC_SLEEP=True).violations
    assert found.kind.value == "sleeping-function"
    assert f" {first}_shrinker" in found.text
    assert lock.title.startswith("BUG: Invalid wait context: shrinker_" + ("rwsem" if kernel == OLD else "mutex"))


@pytest.mark.parametrize(("kernel", "told"), [("v5.9", 1), (OLD, 1), (NEW, 0)])
@pytest.mark.parametrize("scanned_first", [True, False])
def test_a_lock_that_a_scan_takes_is_not_held_by_who_unregisters(kernel: str, told: int, scanned_first: bool) -> None:
    async def goes(k: Kernel) -> None:
        lock = k.mutex("entries")

        async def count() -> int:
            return 1

        async def scan(_nr_to_scan: int) -> int | None:
            await k.mutex_lock(lock)
            await k.mutex_unlock(lock)
            return None

        first = await k.register_shrinker("first", count, scan)
        if scanned_first:
            await k.drop_slab()
        await k.mutex_lock(lock)
        await k.unregister_shrinker(await k.register_shrinker("other", count, scan))
        await k.mutex_unlock(lock)
        await k.drop_slab()
        await k.unregister_shrinker(first)

    found = run(goes, kernel=kernel, PROVE_LOCKING=True).violations
    assert [one.kind.value for one in found] == ["circular-locking"] * told
    for one in found:
        assert "(shrinker_rwsem){++++}-{3:3}, at: " in one.text
        assert ("at: register_shrinker_prepared" if scanned_first else "at: shrink_slab") in one.text
