"""What is not ours decides nothing: exceptions that have no text, disks that are full, directories that are gone."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from rcuactors import BadInput, Kernel, KernelBug, run, scenario

Call = Callable[..., Result]
OneLine = Callable[..., str]


def raising(tmp_path: Path, what: str) -> str:
    file = tmp_path / "raises.py"
    file.write_text(
        "from rcuactors import BadInput, KernelBug, scenario\n"
        "class Silent(Exception):\n"
        "    def __str__(self): raise SystemExit(0)\n"
        "    __repr__ = __str__\n"
        "class Input(BadInput):\n"
        "    def __str__(self): raise ValueError\n"
        "@scenario()\n"
        "async def raises(k):\n"
        f"    {what}\n",
        encoding="utf-8",
    )
    return str(file)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("raise Silent", "raised Silent: (its text cannot be had: __str__() raised SystemExit) (raises.py:9)"),
        ("raise Input", "(its text cannot be had: __str__() raised ValueError) (raises.py:9)"),
        ("raise KernelBug('x')", "KernelBug('x'): needs a Violation: the kernel's own report (raises.py:9)"),
        ("raise BaseExceptionGroup('', [ValueError()])", "scenario raises raised ValueError (raises.py:9)"),
        ("await k.msleep(Silent())", "msleep(milliseconds=Silent): needs a whole number (raises.py:9)"),
        ("k.deref(Silent())", "deref(p=Silent): needs what kmalloc(), vmalloc() or kvmalloc() returned (raises.py:9)"),
    ],
)
def test_an_exception_or_value_without_a_text_decides_nothing(
    one_line: OneLine, tmp_path: Path, what: str, said: str
) -> None:
    assert said in one_line("run", raising(tmp_path, what))


def test_settings_of_a_scenario_are_numbers_texts_and_truths() -> None:
    @scenario(settings={"HZ": 1000, "PREEMPT_RT": True})
    async def script(k: Kernel) -> None:
        assert k.PREEMPT_RT

    assert run(script).config["HZ"] == "1000"
    with pytest.raises(BadInput, match=r"^scenario wrong: HZ=3\.5: needs a number, a text or True or False"):

        @scenario(settings={"HZ": 3.5})  # type: ignore[dict-item]
        async def wrong(_k: Kernel) -> None:
            pass

    with pytest.raises(BadInput, match=r"^scenario wrong: settings=5: needs values by name"):

        @scenario(settings=5)  # type: ignore[arg-type]
        async def wrong(_k: Kernel) -> None:
            pass


def test_where_a_wrong_value_came_from_is_said(one_line: OneLine, tmp_path: Path) -> None:
    assert one_line("run", "flood", "--set", "HZ=3").startswith("--set HZ=3: needs 100, 250, 300 or 1000")
    assert one_line("campaign", "--runs", "1", "--set", "CONFIG_HZ=3").startswith("--set HZ=3: needs")
    (tmp_path / "costs.toml").write_text("lock_ns = -1\n")
    said = one_line("run", "flood", "--costs", str(tmp_path / "costs.toml"))
    assert said.startswith(f"cost file {tmp_path / 'costs.toml'}: cost lock_ns = -1: needs a whole number")
    (tmp_path / "own.py").write_text(
        "from rcuactors import scenario\n@scenario(settings={'HZ': 3})\nasync def own(k): pass\n"
    )
    assert one_line("run", str(tmp_path / "own.py")).startswith("scenario own: HZ=3: needs")


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="needs a limit on the size of files")
def test_a_design_that_cannot_be_written_whole_is_not_there(
    one_line: OneLine, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource

    monkeypatch.chdir(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # what is imported meanwhile would be cut as well
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        assert one_line("new", "design", "mine") == "mine.py: cannot be written: File too large"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []
    assert call("new", "design", "mine").exit_code == 0


@pytest.mark.skipif(os.name != "posix", reason="removes the working directory")
def test_a_working_directory_that_is_gone(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert call("run", "one_argument").exit_code == 0
    for words in (("run", "mine.py"), ("new", "design", "mine"), ("run", "flood", "--events", "x.txt")):
        done = call(*words)
        assert done.exit_code == 2
        assert "internal error" not in done.stderr
    # One that can still be reached from there, whose full name nobody can tell.
    tmp_path.joinpath("there.py").write_text("")
    done = call("run", "../there.py")
    assert (done.exit_code, done.stderr) == (2, "rcuactors: the working directory is gone; needs one that is there\n")


def test_a_name_of_254_bytes(call: Call, tmp_path: Path) -> None:
    events = tmp_path / f"{'a' * 250}.txt"
    assert call("run", "one_argument", "--events", str(events)).exit_code == 0
    assert events.stat().st_size


def test_a_kernel_bug_is_made_of_a_violation() -> None:
    with pytest.raises(BadInput, match="needs a Violation"):
        KernelBug("x")  # type: ignore[arg-type]
