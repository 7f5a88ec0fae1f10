"""`rcuactors may`."""

from __future__ import annotations

import importlib
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import Result

from rcuactors.may.answer import Cell
from rcuactors.may.calls import FORMS
from rcuactors.may.places import all_places

may_command = importlib.import_module("rcuactors.cli.may_command")
Call = Callable[..., Result]
NEWEST = ("--kernels", "v6.12:all,v6.12:rt")


def test_yes_is_exit_code_0(call: Call) -> None:
    result = call("may", "kfree_rcu(p, rcu)", "--in", "raw_spin_lock", *NEWEST)
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert lines[0].startswith("kfree_rcu(p, rcu): the two-argument form, which must never sleep")
    assert "in raw_spin_lock: a raw_spinlock_t is held" in lines
    assert "YES" in lines
    assert "v6.12  yes  yes" in lines


def test_no_is_exit_code_1_with_the_chain_and_what_to_do_instead(call: Call) -> None:
    result = call("may", "spin_lock(&l)", "--in", "raw_spin_lock", *NEWEST)
    assert result.exit_code == 1
    assert "NO" in result.stdout.splitlines()
    assert "    spin_lock(lock)" in result.stdout.splitlines()
    assert "instead: Take the lock that may sleep before" in result.stdout
    assert "docs/reports-contexts.md#invalid-wait-context" in result.stdout


def test_depends_is_exit_code_1_with_the_condition(call: Call) -> None:
    result = call("may", "kmalloc(64, GFP_ATOMIC)", "--in", "raw_spin_lock", "--kernels", "v6.12:plain")
    assert result.exit_code == 1
    assert "v6.12 (plain): no once the CPU's page list is empty or when contended" in result.stdout
    assert "silent on plain, without PROVE_RAW_LOCK_NESTING" in result.stdout
    assert "real kernels were asked in this context, and said" in result.stdout


def test_versions_that_answer_alike_are_one_row(call: Call) -> None:
    lines = call("may", "call_rcu(h, f)", "--in", "hardirq").stdout.splitlines()
    assert "v5.9 - v7.3  yes    yes    yes  yes" in lines


def test_without_a_context_the_range_in_which_it_is_legal(call: Call) -> None:
    result = call("may", "mutex_lock(&m)", "--kernels", "v6.12:all")
    said = " ".join(result.stdout.split())
    assert result.exit_code == 1
    assert "DEPENDS on the context" in said
    assert "legal in: process, srcu_read_lock, mutex, workqueue never in: " in said
    assert all(f"\n{place.names[0]} " in result.stdout for place in all_places())


def test_why_prints_the_report(call: Call) -> None:
    result = call("may", "msleep(10)", "--in", "spin_lock", "--kernels", "v6.12:all", "--why")
    assert "  BUG: scheduling while atomic: caller/" in result.stdout
    assert "  Call Trace:" in result.stdout.splitlines()


def test_json_has_everything(call: Call) -> None:
    result = call("may", "kmalloc(1024, GFP_NOWAIT)", "--in", "raw_spin", "--kernels", "v6.1-stable:prove", "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (document["format"], document["answer"], document["form"]) == (1, "depends", "kmalloc(size, gfp)")
    assert document["legal_in"] == []
    (cell,) = document["cells"]
    assert (cell["context"], cell["version"], cell["build"], cell["rt"]) == (
        ["raw_spin_lock"],
        "v6.1-stable",
        "prove",
        False,
    )
    assert (cell["answer"], cell["silence"]) == ("depends", "told")
    first, empty, *_ = cell["conditions"]
    assert (first["answer"], first["report"]) == ("yes", None)
    assert (empty["answer"], empty["report"]["lock"], empty["told"]) == ("no", "&zone->lock", True)
    assert empty["report"]["chain"][0] == "kmalloc"
    assert {"kernel": "prove_raw", "variant": "refill"}.items() <= document["recorded"][0].items()
    assert document["instead"][0]["page"] == "docs/reports-contexts.md#invalid-wait-context"


def test_the_list(call: Call) -> None:
    lines = call("may", "--list").stdout.splitlines()
    assert all(f"  {form.prototype}" in lines for form in FORMS)
    assert "  hardirq (irq, interrupt, in_hardirq, IRQF_NO_THREAD)" in lines


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "may: needs a call as in C, in quotes, such as 'kfree_rcu(p, rcu)'; --list has all"),
        (("kfree_rcu", "p", "rcu"), "may kfree_rcu p rcu: needs a call as in C, in quotes"),
        (("kfree_rcu p rcu",), "operation 'kfree_rcu p rcu': needs a call as in C, such as 'kfree_rcu(p, rcu)'"),
        (("kfree_rcv(p)",), "operation kfree_rcv: did you mean kfree_rcu?"),
        (("kfree(p)", "--in", "hardirk"), "--in hardirk: did you mean hardirq?"),
        (("kfree(p)", "--in", "nmi", "--in", "timer"), "--in nmi and --in timer: only one of them"),
        (("kfree(p)", "--kernels", "v5.1"), "--kernels v5.1: did you mean v5.11?"),
        (("kfree(p)", "--kernels", "v5.11,"), "--kernels v5.11,: needs names between its commas"),
        (("kfree(p)", "--json", "--why"), "--json and --why: only one of them"),
        (("kfree(p)", "--list"), "--list: goes by itself"),
        (("kvfree_rcu_barrier()", "--in", "process", "--kernels", "v5.9"), "kvfree_rcu_barrier(): not modelled: "),
        (("kmalloc(100000, GFP_KERNEL)", "--in", "process"), "kmalloc(100000, GFP_KERNEL): not modelled: "),
    ],
)
def test_what_cannot_be_asked_is_one_line_and_exit_code_2(call: Call, arguments: tuple[str, ...], said: str) -> None:
    result = call("may", *arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(f"rcuactors: {said}"), result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("reached", [1, 2, 3, 5])
def test_what_is_ended_in_the_middle_is_no_answer(call: Call, monkeypatch: pytest.MonkeyPatch, reached: int) -> None:
    """Nobody knows what the rest would have said: it is no yes, and no context is legal of which not all was tried."""
    whole = may_command.ask_each

    def ended(*what: Any) -> Iterator[Cell]:
        yield from itertools.islice(whole(*what), reached)
        raise KeyboardInterrupt

    monkeypatch.setattr(may_command, "ask_each", ended)
    result = call("may", "rcu_read_lock()", *NEWEST)
    asked = 2 * len(all_places())
    lines = result.stdout.splitlines()
    assert result.exit_code == 130
    assert f"UNFINISHED: yes so far; {asked - reached} of {asked} answers were not reached" in lines
    assert "YES" not in lines
    if reached > 2:
        assert len([line for line in lines if line.endswith("yes")]) == reached // 2
    document = json.loads(call("may", "rcu_read_lock()", *NEWEST, "--json").stdout)
    assert (document["answer"], document["unreached"]) == ("unfinished", asked - reached)
    assert len(document["legal_in"]) == (reached // 2 if reached > 2 else 0)
