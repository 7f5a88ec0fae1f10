"""What is in the middle of something: made again on the state that it was made on (conform/operations.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from rcuactors.conform import conform

from .recorded import lines_of, written


def where(lines: list[str], words: str, after: int = -1) -> int:
    """The first line with some words, behind another."""
    return next(at for at, line in enumerate(lines) if at > after and words in line)


def test_a_timer_is_made_again_on_the_state_that_it_has_seen(tmp_path: Path) -> None:
    """It has seen that the refill's work is not pending; its line is missing, and the work has run since.

    There are several states at once, so that all that is under way is made again in each.
    """
    lines = lines_of("kvfree-6.1-rt/d_softirq_600_min5")
    at = where(lines, "workqueue_queue_work: work struct=ff1100001f2a0af0 function=fill_page_cache_func")
    said = conform(written(tmp_path, [*lines[:at], *lines[at + 1 :]]))
    assert said.exit_code == 1
    assert said.found[0].event == "workqueue_execute_start"


@pytest.mark.parametrize("function", ["fill_page_cache_func", "kfree_rcu_monitor", "kfree_rcu_work"])
def test_a_work_does_not_run_before_it_is_told_that_it_is_queued(tmp_path: Path, function: str) -> None:
    """__queue_work() traces it, then puts it on the list (kernel/workqueue.c)."""
    lines = lines_of("kvfree/a_cold_1_min5_rep1")
    queued = next(at for at, line in enumerate(lines) if "_queue_work: " in line and function in line)
    starts = next(at for at, line in enumerate(lines) if "_execute_start: " in line and function in line)
    late = lines[queued].replace(lines[queued].split(": ")[0].split()[-1], lines[starts].split(": ")[0].split()[-1])
    said = conform(written(tmp_path, [*lines[:queued], *lines[queued + 1 : starts + 1], late, *lines[starts + 1 :]]))
    assert said.exit_code == 1
    assert said.found[0].line == starts
