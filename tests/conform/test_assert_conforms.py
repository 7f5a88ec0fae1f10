"""The pytest helper: `assert_conforms(recording)`."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

import rcuactors
from rcuactors import BadInput, Conformance
from rcuactors.testing import assert_conforms

RECORDINGS = Path(__file__).parents[1] / "data" / "recordings"


def test_a_recording_that_agrees_is_told() -> None:
    answer = assert_conforms(RECORDINGS / "kvfree" / "a_cold_1_min5_rep1.txt.gz")
    assert isinstance(answer, Conformance)
    assert answer.version == "v6.1-stable"
    assert answer.compared["call"] == 1
    assert "Conformance" in rcuactors.__all__


def test_what_disagrees_is_an_assertion_with_both_sides(tmp_path: Path) -> None:
    changed = tmp_path / "changed.txt"
    text = gzip.decompress((RECORDINGS / "kvfree" / "a_cold_1_min5_rep1.txt.gz").read_bytes()).decode()
    changed.write_text(text.replace("rhp=(____ptrval____) func=16", "rhp=(____ptrval____) func=24"))
    with pytest.raises(AssertionError, match="no possible state explains it") as raised:
        assert_conforms(changed)
    assert "the recording:" in str(raised.value)


def test_undecided_is_no_agreement(tmp_path: Path) -> None:
    """Without its calls a recording tells nothing of what was queued."""
    packed = (RECORDINGS / "workload" / "B_rps.txt.gz").read_bytes()
    lines = gzip.decompress(packed).decode().splitlines(keepends=True)
    silent = tmp_path / "silent.txt"
    silent.write_text("".join(line for line in lines if "kvfree_call_rcu" not in line))
    with pytest.raises(AssertionError, match="undecided"):
        assert_conforms(silent, version="v6.1-stable")


def test_no_recording_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("a line\n")
    with pytest.raises(BadInput):
        assert_conforms(tmp_path / "text")
