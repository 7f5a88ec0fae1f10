"""The kernels that designs are compared on: a version of the model, built in one of three ways.

`plain` is a kernel without the check of lock nesting, `prove` has it, `rt` is PREEMPT_RT. The last one is built with
DEBUG_ATOMIC_SLEEP: an uncontended spinlock_t of PREEMPT_RT is taken without sleeping, so the mistake of taking it in
atomic context would show under contention only; might_sleep() in rt_spin_lock() shows it always. Nesting is left
unchecked there, so that the column tells what PREEMPT_RT itself objects to; `prove` tells the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import attrs

from ..config import Config, with_settings
from ..eras import DEFAULT_ERA, ERAS, find_era
from ..spelling import no_such

BUILDS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "plain": MappingProxyType({}),
        "prove": MappingProxyType({"PROVE_RAW_LOCK_NESTING": "y"}),
        "rt": MappingProxyType({"PREEMPT_RT": "y", "DEBUG_ATOMIC_SLEEP": "y"}),
    }
)

_UNCHECKED: Final = {"PROVE_LOCKING": "n", "PROVE_RAW_LOCK_NESTING": "n", "DEBUG_ATOMIC_SLEEP": "n"}


@attrs.frozen
class ComparedKernel:
    """A version, how it is built, and what it is called in tables. The user's settings are among `settings`."""

    name: str
    version: str
    build: str
    settings: Mapping[str, str]

    def config(self) -> Config:
        """The configuration. Raises BadInput for a setting that is wrong."""
        return with_settings(Config(), self.settings)

    def unchecked(self, chosen: Mapping[str, str]) -> ComparedKernel:
        """The same kernel without its debugging checks, as it is used, except where the user chose them."""
        return attrs.evolve(self, settings={**self.settings, **_UNCHECKED, **chosen})


def find_kernels(names: Sequence[str], chosen: Mapping[str, str]) -> tuple[ComparedKernel, ...]:
    """The kernels of those names: a build, a version (in all builds), or VERSION:BUILD. Raises BadInput.

    `chosen` are settings that win over the build's.
    """
    found: dict[str, ComparedKernel] = {}
    for name in names:
        for version, build in _expand(name):
            label = build if version == DEFAULT_ERA else f"{version}:{build}"
            found[label] = ComparedKernel(label, version, build, {**BUILDS[build], **chosen})
    return tuple(found.values())


def _expand(name: str) -> list[tuple[str, str]]:
    if name in BUILDS:
        return [(DEFAULT_ERA, name)]
    version, colon, build = name.partition(":")
    if colon and build not in BUILDS:
        there = f"after the colon there are {', '.join(BUILDS)}"
        raise no_such(f"--kernels {version}:", build, BUILDS, there=there)
    if version not in ERAS:
        there = (
            f"there are {', '.join(BUILDS)} (on {DEFAULT_ERA}), the versions {', '.join(ERAS)}, and VERSION:BUILD, "
            f"such as {DEFAULT_ERA}:rt"
        )
        raise no_such("--kernels", version, (*BUILDS, *ERAS), there=there)
    find_era(version)
    return [(version, build)] if colon else [(version, each) for each in BUILDS]


def to_measure(kernels: Sequence[ComparedKernel], chosen: Mapping[str, str]) -> tuple[ComparedKernel, ...]:
    """The kernels to measure costs on: without their checks, and each of those that are then the same only once."""
    distinct: dict[tuple[str, tuple[tuple[str, str], ...]], ComparedKernel] = {}
    for kernel in kernels:
        bare = kernel.unchecked(chosen)
        key = bare.version, tuple(sorted(bare.config().as_settings().items()))
        distinct.setdefault(key, bare)
    return tuple(distinct.values())
