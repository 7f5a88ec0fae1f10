"""What the script has done beside calling, as input: grace periods of all kinds (conform/expedited.py, periods.py).

The recordings are made of a real one of 6.12 in which the script waits for a grace period, so that the monitor frees
300 objects by their cookies. There that period is taken out, and another put in its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from rcuactors.conform import Conformance, conform

from .recorded import DATA, lines_of, written

Check = Callable[[list[str]], Conformance]

READY = "kvfree-6.12/l_ready_warm300_gp_min5"
BATCHED = "kvfree-6.12/b_warm_507_min5"
LATER = "kvfree/d_rawspin_1100_min5"
OTHER = "            kvt0-70      [000] .....    "
"""A task of which the recordings know nothing."""


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Holds a recording of some lines against its kernel."""
    return lambda lines: conform(written(tmp_path, lines))


def time_of(line: str) -> str:
    """When a line was written."""
    match = re.search(r" +(\d+\.\d{6}): ", line)
    assert match is not None
    return match[1]


def where(lines: list[str], words: str, after: int = -1) -> int:
    """The first line with some words, behind another."""
    return next(at for at, line in enumerate(lines) if at > after and words in line)


def without_period() -> tuple[list[str], int]:
    """The recording without its grace period; where the script has waited for that: its statement and its end."""
    lines = lines_of(READY)
    at = where(lines, "STMT cpu=1 synchronize_rcu")
    end = where(lines, "STMT cpu=1 waitdrain")
    kept = [line for line in lines[at:end] if "rcu_grace_period:" not in line and ": synchronize_rcu: " not in line]
    return [*lines[:at], *kept, *lines[end:]], at


def test_an_expedited_one_makes_cookies_done(check: Check) -> None:
    lines, at = without_period()
    said = check([*lines[:at], lines[at].replace("synchronize_rcu", "sync_expedited"), *lines[at + 1 :]])
    assert [found.lines() for found in said.found] == []
    assert said.exit_code == 0
    assert said.compared["block freed"] == 1
    assert said.compared["state"] == conform(DATA / f"{READY}.txt.gz").compared["state"]


def test_without_it_they_are_not(check: Check) -> None:
    lines, at = without_period()
    said = check([*lines[:at], lines[at].replace("synchronize_rcu", "sleep 5"), *lines[at + 1 :]])
    assert said.exit_code == 1
    assert said.found[0].event == "kvfree_rcu_bulk"


def test_what_is_given_behind_it_is_not_done(check: Check) -> None:
    lines, at = without_period()
    gives = where(lines, "STMT cpu=1 free2 slab 300")
    waits = re.sub(r"STMT .*", "STMT cpu=1 sync_expedited", lines[gives])
    said = check([*lines[:gives], waits, *lines[gives:at], *lines[at + 1 :]])
    assert said.exit_code == 1
    assert said.found[0].event == "kvfree_rcu_bulk"


def test_a_probe_says_when_somebody_waits(check: Check) -> None:
    lines, at = without_period()
    statement = lines[at].replace("synchronize_rcu", "sync_expedited")
    probe = re.sub(r"runp: .*", "expedited: (synchronize_rcu_expedited+0x4/0x40)", lines[at])
    said = check([*lines[:at], statement, probe, *lines[at + 1 :]])
    assert said.exit_code == 0, said.lines()
    # Another task's, and nobody's statement.
    own = re.sub(r"^.*?\d+\.\d{6}: ", f"{OTHER}{time_of(lines[at])}: ", probe)
    back = re.sub(r"expedited: .*", "expedited_ret: (vfs_write+0x4/0x40 <- synchronize_rcu_expedited)", own)
    assert check([*lines[:at], own, back, *lines[at + 1 :]]).exit_code == 0
    # It was over before the objects were given.
    first = where(lines, ": state: KRC") + 2
    early = [line.replace(time_of(line), time_of(lines[first])) for line in (own, back)]
    assert check([*lines[: first + 1], *early, *lines[first + 1 : at], *lines[at + 1 :]]).exit_code == 1


def test_given_while_somebody_waits_it_may_be_done_or_not(check: Check) -> None:
    """The 300 are given between another task's statement and its next line."""
    lines, at = without_period()
    gives = where(lines, "STMT cpu=1 free2 slab 300")
    begins = f"{OTHER}{time_of(lines[gives])}: runp: STMT cpu=0 sync_expedited"
    ends = f"{OTHER}{time_of(lines[at])}: runp: STMT cpu=0 sleep 1"
    said = check([*lines[:gives], begins, *lines[gives:at], ends, *lines[at + 1 :]])
    assert said.exit_code == 0, said.lines()
    assert said.most_states > 1
    batched = lines_of(BATCHED)
    gives, at = where(batched, "STMT cpu=1 free2 slab 507"), where(batched, "STMT cpu=1 waitdrain")
    begins = begins.replace(time_of(begins), time_of(batched[gives]))
    ends = ends.replace(time_of(ends), time_of(batched[at]))
    said = check([*batched[:gives], begins, *batched[gives:at], ends, *batched[at:]])
    assert said.exit_code == 0, said.lines()
    assert said.compared["bulk free"] == conform(DATA / f"{BATCHED}.txt.gz").compared["bulk free"]


def test_two_who_wait_at_once_may_have_shared_one(check: Check) -> None:
    """The first has waited before the 300 were given, so that one of the two was begun behind them, or none."""
    lines, at = without_period()
    gives = where(lines, "STMT cpu=1 free2 slab 300")
    begins = f"{OTHER}{time_of(lines[gives])}: runp: STMT cpu=0 sync_expedited"
    ends = f"{OTHER}{time_of(lines[at + 1])}: runp: STMT cpu=0 sleep 1"
    statement = lines[at].replace("synchronize_rcu", "sync_expedited")
    said = check([*lines[:gives], begins, *lines[gives:at], statement, lines[at + 1], ends, *lines[at + 2 :]])
    assert said.exit_code == 0, said.lines()


@pytest.mark.parametrize("parameter", ["rcupdate.rcu_normal=1", "rcupdate.rcu_normal_after_boot=1"])
def test_where_all_are_normal_nobody_waits_for_an_expedited_one(check: Check, parameter: str) -> None:
    lines, at = without_period()
    lines[at] = lines[at].replace("synchronize_rcu", "sync_expedited")
    params = where(lines, "# params:")
    assert check(lines).exit_code == 0
    assert check([*lines[:params], f"{lines[params]} {parameter}", *lines[params + 1 :]]).exit_code == 1


def test_where_all_are_expedited_everybody_waits_for_one(check: Check) -> None:
    lines, at = without_period()
    probe = lines_of(READY)[at + 1]
    assert ": synchronize_rcu: " in probe
    lines.insert(at + 1, probe)
    params = where(lines, "# params:")
    assert check(lines).exit_code == 1
    said = check([*lines[:params], f"{lines[params]} rcupdate.rcu_expedited=1", *lines[params + 1 :]])
    assert said.exit_code == 0, said.lines()


def test_who_waits_for_an_expedited_one_does_not_wait_for_a_normal_one(check: Check) -> None:
    """One-argument callers, on 6.1."""
    lines = lines_of("kvfree/i_failalloc_single_arg_5_min5")
    gives, drains = where(lines, "STMT cpu=1 free1 slab 5"), where(lines, "STMT cpu=1 waitdrain")
    kept = [line for at, line in enumerate(lines) if not gives < at < drains or "rcu_grace_period:" not in line]
    params = where(kept, "# params:")
    assert check(kept).exit_code == 1
    said = check([*kept[:params], f"{kept[params]} rcupdate.rcu_expedited=1", *kept[params + 1 :]])
    assert said.exit_code == 0, said.lines()
    assert said.compared["call"] == said.calls > 1


def edge(like: str, seq: int, step: str, *, by: str = "") -> str:
    """A line of the tracepoint."""
    text = re.sub(r"(\d+\.\d{6}: ).*", rf"\g<1>rcu_exp_grace_period: rcu_preempt {seq} {step}", like)
    return re.sub(r"^ *\S+-\d+", by, text) if by else text


WORKER = "rcu_exp_gp_kthread_worker-20"


def test_where_they_are_traced_the_lines_say_when(check: Check) -> None:
    lines, at = without_period()
    statement = lines[at].replace("synchronize_rcu", "sync_expedited")
    start, end = edge(lines[at], 44, "start"), edge(lines[at], 44, "end", by=WORKER)
    more = [edge(lines[at], 44, "snap"), start, edge(lines[at], 44, "select", by=WORKER), end]
    said = check([*lines[:at], statement, *more, *lines[at + 1 :]])
    assert said.exit_code == 0, said.lines()
    # It has begun before the objects were given.
    gives = where(lines, "STMT cpu=1 free2 slab 300")
    early = edge(lines[gives], 44, "start", by="other-99")
    assert check([*lines[:gives], early, *lines[gives:at], end, *lines[at + 1 :]]).exit_code == 1
    # One ran when the recording began, and another has begun and ended since.
    first = where(lines, ": state: KRC") + 3
    ran = edge(lines[first], 40, "end", by=WORKER)
    assert check([*lines[:first], ran, *lines[first:at], start, end, *lines[at + 1 :]]).exit_code == 0


def test_lines_that_contradict_each_other_are_named(check: Check) -> None:
    lines, at = without_period()
    statement = lines[at].replace("synchronize_rcu", "sync_expedited")
    start, end = edge(lines[at], 44, "start"), edge(lines[at], 44, "end", by=WORKER)
    for wrong, why in (
        ([start, start, end], "begins while one runs"),
        ([start, end, end], "ends that has not begun"),
        ([start, end.replace("44", "48")], "48 ends, but 44 had begun"),
        ([start, end, start, end], "44 follows 44"),
        ([end.replace("44", "40"), start, statement, end], "was waited for, and none has passed"),
    ):
        said = check([*lines[:at], *wrong, *lines[at + 1 :]])
        assert said.exit_code == 1
        assert why in said.found[0].reasons[0]


def test_probes_on_what_begins_and_ends_one_say_it_too(check: Check) -> None:
    """As on PREEMPT_RT, where there are no tracepoints of RCU, and each object that is freed is a line."""
    probed = [as_probe(line) for line in lines_of(READY) if re.search(r" (start|end)$", line) or ": rcu_" not in line]
    at = where(probed, ": kvfree_rcu_list:")
    head = re.search(r"head=0x(\w+)", probed[at])
    assert head is not None
    freed = f"kvfree: (kvfree+0x4/0x50) addr={int(head[1], 16) - 16:#x}"
    probed.insert(at + 1, re.sub(r"kvfree_rcu_list: .*", freed, probed[at]))
    said = check(probed)
    assert said.exit_code == 0, said.lines()
    assert check([line for line in probed if "rcu_gp_cleanup" not in line]).exit_code == 1


def as_probe(line: str) -> str:
    """An edge of a grace period as the probe on the function tells it."""
    line = re.sub(r"rcu_grace_period: .* start$", "rcu_gp_init: (rcu_gp_init+0x4/0x500)", line)
    return re.sub(r"rcu_grace_period: .* end$", "rcu_gp_cleanup: (rcu_gp_cleanup+0x4/0x300)", line)


def test_a_batch_waits_for_a_normal_one_whatever_else_passes(check: Check) -> None:
    """queue_rcu_work() goes by call_rcu(): on 6.1, which does not poll, an expedited one makes no difference."""
    lines = lines_of(LATER)
    at = where(lines, "STMT cpu=1 waitdrain")
    waits = re.sub(r"STMT .*", "STMT cpu=1 sync_expedited", lines[at])
    assert check([*lines[:at], waits, *lines[at:]]).exit_code == 0
    ends = [number for number, line in enumerate(lines) if re.search(r"rcu_preempt -?\d+ end$", line) and number > at]
    kept = [line for number, line in enumerate(lines) if number != ends[0]]
    runs = where(kept, "kfree_rcu_work", at)
    start, end = edge(lines[at], 44, "start"), edge(lines[at], 44, "end", by=WORKER)
    said = check([*kept[:at], waits, start, end, *kept[at:runs], *kept[runs:]])
    assert said.exit_code == 1
