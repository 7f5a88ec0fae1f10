"""The kernels that are asked: a version, and how it is built; and the same one with every check on.

A build (builds.py) is how one is used; that it is silent may be for lack of a check. So each kernel is asked twice: as
it is built, and with every check that the model has. The kernels that the recordings of lock-nesting were taken on can
be asked by their names as well (lock_matrix/presets.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from ..builds import BUILDS, find_build, frozen
from ..eras import DEFAULT_ERA, ERAS
from ..lock_matrix.presets import PRESETS
from ..runs import RunOptions
from ..spelling import no_such

_MACHINE: Final = {"mem": "16M", "pcp_batch": "15", "nr_cpus": "3", "HZ": "250"}
"""Little memory, so that page lists are short and soon run dry, and a CPU for each of those who take part."""

CHECKS: Final[Mapping[str, str]] = BUILDS["all"].settings
"""Every check that a build has."""

PROVE_RCU_LIST: Final = "PROVE_RCU_LIST"
"""A check that no build has (it is RCU_EXPERT's), and on which calls hang that go through lists (`Form.check`)."""

ALL_BUILDS: Final = ("plain", "prove", "all", "rt")
"""In the order of tables."""

ALL: Final = "all"
"""As a name: every version."""


@attrs.frozen
class AskedKernel:
    """A version, how it is built, and the settings that make it so."""

    version: str
    build: str
    settings: Mapping[str, str] = attrs.field(converter=frozen)

    @property
    def rt(self) -> bool:
        """PREEMPT_RT."""
        return self.settings.get("PREEMPT_RT") == "y"

    def checked(self, more: str = "") -> AskedKernel:
        """The same with every check on, and one more."""
        return attrs.evolve(self, settings={**self.settings, **CHECKS, **({more: "y"} if more else {})})

    @property
    def on_rt(self) -> AskedKernel:
        """The same version as PREEMPT_RT, with every check on."""
        return AskedKernel(self.version, "rt", {**BUILDS["rt"].settings, **CHECKS})

    @property
    def unchecked(self) -> tuple[str, ...]:
        """The checks that are off."""
        every = {**CHECKS, PROVE_RCU_LIST: "y"}
        return tuple(name for name, value in every.items() if self.settings.get(name) != value)

    @property
    def key(self) -> tuple[object, ...]:
        """What two kernels have in common that answer alike."""
        return self.version, tuple(sorted(self.settings.items()))

    def options(self) -> RunOptions:
        """How it is run."""
        return RunOptions(kernel=self.version, settings={**self.settings, **_MACHINE})


def find_kernels(names: Sequence[str]) -> tuple[AskedKernel, ...]:
    """The kernels of those names: a version, a build, or VERSION:BUILD. Raises BadInput."""
    found = {(version, build): None for name in names for version, build in _expand(name)}
    versions = list(ERAS)
    builds = [*ALL_BUILDS, *PRESETS]
    order = sorted(found, key=lambda one: (versions.index(one[0]), builds.index(one[1])))
    return tuple(AskedKernel(version, build, _settings(build)) for version, build in order)


def _settings(build: str) -> Mapping[str, str]:
    return BUILDS[build].settings if build in BUILDS else PRESETS[build].settings


def _expand(name: str) -> list[tuple[str, str]]:
    if name == ALL:
        return [(version, build) for version in ERAS for build in ALL_BUILDS]
    if name in BUILDS or name in PRESETS:
        return [(version, name) for version in (ERAS if name in BUILDS else (RECORDED,))]
    version, colon, build = name.partition(":")
    if version not in ERAS:
        there = (
            f"there are the versions {', '.join(ERAS)}, the builds {', '.join(ALL_BUILDS)}, VERSION:BUILD, such as "
            f"{DEFAULT_ERA}:rt, and the kernels that were recorded, {', '.join(PRESETS)}"
        )
        raise no_such("--kernels", name, (*ERAS, *ALL_BUILDS, *PRESETS, ALL), there=there)
    if colon and build not in PRESETS:
        find_build(build, f"--kernels {version}:")
    return [(version, build)] if colon else [(version, each) for each in ALL_BUILDS]


RECORDED: Final = "v6.1-stable"
"""The version that real kernels were recorded on (recorded.py)."""
