"""A comparison's JSON as a page: two of its designs, run once more under one workload, side by side.

The document has verdicts and figures, and no run. So the two are run as the comparison ran them, with the first of its
seeds: the one that it would take, and the first that was reported where that was not, else the next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs

from ..compare.designs import find_designs
from ..compare.kernels import find_kernels
from ..compare.workloads import WORKLOADS
from ..config import field_names
from ..errors import BadInput
from ..page import Report
from ..runs import RunOptions
from ..scenario import Scenario
from ..userfiles import find_scenarios, load_scenario
from .runs import watched_run

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_Place = tuple[str, str]
"""Kernel, and workload or scenario."""


def comparison_report(
    name: str,
    document: Mapping[str, Any],
    designs: tuple[str, ...] = (),
    files: tuple[str, ...] = (),
    sources: Mapping[str, str] = NOTHING,
) -> tuple[Report, bool]:
    """The page, and whether something was reported in its runs. `designs` are two of the document's, if given.

    `files` are those of a user's own designs that were compared, `sources` those of his own scenarios, by their names.

    Raises BadInput where the document is not one, or has no two designs that were run under the same.
    """
    try:
        costs = _costs(document)
        chosen = designs or _chosen(document, costs)
        place = _place(name, costs, chosen)
        own = {ref.name: ref.file for ref in find_designs([], files)}
        options = [_options(document, place, own.get(design, design), _version(document, design)) for design in chosen]
        sentences = [str(sentence) for sentence in document["summary"]["sentences"]]
        reasons = {str(one["name"]): str(one["reason"]) for one in document["designs"]}
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"{name}: is no whole comparison ({type(error).__name__}: {error})") from None
    scenario = _scenario(name, place[1], sources)
    drawn = [
        watched_run(scenario, one, f"{design}, {place[1]} on {place[0]}")
        for design, one in zip(chosen, options, strict=True)
    ]
    facts = [("the comparison says", sentence) for sentence in sentences]
    facts += [(design, reasons.get(design, "")) for design in chosen]
    report = Report(
        title=f"{chosen[0]} and {chosen[1]}, compared: {place[1]} on {place[0]}",
        panels=tuple(one.panel for one in drawn),
        facts=tuple(facts),
    )
    return report, any(one.reported for one in drawn)


def _costs(document: Mapping[str, Any]) -> dict[str, dict[_Place, str]]:
    """The outcome of each design's runs, by where they were."""
    return {
        str(design["name"]): {
            (str(cost["kernel"]), str(cost["subject"])): str(cost["outcome"]) for cost in design["costs"]
        }
        for design in document["designs"]
    }


def _chosen(document: Mapping[str, Any], costs: Mapping[str, Mapping[_Place, str]]) -> tuple[str, ...]:
    taken = [str(name) for name in document["summary"]["mainline"] if str(name) in costs]
    first = taken[0] if taken else next(iter(costs))
    others = [name for name in costs if name != first]
    worse = (
        name
        for name in others
        for place, outcome in costs[first].items()
        if outcome == "clean" and costs[name].get(place, "clean") != "clean"
    )
    other = next(worse, others[0] if others else None)
    if other is None:
        raise BadInput(f"the comparison has one design, {first}: there is nothing beside it")
    return first, other


def _place(name: str, costs: Mapping[str, Mapping[_Place, str]], chosen: tuple[str, ...]) -> _Place:
    """Where they differ in what was reported, else the first where both were run."""
    for design in chosen:
        if design not in costs:
            raise BadInput(f"{name}: design {design}: is none of its designs: {', '.join(costs)}")
    one, other = (costs[design] for design in chosen)
    both = [place for place in one if place in other]
    if not both:
        raise BadInput(f"{name}: {chosen[0]} and {chosen[1]} were not run under the same: there is nothing to draw")
    return next((place for place in both if one[place] != other[place]), both[0])


def _version(document: Mapping[str, Any], design: str) -> str:
    return next(str(one["version"]) for one in document["designs"] if one["name"] == design)


def _options(document: Mapping[str, Any], place: _Place, design: str, version: str) -> RunOptions:
    settings = {str(key): str(value) for key, value in document["settings"].items()}
    config = {key: value for key, value in settings.items() if key in field_names()}
    (kernel,) = find_kernels([place[0]], config)
    kernel = attrs.evolve(kernel.unchecked(config), version=version or kernel.version)
    seed = int(document["seeds"][0])
    return RunOptions(
        kernel=kernel.version,
        design=None if version else design,
        settings={**kernel.settings, **{key: value for key, value in settings.items() if key not in config}},
        seed=seed,
    )


def _scenario(name: str, subject: str, sources: Mapping[str, str]) -> Scenario:
    if subject in WORKLOADS:
        return WORKLOADS[subject].scenario
    if subject in sources:
        return load_scenario(sources[subject])
    if subject not in find_scenarios():
        raise BadInput(f"{name}: scenario {subject} is no bundled one; report it by its file, with two --design")
    return load_scenario(subject)
