"""Bugs that were reported in public, and the smallest forms of them: the kinds that the kernel told, in their order.

`c*` are after a report, `f*` are a fault of one by itself, `a*` are after an audit of the model. cases.tsv says what
the kernel reported on which version and configuration; mended (`fixed=y`) each must be clean. Of the cases in
differing.tsv the model says something else, which is held, too.
"""

from __future__ import annotations

import attrs
import pytest

from rcuactors import Kernel, RunOptions, run
from rcuactors.userfiles import load_scenario
from tests.cases.table import HERE, Case, read_cases, read_differing, rows

CASES = read_cases()
DIFFERING = read_differing()


def outcome(case: Case, *, fixed: bool) -> str:
    """What the model says: 'clean', or each kind once, in the order of the first report."""
    settings = case.chosen | {"fixed": "ny"[fixed]}
    return run(load_scenario(case.path), RunOptions(kernel=case.kernel), **settings).outcome()


def marked(case: Case) -> object:
    """A case, expected to fail if it is one of those that differ."""
    marks = (pytest.mark.xfail(strict=True, reason=DIFFERING[case].reason),) if case in DIFFERING else ()
    return pytest.param(case, id=str(case), marks=marks)


@pytest.mark.parametrize("case", [marked(case) for case in CASES])
def test_what_was_reported_is_found(case: Case) -> None:
    assert outcome(case, fixed=False) == case.kinds


@pytest.mark.parametrize("case", CASES, ids=str)
def test_mended_it_is_clean(case: Case) -> None:
    assert outcome(case, fixed=True) == "clean"


@pytest.mark.parametrize("case", DIFFERING, ids=str)
def test_what_the_model_says_where_it_differs(case: Case) -> None:
    assert outcome(case, fixed=False) == DIFFERING[case].model


def test_what_differs_on_v5_11_is_a_rule_of_its_lockdep_and_agrees_behind_it() -> None:
    (case,) = (case for case in DIFFERING if case.scenario == "c18_mutex_in_softirq")
    later = attrs.evolve(case, kernel="v6.1-stable")
    # The softirq ends with another preempt_count than it began with, since schedule() has wiped it out.
    assert outcome(later, fixed=False) == f"{case.kinds}, bad-context"
    assert outcome(later, fixed=True) == "clean"


def test_every_scenario_has_a_row_and_every_row_a_scenario() -> None:
    files = {path.stem for path in HERE.glob("*.py")} - {"table", "test_cases"}
    assert files == {case.scenario for case in CASES}
    assert len(CASES) == len({(case.scenario, case.kernel, case.settings) for case in CASES})


@pytest.mark.parametrize("name", sorted({case.scenario for case in CASES}))
def test_each_says_what_it_is_about_and_is_not_mended_by_default(name: str) -> None:
    path = HERE / f"{name}.py"
    assert path.read_text(encoding="utf-8").startswith(f'"""{name}: ')
    assert load_scenario(path).parameters["fixed"] is False


@pytest.mark.parametrize("row", rows("lacking.tsv"), ids=lambda row: row["subject"])
def test_what_is_said_to_be_lacking_is_not_there(row: dict[str, str]) -> None:
    words = row["words"].split()
    assert words
    assert [word for word in words if hasattr(Kernel, word)] == [], "it is there now: take it out of lacking.tsv"
