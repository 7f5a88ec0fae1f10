"""Every input of the program, and how a case of it is made. A new one joins by a line in `INPUTS`.

Commands, options and arguments need no line: `options` asks the program which there are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Final

import attrs

from rcuactors.questions.words import VERBS

from . import changing, hostile, samples, words
from .case import ANY, STRANGE, WRONG, Case

_SHORT: Final = ("--max-steps", "20000")
_MANY: Final = 50
_TALKATIVE: Final = ("conform", "describe", "campaign", "compare", "explore")
"""Commands that say more than a line on stderr: something of each recording, or what was found so far."""
_LARGE: Final = re.compile(r"\d{4,12}")
_COSTLY: Final[Mapping[str, Mapping[str, str]]] = {
    "compare": {"--designs": "direct", "--kernels": "v5.9", "--seeds": "1", "--jobs": "1"},
    "campaign": {"--runs": "2", "--jobs": "1"},
    "matrix": {"--op": "raw_spin_lock", "--context": "process", "--jobs": "1"},
    "may": {"--in": "spin_lock", "--kernels": "v6.12:rt"},
    "selftest": {"--": "no such argument"},
    "explore": {"--schedules": "20", "--jobs": "1"},
    "selfcheck": {"--programs": "1", "--kernel": "v6.12", "--jobs": "1"},
}
"""What keeps a command short that would otherwise do all that there is, where a case does not say it otherwise."""


@attrs.frozen
class Input:
    """An input: who makes a case of it, and how many of a hundred cases are of it."""

    make: Callable[[Random], Case]
    share: int


def _lines_of(command: Sequence[str]) -> int:
    return _MANY if {*command} & {*_TALKATIVE} else 1


def _options(random: Random) -> Case:
    path, command = random.choice(list(words.commands()))
    said = [(one, words.arguments_for(random, one, some=random.random() < 0.35)) for one in command.params]
    picked = [word for _, named in said for word in named]
    given = [word.text for word in picked]
    shuffled = random.random() < 0.1
    if shuffled:
        random.shuffle(given)
    kept_short = _COSTLY.get(path[-1], {})
    front = [text for option, value in kept_short.items() if option not in given for text in (option, value)]
    if kept_short and any(one.name == "scenarios" and not named for one, named in said):
        front.append("tidy.py")
    if any("--max-steps" in one.opts and not named for one, named in said):
        front += _SHORT
    return Case(
        input="options",
        args=(*path, *front, *given),
        files=samples.all_of_them(),
        codes=WRONG if any(word.wrong for word in picked) and not shuffled else ANY,
        writes_any=True,
        lines=_lines_of(path),
    )


def _words(random: Random) -> Case:
    known = [word for path, _ in words.commands() for word in path]
    some = [
        random.choice((*known, "-h", "--help", "--version", "--json", "-v", "--", *changing.WORDS)) for _ in range(3)
    ]
    args = tuple(changing.changed_text(random, word, most=1) for word in some[: random.randint(0, 3)])
    long = any(word in args for word in _COSTLY)
    return Case(input="words", args=(*args, "no such word") if long else args, writes_any=True, lines=_MANY)


def _settings(random: Random) -> Case:
    kind = words.OF_METAVAR["NAME=VALUE"]
    picked = [kind.draw(random) for _ in range(random.randint(1, 3))]
    own = random.choice(("objects=5", "objects=x", "careful=maybe", "text=", f"text={random.choice(changing.WORDS)}"))
    more = [own.replace("\0", "")] if random.random() < 0.3 else []
    args = [text for setting in [*(word.text for word in picked), *more] for text in ("--set", setting)]
    names = [word.text.partition("=")[0] for word in picked]
    # Of two values for a name, the last one counts.
    wrong = any(word.wrong for word in picked) and len(set(names)) == len(names)
    kernel = random.choice(words.OF_METAVAR["VERSION"].good)
    return Case(
        input="settings",
        args=("run", "tidy.py", "--kernel", kernel, *_SHORT, *args),
        files={"tidy.py": samples.TIDY},
        codes=WRONG if wrong else ANY,
    )


def _costs(random: Random) -> Case:
    text = changing.changed(random, samples.COSTS)
    return Case(
        input="costs", args=("run", "tidy.py", *_SHORT, "--costs", "c"), files={"tidy.py": samples.TIDY, "c": text}
    )


def _recording(random: Random) -> Case:
    name = random.choice((samples.BARRIER, samples.BARRIER, samples.MIXED, samples.COLD, samples.RT, samples.WORKLOAD))
    data = changing.packed(random, changing.changed(random, samples.recording(name)))
    command = random.choice(("replay", "describe", "conform", "conform"))
    args = [command, "recording"]
    if command == "replay":
        args += _SHORT
    if command == "conform":
        args += random.choice(
            ((), ("--keep-going",), ("--from-line", str(random.randrange(200))), ("--kernel", "v6.1-stable"))
        )
    if random.random() < 0.2:
        args += ["--json"]
    return Case(input="recording", args=tuple(args), files={"recording": data}, lines=_lines_of(args))


def _matrix(random: Random) -> Case:
    text = changing.changed(random, samples.matrix())
    args = ("lockdep", "matrix", "--jobs", "1", "--op", "raw_spin_lock", "--context", "process", "--against", "m.csv")
    return Case(input="matrix", args=args, files={"m.csv": text})


def _question_text(random: Random) -> str:
    verb = random.choice(list(VERBS.values()))
    text = verb.name
    often = [key for key in verb.keys if _LARGE.fullmatch(key.default)]
    for key in {*often, *random.sample(verb.keys, min(len(verb.keys), random.randint(0, 3)))}:
        values = key.values or (str(key.low), "1", "2", key.default)
        text += f" {key.name}={random.choice(values)}"
    return text


def _question(random: Random) -> Case:
    text = _question_text(random)
    if random.random() < 0.6:
        text = changing.changed_text(random, text)
    # Real kernels were asked for some things 100,000 times, which is nobody's hang.
    text = _LARGE.sub("100", text)
    kernel = random.choice(words.OF_METAVAR["VERSION"].good[2:])
    how = ("--as", random.choice("ARNK")) if random.random() < 0.5 else ()
    return Case(input="question", args=("lockdep", "ask", "--kernel", kernel, *how, "--", text))


def _call(random: Random) -> Case:
    text = changing.changed_text(random, random.choice(words.CALLS.good))
    contexts = [word for _ in range(random.randint(1, 2)) for word in ("--in", words.OF_NAME["--in"].draw(random).text)]
    return Case(input="call", args=("may", *contexts, "--kernels", "v6.12:prove", "--", text))


def _answers(random: Random) -> Case:
    files = {
        name: data if random.random() < 0.5 else changing.changed(random, data)
        for name, data in samples.asked().items()
    }
    return Case(input="answers", args=("lockdep", "ask", "--all", "--jobs", "1", "--against", "asked"), files=files)


def _scenario(random: Random) -> Case:
    sample = random.choice((samples.TIDY, samples.TWICE, samples.MANY))
    text = changing.changed(random, sample)
    command = random.choice((("run",), ("run", "--json"), ("campaign", "--runs", "1", "--jobs", "1")))
    return Case(input="scenario", args=(*command, "s.py", *_SHORT), files={"s.py": text}, lines=_lines_of(command))


def _design(random: Random) -> Case:
    text = changing.changed(random, samples.OWN_DESIGN) if random.random() < 0.5 else hostile.design(random)
    command = random.choice((("run", "tidy.py"), ("campaign", "--runs", "1", "--jobs", "1", "tidy.py")))
    files = {"d.py": text, "tidy.py": samples.TIDY}
    args = (*command, *_SHORT, "--design", "d.py")
    return Case(input="design", args=args, files=files, codes=STRANGE, lines=_lines_of(command))


def _hostile(random: Random) -> Case:
    json = ("--json",) if random.random() < 0.3 else ()
    text = hostile.scenario(random)
    # What it prints goes to stderr there.
    lines = _MANY if json and b"print" in text else 1
    return Case(input="hostile", args=("run", "h.py", *_SHORT, *json), files={"h.py": text}, codes=STRANGE, lines=lines)


def _run_spec(random: Random) -> Case:
    text = changing.changed(random, samples.run_spec().encode()).decode("utf-8", "replace")
    return Case(input="run-spec", args=(text,), reader="rcuactors.runs.spec:RunSpec.from_json")


def _schedule(random: Random) -> Case:
    text = changing.changed(random, samples.schedule().encode())
    command = random.choice((("replay-schedule", "f.json"), ("shrink", "f.json", "--out", "less.json")))
    beside = ("loses.py",) if random.random() < 0.9 else ()
    json = ("--json",) if command[0] == "replay-schedule" and random.random() < 0.3 else ()
    files = {"f.json": text, "loses.py": samples.LOSES}
    return Case(input="schedule", args=(*command, *beside, *json), files=files, writes_any=True)


def _exploring(random: Random) -> Case:
    text = samples.LOSES if random.random() < 0.3 else changing.changed(random, samples.LOSES)
    strategies = [words.OF_NAME["--strategy"].draw(random).text for _ in range(random.randint(0, 2))]
    how = [word for strategy in strategies for word in ("--strategy", strategy)]
    more = random.choice(((), ("--keep-going",), ("--out", "found"), ("--json",), ("--seed", "7")))
    args = ("explore", "s.py", *_SHORT, "--schedules", "20", "--jobs", "1", *how, *more)
    return Case(input="exploring", args=args, files={"s.py": text}, writes_any=True, lines=_MANY)


_VARIABLES: Final = {
    "COLUMNS": ("0", "-1", "x", "1", "99999999999999"),
    "LINES": ("0", "x"),
    "TERM": ("", "dumb", "no such terminal", "xterm-256color"),
    "NO_COLOR": ("", "1"),
    "FORCE_COLOR": ("1", "x"),
    "LC_ALL": ("C", "tr_TR.UTF-8", "no_such", ""),
    "PYTHONIOENCODING": ("ascii", "latin-1", "utf-16"),
    "TMPDIR": ("/no/such/place", ""),
    "HOME": ("", "/no/such/place"),
    "RCUACTORS_INVARIANTS": ("y", "maybe", ""),
    "PYTHONHASHSEED": ("0", "42"),
    "PYTHONOPTIMIZE": ("1", "2"),
}


def _environment(random: Random) -> Case:
    chosen = random.sample(sorted(_VARIABLES), random.randint(1, 4))
    args = random.choice(
        (("run", "twice.py"), ("list", "kernels"), ("run", "\u00e9.py"), ("describe", "barrier.txt"), ("--help",))
    )
    return Case(
        input="environment",
        args=args,
        files=samples.all_of_them(),
        environment={name: random.choice(_VARIABLES[name]) for name in chosen},
        fresh=True,
    )


INPUTS: Final[Mapping[str, Input]] = {
    "options": Input(_options, 25),
    "words": Input(_words, 4),
    "settings": Input(_settings, 14),
    "costs": Input(_costs, 6),
    "recording": Input(_recording, 16),
    "matrix": Input(_matrix, 5),
    "question": Input(_question, 9),
    "call": Input(_call, 4),
    "answers": Input(_answers, 3),
    "scenario": Input(_scenario, 8),
    "hostile": Input(_hostile, 7),
    "design": Input(_design, 6),
    "run-spec": Input(_run_spec, 6),
    "environment": Input(_environment, 1),
    "schedule": Input(_schedule, 9),
    "exploring": Input(_exploring, 4),
}
"""What the program reads, by name."""


def draw(seed: int, number: int, only: str = "") -> Case:
    """The case of that number, always the same one."""
    random = Random(f"{seed}/{number}/{only}")
    name = only or random.choices(list(INPUTS), [one.share for one in INPUTS.values()])[0]
    return INPUTS[name].make(random)
