"""The pictures that are made out of the code are what the code says now."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import combinations

import pytest

from rcuactors import Kernel, scenario
from rcuactors.userfiles import find_scenarios
from tests.docs import actors, krcp_states
from tests.docs.diagrams import PICTURES, path_of
from tests.docs.layered import laid_out

SVG = "{http://www.w3.org/2000/svg}"
LONG = "flood"
"""Half of the time of all scenarios."""


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_what_the_code_says(name: str) -> None:
    kept = path_of(name).read_text(encoding="utf-8")
    assert kept == PICTURES[name](), "python -m tests.docs.diagrams writes it again"


@pytest.mark.parametrize("name", PICTURES)
def test_no_box_covers_another_and_everything_is_on_the_page(name: str) -> None:
    root = ET.fromstring(path_of(name).read_text(encoding="utf-8"))  # noqa: S314 - our own
    wide, high = (float(number) for number in root.attrib["viewBox"].split()[2:])
    boxes = []
    for rect in root.iter(f"{SVG}rect"):
        left, top, width, height = (float(rect.attrib[key]) for key in ("x", "y", "width", "height"))
        assert left >= 0 and top >= 0 and left + width <= wide and top + height <= high, rect.attrib  # noqa: PT018
        if rect.attrib["class"] in ("box", "rest"):
            boxes.append((left, top, left + width, top + height))
    assert len(boxes) > 3
    for one, other in combinations(boxes, 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert apart, (one, other)
    for text in root.iter(f"{SVG}text"):
        assert 0 <= float(text.attrib["x"]) <= wide
        assert 0 <= float(text.attrib["y"]) <= high


def test_every_message_of_the_table_is_drawn_between_its_actors() -> None:
    rows = actors.rows()
    assert len(rows) > 5
    drawn = path_of("actors").read_text(encoding="utf-8")
    for message, *_ in rows:
        assert message in drawn
    assert actors.between(rows, "hrtimer", "CPU") == ["HardIrq"]
    known = {*actors.DEVICES, actors.CPU}
    assert {who for _, senders, receivers in rows for who in (*senders.split(", "), *receivers.split(", "))} == known


def test_no_arrow_of_a_layout_stands_still_and_no_places_of_a_row_overlap() -> None:
    rows = [["a", "b"], ["c"], ["d", "e"]]
    layout = laid_out(
        rows, {"a": {"c", "e"}, "b": {"d"}, "c": {"d"}, "d": set(), "e": set()}, dict.fromkeys("abcde", 50)
    )
    assert sorted("".join(place.name or "-" for place in way) for way in layout.ways) == ["a-e", "ac", "b-d", "cd"]
    for row in range(3):
        places = {id(place): place for way in layout.ways for place in way if place.row == row}
        ordered = sorted(places.values(), key=lambda place: place.x)
        for left, right in combinations(ordered, 2):
            assert left.x + left.width / 2 < right.x - right.width / 2 + 1e-6


# -- the states of kvfree_rcu() --------------------------------------------------------------------------------------


def test_every_scenario_has_gone_through_them() -> None:
    assert sorted(krcp_states.kept_rows()) == sorted(find_scenarios())


def test_scenarios_go_through_what_is_written_of_them() -> None:
    kept = krcp_states.kept_rows()
    for name in find_scenarios():
        if name != LONG:
            assert krcp_states.row_of(krcp_states.steps_of(name)) == kept[name], name


@pytest.mark.campaign
def test_the_long_one_too() -> None:
    assert krcp_states.row_of(krcp_states.steps_of(LONG)) == krcp_states.kept_rows()[LONG]


def test_who_comes_into_a_state_was_in_another_or_began_there() -> None:
    """What comes into each state and leaves it, over all CPUs of a run, differs by where they began and ended."""
    for name, row in krcp_states.kept_rows().items():
        for which, counted in row.items():
            first = krcp_states.ORDER[which][0]
            balance = dict.fromkeys(krcp_states.ORDER[which], 0)
            for step, times in counted.items():
                begin, _, end = step.partition(" -> ")
                balance[begin] -= times
                balance[end] += times
            assert sum(balance.values()) == 0
            assert all(left >= 0 for state, left in balance.items() if state != first), (name, which, balance)


def test_a_state_is_seen_where_it_is_made() -> None:
    @scenario()
    async def three(k: Kernel) -> None:
        for _ in range(3):
            await k.kvfree_rcu(await k.kmalloc(64), "rcu")

    run = krcp_states.Run(three, kernel="v6.12")
    watcher = krcp_states.Watcher(run.machine)
    run.run()
    seen = {(which, begin, end): times for (which, begin, end), times in watcher.steps.items()}
    assert seen["collecting", "empty", "objects, timer armed"] == 1
    assert seen["batch", "free", "waits for a grace period"] == 1
    assert seen["cache", "empty", "hrtimer armed"] == 1
    ways = [re.sub(r"^\w+: ", "", f"{which}: {begin} -> {end}") for which, begin, end in seen if which == "batch"]
    assert ways == [
        "free -> waits for a grace period", "waits for a grace period -> work queued",
        "work queued -> work runs, batch full", "work runs, batch full -> work runs, batch taken",
        "work runs, batch taken -> free",
    ]  # fmt: skip
