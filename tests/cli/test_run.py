"""`rcuactors run`: plain text, JSON, the options, the exit code."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from rcuactors import RunOptions, run
from rcuactors.userfiles import load_scenario

Call = Callable[..., Result]
Command = Callable[..., tuple[int, str, str]]
ScenarioFile = Callable[[str], str]


def test_a_clean_run(call: Call, scenario_file: ScenarioFile) -> None:
    result = call("run", scenario_file("tidy"))
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert lines[0] == "tidy on v6.12, design hrtimer-work, objects=20 careful=y text=x, strategy timed, seed 0"
    assert "calls             20 (process 20)" in lines
    assert lines[-1] == (
        "clean (one schedule, in order of time; off: PROVE_RAW_LOCK_NESTING, DEBUG_ATOMIC_SLEEP and 4 more; "
        "worst case: rcuactors check)"
    )
    assert not result.stderr
    assert "\x1b" not in result.stdout


def test_that_no_thread_will_move_is_said_where_it_was_asked_for(call: Call, scenario_file: ScenarioFile) -> None:
    asked = ("run", scenario_file("tidy"), "--set", "migrate=y")
    said = "migration         none: strategy timed moves no thread, --strategy random does"
    assert said in call(*asked).stdout.splitlines()
    assert "migration " not in call(*asked, "--strategy", "random").stdout


def test_that_nothing_is_left_open_is_said_where_it_was_asked_for(call: Call, scenario_file: ScenarioFile) -> None:
    asked = ("run", scenario_file("tidy"), "--set", "latitude=y")
    said = "latitude          none: strategy timed leaves nothing open, --strategy random does"
    assert said in call(*asked).stdout.splitlines()
    assert "latitude " not in call(*asked, "--strategy", "random").stdout


def test_that_no_cpu_will_go_is_said_where_it_was_asked_for(call: Call, scenario_file: ScenarioFile) -> None:
    asked = ("run", scenario_file("tidy"), "--set", "hotplug=y")
    said = "hotplug           none: strategy timed takes no CPU away, --strategy random does"
    assert said in call(*asked).stdout.splitlines()
    assert "hotplug " not in call(*asked, "--strategy", "random").stdout


def test_the_head_line_names_what_was_set(call: Call, scenario_file: ScenarioFile) -> None:
    settings = ("--set", "HZ=1000", "--set", "objects=3", "--set", "careful=n", "--set", "CONFIG_PREEMPT_RT=y")
    result = call("run", scenario_file("tidy"), *settings, "--kernel", "v5.9", "--design", "direct", "--seed", "5")
    assert result.stdout.splitlines()[0] == (
        "tidy on v5.9, design direct, PREEMPT_RT=y HZ=1000 objects=3 careful=n text=x, strategy timed, seed 5"
    )


def test_the_last_of_two_settings_counts(call: Call, scenario_file: ScenarioFile) -> None:
    result = call("run", scenario_file("tidy"), "--set", "objects=3", "--set", "objects=4")
    assert "objects=4" in result.stdout.splitlines()[0]


def test_violations_are_printed_as_the_kernel_logs_them(call: Call, scenario_file: ScenarioFile) -> None:
    result = call("run", scenario_file("twice"))
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == "2 violations: double-free"
    splat = [line for line in result.stdout.splitlines() if "twice.py:" in line]
    assert splat
    assert all(line.startswith(("[    0.0000", "  at fault: twice.py:")) for line in splat)
    assert any(line.startswith("[") for line in splat)


def test_json_is_the_result_and_nothing_else(call: Call, scenario_file: ScenarioFile) -> None:
    path = scenario_file("tidy")
    result = call("run", path, "--json", "--seed", "3")
    assert json.loads(result.stdout) == run(load_scenario(path), RunOptions(seed=3)).as_json()
    assert result.exit_code == 0


def test_json_has_what_the_documentation_promises(call: Call, scenario_file: ScenarioFile) -> None:
    document = json.loads(call("run", scenario_file("twice"), "--json").stdout)
    assert {"scenario", "kernel", "config", "seed", "violations", "counters", "latency_ns", "digest"} <= set(document)
    assert {"kind", "title", "time_ns", "cpu", "context", "text"} <= set(document["violations"][0])


def test_what_a_scenario_prints_stays_out_of_the_json(command: Command, scenario_file: ScenarioFile) -> None:
    code, out, err = command("run", scenario_file("chatty"), "--json")
    assert (code, json.loads(out)["scenario"], err) == (0, "chatty", "a line of the scenario's own\n")


def test_what_a_scenario_prints_stands_in_the_text(call: Call, scenario_file: ScenarioFile) -> None:
    assert "a line of the scenario's own" in call("run", scenario_file("chatty")).stdout.splitlines()


def test_the_first_report_ends_the_run_when_asked(call: Call, scenario_file: ScenarioFile) -> None:
    path = scenario_file("twice")
    result = call("run", path, "--panic-on-warn")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == "1 violation: double-free"
    document = json.loads(call("run", path, "--panic-on-warn", "--json").stdout)
    assert [violation["kind"] for violation in document["violations"]] == ["double-free"]
    assert document["config"]["panic_on_warn"] == "y"


def test_many_splats_are_cut_short_unless_asked_for(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "many.py"
    file.write_text(
        "from rcuactors import scenario\n"
        "@scenario()\n"
        "async def many(k):\n"
        "    p = await k.kmalloc(64)\n"
        "    for _ in range(31):\n"
        "        await k.kfree(p)\n",
        encoding="utf-8",
    )
    assert "... and 10 more reports (-v prints all that were kept)" in call("run", str(file)).stdout.splitlines()
    assert "more report" not in call("run", str(file), "-v").stdout


@pytest.mark.parametrize("strategy", ["timed", "random"])
def test_the_same_seed_gives_the_same_output(call: Call, scenario_file: ScenarioFile, strategy: str) -> None:
    args = ("run", scenario_file("tidy"), "--strategy", strategy, "--seed", "11", "--json")
    first, second = call(*args), call(*args)
    assert first.stdout == second.stdout
    assert json.loads(first.stdout)["strategy"] == strategy


def test_costs_are_replaced_from_a_file(call: Call, scenario_file: ScenarioFile, tmp_path: Path) -> None:
    path, costs = scenario_file("tidy"), tmp_path / "costs.toml"
    costs.write_text("kmalloc_ns = 10_000_000\n", encoding="utf-8")
    run = ("run", path, "--kernel", "v5.11", "--json")
    before, after = (json.loads(call(*run, *more).stdout) for more in ((), ("--costs", str(costs))))
    assert after["end_ns"] >= before["end_ns"] + 150_000_000


def test_verbose_prints_events_as_ftrace_does_but_not_the_page_allocators(
    call: Call, scenario_file: ScenarioFile, tmp_path: Path
) -> None:
    path, file = scenario_file("tidy"), tmp_path / "events.txt"
    quiet = call("run", path, "--events", str(file)).stdout.splitlines()
    verbose = call("run", path, "-v").stdout.splitlines()
    kept = [line for line in file.read_text().splitlines() if ": mm_page" not in line]
    events = len(kept)
    assert 0 < events < len(file.read_text().splitlines())
    assert verbose == [quiet[0], *kept, *quiet[1:]]
    assert all(re.search(r" \[00[01]\] ", line) for line in verbose[1 : events + 1])


def test_a_bundled_scenario_in_a_process_of_its_own(command: Command) -> None:
    args = ("run", "raw_lock_caller", "--kernel", "v5.9", "--set", "PROVE_RAW_LOCK_NESTING=y")
    code, out, err = command(*args)
    assert (code, err) == (1, "")
    assert "[ BUG: Invalid wait context ]" in out
    assert out.splitlines()[-1] == "1 violation: invalid-wait-context"
    assert command(*args)[1] == out


def test_a_path_runs_without_leaving_bytecode(command: Command, scenario_file: ScenarioFile) -> None:
    path = Path(scenario_file("tidy"))
    assert command("run", path.name)[0] == 0
    assert [entry.name for entry in path.parent.iterdir()] == ["tidy.py"]


def test_what_was_found_before_the_step_bound_is_not_lost(tmp_path: Path) -> None:
    file = tmp_path / "endless.py"
    file.write_text(
        "from rcuactors import Kernel, scenario\n"
        "@scenario()\n"
        "async def endless(k: Kernel) -> None:\n"
        "    k.preempt_disable()\n"
        "    await k.usleep_range(1, 1)\n"
        "    while True:\n"
        "        await k.udelay(10)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-m", "rcuactors", "run", str(file), "--max-steps", "1000"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert ran.returncode == 2
    assert "BUG: scheduling while atomic" in ran.stdout
    assert ran.stderr.count("\n") == 1
    assert "1000 steps" in ran.stderr


WRONG_MIDWAY = "udelay(-1): needs a whole number, 0 or more (midway.py:8)"


def test_what_was_found_before_a_wrong_argument_is_not_lost(call: Call, scenario_file: ScenarioFile) -> None:
    result = call("run", scenario_file("midway"))
    assert (result.exit_code, result.stderr) == (2, f"rcuactors: {WRONG_MIDWAY}\n")
    assert any("BUG: double free" in line for line in result.stdout.splitlines())
    assert result.stdout.splitlines()[-1] == "1 violation so far: double-free"


@pytest.mark.parametrize(
    ("name", "error", "kinds"),
    [
        ("midway", WRONG_MIDWAY, ["double-free"]),
        ("raises", "scenario raises raised ZeroDivisionError: division by zero (raises.py:6)", []),
    ],
)
def test_json_says_itself_that_it_is_not_all(
    call: Call, scenario_file: ScenarioFile, name: str, error: str, kinds: list[str]
) -> None:
    result = call("run", scenario_file(name), "--json")
    document = json.loads(result.stdout)
    assert (result.exit_code, result.stderr) == (2, f"rcuactors: {error}\n")
    assert document["error"] == error
    assert [violation["kind"] for violation in document["violations"]] == kinds
    assert document["steps"] > 0


def test_json_of_a_run_that_came_to_its_end_has_no_error(call: Call, scenario_file: ScenarioFile) -> None:
    assert "error" not in json.loads(call("run", scenario_file("twice"), "--json").stdout)
    assert "error" not in json.loads(call("run", scenario_file("twice"), "--json", "--panic-on-warn").stdout)


def test_a_run_that_raises_shows_how_far_it_came(call: Call, scenario_file: ScenarioFile) -> None:
    lines = call("run", scenario_file("raises")).stdout.splitlines()
    assert "calls             1 (process 1)" in lines
    assert lines[-1] == "clean so far"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("name", ["twice", "flooded"])
def test_what_was_found_is_not_lost_with_the_event_file(call: Call, tmp_path: Path, name: str) -> None:
    """Whether the disk is full while it runs or when the file is closed."""
    events = 1 if name == "twice" else 4000
    file = tmp_path / f"{name}.py"
    file.write_text(
        "from rcuactors import scenario\n"
        "@scenario()\n"
        f"async def {name}(k):\n"
        "    p = await k.kmalloc(64)\n"
        "    await k.kfree(p)\n"
        "    await k.kfree(p)\n"
        f"    for _ in range({events}):\n"
        "        await k.kvfree_rcu(await k.kmalloc(64), 'rcu')\n",
        encoding="utf-8",
    )
    result = call("run", str(file), "--json", "--events", "/dev/full")
    document = json.loads(result.stdout)
    assert result.exit_code == 2
    assert document["error"] == "--events /dev/full: cannot be written: No space left on device"
    assert result.stderr == f"rcuactors: {document['error']}\n"
    assert [violation["kind"] for violation in document["violations"]] == ["double-free"]


def test_the_first_seed_that_fails_is_shown_with_its_command(call: Call) -> None:
    asked = ("run", "stale_batch", "--kernel", "v5.11", "--strategy", "holds", "--seeds", "60")
    result = call(*asked, "--set", "rounds=2")
    assert result.exit_code == 1
    *_, verdict, last = result.stdout.splitlines()
    assert verdict.endswith("use-after-free")
    found = re.fullmatch(r"seed (\d+), after (\d+) clean seeds?; again: rcuactors (run .*)", last)
    assert found is not None
    assert found[1] == found[2]
    again = call(*found[3].split())
    assert again.exit_code == 1
    assert again.stdout.splitlines() == result.stdout.splitlines()[:-1]
    as_json = json.loads(call(*asked, "--json").stdout)
    assert as_json["seed"] == int(found[1])


def test_seeds_that_are_all_clean(call: Call, scenario_file: ScenarioFile) -> None:
    asked = ("run", scenario_file("tidy"), "--strategy", "random", "--seed", "5", "--seeds", "4")
    result = call(*asked)
    assert (result.exit_code, result.stdout) == (0, "clean with 4 seeds, 5 to 8\n")
    document = json.loads(call(*asked, "--json").stdout)
    assert document == {"scenario": "tidy", "seeds": 4, "first": 5, "last": 8, "clean": True}


def test_a_seed_whose_run_ends_with_an_error_is_shown_too(call: Call, scenario_file: ScenarioFile) -> None:
    result = call("run", scenario_file("asserts"), "--seeds", "3")
    assert result.exit_code == 2
    assert result.stdout.splitlines()[-1].startswith("seed 0, after 0 clean seeds; again: rcuactors run ")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("late_timers", "late timers       none: strategy timed has no timer be late, --strategy random does"),
        ("waiters", "waiters           none: strategy timed keeps the order of run queues, --strategy random does"),
        ("slow_workers", "slow workers      none: strategy timed puts no worker off, --strategy random does"),
        ("spurious_irqs", "interrupts        none: strategy timed makes none up, --strategy random does"),
        ("spurious_nmis", "NMIs              none: strategy timed makes none up, --strategy random does"),
        ("reclaim_now", "reclaim now       none: strategy timed has nobody reclaim, --strategy random does"),
    ],
)
def test_that_nothing_of_a_fault_will_happen_is_said(
    call: Call, scenario_file: ScenarioFile, setting: str, said: str
) -> None:
    asked = ("run", scenario_file("tidy"), "--set", f"{setting}=y")
    assert said in call(*asked).stdout.splitlines()
    assert said not in call(*asked, "--strategy", "random").stdout.splitlines()


EXPECTS = '''"""expects: for the tests."""
from rcuactors import Kernel, scenario
@scenario(expect={"v6.6": "double-free"})
async def expects(k: Kernel, twice: bool = False) -> None:
    p = await k.kmalloc(64)
    await k.kfree(p)
    if twice:
        await k.kfree(p)
'''


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--kernel", "v5.9"), 0, "clean (one schedule"),
        (("--kernel", "v6.12"), 1, "clean (expect= says double-free; one schedule"),
        (("--kernel", "v6.12", "--set", "HZ=1000"), 0, "clean (one schedule"),
        (("--kernel", "v6.12", "--set", "twice=y"), 1, "1 violation: double-free"),
    ],
)
def test_what_a_scenario_expects_and_does_not_come_ends_with_1(
    call: Call, tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    (tmp_path / "expects.py").write_text(EXPECTS)
    result = call("run", str(tmp_path / "expects.py"), *arguments)
    assert result.exit_code == code
    assert result.stdout.splitlines()[-1].startswith(said)


def events_of(result: Result) -> list[str]:
    """The names of the events that were printed."""
    return [
        line.split()[4].rstrip(":") for line in result.stdout.splitlines() if " [000] " in line or " [001] " in line
    ]


def test_events_are_chosen_by_name_cpu_and_report(call: Call, scenario_file: ScenarioFile) -> None:
    tidy, twice = scenario_file("tidy"), scenario_file("twice")
    every = events_of(call("run", tidy, "-v"))
    assert "kvfree_call_rcu" in every
    assert not any(name.startswith("mm_page") for name in every)
    assert set(events_of(call("run", tidy, "-e", "mm_page_alloc"))) <= {"mm_page_alloc", "mm_page_alloc_zone_locked"}
    assert set(events_of(call("run", tidy, "-e", "kvfree_call_", "-e", "hrtimer_s"))) == {
        "kvfree_call_rcu",
        "hrtimer_start",
    }
    assert not any(" [000] " in line for line in call("run", tidy, "--cpu", "1").stdout.splitlines())
    assert "console" in events_of(call("run", twice, "--around", "double-free"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--around", "doble-free"),
            "--around doble-free: neither a report's number nor a kind of report; did you mean",
        ),
        (("--around", "1"), "--around 1: no such report; there was none"),
        (("-e", "nosuch"), "--event nosuch: no event of this run has that in its name"),
        (("--cpu", "x"), "--cpu x: needs a whole number"),
        (("--json", "--around", "1"), "--json and --around: only one of them"),
    ],
)
def test_events_that_there_are_not(
    call: Call, scenario_file: ScenarioFile, arguments: tuple[str, ...], said: str
) -> None:
    result = call("run", scenario_file("tidy"), *arguments)
    assert result.exit_code == 2
    assert f"rcuactors: {said}" in result.stderr


def test_verbose_tells_what_led_to_the_first_report(call: Call) -> None:
    result = call("run", "reader_holds_object", "--set", "free_at_once=y", "-v")
    story = result.stdout.partition("what led to use-after-free in kfree, reader_holds_object.py:")[2]
    assert "reader reader/21 enters" in story
    assert "USE-AFTER-FREE" in story
    assert "PASSED OVER" not in story


def test_what_led_to_a_report_about_a_place_is_what_came_before_and_what_was_held(call: Call) -> None:
    result = call("run", "raw_lock_caller", "--kernel", "v5.9", "--set", "PROVE_RAW_LOCK_NESTING=y", "-v")
    story = " ".join(result.stdout.partition("what led to invalid-wait-context in spin_lock, raw_lock")[2].split())
    before, _, why = story.partition("REPORT 1: BUG: Invalid wait context")
    assert "kvfree_rcu() -> new block" in before
    assert "CPU 0, context irqs_off: kthread > raw_lock_caller (raw_lock_caller.py:44) > kvfree_call_rcu" in why
    assert "It held some_lock (raw_spinlock_t) taken at raw_lock_caller (raw_lock_caller.py:42), krc.lock" in why
    assert "preemption was off since raw_lock_caller (raw_lock_caller.py:42) and interrupts were off since" in why
    assert "How it is mended: Take the lock that may sleep before" in why
    assert why.endswith("(docs/reports-contexts.md#invalid-wait-context)")


def test_a_story_stands_before_the_figures(call: Call, scenario_file: ScenarioFile) -> None:
    told = call("run", scenario_file("twice"), "--story", "--around", "1")
    lines = told.output.splitlines()
    assert told.exit_code == 1
    head = next(number for number, line in enumerate(lines) if line.split()[:2] == ["CPU", "0"])
    report = next(number for number, line in enumerate(lines) if "REPORT 1: " in line)
    figures = next(number for number, line in enumerate(lines) if line.startswith("calls "))
    assert head == 1 < report < figures
    plain = call("run", scenario_file("twice"))
    assert told.output.endswith(plain.output.partition("\n")[2])
