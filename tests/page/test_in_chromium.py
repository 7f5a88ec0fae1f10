"""The report in a real browser: it opens without complaint, shows what it should, and does what is asked of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rcuactors.compare.board import Board, Card, Cost
from rcuactors.compare.costs import FIGURES, Spread
from rcuactors.compare.designs import DesignRef
from rcuactors.compare.html import page_of
from rcuactors.compare.kernels import find_kernels
from rcuactors.compare.tasks import Plan
from rcuactors.compare.verdict import Verdict
from rcuactors.page import Panel, Report, Step, Story, to_html
from rcuactors.timeline import Arrow, ArrowKind, Lane, LaneKind, Mark, MarkKind, Sample, Sketch, Span, SpanKind
from tests.page.browser import Browser, browser, missing
from tests.page.sketches import ADDRESS, EVIL, lanes_of, many, some_of_everything

pytestmark = pytest.mark.skipif(missing() is not None, reason=missing() or "")

LEFT, RIGHT, ESCAPE, ENTER = "\ue012", "\ue014", "\ue00c", "\ue007"
ELEMENTS = 200_000
ONE_EVENT = Sketch(lanes=lanes_of(1), marks=[Mark(0, 5, MarkKind.EVENT, "alone")], end_ns=5)
NOBODYS = Sketch(
    lanes=[Lane(0, "timers", "hrtimer", LaneKind.HRTIMER)], marks=[Mark(0, 7, MarkKind.TIMER_FIRED, "x")], end_ns=9
)
STORY = Story("In 2 steps", (Step("takes the lock", "else nothing comes", 2_000), Step(EVIL, "", 3_000)), "in words")
SKETCHES = {
    "one": (some_of_everything(),),
    "two": (some_of_everything(), some_of_everything(2_000)),
    "empty": (Sketch(),),
    "one event": (ONE_EVENT,),
    "no CPU": (NOBODYS,),
    "empty beside one": (Sketch(), some_of_everything()),
}


def report_of(*sketches: Sketch) -> Report:
    panels = tuple(Panel(f"run {number}", sketch, ("what NMIs do",)) for number, sketch in enumerate(sketches))
    return Report("A run", panels, (("kernel", "v5.9"), ("lock", EVIL)), STORY)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Browser, Path]]:
    """The one browser of all tests here, and where its files are."""
    folder = tmp_path_factory.mktemp("browser")
    for name, sketches in SKETCHES.items():
        (folder / f"{name}.html").write_text(to_html(report_of(*sketches)))
    with browser(folder) as it:
        it.size(1200, 800)
        yield it, folder


@pytest.fixture
def page(opened: tuple[Browser, Path]) -> Browser:
    """The page with one run of everything."""
    it, folder = opened
    it.open(folder / "one.html")
    return it


def panel(page: Browser, expression: str, *arguments: Any) -> Any:
    """Something of the first panel, `p`."""
    return page.run(f"const {{ app }} = rcuactors, p = app.data.panels[0]; return {expression};", *arguments)


def at(page: Browser, lane: int, time_ns: int) -> tuple[float, float]:
    """Where in the window a lane is at a moment."""
    x, y = page.run(
        "const { app } = rcuactors, p = app.data.panels[0], box = p.canvas.getBoundingClientRect();"
        "rcuactors.draw(); const item = p.layout.laneAt.get(arguments[0]);"
        "return [box.x + p.g.x(app.axis.placeOf(arguments[1])), box.y + item.top + item.height / 2 - p.g.scrolled];",
        lane,
        time_ns,
    )
    return x, y


def pixels(page: Browser, top: str, height: str, colour: str) -> int:
    """How many pixels have a colour, in a strip from the names to the right edge."""
    count: int = page.run(
        "const { app } = rcuactors, p = app.data.panels[0]; rcuactors.draw();"
        f"const ratio = p.canvas.width / p.width, box = [app.gutter, {top}, p.width - app.gutter, {height}];"
        "const { data } = p.context.getImageData(...box.map((v) => v * ratio));"
        "const wanted = parseInt(arguments[0], 16); let count = 0;"
        "for (let i = 0; i < data.length; i += 4)"
        "  count += ((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]) === wanted;"
        "return count;",
        colour,
    )
    return count


def in_lane(page: Browser, lane: int, colour: str) -> int:
    """How many pixels of a lane have a colour."""
    return pixels(
        page, f"p.layout.laneAt.get({lane}).top - p.g.scrolled", f"p.layout.laneAt.get({lane}).height", colour
    )


@pytest.mark.parametrize("name", SKETCHES)
def test_it_opens_without_a_complaint_and_asks_for_nothing(opened: tuple[Browser, Path], name: str) -> None:
    it, folder = opened
    it.log("performance")
    it.complaints()
    it.open(folder / f"{name}.html")
    it.run("rcuactors.draw(); rcuactors.zoom(0.5); rcuactors.setCursor(5); rcuactors.shortenIdle(false);")
    it.press(RIGHT, LEFT, "n", "r", "f", "x", "i", "0", ESCAPE)
    it.picture()
    assert it.complaints() == []
    assert {address.partition(":")[0] for address in it.requests()} <= {"file", "data"}
    assert it.run("return document.getElementById('failed').hidden")


def test_only_the_file_itself_is_asked_for(opened: tuple[Browser, Path]) -> None:
    it, folder = opened
    it.log("performance")
    it.open(folder / "one.html")
    assert [address for address in it.requests() if not address.startswith("data:")] == [
        (folder / "one.html").resolve().as_uri()
    ]


def test_the_policy_lets_no_other_script_run_and_no_request_go(page: Browser) -> None:
    page.complaints()
    page.run(
        "const add = (name, what) => document.body.append(Object.assign(document.createElement(name), what));"
        "add('script', { textContent: 'document.title = \"taken\"' });"
        "add('img', { src: 'https://example.com/x.png' });"
    )
    page.picture()
    assert page.run("return document.title") == "A run"
    assert sum("Content Security Policy" in line for line in page.complaints()) >= 2


def test_lanes_and_curves_are_there_and_none_without_data(page: Browser) -> None:
    groups = panel(page, "p.groups.map((group) => [group.name, group.members.map((each) => each.lane.name)])")
    assert dict(groups) == {
        "CPU 0": ["threads", "hardirq", "irqs off", "preemption off", "locks"],
        "CPU 1": ["threads", "locks", "readers"],
        "grace periods": ["rcu_preempt"],
        "timers": ["hrtimer of CPU 0"],
        "workers": ["kworker/0:1"],
    }
    assert panel(page, "p.plots.map((plot) => [plot.name, plot.curves.length])") == [
        ["outstanding objects", 1],
        ["outstanding bytes", 1],
        ["cached pages", 2],
    ]
    drawn = {2: "EE8866", 5: "BBB04A", 16: "44BB99", 1000: "77AADD", 1002: "BBCC33"}
    assert {lane for lane, colour in drawn.items() if in_lane(page, lane, colour) > 200} == set(drawn)
    curves = ("p.height - 100", "100", "0b5fa5")
    assert pixels(page, *curves) > 50
    page.run("const p = rcuactors.app.data.panels[0]; p.spans.kind.fill(1); p.plots = [];")  # all idle, and no curve
    assert {lane for lane, colour in drawn.items() if in_lane(page, lane, colour)} == set()
    assert pixels(page, *curves) == 0


def test_the_cursor_goes_where_the_mouse_and_the_keys_say(page: Browser) -> None:
    page.mouse(*at(page, 0, 3_100), click=True)
    assert abs(panel(page, "app.cursor") - 3_100) < 60
    krcp = "document.querySelector('#instant table').innerText"
    assert "channel 0\t1 block\t0 blocks" in panel(page, krcp)
    page.run("rcuactors.app.data.panels[0].scroller.focus(); rcuactors.setCursor(3000);")
    page.press(LEFT)
    assert panel(page, "app.cursor") == 2_800
    assert "channel 0\t0 blocks\t0 blocks" in panel(page, krcp)
    page.press(RIGHT, RIGHT)
    assert panel(page, "app.cursor") == 3_100
    page.run("rcuactors.setCursor(-5)")  # left of where anything is, in the margin
    assert panel(page, "app.cursor") == 0
    page.run("rcuactors.setCursor(3000)")
    page.press(RIGHT)
    assert "3.1 µs. CPU 0 threads: caller" in panel(page, "document.getElementById('live').textContent")


def test_what_is_searched_for_is_followed(page: Browser) -> None:
    page.run("document.getElementById('search').focus()")
    page.press(*"raw_l", ENTER)
    assert panel(page, "app.followed.name") == "raw_lock"
    assert panel(page, "[...p.hits.spans].filter(Boolean).length") == 2
    assert panel(page, "app.places.map((place) => place.time)") == [2_000, 2_600, 3_400]
    page.press(ENTER)
    assert panel(page, "app.cursor") == 2_600
    assert "place 2 of 3" in panel(page, "document.getElementById('followed').innerText")
    page.press(ESCAPE)
    assert panel(page, "app.followed") is None


def test_an_object_is_followed_through_its_life_and_not_into_the_next_at_its_address(page: Browser) -> None:
    page.run("document.getElementById('search').focus()")
    page.press(*f"{ADDRESS:x} (number 1)", ENTER)
    assert panel(page, "app.followed.serial") == 1
    assert panel(page, "p.paths.map((path) => path.map((i) => app.data.kinds.stage[p.lives.stage[i]]))") == [
        ["allocated", "retired", "queued", "batched", "grace period over", "freed"]
    ]
    assert panel(page, "p.hits.spans.reduce((a, b) => a + b)") == 1  # the span that has the address among its details


def test_a_splat_opens_by_a_click_on_its_sign_with_the_story_beside_it(page: Browser) -> None:
    page.mouse(*at(page, 5, 3_200), click=True)
    shown = panel(page, "document.getElementById('splat').open && document.getElementById('splat').innerText")
    assert f"{EVIL}\nis trying to lock:" in shown
    assert "In 2 steps" in shown
    assert "else nothing comes" in shown
    assert panel(page, "document.title") == "A run"
    assert panel(page, "document.querySelectorAll('#splat script, #splat img, #side script, #side img').length") == 0
    page.press(ESCAPE)
    assert not panel(page, "document.getElementById('splat').open")


def test_pointing_tells_what_when_and_where(page: Browser) -> None:
    page.mouse(*at(page, 1000, 5_000_000))
    told = panel(page, "document.getElementById('tip').innerText")
    assert "grace period" in told
    assert "3.4 µs" in told
    assert "8 ms" in told
    assert "grace periods, rcu_preempt" in told


def test_two_runs_keep_one_axis(opened: tuple[Browser, Path]) -> None:
    it, folder = opened
    it.open(folder / "two.html")
    both = "return rcuactors.app.data.panels.map((p) => Math.round(p.g.x(rcuactors.app.axis.placeOf(3000))));"
    it.run("rcuactors.draw();")
    before = it.run(both)
    assert before[0] == before[1]
    it.run("document.getElementById('to-difference').click(); rcuactors.zoom(0.05); rcuactors.draw();")
    after = it.run(both)
    assert after[0] == after[1] != before[0]
    assert it.run("return rcuactors.app.cursor") == 4_010_000
    it.run("document.getElementById('beside').click();")
    first, second = it.run("return rcuactors.app.data.panels.map((p) => p.canvas.getBoundingClientRect().x)")
    assert second > first + 300


def test_it_is_dark_where_the_system_is_and_when_asked(page: Browser) -> None:
    corner = "return [...rcuactors.app.data.panels[0].context.getImageData(2, 2, 1, 1).data].map((v) => v > 127);"
    page.run("rcuactors.draw()")
    assert page.run(corner) == [True] * 4
    page.run("rcuactors.setTheme('dark'); rcuactors.draw();")
    assert page.run(corner) == [False, False, False, True]
    page.run("rcuactors.setTheme('system'); rcuactors.draw();")
    page.size(1200, 800, dark=True)
    page.run("rcuactors.draw();")
    assert page.run(corner) == [False, False, False, True]
    page.size(1200, 800)


def test_it_prints_in_light_and_is_as_before_afterwards(page: Browser) -> None:
    page.run("rcuactors.setTheme('dark')")
    folded = "document.querySelectorAll('#side details:not([open])').length"
    assert panel(page, folded) == 1  # the legend, where something was reported
    page.run(f"addEventListener('beforeprint', () => {{ window.folded = {folded}; }})")  # after that of the page
    printed = page.printed()
    assert printed.startswith(b"%PDF")
    assert printed.count(b"/Type /Page\n") <= 3
    assert panel(page, f"[window.folded, {folded}]") == [0, 1]
    assert panel(page, "document.documentElement.dataset.theme") == "dark"
    assert panel(page, "app.printing") is False
    page.run("rcuactors.setTheme('system')")


def test_one_begins_at_the_first_report_and_finds_it_in_the_picture(page: Browser) -> None:
    assert panel(page, "app.cursor") == 3_200
    left, right = panel(page, "[app.axis.timeAt(app.view.from), app.axis.timeAt(app.view.to)]")
    assert left < 2_000
    assert right > 3_200


def test_without_a_report_one_begins_where_it_is_fullest(opened: tuple[Browser, Path]) -> None:
    it, folder = opened
    sketch = some_of_everything()
    sketch.reports.clear()
    sketch.samples.append(Sample(4, 3_050, 2))
    for name, cursor in (("blocks", 3_050), ("objects", 8_000_000)):
        (folder / "quiet.html").write_text(to_html(Report("quiet", (Panel("quiet", sketch),))))
        it.open(folder / "quiet.html")
        assert panel(it, "app.cursor") == cursor, name
        sketch.samples[:] = [sample for sample in sketch.samples if sample.counter != 4]


def test_two_stand_beside_each_other_where_there_is_room_for_that(opened: tuple[Browser, Path]) -> None:
    it, folder = opened
    beside = []
    for width in (1900, 1000):
        it.size(width, 700)
        it.open(folder / "two.html")
        beside.append(it.run("return rcuactors.app.beside"))
    it.size(1200, 800)
    assert beside == [True, False]


def test_lanes_that_overlap_are_one_and_many_messages_are_hidden_and_counted(opened: tuple[Browser, Path]) -> None:
    it, folder = opened
    names = ("locks", "locks (2)")
    lanes = [Lane(number, "CPU 0", name, LaneKind.LOCKS, 0) for number, name in enumerate(names)]
    spans = [Span(lane, 10 + lane, 900 + lane, SpanKind.LOCK_HELD, f"lock {lane}") for lane in (0, 1)]
    arrows = [Arrow(ArrowKind.MESSAGE, 0, 10 * n, 1, 10 * n + 5, "HardIrq") for n in range(60)]
    busy = Sketch(lanes=lanes, spans=spans, arrows=arrows, end_ns=1_000)
    (folder / "busy.html").write_text(to_html(report_of(busy)))
    it.open(folder / "busy.html")
    assert panel(it, "p.tracks.map((track) => [track.lane.name, track.rows.length])") == [["locks", 2]]
    it.run("rcuactors.draw()")
    assert "60 arrows hidden" in panel(it, "document.getElementById('status').textContent")
    boxes = "[...document.querySelectorAll('#legend label')].find((each) => each.textContent === 'message')"
    it.run(f"{boxes}.querySelector('input').click(); rcuactors.draw();")
    assert "hidden" not in panel(it, "document.getElementById('status').textContent")


def test_a_comparison_is_sorted_by_a_click_and_asks_for_nothing(opened: tuple[Browser, Path]) -> None:
    it, folder = opened
    figures = {name: Spread(value, value, value) for value, name in enumerate(FIGURES)}
    designs = {"b": Verdict(), EVIL: Verdict(kind="deadlock", title=EVIL, failed=1)}
    kernels = find_kernels(["prove"], {})
    cards = tuple(
        Card(design=name, about=EVIL, verdicts={("prove", "process"): verdict}, costs={("prove", "trickle"): cost})
        for (name, verdict), cost in zip(designs.items(), (Cost(figures=figures), Cost(figures=figures)), strict=True)
    )
    plan = Plan(designs=tuple(DesignRef(name, EVIL) for name in designs), kernels=kernels, measured=kernels)
    (folder / "compared.html").write_text(page_of(Board(plan=plan, cards=cards, done=1, wanted=1)))
    it.requests(), it.complaints()
    it.go((folder / "compared.html").resolve().as_uri())
    names = "return [...document.querySelector('table.sortable').tBodies[0].rows].map((row) => row.cells[0].innerText);"
    assert it.run(names) == ["b", EVIL]
    it.run("document.querySelector('table.sortable thead button').click()")
    assert it.run(names) == [EVIL, "b"]
    it.run("document.getElementById('theme').click()")
    assert it.run("return document.documentElement.dataset.theme") == "light"
    assert it.complaints() == []
    assert [address for address in it.requests() if not address.startswith("data:")] == [
        (folder / "compared.html").resolve().as_uri()
    ]


def test_200_000_elements_are_drawn_within_100_ms_and_all_are_counted(opened: tuple[Browser, Path]) -> None:
    """Processor time of the whole browser, since other tests run beside; each frame is waited for to its last pixel."""
    it, folder = opened
    (folder / "many.html").write_text(to_html(report_of(many(ELEMENTS))))
    it.open(folder / "many.html")
    frames = 10
    began = it.cpu_s()
    it.run(
        "const { context } = rcuactors.app.data.panels[0]; for (let i = 0; i < arguments[0]; i++) {"
        "i % 2 ? rcuactors.pan(300000) : rcuactors.zoom(0.9); rcuactors.draw(); context.getImageData(0, 0, 1, 1); }",
        frames,
    )
    assert (it.cpu_s() - began) / frames < 0.1
    it.run("rcuactors.app.view = { from: 0, to: rcuactors.app.axis.length }; rcuactors.draw();")
    assert panel(it, "p.g.tally.own + p.g.tally.dense") == ELEMENTS // 8 * 7  # the eighth, a krcp, is in a table
    assert panel(it, "document.getElementById('status').textContent.includes('too dense')")
