"""`rcuactors report`, and `--report` of the others: the right page is written, or one line says why not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Call = Callable[..., Result]
OneLine = Callable[..., str]


@pytest.fixture
def page(tmp_path: Path) -> str:
    return str(tmp_path / "page.html")


@pytest.fixture
def recording(root: Path) -> str:
    return str(root / "tests" / "data" / "recordings" / "kvfree-6.12" / "c_mixed_2_min5.txt.gz")


def is_page(path: str) -> bool:
    text = Path(path).read_text()
    return text.startswith("<!DOCTYPE html>") and text.rstrip().endswith("</html>")


def test_a_page_is_written_and_what_it_shows_decides_the_exit_code(call: Call, page: str) -> None:
    result = call("report", "raw_lock_caller", "--kernel", "v5.11", "-o", page)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1] == f"written to {page}"
    assert is_page(page)
    prove = ("--set", "PROVE_RAW_LOCK_NESTING=y")
    result = call("report", "raw_lock_caller", "--kernel", "v5.9", "--kernel", "v5.11", *prove, "-o", page)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[0] == "raw_lock_caller on v5.9 | raw_lock_caller on v5.11"


@pytest.mark.parametrize("command", ["run", "replay", "conform"])
def test_a_command_draws_what_it_does(call: Call, page: str, recording: str, command: str) -> None:
    what = "raw_lock_caller" if command == "run" else recording
    plain = call(command, what)
    result = call(command, what, "--report", page)
    assert (result.stdout, result.exit_code) == (plain.stdout, plain.exit_code)
    assert is_page(page)


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (("report",), "report: needs the file to write"),
        (("report", "-o", "x.html"), "needs one THING"),
        (("report", "a", "b", "c", "-o", "x.html"), "needs one THING"),
        (("report", "raw_lock_caler", "-o", "x.html"), "did you mean raw_lock_caller?"),
        (("report", "raw_lock_caller", "--kernel", "v9", "-o", "x.html"), "kernel v9"),
        (
            ("report", "raw_lock_caller", "--kernel", "v5.9", "--kernel", "v5.11", "--kernel", "v6.6", "-o", "x.html"),
            "two",
        ),
        (("run", "raw_lock_caller", "--report", "x.txt"), "--report x.txt: needs the name of an HTML file"),
        (("run", "raw_lock_caller", "--report", "x.html", "--seeds", "3"), "a page is of one run"),
        (("conform", "a", "b", "--report", "x.html"), "is of one recording"),
    ],
)
def test_what_is_wrong_is_one_line_and_leaves_no_file(
    one_line: OneLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], wrong: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert wrong in one_line(*words)
    assert not list(tmp_path.iterdir())


def test_what_ends_a_run_is_told_and_what_there_was_until_then_is_drawn(call: Call, page: str, tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(
        "from rcuactors import Kernel, scenario\n\n"
        "@scenario()\nasync def mine(k: Kernel) -> None:\n    assert False, 'no'\n"
    )
    result = call("report", str(mine), "-o", page)
    assert result.exit_code == 2
    assert "mine.py:5" in result.stderr
    assert is_page(page)


MINE = """from rcuactors import Kernel, scenario


@scenario()
async def leaks(k: Kernel) -> None:
    await k.kmalloc(64)


@scenario()
async def fine(k: Kernel) -> None:
    await k.kvfree_rcu(await k.kmalloc(64), "rcu")
"""
ONE = ("--schedules", "1", "--kernels", "v6.12", "--builds", "plain")


def test_check_draws_its_shortest_finding_and_says_where_there_is_none(
    call: Call, one_line: OneLine, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    leaks, fine = f"{tmp_path}/mine.py::leaks", f"{tmp_path}/mine.py::fine"
    page, text = tmp_path / "page.html", tmp_path / "found.txt"
    result = call("check", leaks, *ONE, "--report", str(page))
    assert result.exit_code == 1
    assert is_page(str(page))
    assert "<title>BUG: leak: 1 object allocated and never freed" in page.read_text()
    assert call("check", leaks, *ONE, "--report", str(text)).exit_code == 1
    assert "BUG: leak: 1 object allocated and never freed" in text.read_text()
    kept = page.read_text()
    result = call("check", fine, *ONE, "--report", str(page))
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == f"{page}: not written, there is no finding to show"
    assert page.read_text() == kept
    told = one_line("check", fine, *ONE, "--report", str(tmp_path / "none" / "x.html"))
    assert "x.html: cannot be written: No such file or directory" in told
    assert {path.name for path in tmp_path.iterdir()} - {"__pycache__"} == {"found.txt", "mine.py", "page.html"}


def test_a_comparison_draws_two_of_its_designs(call: Call, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    page = tmp_path / "page.html"
    (tmp_path / "mine.py").write_text(MINE)
    words = ("compare", f"{tmp_path}/mine.py::fine", "--designs", "hrtimer-work,gfp-zero", "--kernels", "plain")
    result = call(*words, "--report", str(page))
    assert result.exit_code == 0
    assert result.stdout.startswith("2 designs on v5.11 (plain), timed")
    assert is_page(str(page))
    assert "compared: fine on plain</title>" in page.read_text()
