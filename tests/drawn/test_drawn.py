"""Drawn programs (program.py) come to what is written in data/determinism/drawn.tsv: no change goes unseen.

A change that is meant to change something says so in the CHANGELOG, and writes the file anew:

    python tests/drawn/test_drawn.py
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Final

import attrs
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rcuactors.drawn.operations import OPERATIONS
from rcuactors.drawn.program import drawn, made
from rcuactors.drawn.sections import SECTIONS
from rcuactors.eras import ERAS
from rcuactors.kernel.cpu import Cpu
from rcuactors.kernel.irq.spurious import SpuriousInterrupts
from rcuactors.lab.faults import FAULTS
from rcuactors.runs.plain import PlainRun
from tests.drawn.idle import nothing_in_vain
from tests.drawn.left import Outcome, outcome

FILE: Final = Path(__file__).resolve().parents[1] / "data" / "determinism" / "drawn.tsv"
SEEDS: Final = range(320)
_FIELDS: Final = [field.name for field in attrs.fields(Outcome)]


def line_of(seed: int) -> str:
    """What is written of a program."""
    return "\t".join([str(seed), *map(str, attrs.astuple(outcome(drawn(seed))))])


@cache
def recorded() -> dict[int, str]:
    """The file: a line by its seed."""
    head, *lines = FILE.read_text().splitlines()
    assert head.split("\t") == ["seed", *_FIELDS]
    return {int(line.partition("\t")[0]): line for line in lines}


@pytest.mark.one_in(5)
@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_other_than_it_was(seed: int) -> None:
    assert line_of(seed) == recorded()[seed], f"{drawn(seed)}; if that is meant: python tests/drawn/test_drawn.py"


@pytest.mark.parametrize("seed", range(0, SEEDS.stop, 9))
def test_without_events_none_is_built(seed: int) -> None:
    told, options = made(drawn(seed))
    with nothing_in_vain():
        run = PlainRun(told, attrs.evolve(options, events=False))
        run.attempt()
    assert run.result().events == 0


def test_they_are_of_all_kinds() -> None:
    """Every version; half of them are clean, so that they come far, and most kinds of report are among the others."""
    programs = [drawn(seed) for seed in SEEDS]
    assert {program.kernel for program in programs} == set(ERAS)
    assert {program.wrong for program in programs} == {0, 4, 12}
    kinds = [line.split("\t")[_FIELDS.index("kinds") + 1] for line in recorded().values()]
    assert kinds.count("clean") > len(kinds) // 2
    assert len({kind for one in kinds for kind in one.split(", ")}) > 16
    assert len(recorded()) == len(SEEDS)
    assert len(SECTIONS) > 15
    assert len({operation for _, operation in OPERATIONS}) > 40


def test_some_have_faults_and_what_goes_wrong_with_one_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: an interrupt, or an NMI, that nobody has sent takes a microsecond more."""
    programs = [drawn(seed) for seed in SEEDS]
    assert {name for program in programs for name in program.faults} == set(FAULTS)
    # In order of time allocations may fail; of the rest nobody would be asked.
    asked = [program for program in programs if program.strategy != "timed"]
    assert {"interrupt", "nmi", "reclaim", "slow-worker"} <= {name for program in asked for name in program.faults}
    usual = SpuriousInterrupts.at_point

    def planted(spurious: SpuriousInterrupts, cpu: Cpu) -> None:
        before = spurious.came
        usual(spurious, cpu)
        cpu.clock += 1000 * (spurious.came - before)

    monkeypatch.setattr(SpuriousInterrupts, "at_point", planted)
    sent = [program.seed for program in asked if {"interrupt", "nmi"} & set(program.faults)]
    others = [program.seed for program in asked if program.seed not in sent]
    assert all(line_of(seed) == recorded()[seed] for seed in others[:6])
    assert sum(line_of(seed) != recorded()[seed] for seed in sent[:6]) >= 4


def test_a_program_is_the_same_each_time() -> None:
    assert drawn(7) == drawn(7)
    assert line_of(7) == line_of(7)
    assert len({line_of(seed).split("\t", 1)[1] for seed in range(40, 50)}) == 10


def main() -> None:
    """Write the file anew."""
    lines = ["\t".join(["seed", *_FIELDS]), *map(line_of, SEEDS)]
    FILE.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
