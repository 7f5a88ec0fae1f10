"""Replays as values: another process, or a file, can name what is replayed."""

from __future__ import annotations

import gzip
import json
import pickle
from pathlib import Path

import attrs
import pytest

from rcuactors import BadInput, run
from rcuactors.recordings import read_recording
from rcuactors.recordings.replay import Replay
from rcuactors.runs import RunSpec

DATA = Path(__file__).resolve().parent.parent / "data" / "recordings"
A_FILE = DATA / "kvfree" / "d_rawspin_1100_min5.txt.gz"


def test_a_replay_is_a_value() -> None:
    made = Replay(read_recording(A_FILE), kernel="v6.1-stable", seed=3, HZ=1000)
    spec = RunSpec.from_json(json.dumps(made.spec.to_json()))
    assert spec == pickle.loads(pickle.dumps(made.spec)) == made.spec  # noqa: S301 - our own
    assert run(spec).digest == made.run().result.digest


def test_the_name_of_the_probe_is_part_of_it(tmp_path: Path) -> None:
    file = tmp_path / "named.txt"
    text = gzip.decompress(A_FILE.read_bytes()).decode()
    bare = text.replace("kvfree_call_rcu: (kvfree_call_rcu+0x0/0x2e0)", "mine: (ffffffff8111e6e0)")
    file.write_text(bare, encoding="utf-8")
    with pytest.raises(BadInput, match="nothing to replay"):
        read_recording(file)
    made = Replay(read_recording(file, probe="mine"), kernel="v6.1-stable")
    assert "mine" in json.dumps(made.spec.to_json())
    assert run(made.spec).digest == made.run().result.digest


def test_a_recording_that_was_changed_is_no_replay_of_the_same(tmp_path: Path) -> None:
    file = tmp_path / "changed.txt"
    file.write_bytes(gzip.decompress(A_FILE.read_bytes()))
    spec = Replay(read_recording(file)).spec
    file.write_text(file.read_text() + "# more\n")
    with pytest.raises(BadInput, match=r"changed\.txt: was changed since \(digest "):
        run(spec)
    file.unlink()
    with pytest.raises(BadInput, match=r"changed\.txt: cannot be read: No such file"):
        run(spec)


def test_a_recording_out_of_no_file_runs_in_this_process_only() -> None:
    made = Replay(attrs.evolve(read_recording(A_FILE), path=""))
    with pytest.raises(BadInput, match="runs in this process only"):
        _ = made.spec
