"""may/advice.py: the words are those of the docs' pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from rcuactors.may.advice import ADVICE


@pytest.mark.parametrize("kind", ADVICE)
def test_the_page_says_so(root: Path, kind: str) -> None:
    page, _, anchor = ADVICE[kind].page.partition("#")
    assert anchor == kind
    text = (root / page).read_text(encoding="utf-8")
    section = text[text.index(f"## `{kind}`") :]
    section = section[: section.find("\n## ")] if "\n## " in section else section
    assert " ".join(ADVICE[kind].text.split()) in " ".join(section.split())
