"""The tables of docs/trust.md about recordings: which decisions were compared, and which rules these exercise."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rcuactors.eras import ERAS
from tests.conform.exercised import DATA
from tests.conform.rules_watched import every_rule
from tests.conform.watched import Rule

JUDGED = DATA.with_name("judged.json")

Row = tuple[str, ...]
Markdown = Callable[[Row, Iterable[Row]], str]


def _read(path: Path) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return made


def _kernels() -> dict[str, Any]:
    """Those of which a recording was compared to its end."""
    return {kernel: made for kernel, made in _read(DATA).items() if made["recordings"].get("agrees")}


def decisions(markdown: Markdown) -> str:
    """How many of each kind were compared, all of them with the same result, by kernel."""
    kernels = _kernels()
    kinds = sorted({kind for made in kernels.values() for kind in made["decisions"]})
    rows = [
        (
            "recordings, all of whose decisions agree",
            *(str(made["recordings"].get("agrees", 0)) for made in kernels.values()),
        )
    ]
    rows += [(kind, *(_number(made["decisions"].get(kind)) for made in kernels.values())) for kind in kinds]
    rows.append(("all", *(_number(sum(made["decisions"].values())) for made in kernels.values())))
    return markdown(("decisions", *kernels), rows)


def _number(number: int | None) -> str:
    return f"{number:,}" if number else ""


def exercised(markdown: Markdown) -> str:
    """Of each rule that recordings exercise: how often, and in how many of them."""
    kernels = _kernels()
    rows = [
        (part, rule.about, *(_often(rule, made) for made in kernels.values()))
        for part, rule in every_rule()
        if any(rule.about in made["rules"] for made in kernels.values())
    ]
    return markdown(("part", "rule", *kernels), rows)


def _often(rule: Rule, made: dict[str, Any]) -> str:
    if not rule.is_of(ERAS[made["version"]].rules.kvfree):
        return "-"
    times, within = made["rules"].get(rule.about, (0, 0))
    return f"{times:,} in {within}" if times else "never"


def untested(markdown: Markdown) -> str:
    """The rules that no recording exercises, and the versions that have them."""
    kernels = _kernels()
    rows = []
    for part, rule in every_rule():
        if not any(rule.about in made["rules"] for made in kernels.values()):
            versions = [name for name, era in ERAS.items() if rule.is_of(era.rules.kvfree)]
            rows.append((part, rule.about, "all" if len(versions) == len(ERAS) else ", ".join(versions)))
    return markdown(("part", "rule", "versions"), rows)


def judged(markdown: Markdown) -> str:
    """Of recordings with one line changed: how many were found, by what was done to it."""
    made = _read(JUDGED)
    rows = [(kind, _number(changed), _number(found)) for kind, (changed, found) in made["kinds"].items()]
    rows.append(("all", *(_number(sum(pair[index] for pair in made["kinds"].values())) for index in (0, 1))))
    return markdown(("what was changed", "recordings", "found"), rows)


def missed(markdown: Markdown) -> str:
    """Those that were not found, each with the reason why it is another possible run."""
    rows = [
        (f"`{one['recording']}`", str(one["line"]), one["kind"], f"`{one['event']}`", one["why"])
        for one in _read(JUDGED)["missed"]
    ]
    return markdown(("recording", "line", "change", "event", "why it is another possible run"), rows)
