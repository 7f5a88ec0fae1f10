"""No change of the model goes unseen: the event digests of every bundled scenario and every recording here.

`data/determinism/digests.json` holds what each run gave when it was last written: a digest over every event of it. A
change that is meant to change nothing leaves all of them as they are; one that is meant to, says so in the CHANGELOG
and writes the file anew:

    python tests/test_digests.py

Here the first seed of what is quick is run; `python -m pytest -m campaign tests/test_digests.py` runs the rest.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from rcuactors import RunOptions, run
from rcuactors.errors import StepBoundExceeded
from rcuactors.explore import make_strategy
from rcuactors.recordings.recording import read_recording
from rcuactors.recordings.replay import replay
from rcuactors.userfiles import find_scenarios, load_scenario

DATA = Path(__file__).parent / "data"
FILE = DATA / "determinism" / "digests.json"
NEWER = "6.12/"
RECORDINGS = {
    f"{NEWER if '6.12' in path.parent.name else ''}{path.name.removesuffix('.txt.gz')}": path
    for path in sorted((DATA / "recordings").rglob("*.txt.gz"))
}
"""By name, those of 6.12 apart: the same scripts ran there."""

KERNELS = {
    "v5.9": ("v5.9", None),
    "v5.9 direct": ("v5.9", "direct"),
    "v5.11": ("v5.11", None),
    "v6.1-stable": ("v6.1-stable", None),
    "v6.12": ("v6.12", None),
    "v7.3": ("v7.3", None),
}
NEWER_KERNELS = ("v6.12", "v7.3")
"""On these the usual builds, and the recordings of 6.12; on the others everything else."""
USUAL_BUILDS = ("plain", "prove", "rt")
BUILDS = {
    "plain": {},
    "unchecked": {"PROVE_LOCKING": "n"},
    "prove": {"PROVE_RAW_LOCK_NESTING": "y"},
    "rt": {"PREEMPT_RT": "y"},
    "rt, atomic sleep": {"PREEMPT_RT": "y", "DEBUG_ATOMIC_SLEEP": "y"},
    "all, page hooks": {
        "PROVE_RAW_LOCK_NESTING": "y",
        "DEBUG_ATOMIC_SLEEP": "y",
        "lockdep_keep_going": "y",
        "KASAN": "y",
        "page_owner": "y",
        "debug_pagealloc": "y",
    },
}
STRATEGIES = ("timed", "random")
SEEDS = (0, 1, 2)
SLOW = ("flood", "cold_cache_burst", "shrinker_pressure", "nmi_caller", "kunit_nolock")
SHOWN = 16
"""Characters of a digest that are kept."""

Row = tuple[str, str, str]
"""What is run: a scenario or `replay NAME`, a kernel, a build; one strategy and one seed of it are a cell."""


def rows() -> list[Row]:
    """Everything that is held to its digests."""
    found = [
        (name, kernel, build)
        for name in find_scenarios()
        for kernel in KERNELS
        for build in (USUAL_BUILDS if kernel in NEWER_KERNELS else BUILDS)
    ]
    own_designs = [label for label, (_, design) in KERNELS.items() if design is None]
    return found + [
        (f"replay {name}", label, "as recorded")
        for name in RECORDINGS
        for label in own_designs
        if (label in NEWER_KERNELS) is name.startswith(NEWER)
    ]


def digest(row: Row, strategy: str, seed: int) -> str:
    """Run it; what its events come to, or that it never ends."""
    name, label, build = row
    kernel, design = KERNELS[label]
    options = RunOptions(kernel=kernel, design=design, strategy=make_strategy(strategy), seed=seed)
    try:
        if name.startswith("replay "):
            result = replay(read_recording(RECORDINGS[name.removeprefix("replay ")]), options).result
        else:
            result = run(load_scenario(name), options, **BUILDS[build])
    except StepBoundExceeded:
        return "step bound"
    assert result.digest is not None
    return result.digest[:SHOWN]


def key_of(row: Row, strategy: str) -> str:
    """The name of a line of the file."""
    return " | ".join((*row, strategy))


def recorded() -> dict[str, list[str]]:
    """The file: row and strategy -> a digest for each seed."""
    return dict(json.loads(FILE.read_text()))


def seeds_of(row: Row) -> tuple[int, ...]:
    """A recording's calls leave a seed little to decide."""
    return SEEDS[:1] if row[0].startswith("replay ") else SEEDS


def is_quick(row: Row, strategy: str, seed: int) -> bool:
    """The first seed of each; of those that take seconds, one build, and one version under `random`."""
    name, label, build = row
    if name in SLOW and (build != "plain" or (strategy == "random" and label != "v5.11")):
        return False
    return seed == SEEDS[0]


def cells(*, quick: bool) -> list[object]:
    """Rows, strategies and seeds, as parameters of a test."""
    return [
        pytest.param(row, strategy, seed, id=f"{'-'.join(row)}-{strategy}-{seed}".replace(" ", "_"))
        for row in rows()
        for strategy in STRATEGIES
        for seed in seeds_of(row)
        if is_quick(row, strategy, seed) is quick
    ]


def test_the_file_has_exactly_these_rows() -> None:
    wanted = {key_of(row, strategy): len(seeds_of(row)) for row in rows() for strategy in STRATEGIES}
    assert {key: len(digests) for key, digests in recorded().items()} == wanted


def test_seeds_and_builds_matter() -> None:
    """Or the file would hold little: most of what `random` does with another seed is another run."""
    lines = [digests for key, digests in recorded().items() if key.endswith("random") and len(digests) > 1]
    assert sum(len(set(digests)) > 1 for digests in lines) > len(lines) / 2


@pytest.mark.one_in(8)
@pytest.mark.parametrize(("row", "strategy", "seed"), cells(quick=True))
def test_nothing_has_changed(row: Row, strategy: str, seed: int) -> None:
    assert digest(row, strategy, seed) == recorded()[key_of(row, strategy)][seed]


@pytest.mark.campaign
@pytest.mark.parametrize(("row", "strategy", "seed"), cells(quick=False))
def test_nothing_else_has_changed(row: Row, strategy: str, seed: int) -> None:
    assert digest(row, strategy, seed) == recorded()[key_of(row, strategy)][seed]


def main() -> None:
    """Write the file anew; names on the command line limit it to the rows that begin with one of them."""
    wanted = tuple(sys.argv[1:])
    found = recorded() if wanted else {}
    for row in rows():
        if not wanted or row[0].startswith(wanted):
            for strategy in STRATEGIES:
                found[key_of(row, strategy)] = [digest(row, strategy, seed) for seed in seeds_of(row)]
    lines = [f"{json.dumps(key)}: {json.dumps(digests)}" for key, digests in found.items()]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
