"""`rcuactors conform`: what it prints, and how it ends; the comparison has its own tests."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from rcuactors.cli import watching
from rcuactors.conform import conform

Call = Callable[..., Result]


@pytest.fixture
def recording(root: Path) -> str:
    """A recording of a real kernel."""
    return str(root / "tests" / "data" / "recordings" / "kvfree" / "a_cold_512_min5.txt.gz")


def test_as_text_and_as_json(call: Call, recording: str) -> None:
    result = call("conform", recording)
    assert (result.exit_code, result.stderr) == (0, "")
    said = conform(recording)
    assert result.stdout.splitlines() == said.lines()
    assert json.loads(call("conform", recording, "--json").stdout) == {"recordings": [said.as_json()], "errors": []}


@pytest.mark.skipif(os.name != "posix", reason="no such signals here")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_what_was_compared_until_a_signal_is_printed(
    number: int, code: int, call: Call, recording: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter(range(1400))  # 1,136 while it is read
    at = watching.HowFar.at

    def signalled(self: watching.HowFar, line: int) -> bool:
        if next(looks, None) is None:
            os.kill(os.getpid(), number)
        return at(self, line)

    monkeypatch.setattr(watching.HowFar, "at", signalled)
    result = call("conform", recording)
    assert (result.exit_code, result.stderr) == (code, "interrupted\n")
    assert "interrupted: what was compared until then follows" in result.stdout
    assert "only a part is compared: lines 57 to " in result.stdout
    assert "decisions compared" in result.stdout


def test_how_far_it_is() -> None:
    far = watching.HowFar(lambda: True)
    far.begins(__file__)
    assert far.say() == ""
    far.read(20, Path(__file__).stat().st_size // 2)
    assert far.at(1_500)
    assert far.say().startswith("1,500 lines, 50% of ")
    far.begins("no such file")
    assert far.say() == ""
