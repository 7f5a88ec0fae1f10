"""The kernels that the questions were put to, as configurations of a version.

They are machines that somebody once booted, so they are no builds (builds.py); each has the name of its folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

from ..config import field_names
from ..spelling import no_such

MODELLED: Final = "v6.1-stable"
"""The version that is asked unless another is chosen."""


@attrs.frozen
class AskedKernel:
    """One of them. `settings` are the configuration's; one that the model does not have is named in `missing`."""

    name: str
    about: str
    settings: Mapping[str, str]
    poison: bool = False
    """slub_debug=P: freed memory is overwritten, and whoever reads it acts on 0x6b."""
    costs: Mapping[str, int] = attrs.field(factory=dict)
    """Nanoseconds by name (kernel/costs.py) that the recordings show to be others than those of a bare machine."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of settings that the configuration has not."""
        return tuple(name for name in self.settings if name not in field_names())


_SIZE: Final = {
    "HZ": "250",
    "nr_cpus": "2",
    "mem": "226576K",
}
"""256 MB, of which the zone manages what its recorded watermarks tell."""
_CHECKS: Final = (
    "DEBUG_IRQFLAGS",
    "DEBUG_LOCKDEP",
    "DEBUG_OBJECTS_FREE",
    "DEBUG_OBJECTS_TIMERS",
    "DEBUG_OBJECTS_WORK",
    "DEBUG_OBJECTS_RCU_HEAD",
)
_A: Final[dict[str, str]] = {
    **_SIZE,
    "PREEMPT": "y",
    "PROVE_LOCKING": "y",
    "PROVE_RAW_LOCK_NESTING": "y",
    "DEBUG_ATOMIC_SLEEP": "y",
    "DEBUG_PREEMPT": "y",
    "SOFTLOCKUP_DETECTOR": "y",
    **dict.fromkeys(_CHECKS, "y"),
}
_SLOW: Final = {"call_rcu_ns": 10_000, "callback_ns": 10_000}
"""Emulated in software, with lockdep and debug objects: 20,000 call_rcu() took 200 ms, and 300 callbacks 3 ms."""
_EMULATED: Final = {"call_rcu_ns": 500, "callback_ns": 1_000}
"""The same without lockdep and debug objects; an estimate."""
_N: Final = {**_SIZE, "PREEMPT": "n", "PROVE_LOCKING": "n", "PROVE_RAW_LOCK_NESTING": "n", "DEBUG_ATOMIC_SLEEP": "n"}
_K: Final = {**_SIZE, "PREEMPT": "y", "PROVE_LOCKING": "n", "DEBUG_ATOMIC_SLEEP": "y", "KASAN": "y"}

KERNELS: Final[Mapping[str, AskedKernel]] = MappingProxyType(
    {
        kernel.name: kernel
        for kernel in (
            AskedKernel("A", "PREEMPT=y with lockdep and every other check", _A, costs=_SLOW),
            AskedKernel("AP", "A, booted with slub_debug=FZPU", {**_A, "slub_debug": "y"}, poison=True, costs=_SLOW),
            AskedKernel("R", "PREEMPT_RT=y with lockdep and every other check", {**_A, "PREEMPT_RT": "y"}),
            AskedKernel("N", "PREEMPT=n without lockdep", _N, costs=_EMULATED),
            AskedKernel("K", "PREEMPT=y with KASAN, without lockdep", _K, costs=_EMULATED),
            AskedKernel("A1", "A with one CPU", {**_A, "nr_cpus": "1"}, costs=_SLOW),
            AskedKernel("N1", "N with one CPU", {**_N, "nr_cpus": "1"}, costs=_EMULATED),
            AskedKernel("Aexp", "A with rcu_expedited=1", {**_A, "rcu_expedited": "y"}, costs=_SLOW),
            AskedKernel("Anormal", "A with rcu_normal=1", {**_A, "rcu_normal": "y"}, costs=_SLOW),
            AskedKernel(
                "Afqs10",
                "A with jiffies_till_first_fqs=10 and jiffies_till_next_fqs=10",
                {**_A, "jiffies_till_first_fqs": "10", "jiffies_till_next_fqs": "10"},
                costs=_SLOW,
            ),
        )
    }
)
DEFAULT_KERNEL: Final = "A"


def find_kernel(name: str) -> AskedKernel:
    """The kernel of that name. Raises BadInput."""
    if name not in KERNELS:
        raise no_such("--as", name, KERNELS)
    return KERNELS[name]
