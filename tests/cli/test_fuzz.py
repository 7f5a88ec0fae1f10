"""Random command lines: exit code 0, 1 or 2, one line for what is bad, never a traceback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rcuactors.config import field_names

Call = Callable[..., Result]

WORDS = st.text(max_size=12)
NAMES = st.one_of(WORDS, st.sampled_from(["objects", "careful", "text", *field_names()]))
VALUES = st.one_of(WORDS, st.sampled_from(["y", "n", "0", "1", "7", "-1", "64k", "4g", "1e3", "\u0663", "9" * 30]))
SETTINGS = st.one_of(WORDS, st.builds("{}={}".format, NAMES, VALUES))
OPTIONS = st.one_of(
    st.tuples(st.just("--set"), SETTINGS),
    st.tuples(st.just("--kernel"), st.one_of(WORDS, st.sampled_from(["v5.9", "v5.11", "V5.9"]))),
    st.tuples(st.just("--design"), st.one_of(WORDS, st.sampled_from(["direct", "skip-on-rt", "hrtimer-work"]))),
    st.tuples(st.just("--strategy"), st.one_of(WORDS, st.sampled_from(["timed", "random"]))),
    st.tuples(st.just("--seed"), VALUES),
    st.tuples(st.just("--costs"), WORDS),
    st.just(("--panic-on-warn",)),
    st.just(("--json",)),
    st.tuples(WORDS),
)

# Within an example nothing of the fixtures changes: a path, and a function.
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def path(scenario_file: Callable[[str], str]) -> str:
    """A short scenario with parameters."""
    return scenario_file("tidy")


def _check(result: Result) -> None:
    assert result.exit_code in (0, 1, 2), result.output
    assert "Traceback" not in result.output
    assert "internal error" not in result.stderr
    assert result.stderr.count("\n") == (result.exit_code == 2)


@FUZZ
@given(options=st.lists(OPTIONS, max_size=3))
def test_options_of_run(call: Call, path: str, options: list[tuple[str, ...]]) -> None:
    # The bound keeps an example short; a word of its own must not become the path of an event file.
    _check(call("run", path, *(word for option in options for word in option), "--max-steps", "50000"))


@FUZZ
@given(setting=SETTINGS)
def test_settings(call: Call, path: str, setting: str) -> None:
    _check(call("run", path, f"--set={setting}"))


@FUZZ
@given(words=st.lists(st.one_of(WORDS, st.sampled_from(["run", "list", "replay", "--json", "-v"])), max_size=4))
def test_words(call: Call, words: list[str]) -> None:
    _check(call(*words))


@FUZZ
@given(text=st.one_of(st.text(), st.sampled_from(["import os\n", "@", "raise BaseException\n", "\0", "x = (\n"])))
def test_scenario_files(call: Call, tmp_path: Path, text: str) -> None:
    file = tmp_path / "fuzzed.py"
    file.write_text(text, encoding="utf-8", errors="replace")
    result = call("run", str(file))
    _check(result)
    assert result.exit_code == 2


@FUZZ
@given(data=st.binary(max_size=300))
def test_recordings(call: Call, tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "fuzzed.txt"
    file.write_bytes(data)
    result = call("replay", str(file))
    _check(result)
    assert result.exit_code == 2
