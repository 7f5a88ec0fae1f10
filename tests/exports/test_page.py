"""What docs/viewers.md shows of trace-cmd, where there is one. Its other blocks are run as those of all pages."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from rcuactors.cli import cli

from .conftest import needs_trace_cmd


@needs_trace_cmd
def test_what_the_page_shows_of_trace_cmd(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = (root / "docs" / "viewers.md").read_text(encoding="utf-8")
    (made,) = re.findall(r"^\$ rcuactors (export .* -o raw\.dat)$", page, re.MULTILINE)
    assert CliRunner().invoke(cli, made.split()).exit_code == 0
    (block,) = re.findall(r"```text\n\$ (trace-cmd .*?)```", page, re.DOTALL)
    command, _, shown = block.partition("\n")
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert ran.stdout == shown
