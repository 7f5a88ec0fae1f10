"""`rcuactors api`."""

from __future__ import annotations

import json

from rcuactors.reference import entries
from tests.cli.conftest import call_cli


def test_one_is_told_whole_and_many_are_listed() -> None:
    one = call_cli("api", "kvfree_rcu")
    assert one.output.startswith("await k.kvfree_rcu(p: KObject | None, rhf: str | None = None)\n  Free memory")
    assert "  in rcuactors/kapi/rcu.py: RCU and kvfree_rcu()" in one.output
    assert "  contexts: kvfree_rcu(p, rcu) on v6.12: legal everywhere but in nmi" in " ".join(one.output.split("\n"))
    two = call_cli("api", "kfree", "vfree")
    assert two.output.count("\n  in rcuactors/kapi/memory.py") == 2
    listed = call_cli("api", "srcu").output
    assert "  synchronize_srcu" in listed
    assert "await" not in listed.partition("`rcuactors api NAME`")[0]
    everything = call_cli("api")
    assert everything.exit_code == 0
    assert all(f"  {entry.name} " in everything.output for entry in entries())


def test_json_has_all_of_it() -> None:
    (found,) = json.loads(call_cli("api", "kmalloc", "--json").output)
    assert (found["name"], found["module"]) == ("kmalloc", "rcuactors.kapi.objects")
    assert any(line.startswith("kmalloc(size, GFP_ATOMIC)") for line in found["contexts"])
    assert len(json.loads(call_cli("api", "--json").output)) == len(entries())


def test_what_there_is_not_is_one_line_and_exit_status_2() -> None:
    wrong = call_cli("api", "kmalok")
    assert wrong.exit_code == 2
    assert wrong.output == "rcuactors: function kmalok: did you mean kmalloc? `rcuactors api` lists all\n"
