"""`rcuactors docs` and `rcuactors show scenario`: what comes with the package, as text."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from rcuactors.userfiles import find_scenarios, load_scenario, shipped
from rcuactors.userfiles.shipped import find_pages

Call = Callable[..., Result]
OneLine = Callable[..., str]


def test_every_page_is_listed_by_its_title(call: Call, root: Path) -> None:
    lines = call("docs").stdout.splitlines()
    assert [line.split()[0] for line in lines[: len(find_pages())]] == sorted(
        page.stem for page in (root / "docs").glob("*.md")
    )
    assert any(line.split(maxsplit=1) == ["check", "The worst case of a scenario"] for line in lines)


@pytest.mark.parametrize("page", ["check", "check.md", "docs/check.md"])
def test_a_page_is_printed(call: Call, root: Path, page: str) -> None:
    assert call("docs", page).stdout == (root / "docs" / "check.md").read_text(encoding="utf-8")


def test_what_the_readme_links_to_is_a_page(call: Call, root: Path) -> None:
    """There it has no address of its own, and its links may lead nowhere."""
    links = set(re.findall(r"\]\((docs/[^)#]+\.md)", (root / "README.md").read_text(encoding="utf-8")))
    assert len(links) > 20
    assert all(call("docs", link).exit_code == 0 for link in links)


def test_a_page_that_there_is_not(one_line: OneLine) -> None:
    assert one_line("docs", "chek").startswith("docs: page chek: did you mean check?")


def test_an_installation_without_pages(one_line: OneLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "PACKAGE", tmp_path / "rcuactors")
    assert one_line("docs") == "docs: this installation has none"


def test_the_wheel_has_them_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    (tmp_path / "rcuactors" / "_docs").mkdir(parents=True)
    page = tmp_path / "rcuactors" / "_docs" / "one.md"
    page.write_text("# One\n")
    monkeypatch.setattr(shipped, "PACKAGE", tmp_path / "rcuactors")
    assert find_pages() == {"one": page}
    assert '"docs" = "rcuactors/_docs"' in (root / "pyproject.toml").read_text(encoding="utf-8")


def test_a_scenario_is_shown_as_it_is(call: Call, tmp_path: Path) -> None:
    text = call("show", "scenario", "raw_lock_caller").stdout
    assert text == find_scenarios()["raw_lock_caller"].read_text(encoding="utf-8")
    (tmp_path / "mine.py").write_text(text)
    assert load_scenario(tmp_path / "mine.py").name == "raw_lock_caller"


def test_a_scenario_that_there_is_not(one_line: OneLine) -> None:
    assert one_line("show", "scenario", "raw_lock_caler").startswith(
        "scenario raw_lock_caler: did you mean raw_lock_caller?"
    )
    assert one_line("show").startswith("show needs a command: scenario")
