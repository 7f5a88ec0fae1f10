"""Designs out of a user's file: how they are found, what is checked at load and while they run."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rcuactors import BadInput, Kernel, RunOptions, run, scenario
from rcuactors.designs import DESIGNS
from rcuactors.kvfree.rules import DesignExtras, OptionalMethods, PageSource
from rcuactors.userfiles.designs import as_design, find_design, load_design
from rcuactors.userfiles.protocol import METHODS

GET_PAGE = "    async def get_page(self, kvfree, cpu, krcp):\n        {}\n"
MISSED = "    async def missed(self, kvfree, cpu, krcp):\n        {}\n"
TEXTS = '    name = "mine"\n    about = "a text about it"\n'
GOOD = f"class Mine:\n{TEXTS}{GET_PAGE.format('return None')}{MISSED.format('pass')}"

DIRECT = "from rcuactors.designs.direct import Direct\n"

Write = Callable[..., Path]


def body(get_page: str = "return None", missed: str = "pass") -> str:
    """A whole design with these bodies, which begins in line 5 with get_page()."""
    head = f"from rcuactors import GFP_NOWARN\nclass Mine:\n{TEXTS}"
    return f"{head}{GET_PAGE.format(get_page)}{MISSED.format(missed)}"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to(text: str, name: str = "mine.py") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return to


async def cold(k: Kernel, objects: int = 600) -> None:
    """Free more objects than a block holds on a CPU whose cache is empty."""
    freed = [await k.kmalloc(64) for _ in range(objects)]
    await k.cold_caches()
    for p in freed:
        await k.kvfree_rcu(p, "rcu")


COLD = scenario()(cold)


def said_at_load(path: Path) -> str:
    """What is wrong with the file, without its head."""
    with pytest.raises(BadInput) as error:
        load_design(path)
    text = str(error.value)
    assert "\n" not in text
    assert text.startswith(f"design file {path}: ")
    return text.removeprefix(f"design file {path}: ")


# -- found ---------------------------------------------------------------------------------------------------------


def test_a_design_is_made_anew_each_time(write: Write) -> None:
    make = load_design(write(GOOD))
    first, second = make(), make()
    assert first is not second
    assert type(first) is not type(second)
    assert (first.name, first.about) == ("mine", "a text about it")


def test_nothing_goes_from_one_run_to_the_next(write: Write) -> None:
    """Neither the file's globals nor the class's own attributes."""
    get_page = "Mine.calls.append(1); calls.append(1); assert len(Mine.calls) == len(calls) <= 90"
    path = write(f"calls = []\n{body(get_page)}    calls = []\n")
    results = [run(COLD, RunOptions(design=path), objects=80) for _ in range(3)]
    assert [result.counters["cache_misses"] for result in results] == [80] * 3
    make = load_design(path)
    for _ in range(2):
        assert run(COLD, RunOptions(design=make()), objects=80).clean


def test_by_name_path_or_as_it_is(write: Write) -> None:
    path = write(GOOD)
    assert as_design("direct").name == "direct"
    assert as_design(path).name == as_design(str(path)).name == "mine"
    design = load_design(path)()
    assert as_design(design) is design


@pytest.mark.parametrize(
    "name", ["mine.py", "with blanks.py", "gr\u00fc\u00dfe \u65e5\u672c.py", "no_suffix", "two.dots.py"]
)
@pytest.mark.parametrize("relative", [True, False])
def test_paths(write: Write, monkeypatch: pytest.MonkeyPatch, name: str, relative: bool) -> None:
    path = write(GOOD, name)
    monkeypatch.chdir(path.parent)
    result = run(COLD, RunOptions(design=name if relative else str(path)))
    assert (result.design, result.clean) == ("mine", True)


def test_a_path_in_the_home_directory(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(GOOD)
    monkeypatch.setenv("HOME", str(path.parent))
    assert find_design("~/mine.py")().name == "mine"
    with pytest.raises(BadInput, match=r"^design file ~nobody-of-that-name/mine\.py: there is no such file$"):
        find_design("~nobody-of-that-name/mine.py")


def test_a_folder_that_is_really_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "~").mkdir()
    (tmp_path / "~" / "mine.py").write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    assert find_design("~/mine.py")().name == "mine"


def test_a_bundled_name_comes_before_a_file(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write(GOOD, "direct").parent)
    assert find_design("direct") is DESIGNS["direct"]
    assert find_design("./direct")().name == "mine"


def test_a_name_that_does_not_exist(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write(GOOD).parent)
    known = ", ".join(DESIGNS)
    for text, hint in (("mine", "did you mean mine.py? "), ("dirct", "did you mean direct? "), ("", "")):
        with pytest.raises(BadInput) as error:
            find_design(text)
        assert str(error.value) == f"design {text}: no such name or file; {hint}there are {known}"


def test_nothing_is_left_behind(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path, before = write(GOOD), list(sys.path)
    run(COLD, RunOptions(design=path))
    assert [entry.name for entry in path.parent.iterdir()] == ["mine.py"]
    assert sys.path == before
    assert "mine" not in sys.modules


def test_an_edited_file_is_read_anew_by_the_next_load(write: Write) -> None:
    path = write(GOOD)
    old = load_design(path)
    stamp = path.stat().st_mtime_ns
    write(GOOD.replace('"mine"', '"your"'))
    os.utime(path, ns=(stamp, stamp))
    assert (old().name, load_design(path)().name) == ("mine", "your")


def test_two_files_of_one_name_do_not_mix(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(GOOD.replace('"mine"', f'"in-{folder}"'))
    designs = [load_design(tmp_path / folder / "mine.py")() for folder in ("a", "b")]
    assert [design.name for design in designs] == ["in-a", "in-b"]
    assert type(designs[0]).__module__ != type(designs[1]).__module__


def test_what_it_prints_at_load_goes_to_stderr(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    load_design(write(f"print('at load')\n{GOOD}    def __init__(self):\n        print('when made')\n"))
    assert capsys.readouterr() == ("", "at load\nwhen made\n")


# -- forms that a design may have ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "from rcuactors.kvfree.rules import PageSource\n" + GOOD.replace("class Mine:", "class Mine(PageSource):"),
        f"{DIRECT}class Mine(Direct):\n{TEXTS}",
        f"class _Base:\n{GET_PAGE.format('return None')}{MISSED.format('pass')}\nclass Mine(_Base):\n{TEXTS}",
        f"{GOOD}class Helper:\n    size = 5\n    def grow(self):\n        pass\nAlias = Mine\n",
        f"import attrs\n@attrs.define\n{GOOD}    pages: list = attrs.field(factory=list)\n",
        f"import attrs\n@attrs.frozen\n{GOOD}",
        f"from dataclasses import dataclass, field\n@dataclass\n{GOOD}    pages: list = field(default_factory=list)\n",
        GOOD.replace("kvfree, cpu, krcp", "_kvfree, _cpu, _krcp, extra=1"),
        GOOD.replace("kvfree, cpu, krcp", "*args"),
        f"{GOOD}    def refill(self): pass\n    def get_block(self): pass\n    async def get_page_if_any(self): pass\n",
        GOOD.replace('    name = "mine"\n', "    def __init__(self):\n        self.name = 'mine'\n"),
        f"from __future__ import annotations\n{GOOD}",
        f"from rcuactors import scenario\n@scenario()\nasync def both(k):\n    pass\n{GOOD}",
    ],
)
def test_a_design_in_any_of_these_forms_runs(write: Write, text: str) -> None:
    result = run(COLD, RunOptions(design=write(text)))
    assert (result.design, result.clean) == ("mine", True)


def test_only_what_the_file_defines_is_looked_after(write: Write) -> None:
    """What comes from a class of the package stays that class's own function."""
    from rcuactors.designs.direct import Direct

    text = f"{DIRECT}class Mine(Direct):\n{TEXTS}{MISSED.format('pass')}"
    cls = type(load_design(write(text))())
    assert issubclass(cls, Direct)
    assert cls.get_page is Direct.get_page
    assert cls.missed is not Direct.missed
    assert cls.__name__ == "Mine"


def _methods_of(protocol: type) -> set[str]:
    return {name for name, value in vars(protocol).items() if inspect.isfunction(value) and not name.startswith("_")}


def test_the_protocols_are_what_is_asked_for() -> None:
    required = {name for name, method in METHODS.items() if method.required}
    assert required == _methods_of(PageSource) == {"get_page", "missed"}
    assert set(METHODS) - required == _methods_of(OptionalMethods)
    assert METHODS["put_page"].needed == "`async def put_page(self, kvfree, cpu, krcp, page)`"
    assert METHODS["attach"].needed == "`def attach(self, kvfree)`"


def test_every_optional_method_is_looked_for() -> None:
    class Bare:
        name, about = "bare", "has none of them"

    assert set(vars(DesignExtras(Bare()))) == _methods_of(OptionalMethods)  # type: ignore[arg-type]
    assert set(vars(DesignExtras(Bare())).values()) == {None}  # type: ignore[arg-type]
    for name in _methods_of(OptionalMethods):
        one = type("One", (Bare,), {name: lambda self: self})()
        assert {each for each, own in vars(DesignExtras(one)).items() if own is not None} == {name}


# -- what is wrong with a file -------------------------------------------------------------------------------------

LISTED = "holds no design; needs one class with name, about, "
HELPERS = "(the name of a helper begins with _)"
NEEDS_GET_PAGE = "needs `async def get_page(self, kvfree, cpu, krcp)`"
WRONG_NAME = "needs up to 40 letters, digits and -, beginning with a letter"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", LISTED),
        ("x = 1\n", LISTED),
        (DIRECT, LISTED),
        ("class A:\n    pass\nclass B:\n    pass\n", LISTED),
        ("class _Mine:\n    async def get_page(self): pass\n", LISTED),
        (
            f"{GOOD}class Other(Mine):\n    name = 'other'\n",
            "holds 2 designs (Mine, Other); a file holds one, and the ",
        ),
        ("x = 1\nx = = 2\n", "does not import: SyntaxError: invalid syntax (line 2)"),
        ("def f():\n\treturn 1\n        return 2\n", "does not import: TabError: "),
        ("return 5\n", "does not import: SyntaxError: 'return' outside function (line 1)"),
        ("import no_such_module\n", "does not import: ModuleNotFoundError: No module named 'no_such_module' (line 1)"),
        ("\n\ndef f():\n    return 1 / 0\nf()\n", "does not import: ZeroDivisionError: division by zero (line 4)"),
        ("import sys\nsys.exit(3)\n", "does not import: SystemExit: 3 (line 2)"),
        (
            "from rcuactors import script, scenario\n@scenario()\nasync def s(k): pass\nscript(s)\n",
            'script() runs while the file is imported: put it under `if __name__ == "__main__":` (line 4)',
        ),
        (f"class Mine:\n{TEXTS}{MISSED.format('pass')}", f"class Mine has no get_page(); {NEEDS_GET_PAGE}"),
        (f"class Mine:\n{TEXTS}", f"class Mine has no get_page(); {NEEDS_GET_PAGE}"),
        (
            f"class Mine:\n{TEXTS}{GET_PAGE.format('pass')}",
            "class Mine has no missed(); needs `async def missed(self, kvfree, cpu, krcp)`",
        ),
        (
            GOOD.replace("get_page", "getpage"),
            f"class Mine: getpage() is no method of a design; did you mean get_page()? {HELPERS} (line 4)",
        ),
        (GOOD.replace("missed", "mised"), "class Mine: mised() is no method of a design; did you mean missed()? "),
        (
            GOOD.replace("get_page", "Get_Page"),
            "class Mine: Get_Page() is no method of a design; did you mean get_page()",
        ),
        (
            f"{DIRECT}class Mine(Direct):\n{TEXTS}    async def get_pages(self): pass\n",
            "class Mine: get_pages() is no method of a design; did you mean get_page()? ",
        ),
        (
            f"{GOOD}    def atach(self, kvfree): pass\n",
            "class Mine: atach() is no method of a design; did you mean attach()",
        ),
        (
            f"{GOOD}    async def attach(self, kvfree): pass\n",
            "class Mine: attach() is a coroutine function; needs `def attach(self, kvfree)` (line 8)",
        ),
        (
            f"{GOOD}    async def put_page(self, kvfree, page): pass\n",
            "class Mine: put_page() takes (self, kvfree, page); needs `async def put_page(self, kvfree, cpu, krcp, ",
        ),
        (
            GOOD.replace("async def get_page", "def get_page"),
            f"class Mine: get_page() is no coroutine function; {NEEDS_GET_PAGE} (line 4)",
        ),
        (body("yield 5"), f"class Mine: get_page() is no coroutine function; {NEEDS_GET_PAGE} (line 5)"),
        (
            GOOD.replace("def get_page(self, kvfree, cpu, krcp)", "def get_page(self, kvfree, cpu)"),
            f"class Mine: get_page() takes (self, kvfree, cpu); {NEEDS_GET_PAGE} (line 4)",
        ),
        (
            GOOD.replace("def get_page(self, kvfree, cpu, krcp)", "def get_page(kvfree, cpu, krcp)"),
            f"class Mine: get_page() takes (kvfree, cpu, krcp); {NEEDS_GET_PAGE} (line 4)",
        ),
        (
            GOOD.replace("def get_page(self, kvfree, cpu, krcp)", "def get_page(self, kvfree, cpu, krcp, gfp)"),
            f"class Mine: get_page() takes (self, kvfree, cpu, krcp, gfp); {NEEDS_GET_PAGE} (line 4)",
        ),
        (
            GOOD.replace("    async def get_page", "    @staticmethod\n    async def get_page"),
            f"class Mine: get_page is no method; {NEEDS_GET_PAGE}",
        ),
        (f"{GOOD}    get_page = 5\n", f"class Mine: get_page is no method; {NEEDS_GET_PAGE}"),
        (
            f"{GOOD}    def __init__(self, size):\n        pass\n",
            "class Mine cannot be made: TypeError: ",
        ),
        (
            f"{GOOD}    def __init__(self):\n        self.x = {{}}['x']\n",
            "class Mine cannot be made: KeyError: 'x' (line 9)",
        ),
        (
            f"{GOOD}    def __init__(self):\n        raise SystemExit(5)\n",
            "class Mine cannot be made: SystemExit: 5 (line 9)",
        ),
        (
            GOOD.replace('    name = "mine"\n', "    @property\n    def name(self):\n        return 1 / 0\n"),
            "class Mine cannot be made: ZeroDivisionError: division by zero (line 4)",
        ),
        (GOOD.replace('name = "mine"', "pass"), 'class Mine has no name; needs `name = "..."`'),
        (GOOD.replace('"mine"', "7"), "class Mine: name = 7: needs a text"),
        (
            "class Evil:\n    def __repr__(self): pass\n"
            + GOOD.replace('"mine"', "Evil()").replace("class Mine", "class Mine(Evil)"),
            "class Mine: name = a Evil whose __repr__() raised TypeError: needs a text",
        ),
        (GOOD.replace('"mine"', '""'), f'class Mine: name = "": {WRONG_NAME}'),
        (GOOD.replace('"mine"', '"my own"'), f'class Mine: name = "my own": {WRONG_NAME}'),
        (GOOD.replace('"mine"', '"-mine"'), f'class Mine: name = "-mine": {WRONG_NAME}'),
        (GOOD.replace('"mine"', '"m\u00e9"'), f'class Mine: name = "m\u00e9": {WRONG_NAME}'),
        (GOOD.replace('"mine"', '"m" * 41'), f'class Mine: name = "{"m" * 41}": {WRONG_NAME}'),
        (
            GOOD.replace('"mine"', '"Hrtimer-Work"'),
            'class Mine: name = "Hrtimer-Work": is the name of a bundled design; needs one of its own',
        ),
        (
            f"{DIRECT}class Mine(Direct):\n    pass\n",
            'class Mine: name = "direct": is the name of a bundled design; needs one of its own',
        ),
        (
            GOOD.replace('about = "a text about it"', "pass"),
            'class Mine has no about; needs `about = "..."`, one line that says what the design does',
        ),
        (GOOD.replace('"a text about it"', '" "'), "class Mine: about = ' ': needs a text of one line "),
        (
            GOOD.replace('"a text about it"', '"two\\nlines"'),
            "class Mine: about = 'two\\nlines': needs a text of one line ",
        ),
        (GOOD.replace('"a text about it"', "None or 5"), "class Mine: about = 5: needs a text of one line "),
    ],
)
def test_what_is_wrong_is_said_in_one_line(write: Write, text: str, wanted: str) -> None:
    assert said_at_load(write(text)).startswith(wanted)


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"x = '\x00'\n", b"# coding: nonsense\n", b"\x7fELF\x02\x01"])
def test_a_file_that_is_no_python(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "mine.py"
    path.write_bytes(data)
    assert said_at_load(path).startswith("does not import: ")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("none.py", "there is no such file"),
        ("", "is a directory; needs a Python file"),
        ("x" * 5000, "there is no such file"),
        ("a\0b.py", "there is no such file"),
    ],
)
def test_paths_that_lead_nowhere(tmp_path: Path, name: str, wanted: str) -> None:
    assert said_at_load(tmp_path / name) == wanted


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="no /dev/null here")
def test_a_device_is_read_and_is_no_design() -> None:
    assert (
        said_at_load(Path("/dev/null")) == "holds no design; needs one class with name, about, get_page() and missed()"
    )


def test_a_file_that_may_not_be_read(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(GOOD)

    def refuse(_self: Path, _mode: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    assert said_at_load(path) == "cannot be read: Permission denied"


def test_ctrl_c_during_a_load_is_not_an_error_of_the_file(write: Write) -> None:
    with pytest.raises(KeyboardInterrupt):
        load_design(write("raise KeyboardInterrupt\n"))
    with pytest.raises(KeyboardInterrupt):
        load_design(write(f"{GOOD}    def __init__(self):\n        raise KeyboardInterrupt\n"))
