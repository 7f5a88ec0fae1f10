"""Bits of a field, and the locks that single bits are (include/linux/bitops.h, bit_spinlock.h)."""

from __future__ import annotations

from typing import Final

from ..context.trace import caller_site
from ..errors import bad_value, described
from ..kernel.atomic import Order
from .fields import StructObject, load, store
from .objects import Objects

_BITS_PER_LONG: Final = 64


class Bits(Objects):
    """set_bit() and its kin on a field that is an unsigned long, named as in READ_ONCE(): (nr, p, "field").

    Each is one step, legal in every context. Raises BadInput for a bit that no unsigned long has, and for a field that
    is no whole number.
    """

    def _word(self, function: str, nr: int, p: StructObject, field: str, order: Order = Order.NONE) -> int:
        self._expect_field(p, field)
        if not 0 <= nr < _BITS_PER_LONG:
            raise bad_value(f"{function}(nr={described(nr)})", f"a bit of an unsigned long, 0 to {_BITS_PER_LONG - 1}")
        word = load(p, field, order)
        if word.__class__ is not int:
            raise bad_value(f"{function}(): {p.struct}.{field}={described(word)}", "a whole number")
        self._cpu.clock += self._system.costs.lock_ns
        return int(word)

    def test_bit(self, nr: int, p: StructObject, field: str) -> bool:
        """test_bit(): orders nothing."""
        return bool(self._word("test_bit", nr, p, field) >> nr & 1)

    def set_bit(self, nr: int, p: StructObject, field: str) -> None:
        """set_bit(): orders nothing."""
        store(p, field, self._word("set_bit", nr, p, field) | 1 << nr, Order.NONE)

    def clear_bit(self, nr: int, p: StructObject, field: str) -> None:
        """clear_bit(): orders nothing."""
        store(p, field, self._word("clear_bit", nr, p, field) & ~(1 << nr), Order.NONE)

    def clear_bit_unlock(self, nr: int, p: StructObject, field: str) -> None:
        """clear_bit_unlock(): what came before is before."""
        store(p, field, self._word("clear_bit_unlock", nr, p, field) & ~(1 << nr), Order.RELEASE)

    def test_and_set_bit(self, nr: int, p: StructObject, field: str) -> bool:
        """test_and_set_bit(): whether it was set. Fully ordered."""
        word = self._word("test_and_set_bit", nr, p, field, Order.ACQUIRE)
        store(p, field, word | 1 << nr, Order.RELEASE)
        return bool(word >> nr & 1)

    def test_and_clear_bit(self, nr: int, p: StructObject, field: str) -> bool:
        """test_and_clear_bit(): whether it was set. Fully ordered."""
        word = self._word("test_and_clear_bit", nr, p, field, Order.ACQUIRE)
        store(p, field, word & ~(1 << nr), Order.RELEASE)
        return bool(word >> nr & 1)

    # -- a bit as a lock, of which lockdep knows nothing --

    def _try_lock(self, function: str, bitnum: int, p: StructObject, field: str) -> bool:
        """test_and_set_bit_lock()."""
        word = self._word(function, bitnum, p, field, Order.ACQUIRE)
        if word >> bitnum & 1:
            return False
        store(p, field, word | 1 << bitnum, Order.NONE)
        return True

    def _preempt_disable(self) -> None:
        cpu, site = self._cpu, caller_site()
        cpu.preempt_disable(site)
        self._machine.book.preempt_disabled(cpu, site)

    async def _preempt_enable(self) -> None:
        cpu = self._cpu
        self._machine.book.preempt_enabled(cpu)
        await cpu.preempt_enable()

    async def bit_spin_lock(self, bitnum: int, p: StructObject, field: str) -> None:
        """bit_spin_lock(): spin until the bit is ours, on PREEMPT_RT, too; preemption is off from then on."""
        self._preempt_disable()
        while not self._try_lock("bit_spin_lock", bitnum, p, field):
            await self._preempt_enable()
            while self.test_bit(bitnum, p, field):
                await self._thread.cpu_relax(self._system.costs.lock_handover_ns)
            self._preempt_disable()

    def bit_spin_trylock(self, bitnum: int, p: StructObject, field: str) -> bool:
        """bit_spin_trylock(): whether it was free, and is ours; with preemption off, then."""
        taken = self._try_lock("bit_spin_trylock", bitnum, p, field)
        if taken:
            self._preempt_disable()
        return taken

    async def bit_spin_unlock(self, bitnum: int, p: StructObject, field: str) -> None:
        """bit_spin_unlock(): let go, preemption on again. A BUG_ON() with DEBUG_SPINLOCK, if it was not set."""
        if not self.test_bit(bitnum, p, field) and self._system.config.lockdep:
            self._cpu.judge.kernel_bug(self._cpu, "!test_bit(bitnum, addr)", caller_site())
        self.clear_bit_unlock(bitnum, p, field)
        await self._preempt_enable()

    def bit_spin_is_locked(self, bitnum: int, p: StructObject, field: str) -> bool:
        """bit_spin_is_locked(): somebody has it."""
        return self.test_bit(bitnum, p, field)
