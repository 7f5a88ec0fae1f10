"""may/legal_in.tsv: every call is there, and what it says is what `may` answers.

`python tests/may/test_legal_in.py [NAME...]` writes it: rows that lack, and those of these functions anew.
"""

from __future__ import annotations

import sys

import pytest

from rcuactors.may.calls.atomics import WIDER
from rcuactors.may.legal_in import BUILDS, CONTEXTS, VERSIONS, all_calls, asked, kept, told, write

SAMPLE = (
    "kfree_rcu(p, rcu)",
    "atomic_inc(v)",
    "list_for_each_entry_rcu(pos, head, member)",
    "spin_lock(spin_lock)",
    "msleep(ms)",
    "bit_spin_lock(bitnum, addr)",
)


def test_every_call_is_there() -> None:
    wanted = {(call, version, build) for call in all_calls() for version in VERSIONS for build in BUILDS}
    assert kept().keys() == wanted
    assert {len(row.letters) for row in kept().values()} == {len(CONTEXTS)}


@pytest.mark.parametrize("call", SAMPLE)
def test_what_is_written_is_what_is_answered(call: str) -> None:
    assert asked(call, "v6.12") == [kept()[call, "v6.12", build] for build in BUILDS]


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
    assert list(told("atomic_inc")) == ["atomic_inc(v) on v6.12: legal everywhere"]
    (line,) = told("mutex_lock")
    assert line.startswith(
        "mutex_lock(lock) on v6.12: legal in process, srcu_read_lock, mutex; not in preempt_disable, "
    )
    assert line.endswith(", hardirq, nmi")
    assert len(list(told("kmalloc"))) > 2
    assert list(told("no_such_function")) == []


def main() -> None:
    """Ask for what lacks, and anew for the functions named on the command line; what is done is kept at once."""
    anew = sys.argv[1:]
    found = {key: row for key, row in kept().items() if row.call.partition("(")[0] not in anew}
    wanted = [(call, version) for version in VERSIONS for call in all_calls()]
    for call, version in wanted:
        if (call, version, BUILDS[0]) not in found:
            found.update({(row.call, row.version, row.build): row for row in asked(call, version)})
            order = [(call, version, build) for call in all_calls() for version in VERSIONS for build in BUILDS]
            write([found[key] for key in order if key in found])


if __name__ == "__main__":
    main()
