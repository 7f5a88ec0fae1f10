"""seqcount_t and seqlock_t (kapi/seqlocks.py, kernel/locking/seqlock.py)."""

from __future__ import annotations

from typing import Any

import pytest

from rcuactors import Kernel, Result, run, scenario


class Pair:
    """Two fields, and what guards them: a seqlock, or a sequence count with a lock."""

    def __init__(self, k: Kernel, kind: str, p: Any) -> None:
        self.k, self.p, self.kind = k, p, kind
        self.lock = k.mutex("lock") if kind == "mutex" else k.spinlock("lock")
        make = k.seqcount_mutex if kind == "mutex" else k.seqcount_spinlock
        self.count = make("count", self.lock)

    async def _write(self) -> None:
        self.p.first += 1
        await self.k.udelay(50)
        self.p.second += 1

    async def write(self) -> None:
        k = self.k
        if self.kind == "seqlock":
            await k.write_seqlock(self.p.seqlock)
            await self._write()
            await k.write_sequnlock(self.p.seqlock)
            return
        await (k.mutex_lock(self.lock) if self.kind == "mutex" else k.spin_lock(self.lock))
        k.write_seqcount_begin(self.count)
        assert k.preemptible() is k.PREEMPT_RT
        await self._write()
        await k.write_seqcount_end(self.count)
        await (k.mutex_unlock(self.lock) if self.kind == "mutex" else k.spin_unlock(self.lock))

    async def read(self) -> tuple[int, int] | None:
        """Both of one time, or None: to be tried again."""
        k, seqlock = self.k, self.p.seqlock if self.kind == "seqlock" else None
        start = await (k.read_seqbegin(seqlock) if seqlock else k.read_seqcount_begin(self.count))
        assert not start & 1
        first = self.p.first
        await k.udelay(30)
        pair = first, self.p.second
        retry = k.read_seqretry(seqlock, start) if seqlock else k.read_seqcount_retry(self.count, start)
        return None if retry else pair


def reader_beside_writer(kind: str, **settings: Any) -> tuple[Result, list[tuple[int, int] | None]]:
    """A writer writes two fields, slowly; a reader wants both of one time. What it saw each time."""
    seen: list[tuple[int, int] | None] = []

    @scenario()
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(k.struct("pair", first=0, second=0, seqlock=k.seqlock_t))
        pair = Pair(k, kind, p)

        async def writer() -> None:
            for _ in range(3):
                await pair.write()
                await k.udelay(10)

        async with k.open_nursery() as nursery:
            await nursery.start_soon(writer, cpu=1)
            await k.udelay(5)
            seen.extend([await pair.read() for _ in range(8)])
        await k.kfree(p)

    return run(script, **settings), seen


@pytest.mark.parametrize("rt", [False, True])
@pytest.mark.parametrize("kind", ["seqlock", "spinlock", "mutex"])
def test_readers_see_what_belongs_together_and_look_again(kind: str, rt: bool) -> None:
    result, seen = reader_beside_writer(kind, PREEMPT_RT=rt, DEBUG_ATOMIC_SLEEP=True, KCSAN=True)
    assert result.clean
    assert None in seen
    assert all(pair is None or pair[0] == pair[1] for pair in seen)
    assert seen[-1] == (3, 3)


def test_a_reader_in_an_interrupt_of_a_writer_is_inconsistent() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        seqlock = k.seqlock_t("timekeeping")

        async def handler() -> None:
            await k.read_seqbegin(seqlock)

        await k.raise_irq(handler)
        await k.udelay(10)
        await k.write_seqlock(seqlock)
        await k.write_sequnlock(seqlock)

    result = run(script)
    assert result.outcome() == "inconsistent-lock-state"
    assert "timekeeping.seqcount" in result.violations[0].text


@pytest.mark.parametrize("form", ["irqsave", "irq", "bh", "excl"])
def test_the_other_forms_keep_interrupts_away_and_give_them_back(form: str) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        sl = k.seqlock_t("sl")
        if form == "irqsave":
            flags = await k.write_seqlock_irqsave(sl)
            assert k.irqs_disabled()
            await k.write_sequnlock_irqrestore(sl, flags)
        elif form == "irq":
            await k.write_seqlock_irq(sl)
            assert k.irqs_disabled()
            await k.write_sequnlock_irq(sl)
        elif form == "bh":
            await k.write_seqlock_bh(sl)
            assert k.in_softirq()
            await k.write_sequnlock_bh(sl)
        else:
            start = await k.read_seqbegin(sl)
            await k.read_seqlock_excl(sl)
            await k.read_sequnlock_excl(sl)
            assert not k.read_seqretry(sl, start)
        assert k.preemptible()
        assert (await k.read_seqbegin(sl)) == (0 if form == "excl" else 2)

    assert run(script).clean


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("kind", ["plain", "mutex", "raw", "rwlock"])
def test_a_writer_has_to_hold_what_the_count_demands(kind: str, right: bool) -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        mutex, raw, rw = k.mutex("mutex"), k.raw_spinlock("raw"), k.rwlock("rw")
        s = {
            "plain": lambda: k.seqcount_t("s"),
            "mutex": lambda: k.seqcount_mutex("s", mutex),
            "raw": lambda: k.seqcount_raw_spinlock("s", raw),
            "rwlock": lambda: k.seqcount_rwlock("s", rw),
        }[kind]()
        if right and kind == "plain":
            k.preempt_disable()
        elif right:
            await {"mutex": k.mutex_lock, "raw": k.raw_spin_lock, "rwlock": k.write_lock}[kind](s.lock)  # type: ignore[arg-type]
        k.write_seqcount_begin(s)
        await k.write_seqcount_end(s)
        if right and kind == "plain":
            await k.preempt_enable()
        elif right:
            await {"mutex": k.mutex_unlock, "raw": k.raw_spin_unlock, "rwlock": k.write_unlock}[kind](s.lock)  # type: ignore[arg-type]

    result = run(script)
    assert result.outcome() == ("clean" if right else "bad-context")
    if not right:
        said = "preemptible()" if kind == "plain" else "!lockdep_is_held(l)"
        assert said in result.violations[0].title


def test_a_count_in_a_freed_object_is_used() -> None:
    @scenario()
    async def script(k: Kernel) -> None:
        p = await k.kmalloc(k.struct("foo", seq=k.seqcount_t, seqlock=k.seqlock_t))
        await k.kfree(p)
        await k.read_seqcount_begin(p.seq)
        await k.read_seqbegin(p.seqlock)

    titles = [found.title for found in run(script).violations]
    assert [("&foo->seq " in title, "&foo->seqlock" in title) for title in titles] == [(True, False), (False, True)]
