"""Events taken apart into fields, by the patterns of the catalogue."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from typing import Final

import attrs

from ..engine.events import Event
from .catalogue import OTHER_SYSTEM, PATTERNS, TABLES

Value = int | str


class Kind(enum.Enum):
    """What a field holds, and how it is printed."""

    DECIMAL = "%lld"
    PADDED = "%03lld"
    HEX = "0x%llx"
    ADDRESS = "%016llx"
    SYMBOL = "%ps"
    STRING = "%s"
    COMM = "%.15s"
    WORD = "a word for a number"


@attrs.frozen
class Field:
    """One field of a tracepoint. `table` is that of its words, for one that has some."""

    name: str
    kind: Kind
    table: str = ""


@attrs.frozen(eq=False)
class Shape:
    """What all events of one form have in common. `pattern` is that of their text, with its fields in braces.

    One tracepoint has several where its text may look differently: an address in one line and a symbol in another.
    """

    system: str
    name: str
    pattern: str
    fields: tuple[Field, ...]

    def pieces(self) -> list[str]:
        """The pattern's text around its fields: one piece more than there are fields."""
        return _BRACES.split(self.pattern)[::2]


_BRACES: Final = re.compile(r"\{([^}]*)\}")
_DECIMAL: Final = re.compile(r"0|-?[1-9][0-9]{0,17}")
_PADDED: Final = re.compile(r"0[0-9]{2}|[1-9][0-9]{2,17}")
_HEX: Final = re.compile(r"0x(?:0|[1-9a-f][0-9a-f]{0,15})")
_ADDRESS: Final = re.compile(r"[0-9a-f]{16}")
_SYMBOL: Final = re.compile(r"[A-Za-z_][\w.]*", re.ASCII)
_LONGEST_COMM: Final = 15

_WORDS: Final = {
    "text": r"(.*)",
    "comm": r"(.{1,15})",
}
_TEXT: Final = "{text:text}"


def _at(text: str) -> tuple[Kind, Value]:
    if _HEX.fullmatch(text):
        return Kind.HEX, int(text, 16)
    if _ADDRESS.fullmatch(text):
        return Kind.ADDRESS, int(text, 16)
    return (Kind.SYMBOL if _SYMBOL.fullmatch(text) else Kind.STRING), text


def _number(text: str) -> tuple[Kind, Value]:
    if _DECIMAL.fullmatch(text):
        return Kind.DECIMAL, int(text)
    return (Kind.HEX, int(text, 16)) if _HEX.fullmatch(text) else (Kind.STRING, text)


def _padded(text: str) -> tuple[Kind, Value]:
    return (Kind.PADDED, int(text)) if _PADDED.fullmatch(text) else (Kind.STRING, text)


def _comm(text: str) -> tuple[Kind, Value]:
    return (Kind.COMM if len(text.encode(errors="replace")) <= _LONGEST_COMM else Kind.STRING), text


def _string(text: str) -> tuple[Kind, Value]:
    return Kind.STRING, text


def _word_of(table: str) -> Callable[[str], tuple[Kind, Value]]:
    words = TABLES[table]

    def look_up(text: str) -> tuple[Kind, Value]:
        return (Kind.WORD, words[text]) if text in words else (Kind.STRING, text)

    return look_up


_READ: Final[dict[str, Callable[[str], tuple[Kind, Value]]]] = {
    "": _string,
    "text": _string,
    "at": _at,
    "n": _number,
    "n3": _padded,
    "comm": _comm,
    **{table: _word_of(table) for table in TABLES},
}


@attrs.define(eq=False)
class _Pattern:
    """One pattern, ready to be tried."""

    system: str
    event: str
    pattern: str
    matches: re.Pattern[str]
    names: tuple[tuple[str, str], ...]
    """Of the fields: the name, and the kind as the pattern has it."""
    reads: tuple[Callable[[str], tuple[Kind, Value]], ...]
    shapes: dict[tuple[Kind, ...], Shape] = attrs.field(factory=dict)

    def shape(self, kinds: tuple[Kind, ...]) -> Shape:
        """The shape of those whose fields are of these kinds."""
        known = self.shapes.get(kinds)
        if known is None:
            fields = tuple(
                Field(name, kind, said if kind is Kind.WORD else "")
                for (name, said), kind in zip(self.names, kinds, strict=True)
            )
            known = self.shapes[kinds] = Shape(self.system, self.event, self.pattern, fields)
        return known


def _pattern(system: str, event: str, pattern: str) -> _Pattern:
    pieces = _BRACES.split(pattern)
    names = tuple((name, kind) for name, _, kind in (piece.partition(":") for piece in pieces[1::2]))
    source = re.escape(pieces[0])
    for (_, kind), literal in zip(names, pieces[2::2], strict=True):
        # What may hold no space ends before the literal that comes next.
        source += _WORDS.get(kind, r"(\S*?)" if literal else r"(\S*)") + re.escape(literal)
    return _Pattern(system, event, pattern, re.compile(source), names, tuple(_READ[kind] for _, kind in names))


_EXACT: Final[dict[Kind, tuple[str, Callable[[str], Value]]]] = {
    Kind.DECIMAL: (f"({_DECIMAL.pattern})", int),
    Kind.PADDED: (f"({_PADDED.pattern})", int),
    Kind.COMM: (_WORDS["comm"], str),
    Kind.HEX: (f"({_HEX.pattern})", lambda text: int(text, 16)),
    Kind.ADDRESS: (f"({_ADDRESS.pattern})", lambda text: int(text, 16)),
    Kind.SYMBOL: (f"((?!{_ADDRESS.pattern}(?![\\w.])){_SYMBOL.pattern})", str),
}


@attrs.frozen(eq=False)
class _Again:
    """A shape that has come before, for texts that fit it: numbers and words are known by the look of them.

    For texts of ASCII only: there as many characters are as many bytes, and a task's name is no longer than it looks.
    """

    shape: Shape
    matches: re.Pattern[str]
    reads: tuple[Callable[[str], Value], ...]


def _again(pattern: _Pattern, shape: Shape) -> _Again | None:
    """None where the look of a value does not tell its kind."""
    source, pieces, reads = "", shape.pieces(), []
    for field, (_, said), literal in zip(shape.fields, pattern.names, pieces, strict=False):
        exact, read = _EXACT.get(field.kind, ("", str))
        if field.kind is Kind.WORD:
            words = TABLES[field.table]
            exact, read = f"({'|'.join(map(re.escape, sorted(words, key=len, reverse=True)))})", words.__getitem__
        if field.kind is Kind.STRING and said in ("", "text"):
            exact = "(.*)" if said else r"(\S*)"
        if not exact:
            return None
        source += re.escape(literal) + exact
        reads.append(read)
    return _Again(shape, re.compile(source + re.escape(pieces[-1])), tuple(reads))


@attrs.define(eq=False)
class Fields:
    """Takes events apart. What it keeps grows with the number of different events, not with their count."""

    _patterns: dict[str, tuple[_Pattern, ...]] = attrs.field(factory=dict)
    _again: dict[str, _Again] = attrs.field(factory=dict)
    """By event: the shape that came last."""

    def of(self, event: Event) -> tuple[Shape, list[Value]]:
        """The event's shape, and the values of its fields, in order."""
        again = self._again.get(event.name)
        if again is not None and event.text.isascii() and (found := again.matches.fullmatch(event.text)) is not None:
            return again.shape, [read(text) for read, text in zip(again.reads, found.groups(), strict=False)]
        return self._look(event)

    def _look(self, event: Event) -> tuple[Shape, list[Value]]:
        patterns = self._patterns.get(event.name)
        if patterns is None:
            patterns = self._patterns[event.name] = _patterns_of(event.name)
        for pattern in patterns:
            found = pattern.matches.fullmatch(event.text)
            if found is not None:
                read = [read(text) for read, text in zip(pattern.reads, found.groups(), strict=True)]
                shape = pattern.shape(tuple([kind for kind, _ in read]))
                # What fits everything would keep others from theirs.
                last = pattern is patterns[-1] and len(patterns) > 1
                if not last and (again := _again(pattern, shape)) is not None:
                    self._again[event.name] = again
                return shape, [value for _, value in read]
        raise AssertionError("the last pattern fits everything")


def _patterns_of(event: str) -> tuple[_Pattern, ...]:
    for system, events in PATTERNS.items():
        if event in events:
            return tuple(_pattern(system, event, pattern) for pattern in (*events[event], _TEXT))
    return (_pattern(OTHER_SYSTEM, event, _TEXT),)
