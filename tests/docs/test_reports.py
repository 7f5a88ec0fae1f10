"""docs/reports*.md: every kind of report has its section, and what that says of its example is so."""

from __future__ import annotations

import contextlib
import itertools
import re
import shlex
from pathlib import Path

import attrs
import pytest

from rcuactors import KernelBug, Result, Run, RunOptions
from rcuactors.context.violation import KERNEL, ORACLE, ViolationKind
from rcuactors.eras import DEFAULT_ERA
from rcuactors.userfiles import load_scenario

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
ONLY_THE_MODEL = "only the model"


@attrs.frozen
class Section:
    """One kind: `shown` and `mended` are the commands, `seen` who sees it, `text` all of the section."""

    kind: str
    page: str
    seen: str
    code: str
    shown: str
    mended: str
    text: str

    def result(self, folder: Path, command: str, *, plain: bool = False) -> Result:
        """The run of a command of the section; `plain` without what it sets of the configuration."""
        program, run_word, file, *words = shlex.split(command.partition("|")[0])
        assert (program, run_word) == ("rcuactors", "run")
        given = dict(zip(words[::2], words[1::2], strict=True))
        settings = [] if plain else [word for option, word in itertools.pairwise(words) if option == "--set"]
        (folder / file).write_text(self.code, encoding="utf-8")
        options = RunOptions(kernel=given.get("--kernel", DEFAULT_ERA), design=given.get("--design"))
        one = Run(load_scenario(folder / file), options, **dict(word.split("=") for word in settings))
        # An oops ends the run.
        with contextlib.suppress(KernelBug):
            one.run()
        return one.result()


def sections() -> list[Section]:
    found = []
    for path in sorted(DOCS.glob("reports-*.md")):
        for text in re.split(r"^## ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            (kind,) = re.findall(r"\A`([a-z-]+)`\n", text)
            (seen,) = re.findall(r"^Seen by: (.*?)\.$", text, flags=re.MULTILINE | re.DOTALL)
            (code,) = re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
            shown, mended = re.findall(r"^\$ (.*)$", text, flags=re.MULTILINE)
            found.append(Section(kind, path.name, " ".join(seen.split()), code, shown, mended, text))
    return found


SECTIONS = sections()
each = pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.kind)


def test_every_kind_has_one_section_and_none_besides() -> None:
    assert sorted(section.kind for section in SECTIONS) == sorted(kind.value for kind in ViolationKind)


def test_the_table_has_them_in_order_with_who_sees_them() -> None:
    rows = re.findall(
        r"^\| \[`([a-z-]+)`\]\((reports-[a-z-]+\.md)#([a-z-]+)\) \| .+ \| (.+) \|$",
        (DOCS / "reports.md").read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
    wanted = {section.kind: (section.kind, section.page, section.kind, section.seen) for section in SECTIONS}
    assert rows == [wanted[kind] for kind, *_ in rows]
    assert len(rows) == len(SECTIONS)
    pages = list(dict.fromkeys(page for _, page, *_ in rows))
    assert rows == [row for page in pages for row in rows if row[1] == page]
    for page in pages:
        assert [row[0] for row in rows if row[1] == page] == [one.kind for one in SECTIONS if one.page == page]


@each
def test_the_example_shows_it_first_and_mended_it_is_clean(section: Section, tmp_path: Path) -> None:
    result = section.result(tmp_path, section.shown)
    first = result.violations[0]
    assert first.kind.value == section.kind
    assert first.by == (ORACLE if section.seen.startswith(ONLY_THE_MODEL) else KERNEL)
    assert shlex.split(section.mended.partition("|")[0]) == [
        *shlex.split(section.shown.partition("|")[0]),
        "--set",
        "fixed=y",
    ]
    assert section.result(tmp_path, section.mended).clean
    # What is shown begins with the report itself.
    shown = [line.strip() for line in re.sub(r"^\[ *\d+\.\d+\] ?", "", section.text, flags=re.MULTILINE).splitlines()]
    head = [line.strip() for line in first.text.splitlines() if line.strip(" =-")][:2]
    assert set(head) <= set(shown)


@pytest.mark.parametrize(
    "section", [one for one in SECTIONS if "else only the model" in one.seen], ids=lambda section: section.kind
)
def test_what_a_kernel_needs_an_option_for_is_else_seen_by_the_model_only(section: Section, tmp_path: Path) -> None:
    found = [one.by for one in section.result(tmp_path, section.shown, plain=True).violations]
    assert found
    assert set(found) == {ORACLE}


@each
def test_the_file_is_named_after_its_kind(section: Section) -> None:
    name = section.kind.replace("-", "_")
    assert section.code.startswith(f"# {name}.py\n")
    assert f"async def {name}(k: Kernel, fixed: bool = False) -> None:" in section.code
