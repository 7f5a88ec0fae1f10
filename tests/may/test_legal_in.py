"""may/legal_in.tsv: every call is there, and what it says is what `may` answers.

`python tests/may/test_legal_in.py [NAME...]` writes it: calls that lack, and those of these functions anew. Of the
first version what is done is kept at once, of each other when all of it is.
"""

from __future__ import annotations

import sys

import pytest

from rcuactors.may.calls.atomics import WIDER
from rcuactors.may.legal_in import BUILDS, CONTEXTS, VERSIONS, all_calls, asked, kept, told, write, written

SAMPLE = (
    ("kfree_rcu(p, rcu)", "v6.12"),
    ("list_for_each_entry_rcu(pos, head, member)", "v6.12"),
    ("spin_lock(spin_lock)", "v6.12"),
    ("msleep(ms)", "v6.12"),
    ("spin_lock(spin_lock)", "v5.9"),
    ("bit_spin_lock(bitnum, addr)", "v5.9"),
)


def test_every_call_is_there() -> None:
    wanted = {(call, version, build) for call in all_calls() for version in VERSIONS for build in BUILDS}
    assert kept().keys() == wanted
    versions, rows = written()
    assert versions == VERSIONS
    first = {(row.call, row.build): row.letters for row in rows if row.version == VERSIONS[0]}
    assert all(row.letters != first[row.call, row.build] for row in rows if row.version != VERSIONS[0])
    assert {len(row.letters) for row in kept().values()} == {len(CONTEXTS)}


@pytest.mark.parametrize(("call", "version"), SAMPLE)
def test_what_is_written_is_what_is_answered(call: str, version: str) -> None:
    assert asked(call, version) == [kept()[call, version, build] for build in BUILDS]


@pytest.mark.campaign
@pytest.mark.parametrize("call", list(all_calls()))
def test_all_of_it(call: str) -> None:
    for version in VERSIONS:
        assert asked(call, version) == [kept()[call, version, build] for build in BUILDS]


@pytest.mark.parametrize("kind", WIDER)
def test_wider_atomics_are_legal_where_those_of_an_int_are(kind: str) -> None:
    wider = {key: row.letters for key, row in kept().items() if row.call.startswith(f"{kind}_")}
    assert len(wider) > 60
    for (call, version, build), letters in wider.items():
        narrow = call.replace(kind, "atomic")
        assert letters == kept()[narrow, version, build].letters


def test_in_words() -> None:
    assert list(told("atomic_inc")) == ["atomic_inc(v) on v5.9, v6.12: legal everywhere"]
    (line,) = told("mutex_lock")
    assert line.startswith(
        "mutex_lock(lock) on v5.9, v6.12: legal in process, srcu_read_lock, mutex; not in preempt_disable, "
    )
    assert line.endswith(", hardirq, nmi")
    assert len(list(told("kmalloc"))) > 2
    assert list(told("kfree_rcu"))[:3] == [
        "kfree_rcu(p, rcu) on v6.12: legal everywhere but in nmi",
        "kfree_rcu(p, rcu) on v5.9 without PREEMPT_RT: depends everywhere",
        "kfree_rcu(p, rcu) on v5.9 PREEMPT_RT: legal everywhere but in nmi, where it depends",
    ]
    assert list(told("no_such_function")) == []


def main() -> None:
    """Ask for what lacks, and anew for the functions named on the command line."""
    anew = sys.argv[1:]
    found = {key: row for key, row in kept().items() if row.call.partition("(")[0] not in anew}
    for call, version in ((call, version) for version in VERSIONS for call in all_calls()):
        if (call, version, BUILDS[0]) not in found:
            found.update({(row.call, row.version, row.build): row for row in asked(call, version)})
            write(found)


if __name__ == "__main__":
    main()
