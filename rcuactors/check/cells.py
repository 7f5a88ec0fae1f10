"""The cells of a check: one version in one build, with page caches that are cold or warm, alone or with bystanders.

What a scenario sets for itself stays as it is, and so does what the user sets: a build that says otherwise is left out,
and that is said. Where none is left, the scenario's own configuration is the only build.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from ..builds import BUILDS, Build
from ..config import Config, with_settings
from ..errors import BadInput
from ..runs.options import Settings
from ..scenario import Scenario, split_settings

OWN: Final = "own"
"""The build of a scenario that fits into none."""

STRICTEST: Final = ("rt", "all", "prove", "plain")
"""In this order builds are explored: what one of the others reports, these mostly do as well."""

_JUDGED: Final = tuple(dict.fromkeys(name for build in BUILDS.values() for name in build.settings))


@attrs.frozen
class Cell:
    """One of them. `settings` are all that the run is told, the user's among them."""

    version: str
    build: str
    warm: bool
    contended: bool
    settings: Settings

    @property
    def entry(self) -> tuple[str, str]:
        """Where it stands in the table."""
        return self.version, self.build

    @property
    def surroundings(self) -> tuple[bool, bool]:
        """What it shares with cells of other kernels."""
        return self.warm, self.contended

    def __str__(self) -> str:
        around = f"{'warm' if self.warm else 'cold'} page caches{', bystanders' if self.contended else ''}"
        return f"{self.version} {self.build}, {around}"


@attrs.frozen(kw_only=True)
class Cells:
    """All of a check, in the order in which they are tried first; and why others are not among them."""

    cells: tuple[Cell, ...]
    versions: tuple[str, ...]
    builds: tuple[str, ...]
    without: tuple[str, ...]


def cells_of(chosen: Scenario, versions: Sequence[str], builds: Sequence[str], settings: Mapping[str, str]) -> Cells:
    """The cells of a scenario on these versions and builds. Raises BadInput for settings that are wrong.

    First the ones that are cold and alone, the newest version first, then the others.
    """
    given, _ = split_settings(chosen, settings)
    own = {**chosen.settings, **given}
    with_settings(Config(), own)
    fitting, without = _fitting(own, builds)
    arounds, unsurrounded = _arounds(chosen, own)
    cells = tuple(
        Cell(version, build.name, warm, contended, Settings(tuple({**build.settings, **around, **settings}.items())))
        for (warm, contended), around in arounds.items()
        for build in fitting
        for version in reversed(versions)
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


Around = dict[tuple[bool, bool], dict[str, str]]


def _arounds(chosen: Scenario, own: Mapping[str, str]) -> tuple[Around, list[str]]:
    """(warm, contended) -> the settings of that; and what there is not."""
    if chosen.early_boot:
        return {(False, False): {}}, ["warm page caches and bystanders: it begins before the scheduler runs"]
    set_already = [name for name in ("cold_caches", "warm_caches", "bystanders") if name in own]
    if set_already:
        return {(False, False): {}}, [f"other surroundings: {set_already[0]}={own[set_already[0]]} is set"]
    caches = {False: {"cold_caches": "y"}, True: {"warm_caches": "y"}}
    alone = {(warm, False): caches[warm] for warm in (False, True)}
    if with_settings(Config(), own).nr_cpus == 1:
        return alone, ["bystanders: the machine has one CPU"]
    return alone | {(warm, True): {**caches[warm], "bystanders": "y"} for warm in (False, True)}, []
