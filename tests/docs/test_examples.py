"""Every example of the README and of the documentation, run as it stands there.

A `console` block holds commands, each on a line that begins with `$ ` (a backslash at its end continues
it), and under each its exact output, standard error included. A line `...` there stands for lines left out,
`...` within a line for characters left out. A `python` block is run; all blocks of a page share one
namespace. One whose first line is `# NAME.py` is saved under that name instead. All examples of a page run
in order in one directory of their own, which has `scenarios` and `tests` of the checkout in it.

A block behind the line `<!-- long -->` takes more than some seconds: it is run with `-m campaign`, which .ci/run does.

`rcuactors` is there a process that is forked where the package is imported already (tests/forking/server.py).

`python tests/docs/test_examples.py` runs them too, and writes what they print now into the pages.
"""

from __future__ import annotations

import difflib
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from importlib.metadata import entry_points
from pathlib import Path

import attrs
import pytest
from sybil import Document, Example, Sybil
from sybil.parsers.myst import CodeBlockParser

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).resolve().parent.parent.parent))

from tests.forking.server import ForkingServer

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = {
    path.relative_to(ROOT).as_posix(): path for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
}
SHARED = ("scenarios", "tests")
TIMEOUT_S = 120
# Settings of whoever runs the tests; where a CI is said to read along, pytest prints more.
ELSEWHERE = ("PYTEST", "COV_", "PYTHON", "CI", "BUILD_NUMBER")
SAVED = re.compile(r"# (\w+\.py)\n")
LONG = "<!-- long -->\n\n"


def environment(programs: Path) -> dict[str, str]:
    """This checkout's package and nobody else's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ELSEWHERE)}
    set_here = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        # Nothing is written beside the package: bytecode goes where all tests have it (tests/conftest.py).
        "PYTHONPYCACHEPREFIX": os.environ.get("PYTHONPYCACHEPREFIX", str(programs / "bytecode")),
        "PYTHONHASHSEED": "random",
        "COLUMNS": "80",
    }
    if not entry_points(group="pytest11", name="rcuactors"):
        set_here["PYTEST_PLUGINS"] = "rcuactors.testing"
    return kept | set_here


@contextmanager
def forking() -> Iterator[str]:
    """What stands for `rcuactors` in a shell."""
    with tempfile.TemporaryDirectory() as folder, ForkingServer(Path(folder), environment(Path(folder))) as server:
        yield server.command()


@attrs.define
class Sandbox:
    """Where the examples of one page run: `rcuactors` is what stands for that command in a shell.

    `last` is the exit status of the last command, for `echo $?`.
    """

    folder: Path
    bin: Path
    rcuactors: str
    last: int = 0
    namespace: dict[str, object] = attrs.field(factory=lambda: {"__name__": "example"})

    def __attrs_post_init__(self) -> None:
        for name in SHARED:
            (self.folder / name).symlink_to(ROOT / name, target_is_directory=True)
        python = shlex.quote(sys.executable)
        for name, command in (
            ("rcuactors", self.rcuactors),
            ("pytest", f"{python} -m pytest -p no:cacheprovider -p no:randomly"),
            ("python", python),
        ):
            shim = self.bin / name
            shim.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
            shim.chmod(0o755)

    def shell(self, command: str) -> str:
        """Run one command; its output, standard error included."""
        ran = subprocess.run(
            ["bash", "-c", f"(exit {self.last}); {command}"],
            cwd=self.folder,
            env=environment(self.bin),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
        self.last = ran.returncode
        return ran.stdout

    def python(self, source: str) -> None:
        """Run a Python block, or save it."""
        saved = SAVED.match(source)
        if saved:
            (self.folder / saved[1]).write_text(source, encoding="utf-8")
        else:
            exec(compile(source, "example", "exec", dont_inherit=True), self.namespace)  # noqa: S102 - examples are to be run


@attrs.frozen
class Command:
    """One command of a console block, as written, and the output given for it."""

    lines: tuple[str, ...]
    output: str

    @property
    def text(self) -> str:
        """The command itself."""
        return "\n".join([self.lines[0].removeprefix("$ "), *self.lines[1:]])


def commands_of(block: str) -> list[Command]:
    """Take a console block apart. Raises ValueError when it does not begin with a command."""
    found: list[tuple[list[str], list[str]]] = []
    continued = False
    for line in block.splitlines():
        if continued:
            found[-1][0].append(line)
        elif line.startswith("$ "):
            found.append(([line], []))
        elif found:
            found[-1][1].append(line)
        else:
            raise ValueError(f"a console block begins with {line!r} instead of a command")
        continued = (continued or line.startswith("$ ")) and line.endswith("\\")
    return [Command(tuple(lines), "".join(f"{line}\n" for line in output)) for lines, output in found]


def matches(expected: str, got: str) -> bool:
    """Whether an output is the one given, with `...` for what was left out: a part of a line, or lines."""
    lines = got.splitlines()
    # How many lines of the output those so far may stand for. One pattern for the whole of it would try without end.
    reached = {0}
    for wanted in expected.splitlines():
        if wanted == "...":
            reached = set(range(min(reached), len(lines) + 1)) if reached else reached
            continue
        pattern = re.compile(".*".join(map(re.escape, wanted.split("..."))))
        reached = {at + 1 for at in reached if at < len(lines) and pattern.fullmatch(lines[at])}
    return len(lines) in reached


def without_line_end_blanks(text: str) -> str:
    """Documentation does not keep blanks at the ends of lines."""
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def difference(expected: str, got: str) -> str:
    """For the reader of a failed test."""
    return "".join(difflib.unified_diff(expected.splitlines(True), got.splitlines(True), "the page says", "it prints"))


def run_console(example: Example) -> None:
    """Run each command of a block and compare."""
    sandbox: Sandbox = example.namespace["sandbox"]
    for command in commands_of(example.parsed):
        got = without_line_end_blanks(sandbox.shell(command.text))
        assert matches(command.output, got), (
            f"{example.path}:{example.line}: $ {command.text}\n{difference(command.output, got)}"
        )


def run_python(example: Example) -> None:
    """Run a Python block."""
    sandbox: Sandbox = example.namespace["sandbox"]
    sandbox.python(example.parsed)


SYBIL = Sybil(
    parsers=[CodeBlockParser("console", run_console), CodeBlockParser("python", run_python)],
    patterns=["*.md"],
    path=str(ROOT),
)


def parsed(path: Path, sandbox: Sandbox) -> Document:
    """A page with its examples."""
    document = SYBIL.parse(path)
    document.namespace["sandbox"] = sandbox
    return document


@pytest.fixture(scope="session")
def rcuactors() -> Iterator[str]:
    with forking() as command:
        yield command


@pytest.fixture
def sandbox(rcuactors: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    folder, programs = tmp_path / "page", tmp_path / "bin"
    folder.mkdir()
    programs.mkdir()
    monkeypatch.chdir(folder)
    return Sandbox(folder, programs, rcuactors)


def takes_long(example: Example) -> bool:
    """Whether the page has it marked so."""
    return example.document.text[: example.region.start].endswith(LONG)


@pytest.mark.parametrize("page", PAGES)
def test_examples(page: str, sandbox: Sandbox) -> None:
    with redirect_stdout(io.StringIO()):
        for example in parsed(PAGES[page], sandbox).examples():
            if not takes_long(example):
                example.evaluate()


@pytest.mark.campaign
@pytest.mark.parametrize("page", [page for page, path in PAGES.items() if LONG in path.read_text(encoding="utf-8")])
def test_long_examples(page: str, sandbox: Sandbox) -> None:
    long = [example for example in parsed(PAGES[page], sandbox).examples() if takes_long(example)]
    assert len(long) == PAGES[page].read_text(encoding="utf-8").count(LONG)
    for example in long:
        example.evaluate()


def test_the_walkthrough_and_the_first_scenario_have_examples(sandbox: Sandbox) -> None:
    for page, at_least in (
        ("README.md", 2),
        ("docs/first-scenario.md", 5),
        ("docs/walkthrough-56292e8609e3.md", 5),
    ):
        assert len(list(parsed(PAGES[page], sandbox).examples())) >= at_least


@pytest.mark.parametrize("name", ["run", "test"])
def test_the_readme_has_the_command_for_a_fresh_clone(name: str) -> None:
    """`.ci/run` takes it from there and runs it; here it is one line that begins with nothing but Python."""
    readme = PAGES["README.md"].read_text(encoding="utf-8")
    found = re.findall(rf"^<!-- command: {name} -->\n```sh\n(.*?)^```$", readme, flags=re.MULTILINE | re.DOTALL)
    assert len(found) == 1
    assert found[0].count("\n") == 1
    assert found[0].startswith("python3 -m venv .venv && .venv/bin/pip install --quiet ")


@pytest.mark.parametrize("page", PAGES)
def test_no_page_names_a_place_on_somebodys_machine(page: str) -> None:
    assert re.search(r"/(work|tmp|home|root)/", PAGES[page].read_text(encoding="utf-8")) is None


@pytest.mark.parametrize(
    ("expected", "got", "same"),
    [
        ("a\nb\n", "a\nb\n", True),
        ("a\n...\nd\n", "a\nb\nc\nd\n", True),
        ("a\n...\n", "a\n", True),
        ("1 passed in ...s\n", "1 passed in 0.12s\n", True),
        ("a\n", "a\nb\n", False),
        ("a\n...\nd\n", "a\nb\nc\n", False),
        ("a ... c\n", "a b\nc\n", False),
        ("a.c\n", "abc\n", False),
        ("", "a\n", False),
    ],
)
def test_what_counts_as_the_output_given(expected: str, got: str, same: bool) -> None:
    assert matches(expected, got) is same


def test_a_console_block_is_taken_apart() -> None:
    block = "$ one \\\n    more\nout\n$ two\n"
    assert commands_of(block) == [Command(("$ one \\", "    more"), "out\n"), Command(("$ two",), "")]
    with pytest.raises(ValueError, match="begins with 'out'"):
        commands_of("out\n$ one\n")


def test_a_command_sees_the_exit_status_of_the_one_before(sandbox: Sandbox) -> None:
    sandbox.shell("exit 3")
    assert sandbox.shell("echo $?") == "3\n"


# -- writing what they print now ---------------------------------------------------------------------------


def renewed(block: str, sandbox: Sandbox) -> str:
    """The block with what its commands print now, where that is not what it says."""
    parts: list[str] = []
    for command in commands_of(block):
        got = without_line_end_blanks(sandbox.shell(command.text))
        parts += [
            *(f"{line}\n" for line in command.lines),
            command.output if matches(command.output, got) else got,
        ]
    return "".join(parts)


def renew(path: Path, sandbox: Sandbox) -> bool:
    """Bring one page up to date; whether anything was wrong with it."""
    text = path.read_text(encoding="utf-8")
    changes: Mapping[str, str] = {}
    for example in parsed(path, sandbox).examples():
        if example.region.evaluator is run_console:
            changes = {**changes, example.parsed: renewed(example.parsed, sandbox)}
        else:
            example.evaluate()
    new = text
    for old, current in changes.items():
        new = new.replace(f"```console\n{old}```", f"```console\n{current}```")
    path.write_text(new, encoding="utf-8")
    return new != text


def main() -> None:
    """Bring the pages named on the command line up to date, or all of them."""
    for name in sys.argv[1:] or PAGES:
        with tempfile.TemporaryDirectory() as folder, forking() as rcuactors:
            page, programs = Path(folder, "page"), Path(folder, "bin")
            page.mkdir()
            programs.mkdir()
            os.chdir(page)
            changed = renew(PAGES[name], Sandbox(page, programs, rcuactors))
            os.chdir(ROOT)
        print(f"{name}: {'renewed' if changed else 'was right'}")


if __name__ == "__main__":
    main()
