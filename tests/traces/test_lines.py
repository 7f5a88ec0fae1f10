"""One line of ftrace text: real lines of every kernel, the odd ones, and all that could be printed."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcuactors.recordings import TraceLine, context_of, format_line, parse_line

DATA = Path(__file__).parents[1] / "data" / "recordings"

# Names of tasks: what prctl(PR_SET_NAME) lets through, but for spaces at the front (padding).
COMMS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\n\r"), min_size=1, max_size=15).filter(
    lambda comm: not comm.startswith(" ")
)
FLAGS = st.one_of(
    st.from_regex(r"[.dDb][.Nnp][.Hhszz][.1-9a-f]", fullmatch=True),
    st.from_regex(r"[.dDb][.Nnp][.HhszZ][.1-9a-f][.1-9a-f]", fullmatch=True),
    st.from_regex(r"[.dDb][.Nnp][.Ll][.HhszZ][.1-9a-f][.1-9a-f][.1-9a-f]", fullmatch=True),
)
LINES = st.builds(
    TraceLine,
    comm=COMMS,
    pid=st.integers(0, 4_194_304),
    cpu=st.integers(0, 8191),
    flags=FLAGS,
    time_ns=st.integers(0, 10**15) | st.integers(0, 10**12).map(lambda microseconds: microseconds * 1000),
    event=st.from_regex(r"[a-z_][a-z0-9_]{0,30}", fullmatch=True),
    text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r")),
)

REAL_LINES = [
    (
        "            kvt1-70      [001] d..1.    10.432543: kvfree_call_rcu: (kvfree_call_rcu+0x0/0x2e0) x",
        TraceLine("kvt1", 70, 1, "d..1.", 10_432_543_000, "kvfree_call_rcu", "(kvfree_call_rcu+0x0/0x2e0) x"),
    ),
    (
        "          <idle>-0       [001] d.s2.    10.368247: rcu_grace_period: rcu_preempt -860 AccWaitCB",
        TraceLine("<idle>", 0, 1, "d.s2.", 10_368_247_000, "rcu_grace_period", "rcu_preempt -860 AccWaitCB"),
    ),
    (
        "    kworker/1:1H-61      [001] .......    14.380723: fill_page_cache_ret: (process_one_work+0x1ca)",
        TraceLine(
            "kworker/1:1H",
            61,
            1,
            ".......",
            14_380_723_000,
            "fill_page_cache_ret",
            "(process_one_work+0x1ca)",
        ),
    ),
    (
        "     kworker/3:3-507     [003] ....   470.286305: rcu_invoke_kvfree_callback: rcu_preempt func=16",
        TraceLine(
            "kworker/3:3",
            507,
            3,
            "....",
            470_286_305_000,
            "rcu_invoke_kvfree_callback",
            "rcu_preempt func=16",
        ),
    ),
    (
        " my task-9 x-y/0-12   (     12) [130] ..... 99999.000001: runp: a: b: c ",
        TraceLine("my task-9 x-y/0", 12, 130, ".....", 99_999_000_001_000, "runp", "a: b: c "),
    ),
    ("a-1 [000] .... 1.5: kvt_write:", TraceLine("a", 1, 0, "....", 1_500_000_000, "kvt_write", "")),
]


@pytest.mark.parametrize(("text", "line"), REAL_LINES)
def test_real_lines(text: str, line: TraceLine) -> None:
    assert parse_line(text) == line
    assert parse_line(text + "\n") == line
    assert parse_line(text + "\r\n") == line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "            my-task    70 [001]    10.430600:   probe:kvfree_call_rcu: (ffffffff8111e6e0) head=0x0",
            TraceLine("my-task", 70, 1, "", 10_430_600_000, "kvfree_call_rcu", "(ffffffff8111e6e0) head=0x0"),
        ),
        (
            "kvt1     7/70    [001] 10.430600123:      1  rcu:rcu_grace_period: rcu_preempt -860 start",
            TraceLine("kvt1", 70, 1, "", 10_430_600_123, "rcu_grace_period", "rcu_preempt -860 start"),
        ),
        (
            "            kvt1-70    [001]    10.430600: timer_start:          timer=0x1",
            TraceLine("kvt1", 70, 1, "", 10_430_600_000, "timer_start", "         timer=0x1"),
        ),
        (
            "            kvt1-70    [001] d..1.    10.430600: rcu:rcu_grace_period: rcu_preempt",
            TraceLine("kvt1", 70, 1, "d..1.", 10_430_600_000, "rcu_grace_period", "rcu_preempt"),
        ),
    ],
)
def test_lines_of_other_tools(text: str, line: TraceLine) -> None:
    assert parse_line(text) == line


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# tracer: nop",
        "    kwork",
        "     kworker/1:0-20      [001] ..",
        "            kvt1-70      [001] .....    10.468023: kvfree_c",
        "kvt1-70 [001] ..... 10: kvfree_call_rcu: no fraction",
        "kvt1-70 [001] ...... 10.468023: kvfree_call_rcu: six columns",
        "kvt1-70 [001] ..... 10.468023 kvfree_call_rcu no colon",
        "kvt1-x [001] ..... 10.468023: kvfree_call_rcu: no pid",
        "kvt1-\N{ARABIC-INDIC DIGIT ONE} [001] ..... 10.468023: e: no ASCII digits",
    ],
)
def test_what_is_no_line(text: str) -> None:
    assert parse_line(text) is None


def test_time_is_exact() -> None:
    line = parse_line("a-1 [000] ..... 9007199.254741: e: t")
    assert line is not None
    assert line.time_ns == 9_007_199_254_741_000
    assert parse_line("a-1 [000] ..... 9007199254.740993123: e: t") == TraceLine(
        "a", 1, 0, ".....", 9_007_199_254_740_993_123, "e", "t"
    )


@pytest.mark.parametrize(
    ("flags", "context"),
    [
        (".....", "process"),
        ("....", "process"),
        (".N...", "process"),
        ("....1", "process"),
        ("...1", "preempt_off"),
        ("...1.", "preempt_off"),
        ("...a.", "preempt_off"),
        ("b....", "preempt_off"),
        ("b..1.", "preempt_off"),
        ("d....", "irqs_off"),
        ("D....", "irqs_off"),
        ("d..1.", "irqs_off"),
        ("..s1.", "softirq"),
        ("d.s2.", "softirq"),
        ("d.h1.", "hardirq"),
        ("d.H..", "hardirq"),
        ("d.z1.", "nmi"),
        ("d.Z1.", "nmi"),
        (".......", "process"),
        (".nL.1..", "preempt_off"),
        ("......1", "process"),
        ("d..h1..", "hardirq"),
        ("...s.12", "softirq"),
        ("d...1..", "irqs_off"),
    ],
)
def test_contexts(flags: str, context: str) -> None:
    assert context_of(flags) == context


@given(LINES)
def test_round_trip(line: TraceLine) -> None:
    assert parse_line(format_line(line)) == line


@given(st.text())
def test_garbage_is_none_or_a_line(text: str) -> None:
    line = parse_line(text)
    if line is not None:
        assert parse_line(format_line(line)) == line


@pytest.mark.parametrize("path", sorted(DATA.glob("*/*.txt.gz")), ids=lambda path: path.stem)
def test_every_line_of_the_recordings_comes_out_as_it_went_in(path: Path) -> None:
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
        for text in lines:
            if text.startswith("#"):
                continue
            line = parse_line(text)
            assert line is not None, text
            assert format_line(line) == text.removesuffix("\n")
