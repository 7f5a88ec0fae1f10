"""Protobuf's layers, of messages that are put together by hand: fields' tags, numbers, lengths.

There are tens of messages for each of the model's calls. A message of the package that is used again and again keeps
the memory of all that was ever in it, and a new one for each costs several times as much as this.
"""

from __future__ import annotations

from typing import Any, Final

VARINT: Final = 0
_FIXED64: Final = 1
_LENGTH_DELIMITED: Final = 2
_FIXED64_TYPES: Final = (1, 6, 16)
_LENGTH_DELIMITED_TYPES: Final = (9, 11, 12)
VARINT_TYPES: Final = (3, 4, 5, 8, 13, 14)
"""By FieldDescriptor.type: int64, uint64, int32, bool, uint32, enum."""

_ONE_BYTE: Final = 0x80
_SIXTY_FOUR: Final = (1 << 64) - 1


_SMALL: Final = tuple(bytes((number,)) for number in range(_ONE_BYTE))
_MORE: Final = tuple(bytes((number | _ONE_BYTE,)) for number in range(_ONE_BYTE))
"""Seven bits with which a number ends, and with which it does not."""

KNOWN: Final = 2048
VARINTS: Final = tuple(
    _SMALL[number] if number < _ONE_BYTE else _MORE[number & 0x7F] + _SMALL[number >> 7] for number in range(KNOWN)
)
"""The numbers below that, as which most lengths are."""


def varint(number: int) -> bytes:
    """A number, seven bits a byte, the lowest first; a negative one as 64 bits."""
    if 0 <= number < KNOWN:
        return VARINTS[number]
    if number < 0:
        number &= _SIXTY_FOUR
    return (
        _MORE[number & 0x7F] + _MORE[number >> 7 & 0x7F] + varint(number >> 14)
        if number >> 14
        else (_MORE[number & 0x7F] + _SMALL[number >> 7])
    )


def field(number: int, message: bytes) -> bytes:
    """A field that holds a message."""
    return sized(varint(number << 3 | _LENGTH_DELIMITED), message)


def sized(tag: bytes, message: bytes) -> bytes:
    """A field with this tag that holds a message, or a text."""
    size = len(message)
    return tag + (VARINTS[size] if size < KNOWN else varint(size)) + message


def tag_of(descriptor: Any) -> bytes:
    """The tag of a field of the schema."""
    kind = descriptor.type
    wire = _LENGTH_DELIMITED if kind in _LENGTH_DELIMITED_TYPES else _FIXED64 if kind in _FIXED64_TYPES else VARINT
    return varint(descriptor.number << 3 | wire)


def tags_of(message: Any) -> dict[str, bytes]:
    """The tags of all fields of a message of the schema, by name."""
    return {one.name: tag_of(one) for one in message.DESCRIPTOR.fields}
