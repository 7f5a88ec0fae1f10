"""What a machine had done before a3 was asked, found by the version's own rules (rcuactors/questions/before.py)."""

from __future__ import annotations

import pytest

from rcuactors.questions.asking import ask
from rcuactors.questions.before import Before
from rcuactors.questions.command import parse_command
from rcuactors.questions.kernels import find_kernel
from rcuactors.questions.recording import read_text

LINE = "q:   {}: zone DMA32 free {} min {} low {} high {}, pcp of this CPU {}"


def marks(free: int, low: int, listed: int) -> tuple[int, int, int, int, int]:
    return free, low, low + 119, low + 238, listed


@pytest.mark.parametrize(
    ("version", "words", "before", "after"),
    [
        # As recorded. The 30th page that is given back still sends pages to the zone, the last of their type.
        ("v6.12", "v=low free=30 gfp=gfp0", (1516, 1500, 365), (1501, 379)),
        # The zone got above its high watermark: what came after that stays.
        ("v6.12", "v=low free=40 gfp=gfp0", (1750, 1500, 314), (1750, 313)),
        # 15 and 30 of the 64 went back to the zone, or none; what that leaves does not last for 60, or does.
        ("v6.1-stable", "v=ok reps=60", (54279, 476, 285), (54234, 270)),
        ("v6.1-stable", "v=ok reps=60", (54302, 476, 249), (54302, 189)),
    ],
)
def test_what_the_list_has_of_the_type_that_is_asked_for(
    version: str, words: str, before: tuple[int, int, int], after: tuple[int, int]
) -> None:
    """The recorded "before:" is come to, and "after:" follows from it; with the zone's own counter as of v=ok apart."""
    free, low, listed = before
    answer_of = "R" if listed == 249 else "A"
    answer = ask(
        parse_command(f"a3 {words}"),
        find_kernel(answer_of),
        version=version,
        before=Before(free=free, min=low, listed=listed),
    )
    said = {one.text.split(":")[0].split()[-1]: one.text.split() for one in answer.said if "pcp of" in one.text}
    assert (int(said["before"][6]), int(said["before"][-1])) == (low, listed)
    if "v=low" in words:
        assert int(said["before"][4]) == free
    taken = int(said["after"][4]) - int(said["before"][4])
    assert (taken, int(said["after"][-1])) == (after[0] - free, after[1])
    if "R" not in answer_of:
        assert [report.kind for report in answer.reports] == (["invalid wait context"] if taken < 0 else [])


def test_the_line_in_a_recording() -> None:
    text = "# command: echo a3 v=low > /proc/q\n" + LINE.format("before", *marks(1516, 1500, 365)) + "\n"
    assert read_text(text, "A", "one").before == Before(free=1516, min=1500, listed=365)
    assert read_text("# command: echo a3 v=low > /proc/q\nq: A3\n", "A", "one").before is None


def test_a_line_that_nothing_comes_to_is_put_as_it_is_likely() -> None:
    answer = ask(
        parse_command("a3 v=ok reps=1"), find_kernel("A"), before=Before(free=54000, min=476, listed=5), version="v6.12"
    )
    assert answer.ended
    assert not answer.raised
