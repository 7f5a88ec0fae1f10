"""The picture of docs/page-cache.md: how each call of a burst was remembered, and what the CPU's cache held meanwhile.

`python -m docs.page_cache_picture` makes the runs, prints them as text, and says whether docs/page-cache.svg shows the
same; with `--write` it draws the picture anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Final

import attrs

from rcuactors import Kernel, run, scenario

PICTURE: Final = Path(__file__).with_name("page-cache.svg")
CALLS: Final = 2800
COLUMNS: Final = 70
"""Characters of a line of text; each stands for as many calls."""

LEFT: Final = 190
WIDE: Final = 700
STRIP: Final = 26
CURVE: Final = 46
ROW: Final = 116
TOP: Final = 64


@attrs.frozen
class Way:
    """How a call was remembered: its character in the text, its colours by day and by night, and what it means."""

    mark: str
    day: str
    night: str
    about: str


WAYS: Final = {
    "cache": Way("#", "#0969da", "#388bfd", "in a block from the page cache"),
    "caller": Way("!", "#bf8700", "#d29922", "in a block that the caller asked for itself"),
    "list": Way("o", "#d1242f", "#f85149", "linked by its rcu_head"),
}


@attrs.define
class Course:
    """What came of a burst: for each call how it was remembered, and how many pages the cache held after it."""

    ways: list[str] = attrs.field(factory=list)
    cached: list[int] = attrs.field(factory=list)


ROWS: Final = {
    "v5.9": ("v5.9", False),
    "v5.11": ("v5.11", False),
    "v6.12": ("v6.12", False),
    "v6.12, raw lock held": ("v6.12", True),
}


def course_of(kernel: str, *, locked: bool) -> Course:
    """Make one burst on a CPU whose cache and page list are empty."""
    course = Course()

    @scenario(settings={"nr_cpus": "2"})
    async def burst(k: Kernel) -> None:
        lock = k.raw_spinlock("some_lock")
        pointers = [await k.kmalloc(64) for _ in range(CALLS)]
        await k.cold_caches()
        flags = await k.raw_spin_lock_irqsave(lock) if locked else False
        way, before = "list", k.machine.kvfree.statistics()
        for p in pointers:
            await k.kvfree_rcu(p, "rcu")
            now = k.machine.kvfree.statistics()
            if now.caller_pages > before.caller_pages:
                way = "caller"
            elif now.blocks > before.blocks:
                way = "cache"
            course.ways.append("list" if now.fallbacks_list > before.fallbacks_list else way)
            course.cached.append(now.cached_pages)
            before = now
        if locked:
            await k.raw_spin_unlock_irqrestore(lock, flags)

    run(burst, kernel=kernel)
    return course


def as_text(courses: dict[str, Course]) -> Iterator[str]:
    """A character for every few calls: the rarest way among them. Below it what was in the cache at their end."""
    width = max(map(len, courses)) + 2
    each = CALLS // COLUMNS
    for name, course in courses.items():
        parts = [course.ways[at : at + each] for at in range(0, CALLS, each)]
        yield f"{name:{width}}{''.join(WAYS[min(set(part), key=course.ways.count)].mark for part in parts)}"
        yield f"{'':{width}}{''.join(str(course.cached[at + each - 1]) for at in range(0, CALLS, each))}"
    yield ""
    yield ", ".join(f"{way.mark} {way.about}" for way in WAYS.values())
    for name, course in courses.items():
        told = ", ".join(f"{course.ways.count(way):,} {WAYS[way].about}" for way in WAYS if way in course.ways)
        yield f"{name:{width}}{told}"


def as_svg(courses: dict[str, Course]) -> Iterator[str]:
    """For each kernel a strip of the calls, and under it the curve of the cache."""
    wide, high = LEFT + WIDE + 30, TOP + ROW * len(courses) + 40
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" '
        'role="img" aria-labelledby="title desc">'
    )
    yield f'  <title id="title">{CALLS:,} calls of kvfree_rcu() in a row, caches cold</title>'
    yield '  <desc id="desc">For each kernel how the calls were remembered, and the pages in the CPU\'s cache.</desc>'
    yield from _styles()
    yield f'  <rect class="page" x="0.5" y="0.5" width="{wide - 1}" height="{high - 1}" rx="6"/>'
    x = 24
    for name, way in WAYS.items():
        yield f'  <rect class="{name}" x="{x}" y="18" width="14" height="14"/>'
        yield f'  <text x="{x + 20}" y="30">{way.about}</text>'
        x += 44 + 7 * len(way.about)
    for row, (name, course) in enumerate(courses.items()):
        yield from _row(name, course, TOP + ROW * row)
    for number in range(0, CALLS + 1, 400):
        yield f'  <text class="small" x="{_at(number)}" y="{high - 22}" text-anchor="middle">{number:,}</text>'
    yield f'  <text class="small" x="{LEFT - 12}" y="{high - 22}" text-anchor="end">calls</text>'
    yield "</svg>"


def _at(number: int) -> str:
    return f"{LEFT + WIDE * number / CALLS:.1f}".removesuffix(".0")


def _row(name: str, course: Course, y: int) -> Iterator[str]:
    yield f'  <text class="head" x="{LEFT - 12}" y="{y + 18}" text-anchor="end">{name}</text>'
    begin, rects = 0, []
    for way, calls in groupby(course.ways):
        count = len(list(calls))
        # One call would be a quarter of a pixel: what is rare is to be seen, so it is drawn wider.
        width = max(WIDE * count / CALLS, 2.5)
        rect = (
            f'  <rect class="{way}" x="{_at(begin)}" y="{y}" width="{width:.1f}" height="{STRIP}">'
            f"<title>{name}: {count:,} {WAYS[way].about}</title></rect>"
        )
        rects.append((-count, rect))
        begin += count
    yield from (rect for _, rect in sorted(rects))
    floor = y + STRIP + 14 + CURVE
    top = max(5, *course.cached)
    yield f'  <text class="small" x="{LEFT - 12}" y="{floor}" text-anchor="end">pages cached, 0</text>'
    yield f'  <text class="small" x="{LEFT - 12}" y="{floor - CURVE + 10}" text-anchor="end">{top}</text>'
    yield f'  <line class="axis" x1="{LEFT}" y1="{floor}" x2="{LEFT + WIDE}" y2="{floor}"/>'
    path, begin = [f"M{LEFT} {floor}"], 0
    for cached, calls in groupby(course.cached):
        path.append(f"H{_at(begin)}V{floor - CURVE * cached / top:.1f}")
        begin += len(list(calls))
    yield f'  <path class="curve" d="{"".join(path)}H{LEFT + WIDE}"/>'


def _styles() -> Iterator[str]:
    """Colours for light and for dark pages."""
    yield "  <style>"
    yield '    text { font: 12.5px system-ui, "DejaVu Sans", sans-serif; fill: #1f2328; }'
    yield "    .head { font-size: 14px; font-weight: 600; } .small { fill: #57606a; font-size: 11.5px; }"
    yield "    .page { fill: #ffffff; stroke: #d0d7de; } .axis { stroke: #afb8c1; }"
    yield "    .curve { fill: none; stroke: #1a7f37; stroke-width: 1.8; }"
    yield from (f"    .{name} {{ fill: {way.day}; }}" for name, way in WAYS.items())
    yield "    @media (prefers-color-scheme: dark) {"
    yield "      text { fill: #e6edf3; } .small { fill: #8b949e; } .page { fill: #0d1117; stroke: #30363d; }"
    yield "      .axis { stroke: #484f58; } .curve { stroke: #3fb950; }"
    yield from (f"      .{name} {{ fill: {way.night}; }}" for name, way in WAYS.items())
    yield "    }"
    yield "  </style>"


def main() -> None:
    """Print, and draw or compare."""
    courses = {name: course_of(kernel, locked=locked) for name, (kernel, locked) in ROWS.items()}
    print("\n".join(as_text(courses)))
    drawn = "".join(f"{line}\n" for line in as_svg(courses))
    if "--write" in sys.argv[1:]:
        PICTURE.write_text(drawn, encoding="utf-8")
    same = PICTURE.exists() and PICTURE.read_text(encoding="utf-8") == drawn
    print(f"{PICTURE.name} {'shows the same' if same else 'shows something else: draw it anew with --write'}")


if __name__ == "__main__":
    main()
