"""What must not be (include/asm-generic/bug.h): WARN_ON() and its kin go on, BUG_ON() does not."""

from __future__ import annotations

from ..context import splat
from ..context.trace import call_trace, caller_site
from ..context.violation import ViolationKind
from .base import KernelBase


class Bugs(KernelBase):
    """WARN_ON(), WARN(), BUG_ON(): legal in every context. The condition is anything that is true or false."""

    def WARN_ON(self, condition: object) -> bool:  # noqa: N802 - the kernel's name
        """WARN_ON(): a warning if it is so. Whether it is."""
        return self._warn(condition, "", caller_site())

    def WARN_ON_ONCE(self, condition: object) -> bool:  # noqa: N802 - the kernel's name
        """WARN_ON_ONCE(): the same, told once for each place."""
        return self._warn(condition, "", caller_site(), once=True)

    def WARN(self, condition: object, message: str) -> bool:  # noqa: N802 - the kernel's name
        """WARN(): the same as WARN_ON(), with a message."""
        return self._warn(condition, message, caller_site())

    def WARN_ONCE(self, condition: object, message: str) -> bool:  # noqa: N802 - the kernel's name
        """WARN_ONCE(): the same, told once for each place."""
        return self._warn(condition, message, caller_site(), once=True)

    def _warn(self, condition: object, message: str, place: str, *, once: bool = False) -> bool:
        cpu = self._cpu
        if condition and (not once or cpu.judge.first_time(place)):
            text = splat.warning(cpu.judge.scene(cpu), message, place, call_trace())
            cpu.judge.report(cpu, ViolationKind.WARNING, f"WARNING: {message or f'at {place}'}", text)
        return bool(condition)

    def BUG_ON(self, condition: object) -> None:  # noqa: N802 - the kernel's name
        """BUG_ON(): if it is so, that is told, and raised as KernelBug: whatever ran here does not go on."""
        if condition:
            self.BUG()

    def BUG(self) -> None:  # noqa: N802 - the kernel's name
        """BUG(): the same, always."""
        place = caller_site()
        self._cpu.judge.kernel_bug(self._cpu, "", place, ViolationKind.KERNEL_BUG)
