"""The recorded workloads of `rcuactors compare`, made anew from recordings: `python tests/compare/make_recorded.py`.

Writes rcuactors/compare/recorded/NAME.tsv from the recordings that are named here. A test holds the files against them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import rcuactors.compare
from rcuactors.recordings import Recording, read_recording
from rcuactors.recordings.sections import CONTEXTS, feeds_of

DATA = Path(__file__).parents[1] / "data" / "recordings"
RECORDED = Path(rcuactors.compare.__file__).parent / "recorded"
SOURCES = {
    "everyday": (
        "workload/stock_all.txt.gz",
        "programs use timerfd, rename, ACLs, multicast, cgroups, namespaces, routes",
    ),
    "raw_bursts": ("kvfree/d_rawspin_1100_min5.txt.gz", "a module frees under a raw spinlock; rcu_min_cached_objs=5"),
}


def lines_of(source: str, about: str) -> Iterator[str]:
    """The file: where it comes from, then a line a section."""
    recording = read_recording(str(DATA / source))
    yield f"# From the recording {source.removesuffix('.txt.gz')} of a Linux 6.1.192 kernel under QEMU: {about}."
    yield "# A line is what one caller gave to kvfree_rcu() in one go. Made by tests/compare/make_recorded.py."
    yield "# at_us\tcpu\tcontext\targuments\tkind\tcount"
    yield from sections_of(recording)


def sections_of(recording: Recording) -> Iterator[str]:
    """In the order of time, from the first on."""
    feeds, skipped = feeds_of(recording)
    assert not skipped, skipped
    found = [(section.calls[0].time_ns // 1_000, feed, section) for feed in feeds for section in feed.sections]
    begin_us = min(at_us for at_us, _, _ in found)
    for at_us, feed, section in sorted(found, key=lambda each: (each[0], each[1].cpu)):
        (kind,) = {call.kind for call in section.calls}
        words = (
            at_us - begin_us,
            feed.cpu,
            CONTEXTS[section.context].name,
            2 - feed.one_argument,
            kind,
            len(section.calls),
        )
        yield "\t".join(map(str, words))


if __name__ == "__main__":
    RECORDED.mkdir(exist_ok=True)
    for name, (source, about) in SOURCES.items():
        text = "\n".join(lines_of(source, about)) + "\n"
        (RECORDED / f"{name}.tsv").write_text(text, encoding="utf-8")
        print(f"{name}: {text.count(chr(10))} lines")
