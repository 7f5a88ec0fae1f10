"""Scenarios by name and by path, and everything that can be wrong with a file."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rcuactors import run
from rcuactors.errors import BadInput
from rcuactors.runs.spec import RunSpec
from rcuactors.userfiles import find_scenarios, load_scenario, shipped
from rcuactors.userfiles.pyfile import importing

GOOD = """'''{name}: a text about it.

More.
'''
from rcuactors import Kernel, scenario

@scenario()
async def {name}(k: Kernel, objects: int = 3) -> None:
    for _ in range(objects):
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")
"""


def _write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_bundled_ones_are_found_and_load(root: Path) -> None:
    found = find_scenarios()
    assert list(found) == sorted(file.stem for file in (root / "scenarios").glob("*.py"))
    assert {name: load_scenario(name).name for name in found} == {name: name for name in found}


def test_the_wheels_folder_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "rcuactors"
    (package / "_scenarios").mkdir(parents=True)
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "pyproject.toml").touch()
    _write(package / "_scenarios", "inside.py", GOOD.format(name="inside"))
    _write(package / "_scenarios", "_private.py", "")
    _write(tmp_path / "scenarios", "beside.py", GOOD.format(name="beside"))
    monkeypatch.setattr(shipped, "PACKAGE", package)
    assert find_scenarios() == {"inside": package / "_scenarios" / "inside.py"}
    assert load_scenario("inside").about == "a text about it."


def test_a_scenarios_folder_beside_an_installed_package_is_not_ours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "scenarios").mkdir()
    _write(tmp_path / "scenarios", "beside.py", GOOD.format(name="beside"))
    monkeypatch.setattr(shipped, "PACKAGE", tmp_path / "rcuactors")
    assert find_scenarios() == {}
    (tmp_path / "pyproject.toml").touch()
    assert list(find_scenarios()) == ["beside"]


@pytest.mark.parametrize("as_text", [True, False])
def test_a_file_by_its_path(tmp_path: Path, as_text: bool) -> None:
    path = _write(tmp_path, "my-own scenario.py", GOOD.format(name="mine"))
    chosen = load_scenario(str(path) if as_text else path)
    assert (chosen.name, chosen.about, chosen.parameters) == (
        "mine",
        "mine: a text about it.".partition(" ")[2],
        {"objects": 3},
    )
    assert run(chosen).clean


def test_a_file_without_the_suffix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _write(tmp_path, "plain", GOOD.format(name="mine"))
    monkeypatch.chdir(tmp_path)
    assert load_scenario("plain").name == "mine"


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    path, before = _write(tmp_path, "mine.py", GOOD.format(name="mine")), list(sys.path)
    load_scenario(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.py"]
    assert sys.path == before
    assert "mine" not in sys.modules


def test_a_file_that_was_edited_is_read_anew(tmp_path: Path) -> None:
    path = _write(tmp_path, "mine.py", GOOD.format(name="first"))
    assert load_scenario(path).name == "first"
    _write(tmp_path, "mine.py", GOOD.format(name="other"))
    assert load_scenario(path).name == "other"


def test_two_files_of_one_name_do_not_mix(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        _write(tmp_path / folder, "mine.py", GOOD.format(name=f"mine_{folder}"))
    first, second = (load_scenario(tmp_path / folder / "mine.py") for folder in ("a", "b"))
    assert (first.name, second.name) == ("mine_a", "mine_b")
    assert first.body.__module__ != second.body.__module__


def test_a_module_that_failed_is_forgotten(tmp_path: Path) -> None:
    before = set(sys.modules)
    with pytest.raises(BadInput):
        load_scenario(_write(tmp_path, "mine.py", "1 / 0\n"))
    assert {name for name in set(sys.modules) - before if "mine" in name} == set()


def test_a_file_knows_that_it_is_being_imported(tmp_path: Path) -> None:
    text = GOOD.format(name="mine") + "from rcuactors.userfiles.pyfile import importing\nSEEN = importing()\n"
    chosen = load_scenario(_write(tmp_path, "mine.py", text))
    assert vars(sys.modules[chosen.body.__module__])["SEEN"] is True
    assert not importing()


def test_what_it_imports_is_not_what_it_holds(tmp_path: Path) -> None:
    text = "from rcuactors.userfiles import load_scenario\nborrowed = load_scenario('one_argument')\n"
    assert load_scenario(_write(tmp_path, "both.py", GOOD.format(name="mine") + text)).name == "mine"
    assert load_scenario(_write(tmp_path, "borrowed.py", text)).name == "one_argument"


def test_among_several_the_one_of_the_files_name(tmp_path: Path) -> None:
    several = GOOD.format(name="first") + GOOD.format(name="second")
    assert load_scenario(_write(tmp_path, "second.py", several)).name == "second"
    with pytest.raises(BadInput) as error:
        load_scenario(_write(tmp_path, "third.py", several))
    assert str(error.value).endswith(
        "holds 2 scenarios (first, second); name one of them, "
        f"{tmp_path / 'third.py'}::first, or have one be named third, as the file is"
    )


def test_of_several_one_by_its_name(tmp_path: Path) -> None:
    several = GOOD.format(name="first") + GOOD.format(name="second") + "async def plain(k): pass\n"
    file = _write(tmp_path, "third.py", several)
    assert load_scenario(f"{file}::second").name == "second"
    assert load_scenario(f"{file}::plain").name == "plain"
    assert load_scenario("raw_lock_caller::raw_lock_caller").name == "raw_lock_caller"
    with pytest.raises(BadInput) as error:
        load_scenario(f"{file}::secnd")
    assert "secnd: holds no such scenario; did you mean second? there are first, second, plain" in str(error.value)


def test_one_of_several_is_a_value_that_other_processes_find(tmp_path: Path) -> None:
    file = _write(tmp_path, "third.py", GOOD.format(name="first") + GOOD.format(name="second"))
    spec = RunSpec.of(load_scenario(f"{file}::second"))
    assert spec.scenario.function == "second"
    assert spec.scenario.load().name == "second"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "holds no scenario; needs an async function under @scenario()"),
        ("async def main(k): pass\n", "holds no scenario; needs an async function under @scenario()"),
        ("x = 1\nx = = 2\n", "does not import: SyntaxError: invalid syntax (line 2)"),
        ("import no_such_module\n", "does not import: ModuleNotFoundError: No module named 'no_such_module' (line 1)"),
        ("\n\ndef f():\n    return 1 / 0\nf()\n", "does not import: ZeroDivisionError: division by zero (line 4)"),
        ("import sys\nsys.exit(3)\n", "does not import: SystemExit: 3 (line 2)"),
        ("raise SystemExit\n", "does not import: SystemExit (line 1)"),
        ("raise GeneratorExit\n", "does not import: GeneratorExit (line 1)"),
        ("import json\njson.loads('{')\n", "does not import: JSONDecodeError: Expecting property name"),
        (
            "from rcuactors import scenario\n@scenario()\ndef plain(k): pass\n",
            "scenario plain: needs an `async def` function (line 2)",
        ),
    ],
)
def test_files_that_hold_none(tmp_path: Path, text: str, wanted: str) -> None:
    with pytest.raises(BadInput) as error:
        load_scenario(_write(tmp_path, "mine.py", text))
    assert str(error.value).startswith(f"scenario file {tmp_path / 'mine.py'}: {wanted}")


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"x = '\x00'\n", b"# coding: nonsense\n", b"\x7fELF\x02\x01"])
def test_files_that_are_no_python(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "mine.py"
    path.write_bytes(data)
    with pytest.raises(BadInput, match="does not import: "):
        load_scenario(path)


def test_ctrl_c_during_an_import_is_not_an_error_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        load_scenario(_write(tmp_path, "mine.py", "raise KeyboardInterrupt\n"))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("none.py", "scenario file {0}/none.py: there is no such file"),
        ("", "scenario file {0}: is a directory; needs a Python file"),
        ("x" * 5000, "there is no such file"),
        ("a\0b.py", "there is no such file"),
    ],
)
def test_paths_that_lead_nowhere(tmp_path: Path, name: str, wanted: str) -> None:
    with pytest.raises(BadInput) as error:
        load_scenario(tmp_path / name)
    assert wanted.format(tmp_path) in str(error.value)


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="no /dev/null here")
def test_a_device_is_read_and_is_no_scenario() -> None:
    with pytest.raises(BadInput, match="/dev/null: holds no scenario"):
        load_scenario("/dev/null")


@pytest.mark.parametrize("name", ["no_such_scenario", "", "cold_cache_brust"])
def test_unknown_names_list_the_known_ones(name: str) -> None:
    with pytest.raises(BadInput) as error:
        load_scenario(name)
    assert str(error.value).endswith(f"there are {', '.join(find_scenarios())}")
    assert ("did you mean cold_cache_burst? " in str(error.value)) == (name == "cold_cache_brust")
