"""selftest/program.py: the language of the cases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcuactors.selftest.program import OPERATIONS, SECTIONS, SWITCHES, Step, bind, lock_class_of, parse

WORDS = {"L": "spin_lock", "R": "read_lock", "OFF": "IRQS_OFF", "_": "RCU{ }"}


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("L(A) U(A)", "spin_lock(A) U(A)"),
        ("R(A,B) U(B,A)", "read_lock(A,B) U(B,A)"),
        ("N(A,B)", "spin_lock(A) spin_lock(B) U(B) U(A)"),
        ("OFF HARDIRQ{ N(A) }", "IRQS_OFF HARDIRQ{ spin_lock(A) U(A) }"),
        ("N(A) ALLOC(GFP_NOFS)", "spin_lock(A) U(A) ALLOC(GFP_NOFS)"),
        ("mutex_lock(A) _ U(A)", "mutex_lock(A) RCU{ } U(A)"),
    ],
)
def test_letters_become_operations(text: str, bound: str) -> None:
    assert bind(text, WORDS) == bound


def test_steps() -> None:
    assert parse("SOFTIRQ{ spin_lock(A,B) } BH_OFF U(A) I(B) spin_lock_nest_lock(A,B) ALLOC(GFP_NOFS)") == (
        Step("SOFTIRQ"),
        Step("spin_lock", "A"),
        Step("spin_lock", "B"),
        Step("}"),
        Step("BH_OFF"),
        Step("unlock", "A"),
        Step("initialise", "B"),
        Step("spin_lock_nest_lock", "A", nest="B"),
        Step("might_alloc", "GFP_NOFS"),
    )


@pytest.mark.parametrize(
    "text",
    [
        "L(A)",
        "spin_lock",
        "spin_lock()",
        "spin_lock(A,)",
        "spin_lock(A, B)",
        "HARDIRQ",
        "NOWHERE{ }",
        "unlock(A)",
        "spin_lock_nest_lock(A)",
    ],
)
def test_what_means_nothing(text: str) -> None:
    with pytest.raises(ValueError, match="neither an operation"):
        parse(text)


@pytest.mark.parametrize(("text", "wrong"), [("RCU{", "is not left"), ("} RCU{", "was not entered")])
def test_sections_are_balanced(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        parse(text)


@given(
    st.lists(
        st.one_of(
            st.sampled_from(sorted(SWITCHES)),
            st.builds("{}({})".format, st.sampled_from(sorted(OPERATIONS | {"U", "I"})), st.sampled_from("ABX")),
            st.sampled_from([f"{name}{{ }}" for name in sorted(SECTIONS)]),
        )
    )
)
def test_every_word_of_the_language_is_a_step(words: list[str]) -> None:
    assert len(parse(" ".join(words))) == sum(len(word.split()) for word in words)


@pytest.mark.parametrize(("lock", "name"), [("A", "A"), ("X1", "X"), ("X2", "X")])
def test_numbered_locks_are_of_one_class(lock: str, name: str) -> None:
    assert lock_class_of(lock) == name
