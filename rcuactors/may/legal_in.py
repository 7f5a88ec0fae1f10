"""In which contexts each call is legal, version by version: asked once, and kept beside this file (legal_in.tsv).

A row is a call, a version and a build (with every check, or PREEMPT_RT with every check), and a letter for each context
of the head: y, n, d for what depends on more, - for a call that the version does not have. Where only the flags tell,
a call is there with GFP_KERNEL and with GFP_ATOMIC. The head names the versions that were asked; of those behind the
first one there are only the rows that differ from its. `python tests/may/test_legal_in.py` writes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import attrs

from ..eras import DEFAULT_ERA, ERAS
from .answer import Verdict
from .asking import ask_each
from .calls import BY_NAME, FORMS, Form, find_call
from .kernels import find_kernels
from .places import find_place

FILE: Final = Path(__file__).with_suffix(".tsv")

CONTEXTS: Final = (
    *("process", "preempt_disable", "local_irq_disable", "local_bh_disable", "rcu_read_lock", "srcu_read_lock"),
    *("mutex", "spin_lock", "raw_spin_lock", "tasklet", "hardirq", "nmi"),
)
"""By the kernel's names. Those that `may` knows besides are much like one of these."""

BUILDS: Final = ("all", "rt")

VERSIONS: Final = (DEFAULT_ERA, "v5.9")
"""The newest one that recordings judge, and the oldest. Each takes six minutes of a processor, so not all are asked."""

_LETTERS: Final = {Verdict.YES: "y", Verdict.NO: "n", Verdict.DEPENDS: "d", Verdict.NOT_MODELLED: "-"}
_FLAGS: Final = ("GFP_KERNEL", "GFP_ATOMIC")


@attrs.frozen
class Row:
    """One call on one kernel: a letter for each context."""

    call: str
    version: str
    build: str
    letters: str

    def contexts(self, letter: str) -> tuple[str, ...]:
        """The contexts that have this letter."""
        return tuple(context for context, one in zip(CONTEXTS, self.letters, strict=True) if one == letter)


def calls_of(form: Form) -> list[str]:
    """How it is asked for: as it stands, or with each of the flags."""
    texts = [", ".join(form.words)]
    if "gfp" in form.words:
        texts = [", ".join(flag if word == "gfp" else word for word in form.words) for flag in _FLAGS]
    return [f"{form.name}({text})" for text in texts]


def all_calls() -> Iterator[str]:
    """Every call, in the order of `rcuactors may --list`."""
    for form in FORMS:
        yield from calls_of(form)


def asked(call: str, version: str) -> list[Row]:
    """What `may` answers now: a row for each build."""
    found = dict.fromkeys(BUILDS, "")
    places = [find_place([context]) for context in CONTEXTS]
    kernels = find_kernels([f"{version}:{build}" for build in BUILDS])
    for cell in ask_each(find_call(call), places, kernels):
        found[cell.kernel.build] += _LETTERS[cell.verdict]
    return [Row(call, version, build, letters) for build, letters in found.items()]


def written() -> tuple[tuple[str, ...], tuple[Row, ...]]:
    """The versions that were asked, and the rows of the file."""
    head, *lines = FILE.read_text(encoding="utf-8").splitlines()
    return tuple(head.split("\t")[1].split()[1:]), tuple(Row(*line.split("\t")) for line in lines)


@cache
def kept() -> Mapping[tuple[str, str, str], Row]:
    """What was written down, by call, version and build, with what is left out since it is the same."""
    versions, rows = written()
    found = {
        (row.call, version, row.build): attrs.evolve(row, version=version)
        for row in rows
        if row.version == VERSIONS[0]
        for version in versions
    }
    return found | {(row.call, row.version, row.build): row for row in rows}


def write(found: Mapping[tuple[str, str, str], Row]) -> None:
    """Keep these: of the first version what there is, of each other all or nothing."""
    calls = [(call, build) for call in all_calls() for build in BUILDS]
    whole = [one for one in VERSIONS[1:] if all((call, one, build) in found for call, build in calls)]
    asked_on = (VERSIONS[0], *whole)
    lines = ["\t".join(("call", f"version: {' '.join(asked_on)}", "build", " ".join(CONTEXTS)))]
    for call, version, build in ((call, version, build) for call, build in calls for version in asked_on):
        row = found.get((call, version, build))
        if row and (version == VERSIONS[0] or row.letters != found[call, VERSIONS[0], build].letters):
            lines.append("\t".join(attrs.astuple(row)))
    FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")


# -- in words ----------------------------------------------------------------------------------------------------------


def told(name: str) -> Iterator[str]:
    """Where the calls of this name are legal, in words; versions and builds that agree in one line."""
    for form in BY_NAME.get(name, ()):
        for call in calls_of(form):
            by_words: dict[str, list[tuple[str, str]]] = {}
            for row in (kept()[call, version, build] for version in VERSIONS for build in BUILDS):
                by_words.setdefault(_words(row), []).append((row.version, row.build))
            for words, kernels in by_words.items():
                yield f"{_shown(form, call)} {_kernels(kernels)}: {words}"


def _shown(form: Form, call: str) -> str:
    """As `rcuactors may --list` has it, with the flags of the call."""
    flag = next((flag for flag in _FLAGS if flag in call), "gfp")
    return form.prototype.replace("gfp", flag)


def _words(row: Row) -> str:
    legal, depends, never = (row.contexts(letter) for letter in "ydn")
    if not legal and not depends and not never:
        return "not there"
    if len(CONTEXTS) in (len(legal), len(depends)):
        return "legal everywhere" if legal else "depends everywhere"
    if depends and not never and len(depends) <= len(legal):
        return f"legal everywhere but in {', '.join(depends)}, where it depends"
    short = legal and not depends and len(never) <= len(legal)
    parts = [("legal everywhere but in ", never)] if short else [("legal in ", legal)]
    parts += [("depends in ", depends)] + ([] if short else [("not in ", never)] if len(never) < len(CONTEXTS) else [])
    said = [f"{words}{', '.join(contexts)}" for words, contexts in parts if contexts]
    return "; ".join(said) or "legal nowhere"


def _kernels(kernels: Sequence[tuple[str, str]]) -> str:
    """Such as `on v5.9` for both builds, `on v6.12 PREEMPT_RT` for one; the oldest first."""
    versions = sorted({version for version, _ in kernels}, key=list(ERAS).index)
    parts = []
    for builds, suffix in ((set(BUILDS), ""), ({"all"}, " without PREEMPT_RT"), ({"rt"}, " PREEMPT_RT")):
        of_these = [one for one in versions if {build for version, build in kernels if version == one} == builds]
        if of_these:
            parts.append(f"{', '.join(of_these)}{suffix}")
    return f"on {'; '.join(parts)}"
