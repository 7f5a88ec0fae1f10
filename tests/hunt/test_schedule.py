"""The file of a schedule is whole or not there (rcuactors/hunt/schedule.py)."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from rcuactors.hunt.schedule import Schedule, read_schedule
from tests.history.cases import CASES


def kept() -> Schedule:
    return CASES[0].kept()


def test_it_is_read_as_it_was_written_also_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to("there.json")
    kept().save(tmp_path / "link.json")
    assert (tmp_path / "link.json").is_symlink()
    assert read_schedule(str(tmp_path / "there.json")) == kept()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["link.json", "there.json"]


def test_what_could_not_be_written_leaves_the_older_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "one.json"
    path.write_text("older")

    def no_space(self: Path, *_: object, **__: object) -> int:
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", no_space)
    with pytest.raises(OSError, match="No space left"):
        kept().save(path)
    assert path.read_bytes() == b"older"
    assert [file.name for file in tmp_path.iterdir()] == ["one.json"]


def test_a_pipe_stays_one(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(path.read_text()))
    reader.start()
    kept().save(path)
    reader.join()
    assert got == [kept().text()]
    assert path.is_fifo()
