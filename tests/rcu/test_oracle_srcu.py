"""The oracle by itself: readers of srcu_structs, what it keeps in mind of readers that are gone, and whom it tells."""

from __future__ import annotations

import pytest

from rcuactors.rcu.oracle import Oracle

from .test_oracle import Bench, Thing

ONE, OTHER = object(), object()


def kept(bench: Bench) -> dict[int, int]:
    """How many readers may still use what lies at an address."""
    return bench.oracle.readers_by_address()


@pytest.mark.parametrize(("domain", "when", "held"), [(ONE, "before", 1), (ONE, "behind", 0), (OTHER, "before", 0)])
def test_who_reads_that_srcu_struct_when_the_callback_is_queued_may_hold_it(
    domain: object, when: str, held: int
) -> None:
    bench = Bench()
    thing = bench.thing()
    if when == "before":
        bench.oracle.srcu_reader_enters("reader", "site", domain)
    bench.oracle.given_to_srcu(thing, ONE)
    if when == "behind":
        bench.oracle.srcu_reader_enters("reader", "site", domain)
    bench.oracle.freed([thing], "kfree")
    assert bench.kinds == ["use-after-free"] * held


def test_who_has_left_the_srcu_struct_holds_nothing() -> None:
    bench = Bench()
    thing = bench.thing()
    reader = bench.oracle.srcu_reader_enters("reader", "site", ONE)
    bench.oracle.dereferenced(reader, thing)
    bench.oracle.given_to_srcu(thing, ONE)
    bench.oracle.reader_leaves(reader)
    other = bench.oracle.srcu_reader_enters("other", "site", ONE)
    bench.oracle.freed([thing], "kfree")
    assert not bench.said
    bench.oracle.reader_leaves(other)


def test_when_its_callback_has_run_it_is_forgotten_and_not_twice() -> None:
    bench = Bench()
    thing = bench.thing()
    bench.oracle.srcu_reader_enters("reader", "site", ONE)
    bench.oracle.given_to_srcu(thing, ONE)
    bench.oracle.given_to_srcu(thing, ONE)
    assert kept(bench) == {thing.address: 1}
    bench.oracle.srcu_callback_ran(thing)
    bench.oracle.srcu_callback_ran(thing)
    assert kept(bench) == {}
    bench.oracle.freed([thing], "kfree")
    assert not bench.said


def test_a_reader_beside_a_callback_keeps_it_until_both_are_gone() -> None:
    bench = Bench()
    thing = bench.thing()
    reader = bench.oracle.reader_enters("reader", "site")
    bench.oracle.dereferenced(reader, thing)
    bench.oracle.dereferenced(reader, thing)
    bench.oracle.given_to_srcu(thing, ONE)
    assert kept(bench) == {thing.address: 2}
    bench.oracle.srcu_callback_ran(thing)
    assert kept(bench) == {thing.address: 1}
    bench.oracle.freed([thing], "kfree")
    assert bench.kinds == ["use-after-free"]


@pytest.mark.parametrize("how", ["held", "used", "both"])
def test_what_a_reader_had_is_forgotten_when_it_leaves(how: str) -> None:
    bench = Bench()
    thing = bench.thing()
    first, second = bench.oracle.reader_enters("first", "site"), bench.oracle.reader_enters("second", "site")
    for reader in (first, second):
        if how != "used":
            bench.oracle.dereferenced(reader, thing)
        if how != "held":
            bench.oracle.used(reader, thing)
    each = 2 if how == "both" else 1
    assert kept(bench) == {thing.address: 2 * each}
    bench.oracle.reader_leaves(first)
    assert kept(bench) == {thing.address: each}
    bench.oracle.reader_leaves(second)
    assert kept(bench) == {}


def test_what_is_free_is_kept_in_mind_by_nobody() -> None:
    bench = Bench()
    thing = bench.thing()
    bench.oracle.freed([thing], "kfree")
    bench.oracle.dereferenced(bench.oracle.reader_enters("reader", "site"), thing)
    assert kept(bench) == {}


def test_with_kasan_it_is_noted_who_did_what() -> None:
    noted: list[str] = []

    def record(how: str) -> str:
        noted.append(how)
        return f"track {len(noted)}"

    oracle = Oracle(lambda *_: None, record=record)
    thing = Thing(0x1000)
    oracle.allocated(thing)
    oracle.retired(thing, 7)
    assert oracle.freed([thing], "kfree_bulk") == [thing]
    assert noted == ["kmalloc", "", "kfree_bulk"]
    assert (thing.allocated_by, thing.retired_by, thing.freed_by) == ("track 1", "track 2", "track 3")
    assert (thing.retired_ns, oracle.statistics().objects) == (7, 0)


def test_who_listens_hears_of_every_turn_of_a_life() -> None:
    bench = Bench()
    heard: list[str] = []
    probes = bench.oracle.probes
    probes.object_allocated.listen(lambda item: heard.append(f"{item.size} allocated"))
    probes.object_retired.listen(lambda item, now: heard.append(f"{item.size} retired at {now}"))
    probes.object_freed.listen(lambda item, how: heard.append(f"{item.size} freed by {how}"))
    probes.reader_entered.listen(lambda reader: heard.append(f"{reader.who} in"))
    probes.reader_left.listen(lambda reader: heard.append(f"{reader.who} out"))
    bench.oracle.reader_leaves(bench.oracle.reader_enters("one", "site"))
    bench.oracle.reader_leaves(bench.oracle.srcu_reader_enters("other", "site", ONE))
    assert heard == ["one in", "one out", "other in", "other out"]
    heard.clear()
    thing = bench.thing()
    bench.oracle.retired(thing, 5)
    bench.oracle.freed([thing], "kfree_bulk")
    assert heard == ["64 allocated", "64 retired at 5", "64 freed by kfree_bulk"]


def test_figures() -> None:
    bench = Bench()
    first, second = bench.thing(), bench.thing(0x2000)
    reader = bench.oracle.reader_enters("reader", "site")
    bench.oracle.freed([first], "kfree")
    found = bench.oracle.statistics()
    assert (found.objects, found.bytes, found.peak_objects, found.peak_bytes) == (1, 64, 2, 128)
    assert (found.sections, found.sections_entered) == (1, 1)
    bench.oracle.reader_leaves(reader)
    bench.oracle.freed([second], "kfree")
    assert bench.oracle.statistics().sections == 0


def test_pages_that_are_never_freed_are_counted_by_where_they_were_allocated() -> None:
    told: list[tuple[str, list[str]]] = []
    oracle = Oracle(lambda _kind, title, lines, *_: told.append((title, lines)))
    for pfn, site in ((1, "here"), (2, "there"), (3, "here"), (4, "freed")):
        oracle.page_allocated(pfn, site)
    oracle.page_freed(4)
    oracle.page_freed(5)
    oracle.end_of_run(machine_idle=False)
    assert told == [
        ("BUG: leak: 3 pages allocated and never freed", ["2 allocated at here", "1 allocated at there"]),
    ]


def test_what_is_known_to_wait_or_to_be_lost_is_told_apart() -> None:
    told: list[tuple[str, list[str]]] = []
    oracle = Oracle(lambda _kind, title, lines, *_: told.append((title, lines)))
    things = [Thing(0x1000 * number) for number in range(1, 4)]
    for thing in things:
        oracle.allocated(thing)
        oracle.retired(thing, 0)
    waits, known, _unknown = things
    oracle.end_of_run(machine_idle=True, waiting=[waits], reasons=[([known], ["it was taken back"])])
    assert len(told) == 2
    assert "it was taken back" in "\n".join(told[0][1])
    assert "it was taken back" not in "\n".join(told[1][1])
    told.clear()
    oracle.end_of_run(machine_idle=False)
    assert told == []
