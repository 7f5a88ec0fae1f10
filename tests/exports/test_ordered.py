"""Putting in order what does not fit into memory."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from rcuactors.exports import ordered
from rcuactors.exports.ordered import Ordered


@pytest.mark.parametrize("held", [1, 7, 1000])
def test_pieces_come_in_order_and_equal_ones_as_they_were_added(held: int, tmp_path: Path) -> None:
    draw = random.Random(held)
    pieces = [(draw.randrange(5), draw.randrange(20), b"%d" % number) for number in range(500)]
    some = Ordered(tmp_path, held=held)
    for piece in pieces:
        some.add(*piece)
    assert list(some) == sorted(pieces, key=lambda piece: piece[:2])
    assert some.count == 500
    some.close()
    assert some.count == 500
    assert list(tmp_path.iterdir()) == []


def test_what_is_held_is_bounded_by_its_size_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordered, "HELD_BYTES", 1_000)
    put_aside, scratch = [], ordered.scratch
    monkeypatch.setattr(ordered, "scratch", lambda folder: put_aside.append(folder) or scratch(folder))
    some = Ordered()
    for number in range(200):
        some.add(200 - number, 0, bytes(100))
        assert len(put_aside) == (number + 1) // 10
    assert [first for first, _, _ in some] == list(range(1, 201))
    some.close()


def test_never_more_files_than_a_process_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    open_now, most, scratch = [], 0, ordered.scratch

    def counted(folder: Path | None) -> object:
        nonlocal most
        file = scratch(folder)
        open_now.append(file)
        most = max(most, sum(not each.closed for each in open_now))
        return file

    monkeypatch.setattr(ordered, "scratch", counted)
    some = Ordered(held=2)
    for number in range(1_000):
        some.add(number * 7919 % 1_000, 0, b"%d" % number)
    assert [first for first, _, _ in some] == list(range(1_000))
    some.close()
    assert 60 < most < 70
    assert all(each.closed for each in open_now)
