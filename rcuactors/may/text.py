"""An answer as text: the word, the table, why, what real kernels said, what to do instead."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from ..report.text import aligned
from ..spelling import plural
from .answer import Answer, Cell, Verdict
from .itself import not_its_own
from .places import Place, shown_name
from .reasons import Reason, advice_of, reasons_for, reasons_of, version_ranges
from .recorded import Evidence, RecordedCell, RecordedKernel, evidence_for, recorded_for

_WIDTH: Final = 100
_INDENT: Final = "    "


def _wrapped(text: str, *, before: str = "") -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=before, subsequent_indent=f"{before}  ", break_on_hyphens=False)


def answer_lines(answer: Answer, *, why: bool) -> list[str]:
    """All of it. `why`: with the report of each reason in full."""
    one_place = len(_places(answer)) == 1
    reasons = reasons_of(answer)
    lines = [*_head(answer), "", *(_in_one_place(answer, reasons) if one_place else _in_each_place(answer))]
    lines += [*_instead_lines(answer), *_missing_lines(answer.cells), *_tried_lines(answer.cells)]
    if why:
        for reason in reasons:
            lines += ["", f"{reason.kernels}: {reason.condition}", *_in_full(reason)]
    return lines


def _places(answer: Answer) -> list[Place]:
    return list(dict.fromkeys(cell.place for cell in answer.cells))


def _head(answer: Answer) -> list[str]:
    about = answer.asked.form.about
    places = _places(answer)
    where = f"in {' + '.join(places[0].names)}: {places[0].words}" if len(places) == 1 else "in each context"
    other = not_its_own(answer.asked.form, places[0]) if len(places) == 1 else ""
    told = "; ".join(filter(None, (about, other)))
    return [*_wrapped(f"{answer.asked}{f': {told}' if told else ''}"), *_wrapped(where), "", *_summary(answer)]


def _summary(answer: Answer) -> list[str]:
    """The answer in a line."""
    word = answer.verdict.value.upper()
    if answer.unreached:
        asked = len(answer.cells) + answer.unreached
        return [f"UNFINISHED: {answer.verdict.value} so far; {answer.unreached} of {asked} answers were not reached"]
    if answer.verdict is not Verdict.DEPENDS:
        return [word]
    if len(_places(answer)) > 1:
        return [f"{word} on the context"]
    cells = [cell for cell in answer.cells if cell.verdict is not Verdict.NOT_MODELLED]
    conditions = {reason.condition for reason in reasons_of(answer)}
    if all(cell.verdict is Verdict.DEPENDS for cell in cells) and len(conditions) == 1:
        return _wrapped(f"{word}: {conditions.pop()}")
    parts = []
    for rt, said in ((False, "without PREEMPT_RT"), (True, "on PREEMPT_RT")):
        some = [cell for cell in cells if cell.kernel.rt is rt]
        parts += [f"{said} {_over(some)}"] if some else []
    return _wrapped(f"{word}: {'; '.join(parts)}")


def _over(cells: Sequence[Cell]) -> str:
    """The verdicts of these kernels: `yes`, or `yes (v5.9), depends (v6.1.0 - v7.3)`."""
    by_word: dict[str, list[str]] = {}
    for cell in cells:
        by_word.setdefault(cell.verdict.value, []).append(cell.kernel.version)
    if len(by_word) == 1:
        return next(iter(by_word))
    return ", ".join(f"{word} ({version_ranges(versions)})" for word, versions in by_word.items())


# -- one place ---------------------------------------------------------------------------------------------------------


def _in_one_place(answer: Answer, reasons: Sequence[Reason]) -> list[str]:
    lines = _table(answer.cells)
    for reason in reasons:
        lines += ["", *_reason_lines(reason)]
    return [*lines, "", *_evidence_lines(answer)]


def _table(cells: Sequence[Cell]) -> list[str]:
    """A row for each version, a column for each build; versions that answer alike are one row."""
    builds = list(dict.fromkeys(cell.kernel.build for cell in cells))
    rows: dict[str, dict[str, str]] = {}
    for cell in cells:
        rows.setdefault(cell.kernel.version, {})[cell.kernel.build] = cell.word
    alike: list[tuple[list[str], list[str]]] = []
    for version, words in rows.items():
        row = [words.get(build, "") for build in builds]
        if alike and alike[-1][1] == row:
            alike[-1][0].append(version)
        else:
            alike.append(([version], row))
    return _columns([["", *builds], *([version_ranges(versions), *row] for versions, row in alike)])


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _reason_lines(reason: Reason) -> list[str]:
    finding = reason.finding
    lines = _wrapped(f"{reason.kernels}: {reason.condition}")
    said = ["the context by itself is wrong, before the call is made:"] if finding.entering else []
    if finding.title:
        said += [finding.title, chain_text(reason)]
    if reason.unreported:
        said.append(f"silent, with every check: {reason.unreported}")
    else:
        said += [*_silent_lines("silent", reason.silent), *_silent_lines("silent in part", reason.partly)]
    for text in filter(None, said):
        lines += _wrapped(text, before=_INDENT)
    return lines


def chain_text(reason: Reason, most: int = 100) -> str:
    """Who called whom, down to the line that sleeps or locks; of more than so many functions the first and the last."""
    finding = reason.finding
    chain = list(finding.chain)
    if len(chain) > most:
        chain = [chain[0], "...", *chain[2 - most :]]
    lock = f"({finding.lock})" if finding.lock and chain else ""
    return f"{' > '.join(chain)}{lock}"


def _silent_lines(how: str, builds: Mapping[str, str]) -> list[str]:
    by_lack: dict[str, list[str]] = {}
    for build, lacking in builds.items():
        by_lack.setdefault(lacking, []).append(build)
    return [
        f"{how} on {' and '.join(names)}{f', without {lacking}' if lacking else ''}"
        for lacking, names in by_lack.items()
    ]


def _in_full(reason: Reason) -> list[str]:
    text = reason.finding.text.strip("\n") or reason.unreported
    return [f"  {line}".rstrip() for line in text.split("\n")]


def _evidence_lines(answer: Answer) -> list[str]:
    """What stands behind the answers: what real kernels said of the same, and which versions rest on what."""
    place = answer.cells[0].place
    cells, context = recorded_for(answer.asked, place)
    by_kernel: dict[RecordedKernel, list[RecordedCell]] = {}
    for cell in cells:
        by_kernel.setdefault(cell.by, []).append(cell)
    lines = []
    if by_kernel:
        here = "in this context" if context in place.contexts else f"in {shown_name(context)}, which is as much of one"
        rows = [(f"  {_kernel_label(kernel)}", _said(recorded)) for kernel, recorded in by_kernel.items()]
        lines = [*_wrapped(f"real kernels were asked {here}, and said"), *aligned(rows)]
    rests: dict[Evidence, list[str]] = {}
    for one in answer.cells:
        if not one.missing:
            rests.setdefault(evidence_for(answer.asked, place, one.kernel), []).append(one.kernel.version)
    said = "; ".join(f"{evidence.value} ({version_ranges(versions)})" for evidence, versions in rests.items())
    return [*lines, *_wrapped(f"evidence besides the model's runs: {said}")]


def _kernel_label(kernel: RecordedKernel) -> str:
    name = kernel.name.partition("_")[0] if kernel.name[0].isupper() else kernel.name
    return f"{kernel.release} {name}{'' if kernel.checks else ' (no checks)'}"


def _said(cells: Iterable[RecordedCell]) -> str:
    return "; ".join(
        f"{cell.variant}: {cell.said or 'nothing'}{f' {cell.lock}' if cell.lock else ''}" for cell in cells
    )


# -- the end -----------------------------------------------------------------------------------------------------------


def _instead_lines(answer: Answer) -> list[str]:
    advice = advice_of(answer)
    return [line for one in advice for line in _wrapped(f"instead: {one.text} ({one.page})")]


def _missing_lines(cells: Iterable[Cell]) -> list[str]:
    by_text: dict[str, list[str]] = {}
    for cell in cells:
        if cell.missing:
            text = cell.missing.replace(cell.kernel.version, "it")
            by_text.setdefault(text, []).append(cell.kernel.version)
    return [
        line
        for text, versions in by_text.items()
        for line in _wrapped(f"not modelled on {version_ranges(versions)}: {text}")
    ]


def _tried_lines(cells: Sequence[Cell]) -> list[str]:
    tried = list(dict.fromkeys(case.condition.when for cell in cells for case in cell.cases))
    if not tried:
        return []
    kernels = plural(len({cell.kernel.key for cell in cells}), "kernel")
    return _wrapped(
        f"tried on {kernels}, as built and with every check: {', '.join(tried)}; one schedule each, in order of time"
    )


# -- each place --------------------------------------------------------------------------------------------------------


def _in_each_place(answer: Answer) -> list[str]:
    """A row for each context, a column for each kernel; and why, in a line for each."""
    by_place = {place: [cell for cell in answer.cells if cell.place == place] for place in answer.whole_places}
    kernels = list(dict.fromkeys(_kernel(cell) for cell in answer.cells))
    rows = [[" + ".join(place.names), *(cell.word for cell in cells)] for place, cells in by_place.items()]
    lines = [*_columns([["", *kernels], *rows]), ""]
    verdicts = {" + ".join(place.names): {cell.verdict for cell in cells} for place, cells in by_place.items()}
    for head, wanted in (("legal in", {Verdict.YES}), ("never in", {Verdict.NO})):
        names = [name for name, said in verdicts.items() if said == wanted]
        lines += _wrapped(f"{head}: {', '.join(names) or 'none of them'}")
    lines.append("")
    for place, cells in by_place.items():
        lines += [line for reason in reasons_for(cells)[:1] for line in _wrapped(_in_a_line(place, reason))]
    return [*lines, ""]


def _kernel(cell: Cell) -> str:
    return f"{cell.kernel.version}:{cell.kernel.build}"


def _in_a_line(place: Place, reason: Reason) -> str:
    said = reason.finding.title or reason.unreported
    chain = chain_text(reason, 4)
    return f"{' + '.join(place.names)}: {reason.condition}: {said}{f' ({chain})' if chain else ''}"
