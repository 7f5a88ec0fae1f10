"""The JSON documents of the commands, held against what docs/file-formats.md says of their keys."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rcuactors.cli import cli

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "file-formats.md"
RECORDING = "tests/data/recordings/kvfree-6.12/b_warm_507_min5.txt.gz"


def keys_under(heading: str) -> list[str]:
    """The names in the first column of the first table after a heading, or after a line."""
    _, found, after = PAGE.read_text(encoding="utf-8").partition(f"\n{heading}\n")
    assert found, heading
    table = re.search(r"^\| key \|.*\n\|---.*\n((?:\|.*\n)+)", after, flags=re.MULTILINE)
    assert table is not None
    return re.findall(r"^\| `(\w+)` \|", table[1], flags=re.MULTILINE)


def document(*args: str) -> dict[str, Any]:
    """What a command prints."""
    result = CliRunner().invoke(cli, [*args, "--json"])
    assert result.exit_code in (0, 1), result.output
    return dict(json.loads(result.stdout))


@pytest.mark.parametrize(
    ("heading", "command"),
    [
        ("### Of explore", "explore reader_holds_object --set free_at_once=y --schedules 1 --jobs 1"),
        ("### Of check", "check spin_under_raw --kernels v6.12 --builds plain --schedules 2 --jobs 1"),
        ("### Of describe", f"describe {RECORDING}"),
        ("### Of lockdep matrix", "lockdep matrix --op msleep --context spin --jobs 1"),
        ("### Of campaign", "campaign spin_under_raw --runs 1 --jobs 1"),
    ],
)
def test_every_key_of_a_document_is_described(heading: str, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert keys_under(heading) == list(document(*command.split()))


def test_every_key_of_a_conformance_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    printed = document("conform", RECORDING)
    assert keys_under("### Of conform") == list(printed)
    assert keys_under("Of each recording:") == list(printed["recordings"][0])


def test_what_list_and_api_have_is_said() -> None:
    text = PAGE.read_text(encoding="utf-8")
    kinds = document("list")
    said = re.search(r"^\| `list` \|(.*)$", text, flags=re.MULTILINE)
    assert said is not None
    for rows in kinds.values():
        assert {key for key in rows[0] if f"`{key}`" not in said[1]} == set()
