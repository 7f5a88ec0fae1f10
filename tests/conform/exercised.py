"""How often recordings exercise each rule of kvfree_rcu(): counted while they are explained, and held as data.

`python tests/conform/exercised.py --recordings FOLDER ... [--log FILE] [--largest BYTES] [--jobs N]` takes
recordings, and counts in those that agree with every decision. A rule counts where it had a say on the way to the state
that is left in the end: that is one explanation of the recording, of several that may be. With a log that is there
already, recordings that it has are not looked at again.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Final

import attrs

from rcuactors.conform.conformance import conform_told
from rcuactors.conform.explain import Explainer
from rcuactors.conform.lines import Told, read
from rcuactors.conform.operations import Driver, Operation
from rcuactors.conform.state import State
from rcuactors.eras import find_era
from rcuactors.eras.era import Era
from rcuactors.errors import BadInput
from rcuactors.lab.jobs import do_all
from rcuactors.traces import Trace

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.conform.judged import LARGEST, found_in
from tests.conform.rules_watched import every_rule
from tests.conform.watched import Rule

DATA: Final = Path(__file__).parents[1] / "data" / "conform" / "exercised.json"
VERSIONS: Final = {"6.1": "v6.1-stable", "6.12": "v6.12"}


class Watch:
    """Which of the rules' lines are come by."""

    def __init__(self, era: Era) -> None:
        self._at: dict[str, dict[int, list[tuple[int, Rule]]]] = {}
        for number, (_part, rule) in enumerate(every_rule()):
            if rule.is_of(era.rules.kvfree):
                name, line = rule.place()
                self._at.setdefault(name, {}).setdefault(line, []).append((number, rule))
        self.hits: Counter[int] = Counter()

    def begins(self) -> None:
        """From now on."""
        self.hits = Counter()
        sys.settrace(self._called)

    def ends(self) -> Counter[int]:
        """Which they were."""
        sys.settrace(None)
        return self.hits

    def _called(self, frame: FrameType, _event: str, _what: Any) -> Any:
        lines = self._at.get(frame.f_code.co_filename)
        if lines is None:
            return None
        # A coroutine that goes on is in the middle of a line, which may be told once more.
        resumed = frame.f_lineno

        def comes_by(here: FrameType, event: str, _what: Any) -> Any:
            nonlocal resumed
            if event == "line":
                number, was = here.f_lineno, resumed
                resumed = -1
                if number in lines and number != was:
                    for index, rule in lines[number]:
                        if rule.only is None or rule.only(here.f_locals):
                            self.hits[index] += 1
            return comes_by

        return comes_by


@attrs.frozen(eq=False)
class Step:
    """What came by in a step of some operation, behind those before it."""

    before: Any
    hits: Counter[int]


class WatchedDriver(Driver):
    """Tells what each operation came by in its last step."""

    def __init__(self, explainer: Explainer, watch: Watch) -> None:
        super().__init__(explainer.place, explainer.registers, explainer.expecter)
        self.watch = watch
        self.came_by: dict[int, Counter[int]] = {}

    def step(self, op: Operation, cpu_id: int, clock: int) -> str:
        if op.coroutine is None:
            self.make_again(op)
        self.watch.begins()
        try:
            return super().step(op, cpu_id, clock)
        finally:
            self.came_by[id(op)] = self.came_by.get(id(op), Counter()) + self.watch.ends()


class WatchedExplainer(Explainer):
    """Knows of each state how it came about."""

    def __init__(self, told: Told, era: Era) -> None:
        super().__init__(told, era)
        self.watched = self.driver = WatchedDriver(self, Watch(era))
        self._depth = 0

    def _step(self, state: State, ctx: tuple[str, int]) -> list[State]:
        if not self._depth:
            self.watched.came_by.clear()
        self._depth += 1
        states = super()._step(state, ctx)  # which may make the next one, too
        self._depth -= 1
        for after in states:
            op = after.top(ctx)
            hits = self.watched.came_by.pop(id(op), None)
            if hits:
                after.trail = Step(after.trail, hits)
        return states

    def exercised(self) -> Counter[int]:
        """What came by on the way to one of the states that are left, for each CPU."""
        total: Counter[int] = Counter()
        todo: list[Any] = [factor.states[0].trail for factor in self.factors if factor.states]
        seen: set[int] = set()
        while todo:
            trail = todo.pop()
            if isinstance(trail, tuple):
                todo += trail
            elif isinstance(trail, Step) and id(trail) not in seen:
                seen.add(id(trail))
                total += trail.hits
                todo.append(trail.before)
        return total


@attrs.frozen
class Watched:
    """One recording, for whichever process takes it."""

    path: Path

    def do(self) -> dict[str, Any]:
        """Explain it: its verdict, its kernel, and how often what was decided in it."""
        try:
            told = read(Trace(str(self.path)))
        except BadInput:
            return {"verdict": "bad input"}
        version = VERSIONS.get(kernel_of(told.header.kernel).split(" ", 1)[0], "")
        if not version:
            return {"verdict": "another kernel"}
        made: list[WatchedExplainer] = []

        def make(told: Told, era: Era) -> Explainer:
            made.append(WatchedExplainer(told, era))
            return made[-1]

        answer = conform_told(told, find_era(version), make=make)
        rules: Counter[int] = Counter()
        if answer.exit_code == 0:
            for one in made:
                rules += one.exercised()
        names = [rule.about for _part, rule in every_rule()]
        return {
            "verdict": ("agrees", "disagrees", "undecided")[answer.exit_code],
            "kernel": kernel_of(told.header.kernel),
            "version": version,
            "decisions": dict(sorted(answer.compared.items())),
            "rules": {names[index]: number for index, number in sorted(rules.items())},
        }


def kernel_of(header: str) -> str:
    """What a recording's kernel is called in the table."""
    words = re.search(r"\b(\d+\.\d+)\.\d", header)
    release = words[1] if words else header
    if "PREEMPT_RT" in header:
        return f"{release} PREEMPT_RT"
    return f"{release} with lockdep" if "lockdep" in header and "no lockdep" not in header else release


def summed(answers: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """By kernel: recordings by verdict; decisions by kind; of each rule how often, and in how many recordings."""
    kernels: dict[str, dict[str, Any]] = {}
    for name, answer in sorted(answers.items()):
        if "kernel" not in answer:
            continue
        made = kernels.setdefault(
            answer["kernel"], {"version": answer["version"], "recordings": {}, "decisions": {}, "rules": {}, "not": []}
        )
        verdict = answer["verdict"]
        made["recordings"][verdict] = made["recordings"].get(verdict, 0) + 1
        if verdict != "agrees":
            made["not"].append(name)
            continue
        for kind, number in answer["decisions"].items():
            made["decisions"][kind] = made["decisions"].get(kind, 0) + number
        for rule, number in answer["rules"].items():
            times, within = made["rules"].get(rule, (0, 0))
            made["rules"][rule] = (times + number, within + 1)
    return {
        kernel: {key: dict(sorted(part.items())) if isinstance(part, dict) else part for key, part in made.items()}
        for kernel, made in sorted(kernels.items())
    }


def main(words: Sequence[str]) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=Path, action="append", required=True, metavar="FOLDER")
    parser.add_argument("--data", type=Path, default=DATA, help="What the documentation's tables are made of.")
    parser.add_argument("--log", type=Path, help="One line a recording: those that it has are not looked at again.")
    parser.add_argument("--largest", type=int, default=LARGEST, metavar="BYTES")
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args(words)
    answers: dict[str, dict[str, Any]] = {}
    if asked.log is not None and asked.log.exists():
        for line in asked.log.read_text().splitlines():
            answers.update(json.loads(line))
    paths = [path for path in found_in(asked.recordings, asked.largest) if _name(path) not in answers]
    for number, answer in do_all(Watched.do, [Watched(path) for path in paths], asked.jobs):
        answers[_name(paths[number])] = answer
        if asked.log is not None:
            with asked.log.open("a") as file:
                file.write(json.dumps({_name(paths[number]): answer}) + "\n")
    asked.data.write_text(json.dumps(summed(answers), indent=1) + "\n")
    return 0


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
