"""The cells of a check: one version in one build, with page caches as booted, cold or warm, alone or with bystanders.

A machine just booted has cold caches, but for the page cache of v5.9, which boot fills: only there all three differ.

What a scenario sets for itself stays as it is, and so does what the user sets: a build that says otherwise is left out,
and that is said. Where none is left, the scenario's own configuration is the only build.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import attrs

from ..builds import BUILDS, Build
from ..config import Config, with_settings
from ..eras import find_era
from ..errors import BadInput
from ..runs.options import Settings
from ..scenario import Scenario, split_settings

OWN: Final = "own"
"""The build of a scenario that fits into none."""

STRICTEST: Final = ("rt", "all", "prove", "plain")
"""In this order builds are explored: what one of the others reports, these mostly do as well."""

_JUDGED: Final = tuple(dict.fromkeys(name for build in BUILDS.values() for name in build.settings))


class Caches(enum.Enum):
    """What a scenario finds in page caches and page lists."""

    BOOTED = "as booted"
    COLD = "cold"
    WARM = "warm"


@attrs.frozen
class Cell:
    """One of them. `settings` are all that the run is told, the user's among them."""

    version: str
    build: str
    caches: Caches
    contended: bool
    settings: Settings

    @property
    def entry(self) -> tuple[str, str]:
        """Where it stands in the table."""
        return self.version, self.build

    @property
    def surroundings(self) -> tuple[Caches, bool]:
        """What it shares with cells of other kernels."""
        return self.caches, self.contended

    @property
    def warm(self) -> bool | None:
        """Whether caches are warm; None where some are."""
        if self.caches is Caches.BOOTED and find_era(self.version).rules.kvfree.boot_prefill:
            return None
        return self.caches is Caches.WARM

    def __str__(self) -> str:
        around = {None: "caches as booted", False: "cold page caches", True: "warm page caches"}[self.warm]
        return f"{self.version} {self.build}, {around}{', bystanders' if self.contended else ''}"


@attrs.frozen(kw_only=True)
class Cells:
    """All of a check, in the order in which they are tried first; and why others are not among them."""

    cells: tuple[Cell, ...]
    versions: tuple[str, ...]
    builds: tuple[str, ...]
    without: tuple[str, ...]


def cells_of(chosen: Scenario, versions: Sequence[str], builds: Sequence[str], settings: Mapping[str, str]) -> Cells:
    """The cells of a scenario on these versions and builds. Raises BadInput for settings that are wrong.

    First the ones that are as booted and alone, the newest version first, then the others.
    """
    given, _ = split_settings(chosen, settings)
    own = {**chosen.settings, **given}
    with_settings(Config(), own)
    fitting, without = _fitting(own, builds)
    arounds, unsurrounded = _arounds(chosen, own)
    cells = tuple(
        Cell(version, build.name, caches, contended, Settings(tuple({**build.settings, **around, **settings}.items())))
        for (caches, contended), around in arounds.items()
        for build in fitting
        for version in reversed(versions)
        if caches is not Caches.COLD or find_era(version).rules.kvfree.boot_prefill
    )
    return Cells(
        cells=cells,
        versions=tuple(versions),
        builds=tuple(build.name for build in fitting),
        without=(*without, *unsurrounded),
    )


def _fitting(own: Mapping[str, str], builds: Sequence[str]) -> tuple[list[Build], list[str]]:
    found, clash = [], dict[str, None]()
    for name in builds:
        said = _clash(own, BUILDS[name])
        if said:
            clash[f"build {name}: {said}"] = None
        else:
            found.append(BUILDS[name])
    if not found:
        return [Build(OWN, "the scenario's own configuration", {})], list(clash)
    return found, list(clash)


def _clash(own: Mapping[str, str], build: Build) -> str:
    """What of its own does not go with that build."""
    plain = Config().as_settings()
    for name in _JUDGED:
        text = own.get(name)
        if text is not None and text != build.settings.get(name, plain[name]):
            return f"the scenario has {name}={text}"
    try:
        with_settings(Config(), {**build.settings, **own})
    except BadInput as error:
        return str(error)
    return ""


Around = dict[tuple[Caches, bool], dict[str, str]]

_SETTINGS: Final[Mapping[Caches, Mapping[str, str]]] = MappingProxyType(
    {Caches.BOOTED: {}, Caches.COLD: {"cold_caches": "y"}, Caches.WARM: {"warm_caches": "y"}}
)


def _arounds(chosen: Scenario, own: Mapping[str, str]) -> tuple[Around, list[str]]:
    """(caches, contended) -> the settings of that; and what there is not."""
    only: Around = {(Caches.BOOTED, False): {}}
    if chosen.early_boot:
        return only, ["warm page caches and bystanders: it begins before the scheduler runs"]
    set_already = [name for name in ("cold_caches", "warm_caches", "bystanders") if name in own]
    if set_already:
        return only, [f"other surroundings: {set_already[0]}={own[set_already[0]]} is set"]
    alone = {(caches, False): dict(_SETTINGS[caches]) for caches in Caches}
    if with_settings(Config(), own).nr_cpus == 1:
        return alone, ["bystanders: the machine has one CPU"]
    return alone | {(caches, True): {**_SETTINGS[caches], "bystanders": "y"} for caches in Caches}, []
