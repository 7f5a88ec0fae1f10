"""Expedited grace periods: what a recording tells of them.

Either lines of the tracepoint rcu_exp_grace_period, or that somebody waits for one: the script says so, or a probe on
synchronize_rcu_expedited() does. With rcupdate.rcu_expedited each synchronize_rcu() is one, too; where grace periods
are all normal (rcupdate.rcu_normal, rcu_gp_is_normal() in kernel/rcu/update.c; on PREEMPT_RT from the end of boot on),
none is. kernel/rcu/tree_exp.h at v6.12: exp_funnel_lock() traces "start" behind rcu_exp_gp_seq_start(),
rcu_exp_wait_wake() traces "end" behind rcu_exp_gp_seq_end(), both with the number that whoever drives it has wanted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ..traces import Header, Statement
from .lines import Ctx, Line, Told
from .tracks import FAR, Wait

EDGES: Final = "rcu_exp_grace_period"
_WAITS: Final = "synchronize_rcu_expedited"
_STATEMENT: Final = "sync_expedited"
_RT: Final = re.compile(r"PREEMPT[_ ]RT\b", re.ASCII)
_OFF: Final = ("", "0", "n", "N")


def edges_of(told: Told) -> Iterator[tuple[Line, int]]:
    """Each line that says that one has begun or ended, and the line before it of the same context, or -1."""
    last: dict[Ctx, int] = {}
    for line in told.lines:
        if line.event == EDGES:
            yield line, last.get(line.ctx, -1)
        last[line.ctx] = line.at


def waits_of(told: Told) -> list[Wait]:
    """From when to when somebody waits for one."""
    if _are_all_normal(told.header):
        return []
    waits = {_WAITS, "synchronize_rcu"} if told.expedites else {_WAITS}
    return [
        Wait(line.at, line.after if line.after >= 0 else FAR)
        for line in told.lines
        if line.event in waits or (_says_so(line) and not _begins(told, line.after, waits))
    ]


def _says_so(line: Line) -> bool:
    said = line.raw
    return isinstance(said, Statement) and said.words == (_STATEMENT,) and not said.ends


def _begins(told: Told, at: int, waits: set[str]) -> bool:
    """A line that says more closely when he has begun to wait."""
    return at >= 0 and told.lines[at].event in waits


def _are_all_normal(header: Header) -> bool:
    """rcu_gp_is_normal()."""
    return (
        _is_on(header, "rcu_normal") or _is_on(header, "rcu_normal_after_boot") or _RT.search(header.kernel) is not None
    )


def _is_on(header: Header, name: str) -> bool:
    return header.params.get(f"rcupdate.{name}", "0") not in _OFF


def know_expedited(told: Told) -> None:
    """Whether all are; and lines that contradict others: one begins while another runs, or is waited for in vain."""
    told.expedites = _is_on(told.header, "rcu_expedited") and not _are_all_normal(told.header)
    began: list[tuple[int, int]] = []
    """(the line at which it had begun, that behind which it ended)"""
    runs: tuple[int, int] | None = None
    ended: int | None = None
    seen = False
    for line, before in edges_of(told):
        seq, edge = int(str(line.told["seq"])), line.told["edge"]
        if edge == "start":
            if runs is not None:
                told.trouble.append((line.at, "an expedited grace period begins while one runs"))
            elif ended is not None and seq != ended + 4:
                told.trouble.append((line.at, f"expedited grace period {seq} follows {ended}"))
            runs = (line.at, seq)
        elif runs is None and seen:
            told.trouble.append((line.at, "an expedited grace period ends that has not begun"))
        elif runs is not None and seq != runs[1]:
            told.trouble.append((line.at, f"expedited grace period {seq} ends, but {runs[1]} had begun"))
        else:
            began += [(runs[0], before)] if runs is not None else []
            ended, runs = seq, None
        seen = True
    if seen:
        told.trouble += [
            (wait.until, "an expedited grace period was waited for, and none has passed")
            for wait in waits_of(told)
            if wait.until < FAR and not any(since > wait.since and until < wait.until for since, until in began)
        ]
        told.trouble.sort()
