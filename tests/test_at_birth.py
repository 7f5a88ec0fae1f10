"""The state of every machine when it has been made, class by class, against data/determinism/at_birth.tsv.

Each number that a part begins with, each rule of a version, each constant that stands in a class: what is meant to
change is written anew, and said in the CHANGELOG.

    python tests/test_at_birth.py
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Final

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rcuactors import Kernel, RunOptions
from rcuactors.eras import ERAS
from rcuactors.runs.plain import PlainRun
from tests.state import digest, state_of

FILE: Final = Path(__file__).resolve().parent / "data" / "determinism" / "at_birth.tsv"
SETTINGS: Final[tuple[dict[str, str], ...]] = (
    {},
    {"PREEMPT_RT": "y", "DEBUG_ATOMIC_SLEEP": "y", "nr_cpus": "5", "rcu_fanout": "2", "rcu_fanout_leaf": "2"},
    {"PREEMPT": "n", "mem": "8M", "HZ": "1000", "rcu_expedited": "y", "irq_work_interrupt": "n", "maxcpus": "1"},
    {"rcu_nocbs": "y", "RCU_LAZY": "y", "KASAN": "y", "slub_debug": "y", "page_owner": "y", "debug_pagealloc": "y"},
    {"DEBUG_OBJECTS_FREE": "y", "DEBUG_OBJECTS_TIMERS": "y", "DEBUG_OBJECTS_WORK": "y", "DEBUG_OBJECTS_RCU_HEAD": "y"},
    {"PROVE_LOCKING": "n", "KVFREE_RCU_BATCHED": "n", "nr_cpus": "1", "SOFTLOCKUP_DETECTOR": "y"},
    {"HARDLOCKUP_DETECTOR": "y", "migrate": "y", "hotplug": "y", "latitude": "y", "mem": "100G", "nr_cpus": "70"},
)


async def nothing(_k: Kernel) -> None:
    """The scenario."""


@cache
def born(kernel: str) -> dict[str, str]:
    """By class: a digest of its objects' states in all those configurations."""
    told: dict[str, str] = {}
    for settings in SETTINGS:
        state = state_of(PlainRun(nothing, RunOptions(kernel=kernel, settings=settings)).machine)
        for name, text in state.items():
            told[name] = f"{told.get(name, '')}\n\n{settings}\n{text}"
    return {name: digest(text) for name, text in told.items()}


@cache
def recorded() -> dict[str, dict[str, str]]:
    """The file: by version, then by class."""
    head, *lines = (line.split("\t") for line in FILE.read_text().splitlines())
    assert head == ["class", *ERAS]
    return {
        kernel: {line[0]: line[number] for line in lines if line[number] != "-"}
        for number, kernel in enumerate(ERAS, start=1)
    }


@pytest.mark.parametrize("kernel", ERAS)
def test_a_machine_begins_as_it_did(kernel: str) -> None:
    now, then = born(kernel), recorded()[kernel]
    differ = sorted(name for name in now.keys() | then.keys() if now.get(name) != then.get(name))
    assert differ == [], "classes whose objects begin with something else; if meant: python tests/test_at_birth.py"


def test_a_changed_number_is_seen() -> None:
    machine = PlainRun(nothing, RunOptions()).machine
    before = state_of(machine)
    machine.kvfree.figures.cache_hits += 1
    after = state_of(machine)
    assert [name for name in after if after[name] != before[name]] == ["Figures"]


def main() -> None:
    """Write the file anew."""
    states = {kernel: born(kernel) for kernel in ERAS}
    names = sorted({name for state in states.values() for name in state})
    rows = [["class", *ERAS], *([name, *(states[kernel].get(name, "-") for kernel in ERAS)] for name in names)]
    FILE.write_text("".join("\t".join(row) + "\n" for row in rows))


if __name__ == "__main__":
    main()
