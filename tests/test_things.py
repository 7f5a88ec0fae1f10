"""What a THING is: by its name, or by its content."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rcuactors.errors import BadInput
from rcuactors.things import COMPARISON_KEYS, Kind, kind_of

HERE = Path(__file__).resolve().parent
RECORDING = HERE / "data" / "recordings" / "kvfree-6.12" / "c_mixed_2_min5.txt.gz"
KEPT = HERE / "history" / "kept" / "4c33464ae85e-stale_batch-v5.11.json"
EVENT = '{"time_ns":1,"cpu":0}\n'


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("schedule", KEPT.read_text(encoding="utf-8"), Kind.SCHEDULE),
        ("one_line", json.dumps(json.loads(KEPT.read_text(encoding="utf-8"))), Kind.SCHEDULE),
        ("board", json.dumps(dict.fromkeys(COMPARISON_KEYS)), Kind.COMPARISON),
        ("events", EVENT * 2, Kind.TRACE),
        ("one_event", EVENT, Kind.TRACE),
        ("then_broken", EVENT + "{\n", Kind.TRACE),
        ("text", (HERE / "data" / "timeline" / "trace.txt").read_text(encoding="utf-8"), Kind.TRACE),
        ("empty", "", Kind.TRACE),
        ("own.py", EVENT, Kind.SCENARIO),
        ("churn", EVENT, Kind.SCENARIO),
    ],
)
def test_what_a_file_is_its_content_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, text: str, kind: Kind
) -> None:
    """A bundled scenario's name is that, whatever lies here under it."""
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(text, encoding="utf-8")
    assert kind_of(name) is kind


def test_a_recording_is_a_trace_and_what_is_no_file_a_scenario(tmp_path: Path) -> None:
    assert kind_of(str(RECORDING)) is Kind.TRACE
    for name in ("stale_batch", "a.py::one", f"{KEPT}::one", "no such thing", "a\0b", str(tmp_path)):
        assert kind_of(name) is Kind.SCENARIO


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ('{"scenario": "one"}', "is JSON, and neither a schedule nor events nor a comparison"),
        ('{"format": "rcuactors run"}', "is JSON, and neither"),
        ("{\n", "is no whole JSON document"),
        ('{"time_ns":', "is no whole JSON document"),
        ("{}\n{}\n", "is no whole JSON document"),
    ],
)
def test_other_json_is_none_of_these(tmp_path: Path, text: str, wrong: str) -> None:
    path = tmp_path / "a"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=wrong):
        kind_of(str(path))
