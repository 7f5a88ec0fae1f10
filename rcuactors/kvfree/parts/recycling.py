"""Recycling: whose cache a drained block's page goes to, if that has room."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...kernel.cpu import Cpu
    from ..core import KvfreeRcu
    from ..krc import Krc


def to_current_cpu(kvfree: KvfreeRcu, cpu: Cpu, _krcp: Krc) -> Krc:
    """v5.9: that of the CPU on which the worker runs."""
    return kvfree.krc(cpu.cpu_id)


def to_own_cpu(_kvfree: KvfreeRcu, _cpu: Cpu, krcp: Krc) -> Krc:
    """Since 56292e8609e3: that of the CPU whose batch it was."""
    return krcp
