"""Words in messages: names that do not exist, with the one that was probably meant; and numbers of things."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from .errors import BadInput


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """Return 'did you mean NAME? ' when one of the names is close in any case of letters, else nothing."""
    folded = {name.casefold(): name for name in names}
    close = get_close_matches(word.casefold(), folded, n=1)
    return f"did you mean {folded[close[0]]}? " if close else ""


def no_such(
    what: str, word: str, names: Iterable[str], *, wrong: str = "", there: str | None = None, meant: str = ""
) -> BadInput:
    """The error for a name that does not exist: `kernel v5.1: did you mean v5.11? there are v5.9, v5.11`.

    `wrong` is said first. `there` says what there is, where that is more than `names`; `meant` is what was meant, where
    that is none of them.
    """
    known = list(names)
    subject = f"{what} {word}" if what else word
    hint = f"did you mean {meant}? " if meant else did_you_mean(word, known)
    listed = there if there is not None else f"there are {', '.join(known)}" if known else "there are none"
    return BadInput(f"{subject}: {wrong}{'; ' if wrong else ''}{hint}{listed}")


def one_of(words: Iterable[object]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    *others, last = [str(word) for word in words]
    return f"{', '.join(others)} or {last}" if others else last


def counted(count: int, singular: str, plural: str = "") -> str:
    """`1 lock`, `2 locks`, as the kernel writes numbers. `plural` is given where an `s` at the end will not do."""
    return f"{count} {singular if count == 1 else plural or f'{singular}s'}"


def plural(count: int, singular: str, plural: str = "") -> str:
    """The same as people read numbers: `1 page`, `2,000 pages`."""
    return f"{count:,} {counted(count, singular, plural).partition(' ')[2]}"
