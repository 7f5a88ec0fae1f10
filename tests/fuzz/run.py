"""`python tests/fuzz/run.py`: does anything that one can give to the program make it stumble?

    python tests/fuzz/run.py --cases 1000                 a thousand cases over all inputs
    python tests/fuzz/run.py --time 1h --seed 7           an hour of other ones
    python tests/fuzz/run.py --only recording             of one input; --list says which there are
    python tests/fuzz/run.py --again build/fuzz/000123    one that was found, once more

Each case is a changed sample or a drawn command line, tried in a forked child with limits on time and memory. Wrong is
a traceback, a hang, memory without bound, an exit code that does not fit, more or less than one line for what is bad,
a file or a process that is left. What is found is made smaller and kept with the command that repeats it.
Exit code 0 if nothing was found, 1 if something was.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(HERE))

from tests.fuzz.case import Case  # noqa: E402
from tests.fuzz.inputs import INPUTS, draw  # noqa: E402
from tests.fuzz.shrinking import shrunk  # noqa: E402
from tests.fuzz.trying import attempt, wrong_with  # noqa: E402

_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600}


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+)([smh]?)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text}: needs a time, such as 90s, 20m or 1h")
    return int(found[1]) * _UNITS[found[2]]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=500, help="how many (500)")
    parser.add_argument("--time", type=_seconds, help="for how long, instead: 90s, 20m, 1h")
    parser.add_argument("--seed", type=int, default=1, help="which ones (1)")
    parser.add_argument("--first", type=int, default=0, help="the number of the first case (0)")
    parser.add_argument("--only", choices=list(INPUTS), default="", help="of one input")
    parser.add_argument("--keep", type=Path, default=HERE / "build" / "fuzz", help="where findings go (build/fuzz)")
    parser.add_argument("--again", type=Path, metavar="DIR", help="one that was kept, once more")
    parser.add_argument("--list", action="store_true", help="the inputs")
    return parser.parse_args()


def _again(place: Path) -> int:
    case = Case.kept(place)
    ended = attempt(case)
    wrong = wrong_with(case, ended)
    print(f"{case.command()}\nexit code {ended.code}\n{ended.out}{ended.err}{wrong or 'nothing is wrong'}")
    return 1 if wrong else 0


def main() -> int:
    """Try cases; keep and name what is wrong."""
    options = _options()
    if options.list:
        print("\n".join(INPUTS))
        return 0
    if options.again:
        return _again(options.again)
    began, number, found = time.monotonic(), options.first, 0
    tried, codes = Counter[str](), Counter[int]()
    slowest = (0.0, "")
    while time.monotonic() - began < options.time if options.time else number < options.first + options.cases:
        case = draw(options.seed, number, options.only)
        ended = attempt(case)
        wrong = wrong_with(case, ended)
        tried[case.input] += 1
        codes[ended.code] += 1
        slowest = max(slowest, (ended.cpu_s, f"{number} {case.command()[:200]}"))
        if wrong:
            found += 1
            place = options.keep / f"{options.seed}-{number:06}{'-' + options.only if options.only else ''}"
            small = shrunk(case, wrong)
            small.keep(place, wrong)
            print(f"{case.input} {number}: {wrong}\n    sh {place}/again.sh", flush=True)
        number += 1
    took = time.monotonic() - began
    print(
        f"{number - options.first:,} cases in {took:.0f} s, {found} wrong: {dict(tried)}; "
        f"exit codes {dict(sorted(codes.items()))}"
    )
    print(f"the slowest took {slowest[0]:.1f} s of processor time: {slowest[1]}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
