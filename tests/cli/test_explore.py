"""`rcuactors explore`, `replay-schedule` and `shrink`: what they print, the files they leave, and their exit codes."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Call = Callable[..., Result]
OneLine = Callable[..., str]
ScenarioFile = Callable[[str], str]
Spawn = Callable[..., "subprocess.Popen[str]"]

HUNT = ("explore", "stale_batch", "--kernel", "v5.11", "--strategy", "holds", "--seed", "13000", "--jobs", "1")

LOSES = '''"""loses: an update is lost where one is overtaken between its look and its write."""
from rcuactors import Kernel, scenario
open("was_run", "w").close()
@scenario(settings={"nr_cpus": "2"})
async def loses(k: Kernel) -> None:
    count = 0
    async def adds() -> None:
        nonlocal count
        seen = count
        await k.udelay(1)
        count = seen + 1
    async with k.open_nursery() as nursery:
        await nursery.start_soon(adds, cpu=1)
        await k.udelay(40)
        await adds()
    assert count == 2, "an update was lost"
'''


LOOKS_NOT = '''"""looks_not: it does not look whether it has got a page."""
from rcuactors import Kernel, scenario
@scenario()
async def looks_not(k: Kernel) -> None:
    page = await k.get_free_page()
    await k.udelay(2)
    assert page is not None
    await k.free_page(page)
'''


@pytest.fixture
def loses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "loses.py"
    path.write_text(LOSES)
    return path


def test_a_finding_is_told_kept_and_run_again(call: Call, tmp_path: Path) -> None:
    out = tmp_path / "found"
    result = call(*HUNT, "--out", str(out))
    assert result.exit_code == 1, result.output
    assert not result.stderr
    (file,) = out.iterdir()
    text = result.stdout
    assert text.startswith("stale_batch on v5.11, ")
    assert "\nfound             use-after-free in " in text
    assert "none of them can be left out" in text
    assert "without one departure it passes: hold up: " in text
    assert f"again: rcuactors replay-schedule {file}" in text
    document = json.loads(file.read_text())
    assert document["minimal"] is True
    assert {entry["kind"] for entry in document["departures"]} == {"hold up"}
    assert all(entry["at"] for entry in document["departures"])
    assert document["run"]["scenario"]["source"] == "stale_batch"

    again = call("replay-schedule", str(file))
    assert again.exit_code == 1
    assert "events as they were; shows use-after-free in " in again.stdout
    assert "HELD UP for " in again.stdout
    as_json = call("replay-schedule", str(file), "--json")
    assert json.loads(as_json.stdout)["shows"]["kind"] == "use-after-free"

    shorter = call("shrink", str(file), "--out", str(tmp_path / "less.json"))
    assert shorter.exit_code == 1
    assert json.loads((tmp_path / "less.json").read_text())["departures"] == document["departures"]


def test_nothing_found_says_what_cannot_be_seen(call: Call) -> None:
    result = call("explore", "reader_holds_object", "--schedules", "12", "--jobs", "1", "--set", "hold_us=1000")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-3:-1] == [
        "nothing found in these schedules; what cannot be seen:",
        "  weak memory ordering: each step of a CPU is one whole to the others",
    ]
    assert "schedules         12 (timed 1, holds:points=" in result.stdout


def test_everything_is_in_the_document(call: Call) -> None:
    result = call(*HUNT, "--json", "--keep-going", "--schedules", "120")
    document = json.loads(result.stdout)
    assert result.exit_code == 1
    assert document["schedules"] == 120
    assert document["taken"]["hold up"]["other"] > 20
    assert document["unseen"]
    places = [(found["kind"], found["place"], found["line"]) for found in document["found"]]
    assert places
    assert len(places) == len(set(places))
    assert all(found["departures"] for found in document["found"])


def test_a_search_says_what_it_covered(call: Call, loses: Path) -> None:
    result = call("explore", str(loses), "--strategy", "delays:d=1", "--jobs", "1")
    assert result.exit_code == 0
    assert "covered           everything within the bound of delays:d=1: " in result.stdout
    part = call("explore", str(loses), "--strategy", "delays:d=1", "--jobs", "1", "--schedules", "3")
    assert "of delays:d=1; not everything" in part.stdout
    assert call("explore", str(loses), "--strategy", "delays:d=2", "--jobs", "1").exit_code == 1


def test_searches_that_go_on_from_what_they_tried_say_what_they_covered(call: Call, loses: Path) -> None:
    whole = call("explore", str(loses), "--strategy", "dpor:window=100")
    assert whole.exit_code == 0
    assert "0 repeated one, 0 did not begin as it should" in whole.stdout
    assert "covered           everything within the bound of dpor:window=100: " in whole.stdout
    part = call("explore", str(loses), "--strategy", "dpor:window=100", "--schedules", "2")
    assert "covered           not everything within the bound of dpor:window=100: " in part.stdout
    document = json.loads(
        call("explore", str(loses), "--strategy", "dfs:preemptions=0", "--schedules", "3", "--json").stdout
    )
    assert 0 < document["search"]["part"] < 1
    assert document["complete"] is False


def test_what_schedules_that_were_cut_short_hide_is_not_covered(call: Call, loses: Path) -> None:
    """Not even if the search has come to its end: what would have come is not known of any of them."""
    search = ("explore", str(loses), "--strategy", "delays:d=1", "--jobs", "1", "--max-steps", "4")
    said = call(*search).stdout
    assert "cut short         " in said
    assert "everything within the bound" not in said
    assert "did not come to their end; what cannot be seen:" in said
    assert json.loads(call(*search, "--json").stdout)["complete"] is False


def test_a_users_scenario_is_loaded_only_when_it_is_given(call: Call, one_line: OneLine, loses: Path) -> None:
    found = call("explore", str(loses), "--strategy", "random", "--jobs", "1", "--out", "found")
    assert found.exit_code == 1, found.output
    assert "found             error in AssertionError, loses.py:16: " in found.stdout
    (file,) = Path("found").iterdir()
    Path("was_run").unlink()
    assert one_line("replay-schedule", str(file)) == (
        f"{file}: scenario loses is no bundled one; give its file beside the schedule"
    )
    assert not Path("was_run").exists()
    assert call("replay-schedule", str(file), str(loses)).exit_code == 1
    loses.write_text(LOSES.replace("udelay(40)", "udelay(41)"))
    assert one_line("replay-schedule", str(file), str(loses)).endswith("; was changed since")
    other = shutil.copy(loses, "other.py")
    Path(other).write_text(LOSES.replace("loses", "other"))
    assert one_line("replay-schedule", str(file), other).endswith("; is scenario other")


@pytest.mark.parametrize("wrong", ["", "{", "[]", "null", '{"format": "rcuactors schedule"}', "\x00", "{} {}", "NaN"])
def test_files_that_are_none(one_line: OneLine, tmp_path: Path, wrong: str) -> None:
    file = tmp_path / "bad.json"
    file.write_text(wrong)
    assert one_line("replay-schedule", str(file)).startswith(f"{file}: schedule: ")


def test_a_file_that_was_cut_short_anywhere(call: Call, one_line: OneLine, tmp_path: Path) -> None:
    call(*HUNT, "--out", str(tmp_path / "found"))
    (file,) = (tmp_path / "found").iterdir()
    text = file.read_text()
    for at in range(0, len(text) - 2, len(text) // 12):
        (tmp_path / "cut.json").write_text(text[:at])
        one_line("replay-schedule", str(tmp_path / "cut.json"))
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe{}")
    assert one_line("replay-schedule", str(tmp_path / "bytes.json")).endswith("is no text")
    assert "cannot be read" in one_line("replay-schedule", str(tmp_path / "nowhere.json"))


def test_a_schedule_that_comes_apart_names_where(call: Call, one_line: OneLine, tmp_path: Path) -> None:
    call(*HUNT, "--out", str(tmp_path / "found"))
    (file,) = (tmp_path / "found").iterdir()
    document = json.loads(file.read_text())
    step = document["departures"][0]["step"]
    document["departures"][0]["option"] = "cpu7:nobody for 5 ns"
    file.write_text(json.dumps(document))
    said = one_line("replay-schedule", str(file))
    assert said.startswith(f"{file}: decision {step} of the recording is hold up: cpu7:nobody for 5 ns")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--strategy", "hold"), "strategy hold: did you mean holds?"),
        (("--strategy", "holds:d=0"), "strategy holds: d=0: needs a whole number from 1 to 100"),
        (("--strategy", "delays", "--strategy", "random"), "--strategy delays: goes through schedules by itself"),
        (("--strategy", "delays", "--seed", "4"), "--seed 4: strategy delays draws nothing"),
        (("--strategy", "dpor:preemptions=1"), "strategy dpor: parameter preemptions"),
        (("--schedules", "0"), "--schedules 0: needs a whole number"),
        (("--time", "soon"), "--time soon: needs a time such as 30s"),
        (("--time", "0s"), "--time 0s: needs a time"),
        (("--seed", "x"), "--seed x: needs a whole number"),
        (("--kernel", "v5.1"), "kernel v5.1"),
        (("--set", "look=1"), "look"),
        (("--faults", "irq"), "--faults irq: there are alloc, late-timer, interrupt"),
        (("--faults", "nmi", "--set", "spurious_nmis=n"), "--faults nmi: it is spurious_nmis=y; --set spurious_nmis"),
        (("--faults", "slow-worker", "--strategy", "delays"), "slow_workers=y: strategy delays decides nothing"),
        (("--set", "latitude=y", "--strategy", "timed"), "latitude=y: strategy timed decides nothing of that sort"),
    ],
)
def test_bad_input(one_line: OneLine, options: tuple[str, ...], said: str) -> None:
    assert said in one_line("explore", "stale_batch", *options)


def test_a_scenario_that_fails_by_itself_is_no_finding(one_line: OneLine, scenario_file: ScenarioFile) -> None:
    assert "asserts.py:" in one_line("explore", scenario_file("asserts"), "--jobs", "1")


def test_faults_are_on_counted_and_kept(call: Call, tmp_path: Path) -> None:
    """A page that nobody asked about is not there: found, cut down to that, and run again from the file."""
    path = tmp_path / "looks_not.py"
    path.write_text(LOOKS_NOT)
    asked = ("explore", str(path), "--jobs", "1", "--strategy", "random", "--schedules", "60")
    assert call(*asked).exit_code == 0
    out = tmp_path / "found"
    result = call(*asked, "--faults", "nmi,alloc", "--out", str(out))
    assert result.exit_code == 1, result.output
    assert "looks_not on v6.12, design hrtimer-work, fail_page_alloc=10 spurious_nmis=y, " in result.stdout
    assert "\n  allocation fails: " in result.stdout
    assert "\n  an NMI comes: " in result.stdout
    assert "\ncut down to 1 departure " in result.stdout
    (file,) = out.iterdir()
    assert json.loads(file.read_text())["departures"][0]["kind"] == "allocation fails"
    again = call("replay-schedule", str(file), str(path))
    assert again.exit_code == 1, again.output


def test_a_time_ends_it(call: Call) -> None:
    began = time.monotonic()
    result = call("explore", "reader_holds_object", "--time", "1s", "--jobs", "1", "--set", "hold_us=1000")
    assert result.exit_code == 0
    assert time.monotonic() - began < 20


@pytest.mark.skipif(not hasattr(signal, "SIGTERM"), reason="no such signal")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_with_what_was_found(spawn: Spawn, tmp_path: Path, number: int, code: int) -> None:
    out = tmp_path / "found"
    arguments = ("-m", "rcuactors", *HUNT, "--keep-going", "--schedules", "100000", "--out", str(out))
    with spawn(*arguments) as process:
        for _ in range(600):
            if out.exists() and any(file.suffix == ".json" for file in out.iterdir()):
                break
            time.sleep(0.1)
        process.send_signal(number)
        told, error = process.communicate(timeout=60)
    assert process.returncode == code, error
    assert "found             use-after-free in " in told
    assert error == "interrupted\n"
    assert all(file.suffix == ".json" for file in out.iterdir())


def test_a_report_is_plain_text_with_the_facts_first(
    call: Call, one_line: OneLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of explore, of a schedule run again, and of one cut down: the same finding, in 60 lines at most."""
    monkeypatch.chdir(tmp_path)
    assert call(*HUNT, "--out", "found", "--report", "first.txt").exit_code == 1
    (file,) = Path("found").iterdir()
    assert call("replay-schedule", str(file), "--report", "again.txt").exit_code == 1
    assert call("shrink", str(file), "--out", "less.json", "--report", "less.txt").exit_code == 1
    *first, needed = Path("first.txt").read_text().splitlines()
    assert first == Path("again.txt").read_text().splitlines()
    assert needed.startswith("without one departure it passes: ")
    for name in ("first.txt", "less.txt"):
        lines = Path(name).read_text().splitlines()
        assert len(lines) <= 60
        facts = [line.partition(":")[0] for line in lines[: lines.index("")]]
        assert facts == [
            *("what happens", "told apart as", "kernel", "page source", "configuration", "workload", "commit"),
            *("when", "schedule"),
        ]
        assert any("HELD UP for" in line for line in lines)
        assert any("use-after-free" in line for line in lines[lines.index("") :])
    assert "with --keep-going" in one_line(*HUNT, "--keep-going", "--report", "first.txt")
    assert "--report nowhere/first.txt" in one_line("replay-schedule", str(file), "--report", "nowhere/first.txt")
