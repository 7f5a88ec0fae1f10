"""Changes of valid samples: of their bytes, their lines, their words, and their numbers."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

NUMBERS: Final = (
    *("0", "-1", "1", "2", "7", "4096", "4294967296", "18446744073709551616", "-9223372036854775809", "9" * 30),
    *("9" * 4301, "1e9", "0x10", "1_0", "1.5", "nan", "inf", "\u0663", "\u00b2", "+1", "00", "", " ", "1" + "0" * 300),
)
WORDS: Final = (
    *("", " ", "x", "y", "n", "=", "==", ",", ":", ";", "-", "--", "..", "/", "\\", "'", '"', "%s", "{}", "{0}", "\0"),
    *(
        "\n",
        "\r",
        "\t",
        "\x1b[31m",
        "\u2028",
        "\ud800",
        "\U0001f600",
        "e\u0301",
        "None",
        "True",
        "__class__",
        "a" * 300,
    ),
    *("~", "$HOME", "*", "../../etc/passwd", "/dev/null", "/", ".", "<script>", "\u00df", "\u0130", "z" * 5000),
)
_NUMBER: Final = re.compile(rb"-?\d+")
_WORD: Final = re.compile(rb"[A-Za-z_]\w*")


def _as_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _bytes(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data) + 1)
    some = bytes(random.choice(b"\0\n\r\t \xff\x80=:,[](){}'\"#\\0a") for _ in range(random.randint(1, 4)))
    return data[:at] + some + data[at + random.randint(0, 4) :]


def _cut(random: Random, data: bytes) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _lines(random: Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    if not lines:
        return data
    first, second = random.randrange(len(lines)), random.randrange(len(lines))
    how = random.randrange(6)
    if how == 0:
        del lines[first : first + random.choice((1, 1, 2, 10))]
    elif how == 1:
        lines.insert(second, lines[first])
    elif how == 2:
        lines[first], lines[second] = lines[second], lines[first]
    elif how == 3:
        lines[first:first] = [lines[first]] * random.choice((2, 100, 3000))
    elif how == 4:
        lines[first] = lines[first].rstrip(b"\r\n")
    else:
        lines[first] = b"\n"
    return b"".join(lines)


def _replaced(random: Random, data: bytes, what: re.Pattern[bytes], by: Callable[[bytes], bytes]) -> bytes:
    found = list(what.finditer(data))
    if not found:
        return data
    hit = random.choice(found)
    return data[: hit.start()] + by(hit[0]) + data[hit.end() :]


def _number(random: Random, data: bytes) -> bytes:
    near = random.random() < 0.5

    def other(text: bytes) -> bytes:
        if near and len(text) < 20:
            return str(int(text) + random.choice((-1000, -1, 1, 2, 1000))).encode()
        return _as_bytes(random.choice(NUMBERS))

    return _replaced(random, data, _NUMBER, other)


def _word(random: Random, data: bytes) -> bytes:
    others = _WORD.findall(data)

    def other(text: bytes) -> bytes:
        how = random.randrange(4)
        if how == 0 and others:
            return random.choice(others)
        if how == 1:
            return text[:-1]
        return text + random.choice(others or [b"x"]) if how == 2 else _as_bytes(random.choice(WORDS))

    return _replaced(random, data, _WORD, other)


def _long(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data) + 1)
    return (
        data[:at]
        + random.choice((b"a", b"[", b"(", b" ", b"9", b"\t", b"{'")) * random.choice((300, 70_000))
        + data[at:]
    )


def _twice(random: Random, data: bytes) -> bytes:
    return data + data


CHANGES: Final[Sequence[Callable[[Random, bytes], bytes]]] = (
    *(_number, _number, _number, _word, _word, _lines, _lines, _lines, _bytes, _bytes, _cut, _long, _twice),
)


def changed(random: Random, data: bytes, *, most: int = 4) -> bytes:
    """The sample with a few changes; now and then without one."""
    for _ in range(random.randint(0, most)):
        data = random.choice(CHANGES)(random, data)
    return data


def changed_text(random: Random, text: str, *, most: int = 3) -> str:
    """The same of a text that goes where no NUL may, such as an argument."""
    return changed(random, _as_bytes(text), most=most).replace(b"\0", b"").decode("utf-8", "replace")


def packed(random: Random, data: bytes) -> bytes:
    """Plain, gzipped, or gzipped and damaged."""
    how = random.random()
    if how < 0.6:
        return data
    gzipped = gzip.compress(data, compresslevel=1, mtime=0)
    return gzipped if how < 0.85 else changed(random, gzipped, most=2)
