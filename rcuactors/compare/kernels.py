"""The kernels that designs are compared on: a version of the model in one of the builds (builds.py).

`plain` and `prove` tell what lockdep objects to without and with its check of lock nesting, `rt` what PREEMPT_RT itself
does; `all` is compared on when it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from ..builds import BUILDS, USUAL_BUILDS, find_build
from ..config import Config, with_settings
from ..eras import DEBATED_ERA, ERAS, find_era
from ..spelling import no_such

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
    """The kernels of those names: a build, a version (in the usual builds), or VERSION:BUILD. Raises BadInput.

    `chosen` are settings that win over the build's.
    """
    found: dict[str, ComparedKernel] = {}
    for name in names:
        for version, build in _expand(name):
            label = build if version == DEBATED_ERA else f"{version}:{build}"
            found[label] = ComparedKernel(label, version, build, {**BUILDS[build].settings, **chosen})
    return tuple(found.values())


def _expand(name: str) -> list[tuple[str, str]]:
    if name in BUILDS:
        return [(DEBATED_ERA, name)]
    version, colon, build = name.partition(":")
    if colon:
        find_build(build, f"--kernels {version}:")
    if version not in ERAS:
        there = (
            f"there are {', '.join(BUILDS)} (on {DEBATED_ERA}), the versions {', '.join(ERAS)}, and VERSION:BUILD, "
            f"such as {DEBATED_ERA}:rt"
        )
        raise no_such("--kernels", version, (*BUILDS, *ERAS), there=there)
    find_era(version)
    return [(version, build)] if colon else [(version, each) for each in USUAL_BUILDS]


def to_measure(kernels: Sequence[ComparedKernel], chosen: Mapping[str, str]) -> tuple[ComparedKernel, ...]:
    """The kernels to measure costs on: without their checks, and each of those that are then the same only once."""
    distinct: dict[tuple[str, tuple[tuple[str, str], ...]], ComparedKernel] = {}
    for kernel in kernels:
        bare = kernel.unchecked(chosen)
        key = bare.version, tuple(sorted(bare.config().as_settings().items()))
        distinct.setdefault(key, bare)
    return tuple(distinct.values())
