"""context/lockdep/usage.py: the numbering of usage bits, and which exclude each other."""

from __future__ import annotations

import pytest

from rcuactors.context.lockdep.usage import (
    BITS,
    ENABLED_BIT,
    bit_name,
    exclusive_mask,
    find_exclusive_match,
    get_usage_chars,
    usage_bit,
)


def test_the_names_are_the_kernels() -> None:
    assert [bit_name(bit) for bit in BITS] == [
        "IN-HARDIRQ-W",
        "IN-HARDIRQ-R",
        "HARDIRQ-ON-W",
        "HARDIRQ-ON-R",
        "IN-SOFTIRQ-W",
        "IN-SOFTIRQ-R",
        "SOFTIRQ-ON-W",
        "SOFTIRQ-ON-R",
    ]
    assert bit_name(usage_bit(1, enabled=True, read=False)) == "SOFTIRQ-ON-W"


@pytest.mark.parametrize(
    ("names", "chars"),
    [
        ((), "...."),
        (("IN-HARDIRQ-W",), "-..."),
        (("HARDIRQ-ON-W", "SOFTIRQ-ON-W"), "+.+."),
        (("IN-HARDIRQ-R", "HARDIRQ-ON-R"), ".?.."),
        (("IN-SOFTIRQ-R", "SOFTIRQ-ON-W"), "..+-"),
    ],
)
def test_usage_characters(names: tuple[str, ...], chars: str) -> None:
    assert get_usage_chars(sum(1 << bit for bit in BITS if bit_name(bit) in names)) == chars


@pytest.mark.parametrize("bit", BITS)
def test_the_other_direction_of_the_same_state_is_excluded_read_or_write(bit: int) -> None:
    other = bit ^ ENABLED_BIT
    assert exclusive_mask(1 << bit) == 1 << other | 1 << (other ^ 1)


@pytest.mark.parametrize("bit", BITS)
def test_the_pair_that_conflicts_is_found(bit: int) -> None:
    everything = 0xFF
    first, second = find_exclusive_match(1 << bit, everything)
    assert first == bit
    assert exclusive_mask(1 << first) >> second & 1
    with pytest.raises(ValueError, match="no exclusive pair"):
        find_exclusive_match(1 << bit, 1 << bit)
