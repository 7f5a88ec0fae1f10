"""Protobuf's outermost layers, which are put together of messages that are bytes already."""

from __future__ import annotations

from typing import Final

_LENGTH_DELIMITED: Final = 2
_ONE_BYTE: Final = 0x80
_SMALL: Final = tuple(bytes((number,)) for number in range(_ONE_BYTE))


def varint(number: int) -> bytes:
    """A number, seven bits a byte, the lowest first."""
    if number < _ONE_BYTE:
        return _SMALL[number]
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def field(number: int, message: bytes) -> bytes:
    """A field that holds a message."""
    return varint(number << 3 | _LENGTH_DELIMITED) + varint(len(message)) + message
