"""The name that was probably meant."""

from __future__ import annotations

import pytest

from rcuactors.spelling import did_you_mean


@pytest.mark.parametrize(
    ("word", "meant"),
    [("PREEMT_RT", "PREEMPT_RT"), ("preempt_rt", "PREEMPT_RT"), ("Objcts", "objects"), ("zzz", None), ("", None)],
)
def test_close_names(word: str, meant: str | None) -> None:
    assert did_you_mean(word, ["objects", "PREEMPT_RT"]) == (f"did you mean {meant}? " if meant else "")


def test_no_names() -> None:
    assert did_you_mean("anything", []) == ""
